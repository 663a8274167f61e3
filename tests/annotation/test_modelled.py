"""One modelled annotator at a time."""

import numpy as np

from steersman.annotation.modelled import ModelledAnnotator
from steersman.config.sections import CrowdSettings
from steersman.records import MAX_SCORE, MIN_SCORE

QUIET = CrowdSettings.model_validate(
    {"annotators": 5, "noise_sd": 0.0, "bias_sd": 0.0, "careless_share": 0.0, "spammer_share": 0.0}
)
USUAL = CrowdSettings.model_validate({"annotators": 8})
PROMPT = "How do bees find their way home over many miles?"
GOOD = "Bees find their way home by the sun, by landmarks they have learnt, and by the light of the sky over miles."
BAD = "no no no no no no no no"


def test_an_annotator_without_noise_prefers_the_response_that_answers() -> None:
    annotator = ModelledAnnotator(QUIET, number=0, seed=3)
    right, left = annotator.rate(PROMPT, (BAD, GOOD)), annotator.rate(PROMPT, (GOOD, BAD))
    assert right.scores[1][0] > right.scores[0][0]
    # what is shown on which side changes nothing
    assert left.scores == right.scores[::-1]
    assert left.strength == -right.strength < 0


def test_the_strength_is_the_difference_in_helpfulness() -> None:
    opinion = ModelledAnnotator(QUIET, number=0, seed=3).rate(PROMPT, (BAD, GOOD))
    assert opinion.strength == min(3, opinion.scores[1][0] - opinion.scores[0][0])


def test_two_that_are_as_helpful_are_still_told_apart() -> None:
    annotator = ModelledAnnotator(QUIET, number=0, seed=3)
    assert {annotator.rate(PROMPT, (GOOD, GOOD)).strength for _ in range(40)} == {-1, 1}


def test_the_same_annotator_says_the_same_again_and_another_does_not() -> None:
    def said(number: int, *, seed: int = 1) -> list[object]:
        annotator = ModelledAnnotator(USUAL, number=number, seed=seed)
        return [annotator.rate(PROMPT, (GOOD, BAD)).scores for _ in range(10)]

    assert said(2) == said(2)
    assert said(2) != said(3)
    assert said(2) != said(2, seed=4)


def test_scores_stay_on_their_scale() -> None:
    wild = CrowdSettings.model_validate({"annotators": 5, "noise_sd": 9.0})
    annotator = ModelledAnnotator(wild, number=1, seed=0)
    given = np.array([annotator.rate(PROMPT, (GOOD, BAD)).scores for _ in range(50)])
    assert (given.min(), given.max()) == (MIN_SCORE, MAX_SCORE)
