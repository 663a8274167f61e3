"""Start the head where a linear probe would end: ridge regression on the untrained model's states.

A head that starts at zero spends its first steps learning the mean label, and disturbs the layers below meanwhile.
Starting from the probe avoids both (Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features", LP-FT).
Shapes: B responses, D hidden size, A attributes.
"""

import torch

_RELATIVE_PENALTIES = torch.logspace(-6, 1, 22, dtype=torch.float64)


def ridge_head(states_BD: torch.Tensor, labels_BA: torch.Tensor) -> torch.Tensor:
    """Return head weights, (A, D), without intercept; the penalty has the least leave-one-out error.

    Rows with a missing label (NaN) are left out. Leave-one-out errors are exact: residual / (1 - leverage)
    (Golub, Heath and Wahba 1979). Raises ValueError when fewer than two rows are complete.
    """
    is_complete = ~labels_BA.isnan().any(dim=1)
    states, labels = states_BD[is_complete].double(), labels_BA[is_complete].double()
    if len(states) < 2:
        raise ValueError(f"at least two fully labelled responses are needed, got {len(states)}")
    left, singular, right = torch.linalg.svd(states, full_matrices=False)
    projected = left.T @ labels
    penalties = _RELATIVE_PENALTIES * singular.square().mean()
    errors = torch.stack([_left_out_error(left, singular, projected, labels, penalty) for penalty in penalties])
    penalty = penalties[errors.argmin()]
    weights_DA: torch.Tensor = right.T @ ((singular / (singular.square() + penalty))[:, None] * projected)
    return weights_DA.T.to(states_BD.dtype)


def _left_out_error(
    left: torch.Tensor, singular: torch.Tensor, projected: torch.Tensor, labels: torch.Tensor, penalty: torch.Tensor
) -> torch.Tensor:
    shrinkage = singular.square() / (singular.square() + penalty)
    residuals = labels - left @ (shrinkage[:, None] * projected)
    leverages = (left.square() * shrinkage).sum(dim=1).clamp(max=1 - 1e-9)
    errors: torch.Tensor = (residuals / (1 - leverages)[:, None]).square().mean()
    return errors
