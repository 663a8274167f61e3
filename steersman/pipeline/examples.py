"""Read what is trained on: rated responses, of which rows 2k and 2k+1 share a prompt, or pairs with one preferred."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from steersman.errors import DataError
from steersman.sources.helpsteer2 import check_pairs
from steersman.store.files import first_row, read_table
from steersman.tables import EXAMPLES, PAIRS, Column, Table

Part = Literal["train", "validation"]
PARTS: tuple[Part, Part] = ("train", "validation")

_SPLITS: dict[Part, tuple[str, ...]] = {"train": ("train",), "validation": ("val", "validation")}
_TEXT = Column("text")
PREFERENCES = Table(
    "preferences",
    {
        "split": Column("text", required=False, nullable=True),
        "prompt": _TEXT,
        "response_1": _TEXT,
        "response_2": _TEXT,
        "preference_strength": Column("number", nullable=True, low=-3, high=3),
    },
)


def differing(responses: Sequence[tuple[str, ...]]) -> list[int]:
    """Return the numbers of the pairs whose responses are not one text: of one that is, neither can be the better."""
    return [number for number, texts in enumerate(responses) if len(set(texts)) > 1]


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


@dataclass(frozen=True, slots=True)
class Preferences:
    """Preferences: prompts (n), responses (n of two), and which of the two is preferred, 0 or 1.

    Left out are `num_ties` ties and `num_equal` pairs of two equal responses.
    """

    prompts: list[str]
    responses: list[tuple[str, ...]]
    chosen: list[int]
    num_ties: int
    num_equal: int


def read_preferences(path: Path) -> Preferences:
    """Return the preferences in a file of pairs, or of examples by their helpfulness; its first row tells which it is.

    Raises DataError as `read_table` and `read_pairs` do.
    """
    if "chosen" not in first_row(path):
        return _by_helpfulness(read_pairs(path))
    pairs = read_table(path, table=PAIRS)
    responses: list[tuple[str, ...]] = list(zip(pairs["chosen"].to_list(), pairs["rejected"].to_list(), strict=True))
    return _preferences(pairs["prompt"].to_list(), responses, [0] * pairs.height, num_ties=0)


def _preferences(
    prompts: list[str], responses: list[tuple[str, ...]], chosen: list[int], *, num_ties: int
) -> Preferences:
    kept = differing(responses)
    return Preferences(
        [prompts[number] for number in kept],
        [responses[number] for number in kept],
        [chosen[number] for number in kept],
        num_ties=num_ties,
        num_equal=len(prompts) - len(kept),
    )


def _by_helpfulness(pairs: RatedPairs) -> Preferences:
    first, second = (pairs.examples["helpfulness"].to_numpy()[start::2] for start in (0, 1))
    untied = (first != second).nonzero()[0].tolist()
    return _preferences(
        [pairs.prompts[number] for number in untied],
        [pairs.responses[number] for number in untied],
        [int(second[number] > first[number]) for number in untied],
        num_ties=len(pairs.prompts) - len(untied),
    )


def read_released_preferences(path: Path, *, part: Part) -> tuple[pl.DataFrame, int]:
    """Return the rows of a file in the released preferences shape whose split is `part`, and how many are of another.

    A row without a split belongs to every part. Raises DataError as `read_table` does, and when none is of that part.
    """
    rows = read_table(path, table=PREFERENCES)
    own = rows.filter(pl.col("split").is_null() | pl.col("split").is_in(_SPLITS[part]))
    if own.is_empty():
        raise DataError(f"{path}: no row has the split {' or '.join(_SPLITS[part])}, which data.{part} is read from")
    return own, rows.height - own.height
