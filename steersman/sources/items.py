"""What a reader of foreign rows gives: rows of our tables, and what it left out, tied or found at fault."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from steersman.tables import (
    CONVERSATIONS,
    DISAGREEMENTS,
    EXAMPLES,
    PAIRS,
    PREFERENCE_RATINGS,
    PREFERENCE_TASKS,
    UNIT_SCORES,
    UNITS,
    Table,
)

# Which preferences of a ranking become pairs: every one, or only the best response against the worst.
PairChoice = Literal["all", "ends"]

# The tables a reader may give, by the name their files bear. Examples without a partner go into a file of their own:
# rows 2k and 2k+1 of an examples table share a prompt.
TABLES: Mapping[str, Table] = {
    "examples": EXAMPLES,
    "unpaired": EXAMPLES,
    "disagreements": DISAGREEMENTS,
    "pairs": PAIRS,
    "preference_ratings": PREFERENCE_RATINGS,
    "preference_tasks": PREFERENCE_TASKS,
    "conversations": CONVERSATIONS,
    "units": UNITS,
    "unit_scores": UNIT_SCORES,
}


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row of a foreign file: the file and line it stands on, its number from 0, and its keys and values."""

    place: str
    number: int
    value: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class How:
    """How a file is read: the split it belongs to, None where it has none, and which pairs a ranking gives."""

    split: str | None
    pairs: PairChoice = "all"


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of the table called `table` in TABLES; `split` is None where the file's own split holds."""

    table: str
    values: Mapping[str, object]
    split: str | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something of the source that no table of ours can hold, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Tie:
    """Two responses of which neither is preferred; never a pair."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A row that is not in the published shape."""

    place: str
    text: str


Item = TableRow | LeftOut | Tie | Fault
Convert = Callable[[Iterable[SourceRow], How], Iterator[Item]]


class ShapeError(ValueError):
    """A row is not in the published shape; the message says what is wrong with it."""


def row_by_row(read: Callable[[SourceRow, How], Iterator[Item]]) -> Convert:
    """Return a reader of files that reads each row on its own by `read`, whose ShapeError becomes a fault."""

    def convert(rows: Iterable[SourceRow], how: How) -> Iterator[Item]:
        for row in rows:
            try:
                yield from read(row, how)
            except ShapeError as error:
                yield Fault(row.place, str(error))

    return convert
