"""What a reward model is judged by during training: its loss, and the share of untied pairs that it ranks right."""

import pytest
import torch

from steersman.config.reward import ObjectiveSettings
from steersman.modeling.chat import Group, ResponseTokens
from steersman.reward.heads import Outputs
from steersman.reward.spec import RewardSpec
from steersman.reward.terms import RatedGroup, Terms
from steersman.reward.train import validation_metrics

MISSING = float("nan")


def group(labels: list[float], *, strength: float | None) -> RatedGroup:
    tokens = Group((1,), tuple(ResponseTokens((2,), 1) for _ in labels))
    return RatedGroup(tokens, torch.tensor(labels)[:, None], strength=strength)


def metrics(scores: list[float], groups: list[RatedGroup], *objectives: str) -> dict[str, float]:
    asked = tuple(ObjectiveSettings.model_validate({"name": name}) for name in objectives)
    terms = Terms(asked, RewardSpec("linear", ("helpfulness",), {"helpfulness": 1.0}), "helpfulness")
    return validation_metrics(Outputs(torch.tensor(scores)[:, None]), groups, terms=terms)


def test_the_error_is_the_mean_over_all_labels_that_are_there() -> None:
    groups = [group([1.0, MISSING], strength=None), group([0.0], strength=None), group([3.0], strength=None)]
    # errors 1, 2 and 4
    found = metrics([2.0, 9.0, 2.0, 7.0], groups, "regression")
    assert found == {"loss": pytest.approx((1 + 4 + 16) / 3)}


def test_a_tied_score_is_wrong_and_a_tied_preference_does_not_count() -> None:
    groups = [
        group([MISSING, MISSING], strength=2.0),
        group([MISSING, MISSING], strength=-1.0),
        group([MISSING, MISSING], strength=1.0),
        group([MISSING, MISSING], strength=0.0),
        group([MISSING, MISSING], strength=None),
    ]
    scores = [1.0, 0.0, 0.0, 1.0, 5.0, 5.0, 9.0, 0.0, 0.0, 9.0]
    # right, right, tied score
    assert metrics(scores, groups, "bradley-terry")["accuracy"] == pytest.approx(2 / 3)


def test_without_an_untied_pair_there_is_no_accuracy() -> None:
    groups = [group([1.0, 1.0], strength=0.0), group([2.0], strength=None)]
    assert set(metrics([1.0, 2.0, 3.0], groups, "regression")) == {"loss"}


def test_several_terms_are_told_apart_and_summed() -> None:
    groups = [group([1.0, 0.0], strength=1.0)]
    found = metrics([0.0, 0.0], groups, "regression", "bradley-terry")
    half, log_two = 0.5, torch.tensor(2.0).log().item()
    assert found["validation_regression"] == pytest.approx(half)
    assert found["validation_bradley-terry"] == pytest.approx(log_two)
    assert found["loss"] == pytest.approx(half + log_two)
