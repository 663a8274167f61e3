"""Settings: what was meant is loaded, and what is wrong is named with the way to mend it."""

from collections.abc import Mapping

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from steersman.config.loading import dump_settings, load_settings, parse_yaml, valid_keys, with_overrides
from steersman.config.reward import RewardSettings
from steersman.config.run import RunSettings, TrainRewardSettings
from steersman.config.sections import PromptsSettings
from steersman.errors import ConfigError

OPTIMISER = {"learning_rate": 1e-5, "epochs": 1, "batch_pairs": 4}
TUNE = {"mode": "lora", "lora_rank": 8}
REWARD = {"model": "m", "max_tokens": 64, "tune": TUNE, "optimiser": OPTIMISER, "evaluate_every": 5}
ALIGN = {"method": "dpo", "beta": 0.1, **REWARD}
GENERATORS = [{"name": "warm", "model": "m", "temperature": 1}, {"name": "cold", "model": "m", "temperature": 0}]
RUN: dict[str, object] = {
    "name": "demo",
    "seed": 7,
    "prompts": {"source": "starter", "held_out": 10},
    "responses": {"generators": GENERATORS, "max_new_tokens": 32},
    "reward": REWARD,
    "align": ALIGN,
    "evaluate": {"max_new_tokens": 32},
}


def load(*overrides: str, values: Mapping[str, object] = RUN) -> RunSettings:
    return load_settings(yaml.safe_dump(dict(values)), model=RunSettings, source="run.yaml", overrides=overrides)


def fault(*overrides: str, values: Mapping[str, object] = RUN) -> str:
    with pytest.raises(ConfigError) as error:
        load(*overrides, values=values)
    return str(error.value)


def test_dumped_settings_load_to_equal_settings() -> None:
    settings = load()
    assert load(values=parse_yaml(dump_settings(settings), source="dump")) == settings


def test_an_override_replaces_one_value_and_leaves_the_rest() -> None:
    assert load("reward.optimiser.epochs=3") == load(
        values=RUN | {"reward": REWARD | {"optimiser": OPTIMISER | {"epochs": 3}}}
    )


def test_an_override_reaches_a_section_that_was_left_out() -> None:
    assert load("clean.keep=2").clean.keep == 2


@given(st.integers() | st.booleans() | st.none() | st.text(st.characters(codec="ascii", categories=["L"]), min_size=6))
def test_the_value_of_an_override_is_read_as_yaml(value: object) -> None:
    text = yaml.safe_dump(value).removesuffix("\n...\n").strip()
    assert with_overrides({}, [f"a.b={text}"]) == {"a": {"b": value}}


def test_overriding_does_not_change_the_values_given() -> None:
    values = {"a": {"b": 1}}
    with_overrides(values, ["a.b=2"])
    assert values == {"a": {"b": 1}}


