"""The closed form is the ridge regression that scikit-learn finds, at the penalty of the least left-out error."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from sklearn.linear_model import Ridge

from steersman.protocols import FloatArray
from steersman.reward.ridge import ridge_head

Matrix = npt.NDArray[np.float64]
PENALTIES = np.logspace(-6, 1, 22)


def problem(*, rows: int, width: int, noise: float) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(0)
    states = rng.normal(size=(rows, width))
    labels = states @ rng.normal(size=(width, 3)) + noise * rng.normal(size=(rows, 3))
    return states.astype(np.float32), labels.astype(np.float32)


def least_left_out(states: FloatArray, label: FloatArray, *, units: npt.NDArray[np.int64]) -> Matrix:
    """Return scikit-learn's ridge for one label at the penalty whose left-out errors are least, by brute force."""
    wide, target = states.astype(np.float64), label.astype(np.float64)
    scale = (np.linalg.svd(wide, compute_uv=False) ** 2).mean()
    errors = [left_out_error(wide, target, units=units, penalty=penalty * scale) for penalty in PENALTIES]
    best = PENALTIES[int(np.argmin(errors))] * scale
    found: Matrix = Ridge(alpha=best, fit_intercept=False, solver="svd").fit(wide, target).coef_
    return found


def left_out_error(states: Matrix, label: Matrix, *, units: npt.NDArray[np.int64], penalty: float) -> float:
    errors: list[float] = []
    for unit in np.unique(units):
        kept, gone = units != unit, units == unit
        others = states[kept]
        weights = np.linalg.solve(others.T @ others + penalty * np.eye(states.shape[1]), others.T @ label[kept])
        errors.extend((states[gone] @ weights - label[gone]) ** 2)
    return float(np.mean(errors))


def heads(states: FloatArray, labels: FloatArray) -> FloatArray:
    return ridge_head(torch.from_numpy(states), torch.from_numpy(labels)).weights.numpy()


def shrinkage(states: FloatArray, labels: FloatArray) -> float:
    """Return how large the head is next to the least-squares solution."""
    unpenalised = np.linalg.lstsq(states.astype(np.float64), labels.astype(np.float64))[0]
    return float(np.linalg.norm(heads(states, labels)) / np.linalg.norm(unpenalised))


@pytest.mark.parametrize(("rows", "width", "noise"), [(30, 5, 0.1), (30, 5, 5.0), (12, 20, 1.0)])
@pytest.mark.parametrize("unit_sizes", [(1,), (2,), (1, 2, 3)])
def test_each_attribute_has_the_ridge_of_the_least_error_on_prompts_left_out(
    rows: int, width: int, noise: float, unit_sizes: tuple[int, ...]
) -> None:
    states, labels = problem(rows=rows, width=width, noise=noise)
    units = np.repeat(np.arange(rows), np.resize(unit_sizes, rows))[:rows]
    found = ridge_head(torch.from_numpy(states), torch.from_numpy(labels), units_B=torch.from_numpy(units)).weights
    for column in range(labels.shape[1]):
        expected = least_left_out(states, labels[:, column], units=units)
        assert found[column].numpy() == pytest.approx(expected, abs=1e-4)


def test_noise_asks_for_a_larger_penalty() -> None:
    quiet, loud = (problem(rows=30, width=5, noise=noise) for noise in (0.1, 5.0))
    assert shrinkage(*loud) < 0.9 < shrinkage(*quiet)


def test_an_attribute_is_fitted_on_the_rows_that_have_it() -> None:
    states, labels = problem(rows=20, width=4, noise=0.5)
    holed = labels.copy()
    holed[[3, 7], 1] = np.nan
    kept = np.delete(np.arange(20), [3, 7])
    found = heads(states, holed)
    assert found[[0, 2]] == pytest.approx(heads(states, labels)[[0, 2]])
    assert found[1] == pytest.approx(heads(states[kept], labels[kept])[1])


def test_an_attribute_without_labels_has_weights_of_zero() -> None:
    states, labels = problem(rows=20, width=4, noise=0.5)
    labels[:, 1] = np.nan
    assert not heads(states, labels)[1].any()
    found = ridge_head(torch.from_numpy(states), torch.from_numpy(labels))
    assert found.penalties.isnan().tolist() == [False, True, False]


def test_the_penalty_told_is_the_one_the_weights_were_fitted_with() -> None:
    states, labels = problem(rows=20, width=4, noise=2.0)
    found = ridge_head(torch.from_numpy(states), torch.from_numpy(labels))
    for column, penalty in enumerate(found.penalties.tolist()):
        same = Ridge(alpha=penalty, fit_intercept=False, solver="svd").fit(states.astype(float), labels[:, column])
        assert found.weights[column].numpy() == pytest.approx(same.coef_, abs=1e-4)


def test_a_label_of_weight_two_counts_as_two_equal_rows() -> None:
    states, labels = problem(rows=12, width=4, noise=1.0)
    weights = torch.ones(12, 3)
    weights[0] = 2.0
    rows = torch.tensor([0, *range(12)])
    units = torch.arange(12)
    weighed = ridge_head(torch.from_numpy(states), torch.from_numpy(labels), units_B=units, weights_BA=weights)
    twice = ridge_head(torch.from_numpy(states)[rows], torch.from_numpy(labels)[rows], units_B=units[rows])
    torch.testing.assert_close(weighed.weights, twice.weights)
    torch.testing.assert_close(weighed.penalties, twice.penalties)


def test_labels_of_a_single_prompt_are_refused() -> None:
    states, labels = problem(rows=4, width=3, noise=1.0)
    with pytest.raises(ValueError, match="labels of at least two prompts are needed"):
        ridge_head(torch.from_numpy(states), torch.from_numpy(labels), units_B=torch.zeros(4, dtype=torch.long))


def test_no_label_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="not a single label"):
        ridge_head(torch.ones(3, 4), torch.full((3, 2), float("nan")))


def test_the_head_has_the_format_and_shape_of_a_linear_layer() -> None:
    head = ridge_head(torch.ones(3, 4), torch.tensor([[1.0, 2.0]] * 3)).weights
    assert (head.shape, head.dtype) == ((2, 4), torch.float32)
