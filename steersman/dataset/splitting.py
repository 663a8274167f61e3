"""Divide tasks into training and validation so that no prompt, and none that says nearly the same, is in both."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from steersman.dataset.grid import BoolArray, IntArray
from steersman.dataset.near_duplicates import near_duplicate_groups

TRAIN, VALIDATION = "train", "validation"
_RESPONSES_PER_TASK = 2


@dataclass(frozen=True, slots=True)
class PromptSplit:
    """Which tasks are set aside for validation, (T,), how many prompts there are, and the largest group of them.

    A group is what stays on one side: `largest_group` counts its different prompts. 1 means that no prompt is near
    another; a large share of `num_prompts`, that a chain of similar prompts holds them together, and that the
    threshold is too low for this data.
    """

    is_validation: BoolArray
    num_prompts: int
    largest_group: int

    @property
    def rows(self) -> dict[str, int]:
        """Examples, two per task, of each part that has any, training first."""
        validation = int(self.is_validation.sum())
        tasks = {TRAIN: self.is_validation.size - validation, VALIDATION: validation}
        return {name: number * _RESPONSES_PER_TASK for name, number in tasks.items() if number}


def split_prompts(
    prompts: pl.Series, *, validation_share: float, threshold: float | None, rng: np.random.Generator
) -> PromptSplit:
    """Return which of the tasks with these `prompts` (T,) are set aside: about `validation_share` of them.

    Equal prompts are on one side, and so are those that `near_duplicate_groups` finds at `threshold`; None means equal
    prompts only. The choice depends on the prompts, on how many tasks each has and on `rng`, not on their order.
    Groups are drawn at random and taken while they fit, so that a large one never overfills the validation part. A
    share above zero sets at least one group aside where there are two, and training keeps at least one.
    """
    numbers, first = _numbered(prompts)
    groups = _groups(prompts.gather(first), threshold=threshold)
    sizes = np.bincount(groups[numbers])
    wanted = round(validation_share * prompts.len())
    chosen = _fitting(sizes, wanted=max(wanted, 1) if validation_share > 0 else 0, rng=rng)
    return PromptSplit(chosen[groups[numbers]], first.size, int(np.bincount(groups).max(initial=0)))


def _numbered(prompts: pl.Series) -> tuple[IntArray, IntArray]:
    """Return the number of each task's prompt among all, in the order of their texts, (T,), and a task with each."""
    numbers = prompts.rank("dense").cast(pl.Int64).to_numpy() - 1
    return numbers, np.unique(numbers, return_index=True)[1]


def _groups(prompts: pl.Series, *, threshold: float | None) -> IntArray:
    return np.arange(prompts.len()) if threshold is None else near_duplicate_groups(prompts, threshold=threshold)


def _fitting(sizes: IntArray, *, wanted: int, rng: np.random.Generator) -> BoolArray:
    """Return which groups of such `sizes` (G,) to set aside, (G,): `wanted` tasks, or as near below as they come."""
    order = rng.permutation(sizes.size)
    chosen = np.zeros(sizes.size, dtype=np.bool_)
    left = wanted
    for group, size in zip(order.tolist(), sizes[order].tolist(), strict=True):
        if size <= left:
            chosen[group] = True
            left -= size
    if wanted and sizes.size > 1 and not chosen.any():
        chosen[order[sizes[order].argmin()]] = True
    if wanted and chosen.all():
        chosen[order[-1:]] = False
    return chosen