@pytest.mark.parametrize("override", ["seed", "=3", "seed.deep=3", "name=[1"])
def test_an_override_that_cannot_be_meant_is_refused(override: str) -> None:
    assert fault(override).startswith(f"--set {override}: ")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("sed=1", "unknown key 'sed'; did you mean 'seed'?"),
        ("reward.optimiser.epoch=1", "unknown key 'reward.optimiser.epoch'; did you mean 'epochs'?"),
        ("clean.max_spred=1", "unknown key 'clean.max_spred'; did you mean 'max_spread'?"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_valid_one(override: str, words: str) -> None:
    assert words in fault(override)


def test_an_unknown_key_of_a_list_entry_is_named_with_the_nearest_valid_one() -> None:
    generators = [GENERATORS[0] | {"temperatur": 1}, GENERATORS[1]]
    message = fault(values=RUN | {"responses": {"generators": generators, "max_new_tokens": 8}})
    assert "unknown key 'responses.generators.0.temperatur'; did you mean 'temperature'?" in message


def test_a_missing_key_is_named() -> None:
    assert "'seed' is missing" in fault(values={key: value for key, value in RUN.items() if key != "seed"})


def test_all_faults_are_named_at_once() -> None:
    message = fault("seed=-1", "reward.optimiser.epochs=0", "evaluate.batch_size=many")
    assert all(f"'{key}': " in message for key in ("seed", "reward.optimiser.epochs", "evaluate.batch_size"))


@pytest.mark.parametrize("value", [".nan", ".inf", "0", "-1"])
def test_a_learning_rate_is_a_finite_number_above_zero(value: str) -> None:
    assert "'reward.optimiser.learning_rate': " in fault(f"reward.optimiser.learning_rate={value}")


def test_an_exponent_without_a_point_is_a_number() -> None:
    optimiser = load("reward.optimiser.learning_rate=2e-6").reward.optimiser
    assert optimiser is not None
    assert optimiser.learning_rate == 2e-6


def test_generators_need_different_names() -> None:
    values = RUN | {"responses": {"generators": [GENERATORS[0]] * 2, "max_new_tokens": 8}}
    assert "at least two with different names" in fault(values=values)


def test_weights_name_attributes_of_the_model() -> None:
    assert "names ['humour']" in fault("reward.weights={humour: 1}")


def test_a_value_that_may_be_several_things_has_one_fault_under_its_key() -> None:
    told = fault("reward.weights=helpsteer2-71b")
    assert told.startswith("run.yaml: 'reward.weights': ")
    assert told.count("'reward.weights'") == 1
    assert all(words in told for words in ("dictionary", "'helpsteer2-70b'", "(got helpsteer2-71b)"))


def test_what_is_wrong_inside_of_a_value_is_said_alone() -> None:
    assert fault("reward.weights={helpfulness: much}") == (
        "run.yaml: 'reward.weights.helpfulness': Input should be a valid number, unable to parse string as a number"
        " (got much)"
    )


def test_a_rule_over_several_keys_does_not_show_the_section() -> None:
    told = fault("reward.head=ordinal")
    assert told.endswith("needs reward.head 'linear', not 'ordinal'")


@pytest.mark.parametrize("betas", ["[1.0, 0.98]", "[0.9, 7.0]", "[-0.1, 0.98]"])
def test_a_decay_rate_is_below_one(betas: str) -> None:
    assert "'reward.optimiser.betas." in fault(f"reward.optimiser.betas={betas}")


@pytest.mark.parametrize("attributes", ["[]", "[helpfulness, helpfulness]", "['']"])
def test_the_outputs_of_a_reward_model_have_different_names(attributes: str) -> None:
    message = fault(f"reward.attributes={attributes}", "reward.weights={}")
    assert "'reward.attributes': name at least one attribute, each once" in message


@pytest.mark.parametrize("name", ["''", "a/b", "/a", "..", ".", "../a", '"a\\b"', "' a'", '"a\n"', "a" * 201])
def test_the_name_of_a_run_is_a_plain_name(name: str) -> None:
    assert "'name': " in fault(f"name={name}")


@pytest.mark.parametrize("name", ["demo", "demo-2.1", "my run", "été"])
def test_a_plain_name_may_hold_letters_of_any_language(name: str) -> None:
    assert load(f"name={name}").name == name


@pytest.mark.parametrize(
    ("override", "rule"),
    [
        ("prompts.held_out=0", "prompts.held_out must be at least 2"),
        ("prompts.held_out=1", "prompts.held_out must be at least 2"),
        ("clean.validation_share=0", "clean.validation_share must be above 0"),
    ],
)
def test_a_run_that_could_only_fail_in_a_late_stage_is_refused(override: str, rule: str) -> None:
    assert rule in fault(override)


def test_prompts_alone_may_hold_out_none() -> None:
    assert PromptsSettings(source="starter", limit=None, held_out=0).held_out == 0


@pytest.mark.parametrize(("mode", "key"), [("upper", "tune.layers"), ("lora", "tune.lora_rank")])
def test_a_way_of_tuning_needs_its_size(mode: str, key: str) -> None:
    assert f"{key} is needed" in fault(values=RUN | {"reward": REWARD | {"tune": {"mode": mode}}})


@pytest.mark.parametrize("text", ["", "- a", "just words", "a: [", "a: !!python/object:os.system {}"])
def test_a_text_that_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^a\.yaml: "):
        parse_yaml(text, source="a.yaml")


@pytest.mark.parametrize("text", ["a: " + "[" * 5000, "a: " + "{b: " * 5000, "- " * 5000])
def test_a_text_nested_too_deep_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^a\.yaml: nested too deep"):
        parse_yaml(text, source="a.yaml")


@pytest.mark.parametrize(
    "text",
    ["2024-13-45", "!!float many", "!!int ''", "!!bool x", "!!timestamp x", "9" * 5000],
    ids=lambda text: text[:9],
)
def test_a_value_that_does_not_fit_its_type_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^a\.yaml: not YAML \(a value does not fit its type"):
        parse_yaml(f"a: {text}", source="a.yaml")


def test_every_repeated_key_is_named_with_its_line() -> None:
    text = "seed: 1\nreward:\n  model: a\n  tune: {mode: x, 'mode': y}\n  model: b\nlist: [{x: 1}, {x: 1}]\nseed: 2\n"
    with pytest.raises(ConfigError) as error:
        parse_yaml(text, source="a.yaml")
    assert str(error.value).split("; ") == [
        "a.yaml:4: the key 'mode' stands on line 4 already, keep one of the two",
        "a.yaml:5: the key 'model' stands on line 3 already, keep one of the two",
        "a.yaml:7: the key 'seed' stands on line 1 already, keep one of the two",
    ]


def test_a_repeated_key_in_an_override_is_refused() -> None:
    assert "the key 'mode' stands" in fault("reward.tune={mode: lora, mode: all}")


def test_a_merged_key_may_be_given_anew() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {<<: *a, x: 2}\nc: {<<: *b, x: 3}\n"
    assert parse_yaml(text, source="a.yaml")["c"] == {"x": 3, "y": 1}


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().seed = 1  # type: ignore[misc]


def test_no_default_hides_the_model_the_data_or_the_seed() -> None:
    required = {name for name, field in TrainRewardSettings.model_fields.items() if field.is_required()}
    assert ({"seed", "data"} <= required, RewardSettings.model_fields["model"].is_required()) == (True, True)


def test_the_valid_keys_of_no_section_are_none() -> None:
    assert valid_keys(RunSettings, ["seed", "deeper"]) == []
