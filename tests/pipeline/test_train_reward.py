"""`train reward` on every kind of data, head and objective: what is saved, counted, refused and reported."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest
import torch
from tiny_loop import rows_of

from steersman.config.reward import RewardSettings
from steersman.config.run import TrainRewardSettings
from steersman.errors import ConfigError, DataError
from steersman.pipeline import score, train_reward
from steersman.pipeline.reward_data import read_reward_data
from steersman.pipeline.reward_folder import load_reward_model
from steersman.records import ATTRIBUTES
from steersman.store.files import write_jsonl

pytest_plugins = ("loop_fixtures",)
pytestmark = pytest.mark.usefixtures("own_cache")

Row = dict[str, object]
GOOD, BAD = "yes yes yes", "no"
LOOP: Row = {
    "model": "tiny-random",
    "max_tokens": 512,
    "tune": {"mode": "full"},
    "optimiser": {"learning_rate": 0.01, "epochs": 3, "batch_pairs": 4, "warmup_steps": 0},
    "evaluate_every": 2,
}
FROZEN: Row = {"model": "tiny-random", "max_tokens": 512, "tune": {"mode": "frozen"}}
ONE: Row = {"attributes": ["helpfulness"], "weights": {"helpfulness": 1.0}}
PREFERENCE: Row = {"attributes": ["preference"], "ranked_by": "preference", "weights": {"preference": 1.0}}


def rated(number: int, levels: tuple[float, float] = (4, 0), *, start: int = 0, **others: object) -> list[Row]:
    """Return pairs whose good answers all read the same, the good one first in every other pair."""
    rows: list[Row] = []
    for task in range(start, start + number):
        pair = [
            {"prompt": f"question {task}?", "response": text, **dict.fromkeys(ATTRIBUTES, level), **others}
            for text, level in zip((GOOD, BAD), levels, strict=True)
        ]
        rows += pair if task % 2 else pair[::-1]
    return rows


def preferences(number: int, *, strength: int | None = 2, split: str = "train") -> list[Row]:
    """Return released preferences in which the second response is the better one."""
    return [
        {
            "split": split,
            "prompt": f"question {task}?",
            "response_1": BAD,
            "response_2": GOOD,
            "preference_strength": strength,
        }
        for task in range(number)
    ]


def objectives(*names: str) -> Row:
    return {"objectives": [{"name": name} for name in names]}


def settings(data: Mapping[str, object], *sections: Row) -> TrainRewardSettings:
    reward = {key: value for section in sections for key, value in section.items()}
    return TrainRewardSettings.model_validate({"seed": 1, "data": data, "reward": reward})


def files(folder: Path, train: list[Row], validation: list[Row]) -> dict[str, str]:
    write_jsonl(folder / "train.jsonl", train)
    write_jsonl(folder / "validation.jsonl", validation)
    return {name: str(folder / f"{name}.jsonl") for name in ("train", "validation")}


def trained(folder: Path, train: list[Row], validation: list[Row], *sections: Row) -> dict[str, object]:
    return train_reward.run(settings(files(folder, train, validation), *sections), out=folder / "run")


def part(result: Mapping[str, object], *keys: str) -> object:
    found: object = result
    for key in keys:
        found = cast("Mapping[str, object]", found)[key]
    return found


def scores(folder: Path, rows: list[Row]) -> list[float]:
    write_jsonl(folder / "rows.jsonl", rows)
    score.run(str(folder / "run"), folder / "rows.jsonl", out=folder / "scores.jsonl")
    return [float(str(each["reward"])) for each in rows_of(folder / "scores.jsonl")]


HEADS: dict[str, Row] = {
    "regression": ONE,
    "bradley-terry": ONE | objectives("bradley-terry"),
    "scaled and regression": ONE | objectives("scaled", "regression"),
    "preference-ordinal": ONE | objectives("preference-ordinal"),
    "ordinal": {"head": "ordinal", **objectives("ordinal")},
    "categorical": {"head": "categorical", **objectives("categorical", "margin")},
    "gating": {"head": "gating", "ranked_by": "reward", **objectives("regression", "bradley-terry")},
    "bias": ONE | {"bias": True, "pooling": "mean"},
}


@pytest.mark.parametrize("mode", [LOOP, FROZEN], ids=["loop", "frozen"])
@pytest.mark.parametrize("head", HEADS)
def test_every_head_prefers_the_better_answers_when_it_is_loaded_again(mode: Row, head: str, tmp_path: Path) -> None:
    # labels differ in size from pair to pair, so that a gate has something to weigh
    train = [row for start, level in ((0, 4), (6, 3)) for row in rated(6, (level, 1), start=start)]
    result = trained(tmp_path, train, rated(4), mode, HEADS[head])
    assert part(result, "reward", "accuracy", "estimate") == 1.0
    good, bad = scores(tmp_path, [{"prompt": "question 1?", "response": text} for text in (GOOD, BAD)])
    assert good > bad


def test_pairs_teach_what_the_released_preferences_behind_them_teach(tmp_path: Path) -> None:
    pairs: list[Row] = [
        {"prompt": f"question {task}?", "chosen": GOOD, "rejected": BAD, "margin": 2.0} for task in range(6)
    ]
    losses = []
    for name, rows in (("pairs", pairs), ("preferences", preferences(6))):
        (tmp_path / name).mkdir()
        validation = rows if name == "pairs" else preferences(6, split="val")
        result = trained(tmp_path / name, rows, validation, FROZEN, PREFERENCE, objectives("scaled"))
        losses.append(part(result, "metrics", "reward/validation_loss"))
        good, bad = scores(tmp_path / name, [{"prompt": "question 1?", "response": text} for text in (GOOD, BAD)])
        assert good > bad
    # the order of the two responses in a row differs, and with it the last bits of their states
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


@pytest.mark.parametrize("mode", [LOOP, FROZEN], ids=["loop", "frozen"])
def test_a_comparison_reads_both_responses_and_says_which_is_better(mode: Row, tmp_path: Path) -> None:
    # the better response stands second in every row, which no order of reading may tell
    both = PREFERENCE | {"form": "comparison"} | objectives("bradley-terry")
    result = trained(tmp_path, preferences(8), preferences(4, split="val"), mode, both)
    assert part(result, "ranking", "accuracy", "estimate") == 1.0
    spec = load_reward_model(tmp_path / "run" / "checkpoint", dtype=torch.float32, device=torch.device("cpu")).spec
    assert spec.form == "comparison"
    assert spec.beyond_transformers(is_encoder=False)


def test_one_file_of_preferences_serves_both_parts_by_its_splits(tmp_path: Path) -> None:
    rows = [*preferences(5), *preferences(3, split="val"), *preferences(2, strength=0)]
    write_jsonl(tmp_path / "both.jsonl", rows)
    data = dict.fromkeys(("train", "validation"), str(tmp_path / "both.jsonl"))
    result = train_reward.run(settings(data, FROZEN, PREFERENCE, objectives("bradley-terry")), out=tmp_path / "run")
    counts = {name: result[name] for name in ("train_pairs", "validation_pairs", "ties", "other_splits")}
    assert counts == {"train_pairs": 5, "validation_pairs": 3, "ties": 2, "other_splits": 3 + 7}
    assert part(result, "preferences") == {
        "train": {"untied": 5, "tied": 2, "not_compared": 0},
        "validation": {"untied": 3, "tied": 0, "not_compared": 0},
    }
    # outputs of pairs alone are on no scale of labels
    assert result["mean_squared_error"] is None


def test_a_pair_that_nobody_could_compare_is_left_out_and_counted(tmp_path: Path) -> None:
    rows = [*preferences(4), *preferences(2, strength=None)]
    result = trained(tmp_path, rows, preferences(3, split="val"), FROZEN, PREFERENCE, objectives("bradley-terry"))
    assert (result["train_pairs"], result["not_compared"], result["ties"]) == (4, 2, 0)
    assert part(result, "preferences", "train") == {"untied": 4, "tied": 0, "not_compared": 2}


def test_outputs_without_labels_are_named_and_the_others_learn(tmp_path: Path) -> None:
    nine = ["quality", "toxicity", "humor", "creativity", *ATTRIBUTES]
    result = trained(tmp_path, rated(8), rated(4, start=8), FROZEN, {"attributes": nine, "weights": "helpsteer2-70b"})
    assert result["untrained"] == nine[:4]
    assert len(cast("list[str]", result["warnings"])) == 4
    assert result["weights_source"] == "published as helpsteer2-70b"
    assert part(result, "accuracy", "quality") is None
    assert part(result, "accuracy", "helpfulness", "estimate") == 1.0


def test_an_untrained_output_cannot_be_weighed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"reward\.weights counts \['correctness', 'coherence'\]"):
        trained(tmp_path, rated(4), rated(2), FROZEN, objectives("bradley-terry"))


def test_labels_that_some_rows_lack_are_counted(tmp_path: Path) -> None:
    rows = rated(6)
    del rows[0]["verbosity"]
    rows[3]["verbosity"] = None
    result = trained(tmp_path, rows, rated(2), FROZEN)
    assert result["missing_labels"] == {"verbosity": 2}


def test_fitted_weights_name_the_pairs_that_they_were_fitted_on(tmp_path: Path) -> None:
    validation = [*rated(4), *rated(2, (1, 1))]
    result = trained(tmp_path, rated(8), validation, FROZEN, {"weights": "fitted"})
    expected = "fitted on 4 untied pairs of validation.jsonl (2 ties left out)"
    assert result["weights_source"] == expected
    spec = load_reward_model(tmp_path / "run" / "checkpoint", dtype=torch.float32, device=torch.device("cpu")).spec
    assert (spec.weights, spec.weights_source) == (result["weights"], expected)
    assert part(result, "reward", "accuracy", "estimate") == 1.0


def test_training_goes_on_from_a_reward_model_and_its_head(tmp_path: Path) -> None:
    trained(tmp_path, rated(8), rated(2), LOOP, ONE)
    go_on = ONE | {"model": str(tmp_path / "run" / "checkpoint"), "keep_head": True} | objectives("scaled")
    slow: Row = {"optimiser": {"learning_rate": 1e-9, "epochs": 1, "batch_pairs": 8}}
    data = files(tmp_path, rated(8), rated(2))
    result = train_reward.run(settings(data, LOOP, go_on, slow), out=tmp_path / "next")
    device = torch.device("cpu")
    before, after = (
        load_reward_model(tmp_path / run / "checkpoint", dtype=torch.float32, device=device).head.linear.weight
        for run in ("run", "next")
    )
    torch.testing.assert_close(after, before, atol=1e-6, rtol=0)
    assert result["head_start"] == "kept"


def test_a_head_of_other_attributes_cannot_be_kept(tmp_path: Path) -> None:
    trained(tmp_path, rated(4), rated(2), LOOP, ONE)
    go_on: Row = {"model": str(tmp_path / "run" / "checkpoint"), "keep_head": True}
    with pytest.raises(ConfigError, match=r"keep_head: .* has attributes \('helpfulness',\), but"):
        train_reward.run(settings(files(tmp_path, rated(4), rated(2)), LOOP, go_on), out=tmp_path / "next")


def test_the_learning_curve_trains_on_nested_sets_and_is_logged(tmp_path: Path) -> None:
    result = trained(tmp_path, rated(10), rated(3), FROZEN, {"learning_curve": [3, 6, 10]})
    logged = rows_of(tmp_path / "run" / "learning_curve.jsonl")
    assert [row["pairs"] for row in logged] == [3, 6, 10]
    assert result["learning_curve"] == logged
    # the last set is all there is: what was trained in the end
    assert logged[-1]["loss"] == pytest.approx(part(result, "metrics", "reward/validation_loss"))


def test_a_learning_curve_of_more_pairs_than_there_are_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="asks for 11 pairs, but there are only 10"):
        trained(tmp_path, rated(10), rated(3), FROZEN, {"learning_curve": [3, 11]})


def test_fewer_layers_of_the_backbone_are_what_is_saved(tmp_path: Path) -> None:
    result = trained(tmp_path, rated(6), rated(2), LOOP, ONE, {"backbone_layers": 1})
    model = load_reward_model(tmp_path / "run" / "checkpoint", dtype=torch.float32, device=torch.device("cpu"))
    assert model.backbone.config.num_hidden_layers == 1
    assert part(result, "accuracy", "helpfulness", "estimate") == 1.0


@pytest.mark.parametrize("mode", ["frozen", "full"])
def test_more_layers_than_the_backbone_has_are_refused(mode: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"reward\.backbone_layers is 3, but the model has only 2 layers"):
        trained(tmp_path, rated(4), rated(2), LOOP, {"backbone_layers": 3, "tune": {"mode": mode}})


def test_cached_lower_activations_keep_to_the_layers_that_are_left(tmp_path: Path) -> None:
    # of one layer in all, the top one trained: nothing lies below but the embedding
    upper: Row = {"tune": {"mode": "upper", "layers": 1}, "backbone_layers": 1}
    losses = []
    full: Row = {"backbone_layers": 1}
    for name, mode in (("upper", upper), ("full", full)):
        (tmp_path / name).mkdir()
        result = trained(tmp_path / name, rated(6), rated(3), LOOP, ONE, mode, {"engine": {"precision": "float32"}})
        losses.append(rows_of(tmp_path / name / "run" / "metrics.jsonl")[0]["reward/validation_loss"])
        assert result["steps"] == 6
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)


def test_an_earlier_turn_changes_the_score(tmp_path: Path) -> None:
    trained(tmp_path, rated(6), rated(2), LOOP, ONE)
    turns = "{}\n<extra_id_1>Assistant\nblue\n<extra_id_1>User\nsure?"
    first, second = scores(
        tmp_path, [{"prompt": turns.format(text), "response": GOOD} for text in ("a colour?", "a fruit?")]
    )
    assert first != second


def test_accuracy_is_told_apart_by_the_turns_of_prompts(tmp_path: Path) -> None:
    validation = rated(5)
    for row in validation[:4]:
        row["prompt"] = f"{row['prompt']}\n<extra_id_1>Assistant\nwell\n<extra_id_1>User\nand?"
    result = trained(tmp_path, rated(8), validation, FROZEN)
    counts = [part(result, "attributes", "helpfulness", f"{kind}_turn", "count") for kind in ("single", "multi")]
    assert counts == [3, 2]


def test_errors_of_labels_stand_beside_those_of_the_constant(tmp_path: Path) -> None:
    validation = rated(4)
    del validation[0]["helpfulness"]
    result = trained(tmp_path, rated(8), validation, FROZEN)
    # labels 4 and 0, whose mean 2 errs by 4, whatever is left out
    assert result["constant_predictor_mse"] == pytest.approx(4.0)
    errors = [float(str(part(result, "attributes", name, "mean_squared_error"))) for name in ATTRIBUTES]
    counts = [int(str(part(result, "attributes", name, "labels"))) for name in ATTRIBUTES]
    assert counts == [7, 8, 8, 8, 8]
    expected = sum(error * count for error, count in zip(errors, counts, strict=True)) / sum(counts)
    assert result["mean_squared_error"] == pytest.approx(expected)
    # a pair that lacks a label has no gain
    assert [part(result, "attributes", name, "error_gain", "count") for name in ATTRIBUTES] == [3, 4, 4, 4, 4]
    gain = float(str(part(result, "attributes", "correctness", "error_gain", "estimate")))
    assert gain == pytest.approx(4.0 - errors[1])


def test_an_output_without_training_labels_has_no_part_in_the_error(tmp_path: Path) -> None:
    train = [{key: value for key, value in row.items() if key != "verbosity"} for row in rated(8)]
    result = trained(tmp_path, train, rated(4), FROZEN)
    errors = [part(result, "attributes", name, "mean_squared_error") for name in ATTRIBUTES[:4]]
    assert result["mean_squared_error"] == pytest.approx(sum(float(str(each)) for each in errors) / 4)


def listed(ratings: list[int], *, start: int) -> list[Row]:
    return [row | dict.fromkeys(ATTRIBUTES, ratings) for row in rated(3, start=start)]


def test_labels_that_raters_agree_on_count_more(tmp_path: Path) -> None:
    data = files(tmp_path, [*listed([2, 2, 2], start=0), *listed([0, 2, 4], start=3)], rated(2))
    asked = settings(data, FROZEN, {"sample_weights": "agreement"}).reward
    found = read_reward_data(Path(data["train"]), part="train", reward=asked)
    assert found.weights is not None
    agreed, disputed = found.weights[:3], found.weights[3:]
    assert (found.labels == 2).all()
    assert agreed.min() > 1 > disputed.max()
    # the loss that chooses among steps counts every label once
    assert read_reward_data(Path(data["train"]), part="validation", reward=asked).weights is None


def test_weights_by_agreement_move_the_fit_towards_what_raters_agree_on(tmp_path: Path) -> None:
    train = [*listed([4, 4, 4], start=0), *listed([0, 0, 3], start=3)]
    means = []
    for name in ("none", "agreement"):
        (tmp_path / name).mkdir()
        trained(tmp_path / name, train, rated(2), FROZEN, ONE, {"sample_weights": name})
        means.append(sum(scores(tmp_path / name, [{"prompt": "question 1?", "response": GOOD}])))
    assert means[1] > means[0] + 0.1


def test_weights_by_agreement_need_lists_of_ratings(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train\.jsonl: holds no lists of ratings"):
        trained(tmp_path, rated(4), rated(2), FROZEN, {"sample_weights": "agreement"})


@pytest.mark.parametrize("which", ["train", "validation"])
def test_data_without_a_preference_are_refused_by_name(which: str, tmp_path: Path) -> None:
    parts = {"train": rated(4), "validation": rated(3)} | {which: rated(3, (2, 2))}
    with pytest.raises(DataError, match=rf"{which}\.jsonl: no pair prefers one of its responses, which .*'scaled'"):
        trained(tmp_path, parts["train"], parts["validation"], FROZEN, ONE, objectives("scaled"))


@pytest.mark.parametrize(
    ("rows", "section", "words"),
    [
        ([{"prompt": "a", "response": text} for text in "bc"], {}, "no row has one of the labels"),
        (rated(1, (5, 0)), {}, r"'helpfulness' must be from 0 to 4, got 5"),
        (rated(2)[:3], {}, "the last row has no partner"),
        (preferences(2, split="val"), PREFERENCE, "no row has the split train"),
        (preferences(2, strength=4), PREFERENCE, "'preference_strength' must be from -3 to 3"),
        ([{"prompt": "a", "chosen": "b", "rejected": "c", "margin": 0.0}], PREFERENCE, "pair 1: the margin is 0"),
        (preferences(3), ONE | objectives("regression"), "no row has a label, which the objective 'regression'"),
    ],
)
def test_bad_data_are_refused_with_what_is_wrong(rows: list[Row], section: Row, words: str, tmp_path: Path) -> None:
    asked = section if "objectives" in section else section | objectives("bradley-terry")
    with pytest.raises(DataError, match=rf"train\.jsonl.*{words}"):
        trained(tmp_path, rows, rated(2), FROZEN, ONE, asked)


def test_labels_that_are_no_numbers_are_named_with_their_row(tmp_path: Path) -> None:
    rows = rated(2)
    rows[2]["verbosity"] = "high"
    with pytest.raises(DataError, match=r"train\.jsonl:3: 'verbosity' must be a number, got 'high'"):
        trained(tmp_path, rows, rated(2), FROZEN)


def test_a_frozen_model_is_fitted_from_cached_features_the_second_time(tmp_path: Path) -> None:
    losses = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        result = trained(tmp_path / name, rated(6), rated(3), FROZEN)
        losses.append(part(result, "metrics", "reward/validation_loss"))
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"form": "comparison", **objectives("bradley-terry")}, "has a linear head with one output"),
        ({"form": "comparison", **PREFERENCE}, "takes objectives of pairs only"),
        ({"head": "gating", "ranked_by": "reward"}, "needs the objective regression.* and one of pairs"),
        ({"head": "gating", **objectives("regression", "scaled")}, "set reward.ranked_by: reward"),
        ({"head": "ordinal", **objectives("scaled")}, "which only the objective 'ordinal' trains"),
        ({"ranked_by": "charm", **objectives("scaled")}, "must be 'reward' or one of"),
        ({"ranked_by": "reward", "weights": "fitted", **objectives("scaled")}, "cannot be 'fitted'"),
        ({"attributes": ["charm"]}, r"for example \{charm: 1\.0\}"),
        ({"learning_curve": [10, 5]}, "above zero and grow"),
        ({"keep_head": True}, "fitted to the end, from any start"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(section: Row, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        RewardSettings.model_validate(FROZEN | section)


def test_a_new_head_needs_no_optimiser_only_when_nothing_else_moves() -> None:
    without = {key: value for key, value in LOOP.items() if key not in ("optimiser", "evaluate_every")}
    with pytest.raises(ValueError, match=r"optimiser and evaluate_every missing: needed with tune\.mode 'full'"):
        RewardSettings.model_validate(without)
    assert RewardSettings.model_validate(without | {"tune": {"mode": "frozen"}}).optimiser is None


def test_the_head_starts_at_zero_where_that_is_asked_for(tmp_path: Path) -> None:
    trained(tmp_path, rated(6), rated(2, (3, 1)), LOOP, ONE, {"head_start": "zero"})
    first = rows_of(tmp_path / "run" / "metrics.jsonl")[0]
    # 0 is predicted for labels of 3 and 1
    assert first["reward/validation_loss"] == pytest.approx((9 + 1) / 2)


def test_settings_of_a_loop_that_a_frozen_model_has_not_are_told(tmp_path: Path) -> None:
    loop = {"optimiser": LOOP["optimiser"], "evaluate_every": 2, "engine": {"patience": 3, "micro_batch_tokens": 512}}
    data = files(tmp_path, rated(4), rated(2, start=4))
    result = train_reward.run(settings(data, FROZEN, loop), out=tmp_path / "run")
    assert result["warnings"] == [
        "reward.optimiser, reward.evaluate_every, reward.engine.patience have no effect: with tune.mode 'frozen' a"
        " solver fits the head to its end"
    ]


def test_settings_that_have_an_effect_are_not_told() -> None:
    given = {"engine": {"patience": 3, "save_every": 2}, "head_start": "zero"}
    assert RewardSettings.model_validate(LOOP | given).without_effect == ()
    assert RewardSettings.model_validate(FROZEN | {"engine": {"trackers": ["tensorboard"]}}).without_effect == ()
    told = RewardSettings.model_validate(FROZEN | given).without_effect
    assert told == ("reward.head_start", "reward.engine.save_every", "reward.engine.patience")


def test_validation_prompts_that_are_trained_on_are_warned_of(tmp_path: Path) -> None:
    told = []
    for start in (0, 2, 4):
        data = files(tmp_path, rated(4), rated(2, start=start + 1))
        result = train_reward.run(settings(data, FROZEN), out=tmp_path / f"run-{start}")
        told += [[words.split(" have")[0] for words in cast("list[str]", result["warnings"])]]
    assert told == [["2 of 2 validation pairs"], ["1 of 2 validation pairs"], []]
