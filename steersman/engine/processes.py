"""The processes that train together: which one this is, and the few words they exchange.

A process alone needs no group: here everything is then the plain thing it stands for. Only the strategies say how a
model lies over processes; what is here is small and goes through the CPU.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar, cast

import torch
import torch.distributed as dist

T = TypeVar("T")


def num_processes() -> int:
    """Return how many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Return which of them this one is, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_first() -> bool:
    """Return whether this is the process that writes files and speaks to the user."""
    return rank() == 0


def of_first(value: T) -> T:
    """Return the value that the first process gave; every process must call it."""
    if num_processes() == 1:
        return value
    box = [value if is_first() else None]
    dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
    return cast(T, box[0])


def of_all(value: T) -> list[T]:
    """Return the values that the processes gave, by rank; every process must call it."""
    if num_processes() == 1:
        return [value]
    found: list[T | None] = [None] * num_processes()
    dist.all_gather_object(found, value)
    return cast("list[T]", found)


def total(number: float) -> float:
    """Return the sum of the numbers of all processes, the same in each of them."""
    # a list of numbers comes in the order of ranks, so that every process adds them alike
    return sum(of_all(number))


def shared_out(
    compute: Callable[[int], T], *, tokens: Mapping[int, int], advance: Callable[[int], None] = lambda _: None
) -> list[T]:
    """Return `compute` of every key of `tokens`, in the order of its keys, each computed by one process.

    Items of similar length are computed at the same time, and `advance` counts their tokens, over all processes. All
    call `compute` equally often, the last time perhaps for nothing, because a split model needs them all in every
    forward pass. What it returns travels between processes, so let it be small and on the CPU.
    """
    keys = sorted(tokens, key=lambda key: (-tokens[key], key))
    found = {}
    for start in range(0, len(keys), num_processes()):
        together = keys[start : start + num_processes()]
        mine = together[min(rank(), len(together) - 1)]
        found[mine] = compute(mine)
        advance(sum(tokens[key] for key in together))
    everything = {key: value for part in of_all(found) for key, value in part.items()}
    return [everything[key] for key in tokens]


def add_up_gradients(parameters: Sequence[torch.Tensor]) -> None:
    """Replace the gradient of each parameter by the sum over all processes.

    One that no process has a gradient for stays without, so that the optimiser passes over it as it would alone.
    """
    if num_processes() == 1:
        return
    has_gradient = torch.tensor([parameter.grad is not None for parameter in parameters], dtype=torch.int32)
    dist.all_reduce(has_gradient, op=dist.ReduceOp.MAX)
    waiting = []
    for parameter, is_used in zip(parameters, has_gradient.tolist(), strict=True):
        if is_used:
            parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            waiting.append(dist.all_reduce(parameter.grad, async_op=True))
    for work in waiting:
        if work is not None:
            work.wait()


def spread_from_first(tensors: Sequence[torch.Tensor]) -> None:
    """Give every process the first one's values of `tensors`."""
    if num_processes() > 1:
        for tensor in tensors:
            dist.broadcast(tensor.detach(), src=0)
