"""Read rated responses for training: rows 2k and 2k+1 of an examples table share a prompt."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from steersman.sources.helpsteer2 import check_pairs
from steersman.store.files import read_table
from steersman.tables import EXAMPLES


@dataclass(frozen=True, slots=True)
class RatedPairs:
    """The pairs of an examples table: prompts (n), responses (n of two), and the table itself (2n rows)."""

    prompts: list[str]
    responses: list[tuple[str, ...]]
    examples: pl.DataFrame

    def rows_of(self, numbers: list[int]) -> pl.DataFrame:
        """Return both rows of each of the pairs called by number, in that order."""
        return self.examples[[row for number in numbers for row in (2 * number, 2 * number + 1)]]


def read_pairs(path: Path) -> RatedPairs:
    """Return the pairs in an examples file; raises DataError that names every row without a partner."""
    examples = read_table(path, table=EXAMPLES)
    check_pairs({path: examples})
    first, second = examples[0::2], examples[1::2]
    responses: list[tuple[str, ...]] = list(zip(first["response"].to_list(), second["response"].to_list(), strict=True))
    return RatedPairs(first["prompt"].to_list(), responses, examples)
