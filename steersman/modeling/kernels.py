"""Elementwise work of decoder layers that keeps for the backward pass only what it cannot cheaply compute again.

Under autocast transformers' norms leave five copies of the hidden states behind, in float32 or once for each matrix
product that reads them, and rotary embeddings and gated units two or three. Here a norm keeps its input and one number
per token, a rotation nothing, a gated unit its inputs and, with the matrix behind it, nothing besides; what goes into a
matrix product is made once, in its format.
The formulas stand in `Kernels`, so that `compiling` can put fused ones in their place.
Shapes: x and gradients (..., D), weight (D,), inverse (..., 1); turned heads (..., H, W), cosines (..., 1, W / 2).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


def norm_forward(x: Tensor, weight: Tensor, epsilon: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return x / rms(x) * weight in `dtype`, and 1 / rms(x) in float32 (RMSNorm, Zhang & Sennrich 2019)."""
    x_float = x.float()
    inverse = (x_float.square().mean(dim=-1, keepdim=True) + epsilon).rsqrt()
    return (x_float * inverse * weight).to(dtype), inverse


def norm_backward(gradient: Tensor, x: Tensor, weight: Tensor, inverse: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradients of x and of weight, both float32."""
    normed = x.float() * inverse
    to_normed = gradient.float() * weight
    to_weight = (gradient * normed).flatten(0, -2).sum(dim=0)
    # the part of the gradient along x is lost: scaling x changes nothing
    along = (to_normed * normed).mean(dim=-1, keepdim=True)
    return (to_normed - normed * along) * inverse, to_weight


def rotate(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Return x with its halves turned by the angles of their positions (RoFormer, Su et al. 2021), in x's format."""
    first, second = x.chunk(2, dim=-1)
    turned = torch.cat([first * cosines - second * sines, second * cosines + first * sines], dim=-1)
    return turned.to(x.dtype)


def gated_forward(gate: Tensor, up: Tensor) -> Tensor:
    """Return silu(gate) * up (SwiGLU, Shazeer 2020)."""
    return torch.nn.functional.silu(gate).mul_(up)


def gated_backward(gradient: Tensor, gate: Tensor, up: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradients of gate and up."""
    to_gate = torch.ops.aten.silu_backward(gradient * up, gate)
    return to_gate, torch.nn.functional.silu(gate).mul_(gradient)


@dataclass(frozen=True, slots=True)
class Kernels:
    """The formulas that the functions below call."""

    norm_forward: Callable[[Tensor, Tensor, float, torch.dtype], tuple[Tensor, Tensor]]
    norm_backward: Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
    rotate: Callable[[Tensor, Tensor, Tensor], Tensor]
    gated_forward: Callable[[Tensor, Tensor], Tensor]
    gated_backward: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


PLAIN = Kernels(norm_forward, norm_backward, rotate, gated_forward, gated_backward)


def rms_norm(x: Tensor, weight: Tensor, *, epsilon: float, kernels: Kernels) -> Tensor:
    """Return x / rms(x) * weight in the format that matrix products run in."""
    apply: Callable[..., Tensor] = _Norm.apply
    return apply(x, weight, epsilon, product_dtype(x), kernels)


def rotary(x: Tensor, cosines: Tensor, sines: Tensor, *, kernels: Kernels) -> Tensor:
    """Return x (..., T, H, W) turned by its positions."""
    apply: Callable[..., Tensor] = _Rotary.apply
    return apply(x, cosines, sines, kernels)


def gated(gate: Tensor, up: Tensor, *, kernels: Kernels) -> Tensor:
    """Return silu(gate) * up."""
    apply: Callable[..., Tensor] = _Gated.apply
    return apply(gate, up, kernels)


def gated_linear(gate: Tensor, up: Tensor, weight: Tensor, *, kernels: Kernels) -> Tensor:
    """Return (silu(gate) * up) times weight^T, (D, F): the gated product is computed again for the backward pass."""
    apply: Callable[..., Tensor] = _GatedLinear.apply
    return apply(gate, up, weight, kernels)


def product_dtype(x: Tensor) -> torch.dtype:
    """Return the format that a matrix product with `x` runs in: autocast's where it is on."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype


# torch gives the context of a function no type
class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        x: Tensor,
        weight: Tensor,
        epsilon: float,
        dtype: torch.dtype,
        kernels: Kernels,
    ) -> Tensor:
        normed, inverse = kernels.norm_forward(x, weight, epsilon, dtype)
        ctx.save_for_backward(x, weight, inverse)
        ctx.kernels = kernels
        return normed

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        x, weight, inverse = ctx.saved_tensors  # to be read once only: a recomputed layer has it once
        to_x, to_weight = ctx.kernels.norm_backward(gradient, x, weight, inverse)
        return to_x.to(x.dtype), to_weight.to(weight.dtype), None, None, None


class _Rotary(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, cosines: Tensor, sines: Tensor, kernels: Kernels) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(cosines, sines)
        ctx.kernels = kernels
        return kernels.rotate(x, cosines, sines)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        cosines, sines = ctx.saved_tensors
        return ctx.kernels.rotate(gradient, cosines, -sines), None, None, None


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor, kernels: Kernels) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(gate, up)
        ctx.kernels = kernels
        return kernels.gated_forward(gate, up)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        return (*ctx.kernels.gated_backward(gradient, *ctx.saved_tensors), None)


class _GatedLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor, weight: Tensor, kernels: Kernels) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(gate, up, weight)
        ctx.kernels = kernels
        return torch.nn.functional.linear(kernels.gated_forward(gate, up), weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        gate, up, weight = ctx.saved_tensors
        kernels: Kernels = ctx.kernels
        to_weight = None
        if ctx.needs_input_grad[2]:
            gated_product = kernels.gated_forward(gate, up)
            to_weight = (gradient.flatten(0, -2).T @ gated_product.flatten(0, -2)).to(weight.dtype)
            del gated_product
        to_gate, to_up = kernels.gated_backward(gradient @ weight.to(gradient.dtype), gate, up)
        return to_gate, to_up, to_weight, None
