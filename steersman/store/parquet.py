"""Read Parquet files in batches of a bounded size and check each against a table; write frames as Parquet."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from steersman.errors import DataError
from steersman.store.reading import why_unreadable
from steersman.tables import Faults, Table, conformed, frame_faults, joined, raise_if_any

_BATCH_ROWS = 1 << 15
_ROW_GROUP_BYTES = 1 << 25
_SYSTEM_ERROR = re.compile(r"\(os error (\d+)\)")


def iter_parquet(path: Path, *, table: Table) -> Iterator[pl.DataFrame]:
    """Yield the rows of a Parquet file in order as checked frames with the columns of `table`; no others are read.

    Memory is that of some row groups of the file. Raises DataError that lists every faulty row, counted from 1; once
    there is one, no more frames are given.
    """
    faults = Faults()
    num_rows = 0
    for batch in _batches(path, table=table):
        faults = joined(faults, frame_faults(batch, table=table, source=str(path), first_row=num_rows + 1))
        num_rows += batch.height
        if batch.height and faults.count == 0:
            yield conformed(batch, table=table)
    raise_if_any(faults, table=table)
    if num_rows == 0:
        raise DataError(f"{path}: holds no rows")


def parquet_first_row(path: Path) -> dict[str, object]:
    """Return the first row of a Parquet file unchecked, nothing where it has none."""
    with _explained(path):
        rows = pl.scan_parquet(path, glob=False).head(1).collect().to_dicts()
    return rows[0] if rows else {}


def write_parquet(path: Path, frame: pl.DataFrame) -> None:
    """Write a frame to `path` in row groups of some megabytes, so that no reader must hold more of it at once.

    Raises OSError, with its number, where the system refuses.
    """
    num_groups = 1 + int(frame.estimated_size()) // _ROW_GROUP_BYTES
    try:
        frame.write_parquet(path, row_group_size=1 + frame.height // num_groups)
    except (OSError, pl.exceptions.ComputeError) as error:
        # Polars tells of a full disk by an error of its own
        number = _SYSTEM_ERROR.search(str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error


def sink_parquet(path: Path, lines: Path, *, table: Table) -> None:
    """Write the JSON lines in `lines`, which have the columns of `table`, to `path` without holding them at once."""
    schema = dict(table.schema)
    if lines.stat().st_size == 0:
        write_parquet(path, pl.DataFrame(schema=schema))
        return
    pl.scan_ndjson(lines, schema=schema).sink_parquet(path, row_group_size=_BATCH_ROWS)


def _batches(path: Path, *, table: Table) -> Iterator[pl.DataFrame]:
    with _explained(path):
        rows = pl.scan_parquet(path, glob=False)
        found = rows.collect_schema().names()
        # without any column there would be no rows to find fault with
        asked = [name for name in found if name in table.columns] or found[:1]
        yield from rows.select(asked).collect_batches(chunk_size=_BATCH_ROWS, maintain_order=True)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        if not path.is_dir():
            # Python says why a file cannot be opened, Polars does not always
            path.open("rb").close()
        yield
    except OSError as error:
        raise DataError(f"{path}: {why_unreadable(error)}") from error
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path}: not a Parquet file ({error})") from error
