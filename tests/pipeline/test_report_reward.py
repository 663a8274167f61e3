"""The reward model on the page: a training of its own, and what a real run left behind."""

import re
from html import unescape
from pathlib import Path

import pytest

from steersman.pipeline.report import gather, run
from steersman.records import ATTRIBUTES
from steersman.report.data import Missing
from steersman.report.reward_data import RewardFigures
from steersman.store.files import read_json, write_json, write_jsonl, write_text
from steersman.store.lineage import Lineage, write_lineage

pytest_plugins = ("loop_fixtures",)

Json = dict[str, object]
UNTIED, TIED = 300, 110
SAID = (0.51, 0.54, 0.57, 0.60, 0.64, 0.68, 0.73, 0.79, 0.86, 0.94)
SEEN = (0.50, 0.57, 0.50, 0.60, 0.63, 0.67, 0.60, 0.73, 0.77, 0.83)


def share(estimate: float, spread: float, count: int, tied: int) -> Json:
    ends = {"low": estimate - spread, "high": estimate + spread}
    return {"estimate": estimate, "count": count, "tied_labels": tied, "tied_scores": 0, **ends}


def judged(estimate: float) -> Json:
    """Return the figures of one output on 230 single-turn and 70 multi-turn pairs."""
    bins = [{"predicted": said, "observed": seen, "count": UNTIED // 10} for said, seen in zip(SAID, SEEN, strict=True)]
    calibration = {"expected_error": 0.052, "error_when_calibrated": 0.066, "brier": 0.219, "bins": bins}
    turns = {"single_turn": share(estimate + 0.02, 0.06, 230, 80), "multi_turn": share(estimate - 0.06, 0.11, 70, 30)}
    return {"accuracy": share(estimate, 0.053, UNTIED, TIED), "calibration": calibration, **turns}


def error(own: float, constant: float, *, spread: float) -> Json:
    gain = {"estimate": constant - own, "low": constant - own - spread, "high": constant - own + spread, "count": 410}
    slope = {"slope": 0.91, "intercept": 0.2, "bins": []}
    errors = {"mean_squared_error": own, "constant_mean_squared_error": constant, "error_gain": gain}
    return {"labels": 820, "spearman": 0.41, "calibration": slope, **errors}


def full_result() -> Json:
    """Return the result of a regression with fitted weights and a learning curve."""
    outputs = dict(zip(ATTRIBUTES, map(judged, (0.64, 0.63, 0.6, 0.66, 0.76)), strict=True))
    own = ((1.21, 1.42), (1.3, 1.47), (0.45, 0.44), (0.29, 0.41), (0.39, 0.62))
    errors = dict(zip(ATTRIBUTES, (error(*each, spread=0.06) for each in own), strict=True))
    curve = zip((100, 200, 400, 800), (0.86, 0.81, 0.77, 0.745), (0.55, 0.58, 0.6, 0.62), strict=True)
    return {
        "accuracy": {name: each["accuracy"] for name, each in outputs.items()},
        "attributes": {name: outputs[name] | errors[name] for name in ATTRIBUTES},
        "ranking": outputs["helpfulness"],
        "reward": judged(0.66),
        "ranked_by": "helpfulness",
        "objectives": {"regression": 1.0},
        "tune_mode": "full",
        "head_start": "probe",
        "mean_squared_error": 0.728,
        "constant_predictor_mse": 0.872,
        "learning_curve": [{"pairs": pairs, "loss": loss, "accuracy": right} for pairs, loss, right in curve],
        "metrics": {"reward/validation_loss": 0.728, "reward/validation_accuracy": 0.64},
        "preferences": {
            "train": {"untied": 1100, "tied": 400, "not_compared": 0},
            "validation": {"untied": UNTIED, "tied": TIED, "not_compared": 4},
        },
        "weights": dict(zip(ATTRIBUTES, (0.5, 0.7, 0.3, 0.2, -0.4), strict=True)),
        "weights_source": f"fitted on {UNTIED} untied pairs of validation.jsonl ({TIED} ties left out)",
        "train_pairs": 1500,
        "validation_pairs": UNTIED + TIED + 4,
        "dropped_long": 31,
        "dropped_equal": 7,
        "steps": 120,
        "best_step": 90,
        "seconds": 61.0,
        "tokens": 1_200_000,
    }


def write_training(folder: Path, **others: object) -> Path:
    """Write what `steersman train reward` leaves in its folder."""
    write_text(folder / "config.yaml", "seed: 1\n")
    lineage = Lineage(
        "reward", "reward", "2026-03-04T09:05:00+00:00", 64.0, 1, "3f" * 32, {"data": "a1" * 32}, (), False
    )
    write_lineage(folder, lineage)
    losses = [{"step": step, "reward/validation_loss": 0.728 + 0.3 * 0.97**step} for step in range(0, 121, 10)]
    write_jsonl(folder / "metrics.jsonl", losses)
    write_json(folder / "result.json", full_result() | others)
    write_json(folder / "done", {"fingerprint": "0", "result": {}})
    return folder


def page_of(folder: Path) -> str:
    return run([folder], out=None).read_text(encoding="utf-8")


def words_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return page_of(write_training(tmp_path_factory.mktemp("lone") / "reward"))


def test_a_training_alone_is_a_run_of_one_stage(tmp_path: Path) -> None:
    found = gather(write_training(tmp_path / "reward"))
    assert found.stages == {"reward"}
    assert [(time.stage, time.seconds) for time in found.times] == [("reward", 64.0)]
    assert found.provenance.command == "steersman train reward config.yaml --out reward-again"
    assert isinstance(found.judged, RewardFigures)


def test_a_training_that_had_not_finished_is_not_judged(tmp_path: Path) -> None:
    folder = write_training(tmp_path / "reward")
    (folder / "done").unlink()
    assert gather(folder).judged == Missing("The reward model had not finished when this report was written.")


def test_every_chart_of_the_reward_model_has_its_table(page: str) -> None:
    labels = re.findall(r'class="chart"[^>]*aria-label="([^":]+):', page)
    assert labels[:-1] == [
        "Learning curve",
        "pairs ordered right",
        "Pairs ordered right by turns of the prompt",
        "Calibration of preferences by helpfulness",
        "Calibration of preferences by the reward",
        "Squared error by attribute",
        "Validation loss by pairs trained on",
        "Validation accuracy by pairs trained on",
        "Weights of the reward",
    ]
    regions = re.findall(r'class="scroll" tabindex="0" role="region" aria-label="([^"]+)"', page)
    assert {
        "Validation accuracy by attribute and turns of the prompt",
        "Pairs by what people said of them",
        "Calibration of preferences",
        "Errors of the labels by attribute",
        "Loss and accuracy by pairs trained on",
    } <= set(regions)


def test_the_page_tells_turns_ties_errors_sizes_and_weights(page: str) -> None:
    words = words_of(page)
    assert "multi-turn 58.0 % 47.0 % to 69.0 % 70 30 0" in words
    assert f"validation {UNTIED} {TIED} 4" in words
    assert "this model, 0.728 in all" in words
    assert "mean training label, 0.872 in all" in words
    assert "Dropped as too long 31 Dropped as equal responses 7" in words
    # 1.42 less 1.21
    assert "helpfulness 1.210 1.420 +0.210 +0.150 to +0.270 0.41 0.91" in words
    assert "1,500 0.728 64.0 %" in words
    assert f"Fitted on {UNTIED} untied pairs of validation.jsonl ({TIED} ties left out): the figures of the" in words


def test_the_constant_is_no_line_beside_the_loss_of_pairs(tmp_path: Path, page: str) -> None:
    pairs = page_of(write_training(tmp_path / "pairs", objectives={"scaled": 1.0}, mean_squared_error=None))
    # in the legend, and in what the picture of the loss says of itself
    line = "constant predictor 0.872"
    assert (page.count(line), pairs.count(line)) == (2, 0)
    assert "Training by pairs left ties out." in words_of(pairs)


def test_a_solver_draws_no_steps_and_kept_no_start(tmp_path: Path) -> None:
    frozen = page_of(write_training(tmp_path / "frozen", tune_mode="frozen", best_step=0, head_start=None))
    assert "Learning curve:" not in frozen
    assert "No step improved on the start" not in frozen
    assert "A solver fitted the head" in frozen


def test_a_name_out_of_a_run_is_text(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    page = page_of(
        write_training(tmp_path / "hostile", ranked_by=hostile, weights_source=hostile, weights={hostile: 1})
    )
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 3


@pytest.mark.usefixtures("own_cache")
def test_a_real_run_records_all_that_the_page_tells(finished_run: Path) -> None:
    figures = gather(finished_run).judged
    assert isinstance(figures, RewardFigures)
    assert (figures.objectives, figures.tune_mode, figures.head_start) == ((("regression", 1.0),), "upper", "probe")
    result = read_json(finished_run / "reward" / "result.json")
    assert isinstance(result, dict)
    train, validation = figures.preferences
    counts = (validation.untied, validation.tied, validation.not_compared)
    assert sum(each or 0 for each in counts) == result["validation_pairs"]
    assert (train.tied or 0) + (validation.tied or 0) == result["ties"]
    assert [each.attribute for each in figures.label_errors] == list(ATTRIBUTES)
    by_attribute = [each.error or 0 for each in figures.label_errors]
    assert figures.mean_squared_error == pytest.approx(sum(by_attribute) / len(by_attribute))
    assert figures.mean_squared_error == pytest.approx(result["metrics"]["reward/validation_loss"], rel=1e-4)
    assert figures.weights_source == "config"
    assert sum(each.count for each in figures.reliability[0].bins) == validation.untied
