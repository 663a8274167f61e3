"""Which groups make an optimiser step, in what order, and which of them share a row."""

from collections.abc import Iterator, Sequence

import numpy as np

from steersman.config.sections import OptimiserSettings


def num_steps(num_groups: int, *, optimiser: OptimiserSettings) -> int:
    """Return how many optimiser steps a training takes; the last batch of an epoch may be smaller."""
    return -(-num_groups // optimiser.batch_pairs) * optimiser.epochs


def num_tokens(batch: Sequence[int], *, tokens: Sequence[int]) -> int:
    """Return the length of the groups of `batch` together; `tokens` are those of all groups, by their index."""
    return sum(tokens[index] for index in batch)


def batches(num_groups: int, *, optimiser: OptimiserSettings, seed: int) -> Iterator[list[int]]:
    """Yield the groups of each step; every epoch is a new permutation that only the seed decides."""
    rng = np.random.default_rng(seed)
    size = optimiser.batch_pairs
    for _ in range(optimiser.epochs):
        order = rng.permutation(num_groups).tolist()
        for start in range(0, num_groups, size):
            yield order[start : start + size]


def micro_batches(batch: Sequence[int], *, tokens: Sequence[int], budget: int) -> list[list[int]]:
    """Return `batch` in rows of at most `budget` tokens each, filled with the longest groups first (first-fit
    decreasing), the longest row first.

    `tokens` are the lengths of all groups, by their index. A group longer than the budget has a row of its own. The
    rows together hold every group once, so that gradients summed over them are those of the batch. A row after a
    longer one fits into the memory that was freed, while a longer one after it needs memory beyond that.
    """
    rows: list[list[int]] = []
    room: list[int] = []
    for index in sorted(batch, key=lambda each: (-tokens[each], each)):
        fitting = next((row for row, left in enumerate(room) if tokens[index] <= left), None)
        if fitting is None:
            rows.append([index])
            room.append(budget - tokens[index])
        else:
            rows[fitting].append(index)
            room[fitting] -= tokens[index]
    return sorted(rows, key=lambda row: -num_tokens(row, tokens=tokens))


def shares(batch: Sequence[int], *, tokens: Sequence[int], num_processes: int) -> list[list[int]]:
    """Return the groups of `batch` that each process takes: the longest first, each to whoever has the least so far."""
    found: list[list[int]] = [[] for _ in range(num_processes)]
    loads = [0] * num_processes
    for index in sorted(batch, key=lambda each: (-tokens[each], each)):
        least = loads.index(min(loads))
        found[least].append(index)
        loads[least] += tokens[index]
    return found
