"""Extrapolate from a weak model through a strong one: ExPO (Zheng et al. 2024), as HelpSteer2-Preference applies it.

    weights = weak + factor x (strong - weak)

HelpSteer2-Preference took factor 1.52 between its regression model (weak) and its scaled Bradley-Terry model (strong).
"""

from collections.abc import Mapping

import torch

from steersman.errors import DataError, join_faults
from steersman.reward.labels import full_precision

Shape = tuple[int, ...]


def extrapolate(
    weak: Mapping[str, torch.Tensor], strong: Mapping[str, torch.Tensor], *, factor: float
) -> dict[str, torch.Tensor]:
    """Return the extrapolated tensors by name, in the strong model's number formats; at least float32 inside.

    Factor 0 gives the weak model, 1 the strong one, more goes beyond it. Integers are left as they are. Raises
    DataError that lists every name, shape or integer in which the two differ.
    """
    faults = differences(_shapes(weak), _shapes(strong))
    faults += [
        f"{name} holds other integers"
        for name, tensor in strong.items()
        if not faults and not tensor.is_floating_point() and not tensor.equal(weak[name])
    ]
    if faults:
        raise DataError(f"two models of one shape are needed: {join_faults(faults)}")
    return {name: _beyond(weak[name], tensor, factor=factor) for name, tensor in strong.items()}


def differences(weak: Mapping[str, Shape], strong: Mapping[str, Shape]) -> list[str]:
    """Return in words each tensor that only one of two models has, or that differs in shape, in order of names."""
    faults = []
    for name in sorted({*weak, *strong}):
        if name not in strong:
            faults.append(f"only the weak model has {name}")
        elif name not in weak:
            faults.append(f"only the strong model has {name}")
        elif weak[name] != strong[name]:
            faults.append(f"{name} has shape {weak[name]} in the weak model, {strong[name]} in the strong one")
    return faults


def _shapes(tensors: Mapping[str, torch.Tensor]) -> dict[str, Shape]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _beyond(weak: torch.Tensor, strong: torch.Tensor, *, factor: float) -> torch.Tensor:
    if not strong.is_floating_point():
        return strong
    # lerp gives both ends to the last bit, which the formula as it stands does not
    return torch.lerp(full_precision(weak), full_precision(strong), factor).to(strong.dtype)
