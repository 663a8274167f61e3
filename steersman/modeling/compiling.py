"""Fuse the elementwise kernels of decoder layers with torch.compile, where this machine has what that needs.

On a CPU that is a C++ compiler, on CUDA Triton. Each kernel is tried on a small case first: one that cannot be
compiled, or gives something else, leaves all of them plain, which costs time and changes no result.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

from steersman.modeling.kernels import PLAIN, Kernels

_Kernel = Callable[..., Tensor | tuple[Tensor, ...]]
_Given = ParamSpec("_Given")
_Made = TypeVar("_Made")

logger = logging.getLogger(__name__)

# a few units of bfloat16: compiled code rounds once where plain code rounds after each step
_TOLERANCE = 2.0**-6


def compiled_kernels(device: torch.device) -> Kernels:
    """Return compiled kernels for `device`, or the plain ones, with a line in the log that says why."""
    made = Kernels(
        norm_forward=_compiled(PLAIN.norm_forward),
        norm_backward=_compiled(PLAIN.norm_backward),
        rotate=_compiled(PLAIN.rotate),
        gated_forward=_compiled(PLAIN.gated_forward),
        gated_backward=_compiled(PLAIN.gated_backward),
    )
    try:
        wrong = [each.name for each in fields(Kernels) if not _agrees(made, each.name, device=device)]
    except (RuntimeError, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        logger.warning("engine.compile: nothing is compiled on this machine (%s); training goes on without", reason)
        return PLAIN
    if wrong:
        logger.warning("engine.compile: compiled %s gives another result; training goes on without", ", ".join(wrong))
        return PLAIN
    return made


def _compiled(kernel: Callable[_Given, _Made]) -> Callable[_Given, _Made]:
    # rows differ in length: without dynamic shapes each length would be compiled anew
    compiled = torch.compile(kernel, dynamic=True)

    def detached(*given: _Given.args, **named: _Given.kwargs) -> _Made:
        # the gradients are the functions' own affair: torch.compile would look for them and warn
        detached_given = (each.detach() if isinstance(each, Tensor) else each for each in given)
        return compiled(*detached_given, **named)  # type: ignore[arg-type]  # a detached tensor is of the same type

    return detached


def _agrees(kernels: Kernels, name: str, *, device: torch.device) -> bool:
    given = _small_case(name, device=device)
    pairs = zip(_results(getattr(kernels, name), given), _results(getattr(PLAIN, name), given), strict=True)
    return all((ours - plain).norm() <= _TOLERANCE * plain.norm() for ours, plain in pairs)


def _results(kernel: _Kernel, given: Sequence[object]) -> list[Tensor]:
    found = kernel(*given)
    return [each.float() for each in (found if isinstance(found, tuple) else (found,))]


def _small_case(name: str, *, device: torch.device) -> tuple[object, ...]:
    """Return arguments of a kernel as a training in bfloat16 gives them: 3 tokens, width 8."""
    rng = torch.Generator().manual_seed(0)

    def some(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.randn(shape, generator=rng).to(device, dtype)

    half = torch.bfloat16
    states, other, gradient = some(1, 3, 8), some(1, 3, 8, dtype=half), some(1, 3, 8, dtype=half)
    cases: dict[str, tuple[object, ...]] = {
        "norm_forward": (states, some(8), 1e-5, half),
        "norm_backward": (gradient, states, some(8), some(1, 3, 1).abs()),
        "rotate": (some(1, 3, 2, 8, dtype=half), some(1, 3, 1, 4), some(1, 3, 1, 4)),
        "gated_forward": (other, gradient),
        "gated_backward": (gradient, other, some(1, 3, 8, dtype=half)),
    }
    return cases[name]
