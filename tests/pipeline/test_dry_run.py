"""`train ... --dry-run`: what a training will take, from its config alone, its rows, and the shape of its model."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tiny_loop import ROOT, Said, steersman

from steersman.config.loading import load_settings, validate_settings
from steersman.config.reward import RewardSettings
from steersman.config.run import TrainDpoSettings, TrainRewardSettings
from steersman.errors import ConfigError
from steersman.pipeline import estimate
from steersman.pipeline.estimate import head_parameters
from steersman.pipeline.token_counts import count_tokens
from steersman.records import ATTRIBUTES
from steersman.reward.heads import Head
from steersman.reward.spec import RewardSpec
from steersman.store.files import write_jsonl

pytestmark = pytest.mark.usefixtures("own_cache")
pytest_plugins = ("loop_fixtures",)

Capture = pytest.CaptureFixture[str]
# any: a result as JSON has it, sections within sections
Result = dict[str, Any]

RECIPE = ROOT / "configs" / "reward-helpsteer2-70b.yaml"
SCALED = ROOT / "configs" / "reward-helpsteer2-preference-70b-2-scaled.yaml"


def settings_of(config: Path, *overrides: str) -> TrainRewardSettings:
    text = config.read_text(encoding="utf-8")
    return load_settings(text, model=TrainRewardSettings, source=str(config), overrides=overrides)


def estimated(settings: TrainRewardSettings | TrainDpoSettings) -> Result:
    return estimate.run(settings, count=count_tokens)


def tiny(data: dict[str, str], *overrides: str) -> TrainRewardSettings:
    """Return settings of the random model: 2 pairs a step, 3 epochs, an evaluation every 2 steps."""
    values = {
        "seed": 1,
        "data": data,
        "reward": {
            "model": "tiny-random",
            "max_tokens": 200,
            "tune": {"mode": "full"},
            "optimiser": {"learning_rate": 1e-3, "epochs": 3, "batch_pairs": 2},
            "evaluate_every": 2,
        },
    }
    return load_settings(yaml.safe_dump(values), model=TrainRewardSettings, source="tiny", overrides=overrides)


@pytest.fixture
def data(tmp_path: Path) -> dict[str, str]:
    """Write five pairs to train on, of which one is too long and one ties on helpfulness, and one to validate on."""
    levels = dict.fromkeys(ATTRIBUTES, 2)

    def pair(prompt: str, first: str, second: str, gap: int = 1) -> list[dict[str, object]]:
        return [
            {"prompt": prompt, "response": text, **levels, "helpfulness": 2 + extra}
            for text, extra in ((first, gap), (second, 0))
        ]

    train = [pair(f"ask {number}", "yes", "no") for number in range(3)]
    train += [pair("tie", "yes", "no", gap=0), pair("long", "y" * 300, "no")]
    for name, pairs in {"train": train, "validation": [pair("ask", "yes", "no")]}.items():
        write_jsonl(tmp_path / f"{name}.jsonl", [row for rows in pairs for row in rows])
    return {name: str(tmp_path / f"{name}.jsonl") for name in ("train", "validation")}


def test_the_published_recipe_takes_the_published_number_of_steps_on_a_laptop() -> None:
    """2 epochs of 10,162 pairs by 64: 159 steps each, where NeMo-Aligner's 317 drops what is left over."""
    found = estimated(settings_of(RECIPE))
    assert found["steps"] == 318
    # 1.05e9 of the embedding, 80 layers of 855,654,400, 8,192 of the last norm, five outputs of 8,192
    weights = 128_256 * 8192 + 80 * 855_654_400 + 8192 + 5 * 8192
    assert found["parameters"] == {"total": weights, "trained": weights}
    memory = found["memory"]
    assert (memory["weights"], memory["optimiser"]) == (4 * -(-weights // 64), 8 * -(-weights // 64))
    assert memory["fits"] is True
    assert memory["host_per_process"] == 4 * weights
    assert found["rows"]["train"]["tokens"] == 10_162 * (158 + 2 * 380)
    assert found["cost"] is None


def test_a_cost_is_the_price_of_the_hours_of_all_devices() -> None:
    found = estimated(settings_of(RECIPE, "estimate.price_per_device_hour=2.5"))
    duration = found["duration"]
    assert duration["device_hours"] == pytest.approx(64 * duration["seconds"] / 3600)
    assert found["cost"] == pytest.approx(2.5 * duration["device_hours"])


def test_the_second_step_of_the_scaled_recipe_is_estimated_before_the_first_is_done() -> None:
    """6,766 pairs by 64 are 105.7; the published 105 drop the rest."""
    found = estimated(settings_of(SCALED))
    assert (found["steps"], found["unknown"]) == (106, ["cost: give estimate.price_per_device_hour"])


def test_rows_at_hand_are_counted_by_the_tokenizer_and_long_ones_dropped(data: dict[str, str]) -> None:
    """A byte tokenizer: the turns' beginnings and the prompt's end are 6 + 11 and 2 tokens, newlines among them.

    A response adds its bytes, its end and a newline.
    """
    rows = estimated(tiny(data))["rows"]
    prompts = [len("ask 0")] * 3 + [len("tie")]
    tokens = sum(19 + length + (3 + 2) + (2 + 2) for length in prompts)
    assert (rows["counted_by"], rows["train_pairs"], rows["dropped_long"]) == ("tokenizer", 4, 1)
    assert rows["train"]["tokens"] == tokens
    assert rows["longest"] == 19 + 5 + 5 + 4


def test_pairs_of_two_equal_responses_are_not_counted(data: dict[str, str]) -> None:
    before = estimated(tiny(data))["rows"]
    rows = [{"prompt": "same", "response": "yes", **dict.fromkeys(ATTRIBUTES, level)} for level in (4, 0)]
    with Path(data["train"]).open("a", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(row)}\n" for row in rows)
    assert estimated(tiny(data))["rows"] == before


def test_without_a_tokenizer_characters_are_counted_and_said_so(data: dict[str, str]) -> None:
    """At 4.3 characters a token "ask 0" and "yes" are one, the long response of 300 is 70 and fits."""
    rows = estimate.run(tiny(data), count=None)["rows"]
    assert isinstance(rows, dict)
    assert (rows["counted_by"], rows["train_pairs"], rows["longest"]) == ("characters", 5, 1 + 70 + 1)


def test_steps_and_evaluations_are_those_of_the_loop(data: dict[str, str]) -> None:
    """4 pairs by 2 in 3 epochs are 6 steps; one evaluation before them and one after every 2."""
    found = estimated(tiny(data))
    assert (found["steps"], found["evaluations"]) == (6, 4)


@pytest.mark.parametrize(("objective", "pairs"), [("scaled", 3), ("preference-ordinal", 4)])
def test_ties_count_only_where_an_objective_learns_from_them(data: dict[str, str], objective: str, pairs: int) -> None:
    found = estimated(tiny(data, f"reward.objectives=[{{name: {objective}}}]"))
    assert found["rows"]["train_pairs"] == pairs


def test_a_policy_is_estimated_too(data: dict[str, str]) -> None:
    """DPO drops the tie; the random model has 26,880 weights and no head of its own."""
    values = tiny(data).model_dump(exclude={"reward"})
    reward = tiny(data).reward.model_dump(include={"model", "max_tokens", "tune", "optimiser", "evaluate_every"})
    align = {"method": "dpo", "beta": 0.1, **reward}
    found = estimated(validate_settings({**values, "align": align}, model=TrainDpoSettings, source="tiny"))
    assert found["rows"]["train_pairs"] == 3
    assert found["parameters"] == {"total": 26_880, "trained": 26_880}


def test_what_is_not_known_is_named_and_the_rest_is_still_said(tmp_path: Path) -> None:
    nowhere = {name: str(tmp_path / f"{name}.jsonl") for name in ("train", "validation")}
    found = estimated(tiny(nowhere, "estimate.train_pairs=10"))
    assert (found["steps"], found["operations"]) == (15, None)
    assert found["parameters"] is not None
    assert any(
        "no such file; without it the tokens need estimate.validation_pairs" in str(each) for each in found["unknown"]
    )


def test_a_model_of_no_known_shape_leaves_rows_and_steps(data: dict[str, str]) -> None:
    found = estimated(tiny(data, "reward.model=no-such-model"))
    assert (found["steps"], found["parameters"]) == (9, None)  # the long pair fits at 4.3 characters a token
    assert any("name a model of the same shape in estimate.model" in str(each) for each in found["unknown"])


@pytest.mark.parametrize("key", ["tune={mode: upper, layers: 3}", "backbone_layers=3"])
def test_more_layers_than_there_are_are_refused(data: dict[str, str], key: str) -> None:
    with pytest.raises(ConfigError, match="is 3, but the model has only 2 layers"):
        estimated(tiny(data, f"reward.{key}"))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"bias": True},
        {"head": "ordinal", "objectives": [{"name": "ordinal"}]},
        {"head": "categorical", "objectives": [{"name": "categorical"}]},
        {
            "head": "gating",
            "bias": True,
            "objectives": [{"name": "regression"}, {"name": "scaled"}],
            "ranked_by": "reward",
        },
        {"objectives": [{"name": "regression"}, {"name": "preference-ordinal"}]},
    ],
    ids=str,
)
def test_every_head_is_counted_as_it_is_built(data: dict[str, str], changes: dict[str, object]) -> None:
    values = {**tiny(data).reward.model_dump(), **changes}
    reward = validate_settings(values, model=RewardSettings, source="tiny")
    spec = RewardSpec(reward.head, reward.attributes, {}, has_bias=reward.bias)
    ties = any(each.name == "preference-ordinal" for each in reward.objectives)
    head = Head(32, spec=spec, models_ties=ties)
    assert head_parameters(reward, hidden=32) == sum(each.numel() for each in head.parameters())


