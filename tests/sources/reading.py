"""Run a reader on rows written in a test and sort what it gives."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from steersman.sources.items import (
    TABLES,
    Convert,
    Fault,
    How,
    LeftOut,
    PairChoice,
    SourceRow,
    TableRow,
    Tie,
)
from steersman.tables import table_from_rows

Row = dict[str, object]


@dataclass
class Read:
    """What a reader gave: rows by table and, where the rows name splits, by `table.split`."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    ties: int = 0
    faults: list[tuple[str, str]] = field(default_factory=list)


def read(convert: Convert, rows: Sequence[Mapping[str, object]], *, how: How | None = None) -> Read:
    """Return what `convert` gives for `rows`; every table row must stand the check at the door."""
    found = Read()
    source = (SourceRow(f"file:{number + 1}", number, row) for number, row in enumerate(rows))
    for item in convert(source, how or How(split="train")):
        match item:
            case TableRow():
                name = item.table if item.split is None else f"{item.table}.{item.split}"
                found.rows.setdefault(name, []).append(dict(item.values))
            case LeftOut():
                found.left_out[item.reason] += 1
            case Tie():
                found.ties += 1
            case Fault():
                found.faults.append((item.place, item.text))
    for name, values in found.rows.items():
        table_from_rows(values, table=TABLES[name.partition(".")[0]], source=name)
    return found


def ends() -> How:
    """Return how a file is read when only the best and the worst of a ranking are compared."""
    choice: PairChoice = "ends"
    return How(split="train", pairs=choice)
