"""Gather rows of many tables in bounded memory: full parts lie on disk until each table is written as one file."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from steersman.sources.items import TABLES, TableRow
from steersman.store.files import iter_table, write_rows_stream, write_table
from steersman.tables import table_from_rows

_PART_ROWS = 4096
_SUFFIX = ".jsonl.gz"


class TableParts:
    """Rows by the file they belong to; those of one file keep their order."""

    def __init__(self, folder: Path) -> None:
        """Keep parts in `folder`, which is the caller's to remove."""
        self._folder = folder
        self._tables: dict[str, str] = {}
        self._waiting: dict[str, list[TableRow]] = {}
        self._parts: dict[str, list[Path]] = {}
        self._num_rows: Counter[str] = Counter()

    @property
    def num_rows(self) -> dict[str, int]:
        """Rows by the name of their file, in order of names."""
        return {name.removesuffix(_SUFFIX): number for name, number in sorted(self._num_rows.items())}

    def add(self, row: TableRow, *, split: str | None) -> None:
        """Take a row of `split`, unless it names its own."""
        name = file_name(row.table, split=row.split or split)
        self._tables[name] = row.table
        self._num_rows[name] += 1
        waiting = self._waiting.setdefault(name, [])
        waiting.append(row)
        if len(waiting) == _PART_ROWS:
            self._flush(name)

    def write(self, folder: Path) -> None:
        """Write every table into `folder`, one file each."""
        for name in list(self._waiting):
            self._flush(name)
        for name in self._parts:
            write_rows_stream(folder / name, self._frames(name))

    def _flush(self, name: str) -> None:
        rows = [row.values for row in self._waiting.pop(name)]
        parts = self._parts.setdefault(name, [])
        part = self._folder / f"{name}.{len(parts):06d}.parquet"
        write_table(part, table_from_rows(rows, table=TABLES[self._tables[name]], source=name))
        parts.append(part)

    def _frames(self, name: str) -> Iterator[pl.DataFrame]:
        for part in self._parts[name]:
            yield from iter_table(part, table=TABLES[self._tables[name]])


def file_name(table: str, *, split: str | None) -> str:
    """Return the name of a table's file: TABLE.SPLIT.jsonl.gz; examples are named as HelpSteer2 names them."""
    words = ([] if table == "examples" and split else [table]) + ([split] if split else [])
    return ".".join(words) + _SUFFIX