def test_the_verb_prints_a_config_and_the_estimate_as_its_comments(capfd: Capture) -> None:
    said: Said = steersman(capfd, "train", "reward", RECIPE, "--dry-run", "--set", "seed=77")
    assert said.code == 0
    assert yaml.safe_load(said.out)["seed"] == 77
    comments = [line for line in said.out.splitlines() if line.startswith("# ")]
    assert "# parameters  69,503,074,304 in all, 69,503,074,304 trained" in comments
    assert "# steps       318, 33 evaluations" in comments


def test_json_holds_config_and_estimate(capfd: Capture) -> None:
    result: Result = steersman(capfd, "train", "reward", RECIPE, "--dry-run", "--json").json
    assert result["estimate"]["steps"] == 318
    assert result["config"]["reward"]["optimiser"]["batch_pairs"] == 64


def test_a_training_still_needs_a_place(capfd: Capture) -> None:
    said = steersman(capfd, "train", "reward", RECIPE)
    assert said.code == 2
    assert "--out" in said.fault


def test_an_estimate_decides_nothing_of_a_result(data: dict[str, str], tmp_path: Path, capfd: Capture) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(tiny(data).model_dump(mode="json")), encoding="utf-8")
    command = ("train", "reward", config, "--out", tmp_path / "run", "--json")
    torch.manual_seed(0)
    first = steersman(capfd, *command)
    assert first.code == 0, first.err
    again = steersman(capfd, *command, "--set", "estimate.devices=8")
    assert again.json["seconds"] == first.json["seconds"]
