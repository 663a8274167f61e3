"""Look tokens up without a gradient of the whole vocabulary for each row.

PyTorch makes a dense gradient of the table, zero but for the tokens of the row, and adds it to what earlier rows of the
step left: for SmolLM2-135M that is a twelfth of the time of a row. Here rows after the first add to `weight.grad` in
place, at their tokens alone. Gradients must therefore be asked for by `backward`, not by `torch.autograd.grad`.
Shapes: T tokens of a row, V vocabulary, D hidden size.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn


@contextmanager
def lean_embedding(table: nn.Module) -> Iterator[None]:
    """Let `table` add to its gradient in place; one that is no plain embedding stays as it is."""
    if not _is_plain(table):
        yield
        return
    before = vars(table).get("forward")
    vars(table)["forward"] = partial(_looked_up, table)
    try:
        yield
    finally:
        del vars(table)["forward"]
        if before is not None:
            vars(table)["forward"] = before


def _is_plain(table: nn.Module) -> TypeGuard[nn.Embedding]:
    is_embedding = isinstance(table, nn.Embedding) and type(table).forward is nn.Embedding.forward
    return is_embedding and not (table.max_norm or table.scale_grad_by_freq or table.sparse)


def _looked_up(table: nn.Embedding, ids: Tensor) -> Tensor:
    apply: Callable[..., Tensor] = _Lookup.apply
    return apply(table.weight, ids, table.padding_idx)


class _Lookup(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, ids: Tensor, padding: int | None) -> Tensor:  # noqa: ANN401
        ctx.weight, ctx.padding = weight, padding
        ctx.save_for_backward(ids)
        return weight[ids]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None, None]:  # noqa: ANN401
        (ids,) = ctx.saved_tensors
        weight, so_far = ctx.weight, ctx.weight.grad
        if ctx.padding is not None:
            # transformers never trains the row of the padding token
            gradient = gradient.masked_fill((ids == ctx.padding)[..., None], 0.0)
        total = torch.zeros_like(weight) if so_far is None else so_far
        with torch.no_grad():
            total.index_add_(0, ids.flatten(), gradient.flatten(0, -2).to(total.dtype))
        return (total if so_far is None else None), None, None
