"""Weights fitted on pairs: the minimum of a penalised logistic loss, and a record of what it was fitted on."""

import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.testing import assert_close

from steersman.errors import ConfigError, DataError
from steersman.reward.scalarise import FittedWeights, fit_weights

NAMES = ("helpfulness", "coherence", "verbosity")
TRUE_WEIGHTS = torch.tensor([1.5, 0.5, -0.8])
SPREADS = torch.tensor([1.0, 0.2, 5.0])


def drawn_pairs(number: int) -> tuple[Tensor, Tensor]:
    """Return gaps and strengths of pairs that prefer by TRUE_WEIGHTS with logistic noise; none is tied."""
    generator = torch.Generator().manual_seed(1)
    gaps = torch.randn(number, 3, generator=generator, dtype=torch.float64) * SPREADS
    chances = torch.sigmoid(gaps @ TRUE_WEIGHTS.double())
    wins = torch.rand(number, generator=generator, dtype=torch.float64) < chances
    return gaps, torch.where(wins, 2.0, -1.0)


def fitted(gaps: Tensor, strengths: Tensor, *, penalty: float = 1.0) -> FittedWeights:
    return fit_weights(gaps, strengths, attributes=NAMES, source="validation.jsonl", penalty=penalty)


def test_many_pairs_give_back_the_weights_that_made_them() -> None:
    found = fitted(*drawn_pairs(20_000))
    assert list(found.weights.values()) == pytest.approx(TRUE_WEIGHTS.tolist(), rel=0.1)


def test_the_weights_are_those_of_scikit_learns_logistic_regression() -> None:
    gaps, strengths = drawn_pairs(200)
    scale = (gaps * strengths.sign()[:, None]).square().mean(dim=0).sqrt()
    judge = LogisticRegression(C=1 / 2.5, fit_intercept=False, tol=1e-10, solver="newton-cholesky")
    judge.fit((gaps / scale).numpy(), (strengths > 0).numpy())
    found = fitted(gaps, strengths, penalty=2.5)
    assert list(found.weights.values()) == pytest.approx((judge.coef_[0] / scale.numpy()).tolist(), rel=1e-6)


def test_one_pair_gives_the_weight_of_its_one_equation() -> None:
    # with x = 1 after scaling, the minimum of log(1 + e^-w) + w^2 / 2 is where w = sigmoid(-w)
    found = fit_weights(torch.tensor([[4.0]]), torch.tensor([1.0]), attributes=["helpfulness"], source="one")
    weight = 4 * found.weights["helpfulness"]
    assert weight == pytest.approx(1 / (1 + math.exp(weight)))
    assert found.loss == pytest.approx(math.log(1 + math.exp(-weight)))


def test_steps_that_would_climb_still_end_at_the_minimum() -> None:
    # on these pairs Newton's full steps climb; at the minimum the pairs pull as hard as the penalty
    rows = [[-990, -122, -5421], [313, -305, 60], [-2, 1, -1], [0, 0, 0], [-3, -3, -1], [15, 1, -46]]
    gaps = torch.tensor(rows, dtype=torch.float64)
    spread = gaps.square().mean(dim=0).sqrt()
    found = fit_weights(gaps, torch.ones(6), attributes=NAMES, source="six", penalty=1e-6)
    weights = torch.tensor(list(found.weights.values()), dtype=torch.float64) * spread
    pull = (gaps / spread).T @ torch.sigmoid(-(gaps / spread) @ weights)
    assert_close(pull, 1e-6 * weights, atol=1e-9, rtol=0)


def test_separable_pairs_have_finite_weights() -> None:
    gaps = torch.tensor([[1000.0, 0.0, 0.0], [2000.0, 0.0, 0.0]])
    found = fitted(gaps, torch.tensor([1.0, 3.0]), penalty=1e-9)
    assert 0 < found.weights["helpfulness"] < 1
    assert (found.weights["coherence"], found.weights["verbosity"]) == (0.0, 0.0)


def test_the_order_of_pairs_and_of_their_responses_means_nothing() -> None:
    gaps, strengths = drawn_pairs(100)
    flips = torch.tensor([1.0, -1.0] * 50)
    other = fitted((gaps * flips[:, None]).flip(0), (strengths * flips).flip(0))
    assert list(other.weights.values()) == pytest.approx(list(fitted(gaps, strengths).weights.values()), rel=1e-9)


def test_the_same_pairs_give_the_same_weights_to_the_last_bit() -> None:
    assert fitted(*drawn_pairs(100)) == fitted(*drawn_pairs(100))


def test_the_unit_of_an_attribute_does_not_change_what_is_preferred() -> None:
    gaps, strengths = drawn_pairs(100)
    larger = fitted(gaps * 10, strengths)
    ten_times = [10 * each for each in larger.weights.values()]
    assert ten_times == pytest.approx(list(fitted(gaps, strengths).weights.values()), rel=1e-9)


def test_ties_and_unjudged_pairs_are_left_out_and_told() -> None:
    gaps, strengths = drawn_pairs(40)
    nobody = torch.tensor([0.0, 0.0, float("nan")])
    found = fitted(torch.cat([gaps, torch.full((3, 3), 9.0)]), torch.cat([strengths, nobody]))
    assert found.weights == fitted(gaps, strengths).weights
    assert (found.num_pairs, found.num_ties) == (40, 2)
    assert found.description() == "fitted on 40 untied pairs of validation.jsonl (2 ties left out)"


def test_a_stronger_penalty_draws_weights_towards_zero() -> None:
    gaps, strengths = drawn_pairs(100)
    sizes = [np.abs(list(fitted(gaps, strengths, penalty=each).weights.values())).sum() for each in (0.1, 10.0, 1e4)]
    assert sizes[0] > sizes[1] > sizes[2] > 0


@pytest.mark.parametrize("source", ["rewardbench", "allenai/reward-bench", "RM-Bench.jsonl", "JudgeBench (test)"])
def test_fitting_on_a_benchmark_is_refused(source: str) -> None:
    with pytest.raises(ConfigError, match="fit them on validation pairs"):
        fit_weights(torch.ones(1, 1), torch.ones(1), attributes=["helpfulness"], source=source)


def test_ties_alone_cannot_be_fitted() -> None:
    with pytest.raises(DataError, match=r"validation.jsonl: no pair prefers one response"):
        fitted(torch.ones(2, 3), torch.zeros(2))


def test_what_cannot_be_fitted_is_refused() -> None:
    gaps, strengths = torch.ones(2, 3), torch.ones(2)
    with pytest.raises(ValueError, match="gaps_PA must have shape"):
        fitted(gaps[:, :2], strengths)
    with pytest.raises(ValueError, match="penalty must be above zero"):
        fitted(gaps, strengths, penalty=0.0)
    with pytest.raises(ValueError, match="gaps must be finite"):
        fitted(gaps * float("inf"), strengths)
