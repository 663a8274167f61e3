"""The words around a reward model's figures."""

from dataclasses import replace

import pytest

from steersman.records import GOODNESS_WEIGHTS
from steersman.report.data import Estimate
from steersman.report.reward_data import RankedPairs, Reliability, RewardFigures
from steersman.report.reward_wording import (
    calibration_words,
    missing_turns,
    reliability_words,
    reward_intro,
    start_words,
    tie_words,
    weights_words,
)

NONE = RewardFigures((), None, None, (), (), (), None, (), (), (), None)


def trained(*objectives: tuple[str, float], mode: str = "full", source: str = "config") -> RewardFigures:
    return replace(NONE, objectives=objectives, tune_mode=mode, weights_source=source)


def test_the_introduction_names_objectives_with_their_weights_where_there_are_several() -> None:
    assert reward_intro(trained(("regression", 1.0))).startswith("Trained by regression on labels. Its validation loss")
    words = reward_intro(trained(("regression", 1.0), ("bradley-terry", 0.5)))
    assert words.startswith("Trained by 1 x regression on labels and 0.5 x the Bradley-Terry loss of pairs.")
    assert "mean label" not in words


def test_only_steps_are_chosen_by_validation_pairs() -> None:
    assert "chose which step is kept" in reward_intro(trained(("regression", 1.0)))
    assert "chose nothing." in reward_intro(trained(("regression", 1.0), mode="frozen"))
    fitted = trained(("regression", 1.0), mode="frozen", source="fitted on 3 untied pairs of v (0 ties left out)")
    assert "chose nothing, except for the weights of the reward." in reward_intro(fitted)


@pytest.mark.parametrize(
    ("objectives", "words"),
    [
        ((), "so ties took part like all pairs."),
        ((("ordinal", 1.0),), "so ties took part like all pairs."),
        ((("scaled", 1.0),), "Training by pairs left ties out. "),
        ((("regression", 1.0), ("margin", 1.0)), "left ties out; their labels still counted. "),
        ((("preference-ordinal", 1.0), ("regression", 1.0)), "a tie as a level of its own"),
    ],
)
def test_what_became_of_ties_follows_from_the_objectives(objectives: tuple[tuple[str, float], ...], words: str) -> None:
    assert words in tie_words(trained(*objectives))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (None, "not recorded"),
        ("config", "Given by the configuration."),
        ("published as goodness", "Published as goodness."),
        ("published as helpsteer2-70b", "on RewardBench: a RewardBench score by these weights is no held-out figure"),
        ("fitted on 4 untied pairs of v.jsonl (2 ties left out)", "on the very pairs that fitted it"),
        ("the gate, by the prompt", "The gate, by the prompt."),
    ],
)
def test_the_source_of_weights_says_what_they_may_be_judged_on(source: str | None, words: str) -> None:
    assert words in weights_words(replace(NONE, weights_source=source))


def test_goodness_is_recognised_in_a_configuration() -> None:
    given = replace(NONE, weights_source="config", weights=tuple(GOODNESS_WEIGHTS.items()))
    assert weights_words(given) == "Given by the configuration: the goodness of the HelpSteer2 paper."


def test_a_calibration_error_stands_beside_that_of_chance() -> None:
    words = reliability_words(Reliability("reward", 0.26, 0.25, 0.27, ()))
    assert words.startswith("Expected calibration error 0.260; a calibrated model would show 0.250 by chance.")
    assert reliability_words(Reliability("reward", 0.26, None, None, ())) == "Expected calibration error 0.260"
    assert "not recorded" in reliability_words(Reliability("reward", None, None, None, ()))


def test_labels_promise_no_calibrated_gaps() -> None:
    assert "promises no calibration" in calibration_words(trained(("regression", 1.0)))
    assert "promises no calibration" not in calibration_words(trained(("regression", 1.0), ("scaled", 1.0)))


def test_prompts_of_a_kind_that_no_pair_has_are_named() -> None:
    single = RankedPairs("helpfulness", "single turn", Estimate(0.5), None, None)
    assert missing_turns([single]) == "No validation pair without a tie has a prompt of several turns."
    assert missing_turns([single, replace(single, turns="multi-turn")]) is None
    assert missing_turns([replace(single, turns="multi-turn")]) is not None
    assert missing_turns([]) is None
    # older runs told nothing apart
    assert missing_turns([replace(single, turns="all")]) is None


def test_the_start_is_the_one_that_was_recorded() -> None:
    assert start_words(replace(NONE, head_start="zero")) == "a head of zeros"
    assert start_words(NONE) == "a linear probe of the untrained model"
