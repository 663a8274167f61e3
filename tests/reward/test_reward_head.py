"""The head starts at the ridge regression that scikit-learn finds, at the penalty of the least left-out error."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from sklearn.linear_model import Ridge

from steersman.protocols import FloatArray
from steersman.reward.head import ridge_head

Matrix = npt.NDArray[np.float64]
PENALTIES = np.logspace(-6, 1, 22)


def problem(*, rows: int, width: int, noise: float) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(0)
    states = rng.normal(size=(rows, width))
    labels = states @ rng.normal(size=(width, 3)) + noise * rng.normal(size=(rows, 3))
    return states.astype(np.float32), labels.astype(np.float32)


def least_left_out(states: FloatArray, labels: FloatArray) -> Ridge:
    """Return scikit-learn's ridge at the penalty whose left-out errors are least, each row left out by brute force."""
    wide, target = states.astype(np.float64), labels.astype(np.float64)
    scale = (np.linalg.svd(wide, compute_uv=False) ** 2).mean()
    errors = [left_out_error(wide, target, penalty=penalty * scale) for penalty in PENALTIES]
    best = PENALTIES[int(np.argmin(errors))] * scale
    return Ridge(alpha=best, fit_intercept=False, solver="svd").fit(wide, target)


def left_out_error(states: Matrix, labels: Matrix, *, penalty: float) -> float:
    errors = []
    for row in range(len(states)):
        others, target = np.delete(states, row, axis=0), np.delete(labels, row, axis=0)
        weights = np.linalg.solve(others.T @ others + penalty * np.eye(states.shape[1]), others.T @ target)
        errors.append((states[row] @ weights - labels[row]) ** 2)
    return float(np.mean(errors))


def heads(states: FloatArray, labels: FloatArray) -> FloatArray:
    return ridge_head(torch.from_numpy(states), torch.from_numpy(labels)).numpy()


def shrinkage(states: FloatArray, labels: FloatArray) -> float:
    """Return how large the head is next to the least-squares solution."""
    unpenalised = np.linalg.lstsq(states.astype(np.float64), labels.astype(np.float64))[0]
    return float(np.linalg.norm(heads(states, labels)) / np.linalg.norm(unpenalised))


@pytest.mark.parametrize(("rows", "width", "noise"), [(30, 5, 0.1), (30, 5, 5.0), (12, 20, 1.0)])
def test_the_head_is_ridge_at_the_least_left_out_error(rows: int, width: int, noise: float) -> None:
    states, labels = problem(rows=rows, width=width, noise=noise)
    expected = least_left_out(states, labels)
    assert heads(states, labels) == pytest.approx(expected.coef_, abs=1e-4)


def test_noise_asks_for_a_larger_penalty() -> None:
    quiet, loud = (problem(rows=30, width=5, noise=noise) for noise in (0.1, 5.0))
    assert shrinkage(*loud) < 0.9 < shrinkage(*quiet)


def test_rows_with_a_missing_label_are_left_out() -> None:
    states, labels = problem(rows=20, width=4, noise=0.5)
    holed = labels.copy()
    holed[[3, 7], [0, 2]] = np.nan
    kept = np.delete(np.arange(20), [3, 7])
    assert heads(states, holed) == pytest.approx(heads(states[kept], labels[kept]))


@pytest.mark.parametrize("complete", [0, 1])
def test_fewer_than_two_complete_rows_are_refused(complete: int) -> None:
    labels = torch.full((3, 2), float("nan"))
    labels[:complete] = 1.0
    with pytest.raises(ValueError, match=f"at least two fully labelled responses are needed, got {complete}"):
        ridge_head(torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), labels)


def test_the_head_has_the_format_and_shape_of_a_linear_layer() -> None:
    head = ridge_head(torch.ones(3, 4), torch.tensor([[1.0, 2.0]] * 3))
    assert (head.shape, head.dtype) == ((2, 4), torch.float32)
