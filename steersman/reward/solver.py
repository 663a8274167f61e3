"""Minimise a smooth loss to the end, without a learning rate: L-BFGS in double precision (Liu and Nocedal 1989).

It is deterministic: no batches, no chance, one start.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize

Numbers = npt.NDArray[np.float64]


def minimise(
    parameters: Sequence[torch.Tensor],
    loss_of: Callable[[], torch.Tensor],
    *,
    scales: Sequence[torch.Tensor],
    tolerance: float,
    most_iterations: int = 1000,
) -> int:
    """Move `parameters`, float64, to a minimum of `loss_of` in place, and return the iterations it took.

    The search is over parameter / scale: scales near one over the root of the curvature make it short. It ends when
    an iteration gains less than `tolerance` of the loss.
    """
    flat_scales = np.concatenate(
        [scale.expand_as(each).reshape(-1).numpy() for each, scale in _pairs(parameters, scales)]
    )

    def value_and_gradient(point: Numbers) -> tuple[float, Numbers]:
        _set(parameters, point * flat_scales)
        loss = loss_of()
        gradients = torch.autograd.grad(loss, list(parameters))
        return loss.item(), _flat(gradients) * flat_scales

    found = minimize(
        value_and_gradient,
        _flat(parameters) / flat_scales,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": most_iterations, "ftol": tolerance, "gtol": 0.0, "maxcor": 20},
    )
    _set(parameters, found.x * flat_scales)
    return int(found.nit)


def _pairs(
    parameters: Sequence[torch.Tensor], scales: Sequence[torch.Tensor]
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return list(zip(parameters, scales, strict=True))


def _flat(tensors: Sequence[torch.Tensor]) -> Numbers:
    found: Numbers = torch.cat([each.detach().reshape(-1) for each in tensors]).numpy()
    return found


def _set(parameters: Sequence[torch.Tensor], point: Numbers) -> None:
    parts = torch.from_numpy(point).split([each.numel() for each in parameters])
    with torch.no_grad():
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.copy_(part.view_as(parameter))
