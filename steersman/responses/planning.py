"""Assign two different generators to each prompt, with equal shares, and lay out the responses table."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from steersman.tables import RESPONSES

RESPONSES_PER_PROMPT = 2


@dataclass(frozen=True, slots=True)
class Assignment:
    """Generator number `generator` answers prompt number `prompt`, at `position` 0 or 1 of its pair."""

    prompt: int
    generator: int
    position: int


def assign_generators(num_prompts: int, *, num_generators: int, rng: np.random.Generator) -> list[Assignment]:
    """Return two assignments per prompt, sorted by prompt and position.

    Each prompt gets two different generators; how many prompts each generator gets differs by at most one; which of
    the two comes first is random, so that position says nothing about the generator.
    """
    if num_generators < RESPONSES_PER_PROMPT:
        raise ValueError(f"at least two generators are needed, got {num_generators}")
    order: list[int] = []
    assignments = []
    for prompt in range(num_prompts):
        while len(order) < RESPONSES_PER_PROMPT:
            order += _round(num_generators, after=order, rng=rng)
        chosen, order = order[:RESPONSES_PER_PROMPT], order[RESPONSES_PER_PROMPT:]
        if rng.random() < 1 / RESPONSES_PER_PROMPT:
            chosen.reverse()
        assignments += [Assignment(prompt, generator, position) for position, generator in enumerate(chosen)]
    return assignments


def _round(num_generators: int, *, after: Sequence[int], rng: np.random.Generator) -> list[int]:
    found: list[int] = rng.permutation(num_generators).tolist()
    if after and found[0] == after[-1]:
        # one is left of the last round and would meet itself; any other place is as random
        other = int(rng.integers(1, num_generators))
        found[0], found[other] = found[other], found[0]
    return found


def responses_table(rows: Sequence[dict[str, object]]) -> pl.DataFrame:
    """Return response rows as the responses table, in order."""
    return pl.DataFrame(list(rows), schema=RESPONSES.schema)


def response_id(prompt_id: str, position: int) -> str:
    """Return the id of the response at `position` 0 or 1: the prompt's id and a letter."""
    return f"{prompt_id}-{'ab'[position]}"
