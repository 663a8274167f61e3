"""Fit a linear head by ridge regression, in closed form: the end of training when nothing else moves.

Rows of one prompt resemble each other, so that a penalty is judged by leaving out whole prompts. That error is exact
and costs one decomposition for all penalties: (I - H_gg)^-1 (y_g - f_g) for the rows g of a prompt, H being the hat
matrix (Golub, Heath and Wahba 1979 for single rows).
Shapes: B responses, D hidden size, A attributes, G prompts of one size.
"""

from dataclasses import dataclass

import torch

_RELATIVE_PENALTIES = torch.logspace(-6, 1, 22, dtype=torch.float64)
_MOST_LEVERAGE = 1 - 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Ridge:
    """Head weights, (A, D), and the penalty of each attribute on their squares, (A,), NaN without labels."""

    weights: torch.Tensor
    penalties: torch.Tensor


def ridge_head(
    states_BD: torch.Tensor,
    labels_BA: torch.Tensor,
    *,
    units_B: torch.Tensor | None = None,
    weights_BA: torch.Tensor | None = None,
) -> Ridge:
    """Return head weights without intercept; each attribute has the penalty of least left-out error.

    `units_B` number the prompt of each row; without, each row is a prompt of its own. `weights_BA` are how much each
    label counts. An attribute is fitted on the rows that have it; one without labels keeps weights of zero. Raises
    ValueError when an attribute has labels of a single prompt only, and when no attribute has any.
    """
    units_B = torch.arange(len(states_BD)) if units_B is None else units_B
    weights_BA = torch.ones_like(labels_BA) if weights_BA is None else weights_BA
    found = torch.zeros(labels_BA.shape[1], states_BD.shape[1], dtype=states_BD.dtype)
    penalty_A = torch.full((labels_BA.shape[1],), float("nan"), dtype=torch.float64)
    for columns in _alike(labels_BA, weights_BA):
        is_labelled = ~labels_BA[:, columns[0]].isnan()
        if not is_labelled.any():
            continue
        if len(units_B[is_labelled].unique()) < 2:
            raise ValueError("labels of at least two prompts are needed to choose a penalty")
        roots_B1 = weights_BA[is_labelled, columns[0], None].double().sqrt()
        states, labels = states_BD[is_labelled].double(), labels_BA[is_labelled][:, columns].double()
        fitted = _fitted(roots_B1 * states, roots_B1 * labels, units_B[is_labelled])
        found[columns] = fitted.weights.to(found.dtype)
        penalty_A[columns] = fitted.penalties
    if labels_BA.isnan().all():
        raise ValueError("there is not a single label to fit a head to")
    return Ridge(found, penalty_A)


def _alike(labels_BA: torch.Tensor, weights_BA: torch.Tensor) -> list[list[int]]:
    """Return the attributes in groups that share their rows and their weights, and so one decomposition."""
    keys = torch.where(labels_BA.isnan(), 0.0, weights_BA)
    groups: list[list[int]] = []
    for column in range(labels_BA.shape[1]):
        same = next((group for group in groups if torch.equal(keys[:, group[0]], keys[:, column])), None)
        groups.append([column]) if same is None else same.append(column)
    return groups


def _fitted(states_BD: torch.Tensor, labels_BA: torch.Tensor, units_B: torch.Tensor) -> Ridge:
    left, singular, right = torch.linalg.svd(states_BD, full_matrices=False)
    projected = left.T @ labels_BA
    penalties = _RELATIVE_PENALTIES * singular.square().mean()
    blocks = _blocks(units_B)
    errors = [
        _left_out_errors(left, singular.square(), labels_BA, projected, penalty=penalty.item(), blocks=blocks)
        for penalty in penalties
    ]
    penalty_A = penalties[torch.stack(errors).argmin(dim=0)]
    shrunk = singular[:, None] / (singular.square()[:, None] + penalty_A)
    weights_DA: torch.Tensor = right.T @ (shrunk * projected)
    return Ridge(weights_DA.T, penalty_A)


def _blocks(units_B: torch.Tensor) -> list[torch.Tensor]:
    """Return the rows of each prompt, prompts of one size together: a list of (G, size)."""
    order = units_B.argsort(stable=True)
    _, sizes = units_B[order].unique_consecutive(return_counts=True)
    rows = order.split(sizes.tolist())
    return [torch.stack([each for each in rows if len(each) == size]) for size in sizes.unique().tolist()]


def _left_out_errors(
    left: torch.Tensor,
    squares: torch.Tensor,
    labels_BA: torch.Tensor,
    projected: torch.Tensor,
    *,
    penalty: float,
    blocks: list[torch.Tensor],
) -> torch.Tensor:
    """Return the mean squared error of each attribute over rows whose prompt was left out, (A,)."""
    shrinkage = squares / (squares + penalty)
    residuals_BA = labels_BA - left @ (shrinkage[:, None] * projected)
    total = torch.zeros(labels_BA.shape[1], dtype=labels_BA.dtype)
    for rows in blocks:
        parts = left[rows]
        hats = (parts * shrinkage) @ parts.transpose(1, 2)
        identity = torch.eye(rows.shape[1], dtype=hats.dtype)
        gone = torch.linalg.solve(identity - _MOST_LEVERAGE * hats, residuals_BA[rows])
        total += gone.square().sum(dim=(0, 1))
    return total / len(labels_BA)
