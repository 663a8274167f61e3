"""Gather what is wrong with a table over all its parts, so that it is said once."""

from collections.abc import Sequence
from dataclasses import dataclass

from steersman.errors import MAX_FAULTS_SHOWN, DataError, join_faults
from steersman.tables.schemas import Table


@dataclass(frozen=True, slots=True)
class Faults:
    """The first faults of a table in words, at most as many as are shown, and how many there are."""

    shown: tuple[str, ...] = ()
    count: int = 0


NO_FAULTS = Faults()


def faults_of(words: Sequence[str], *, count: int | None = None) -> Faults:
    """Return the faults whose words begin with `words`; they are all there are unless `count` says otherwise."""
    return Faults(tuple(words[:MAX_FAULTS_SHOWN]), len(words) if count is None else count)


def joined(first: Faults, second: Faults) -> Faults:
    """Return the faults of a part of a table and of the part after it as one."""
    return faults_of((*first.shown, *second.shown), count=first.count + second.count)


def raise_if_any(faults: Faults, *, table: Table | None) -> None:
    """Raise DataError with all faults of a file, which was read as `table` where that is given."""
    if faults.count == 0:
        return
    hint = f" See docs/tables.md for the columns of {table.name}." if table else ""
    raise DataError(f"{join_faults(faults.shown, count=faults.count)}.{hint}")
