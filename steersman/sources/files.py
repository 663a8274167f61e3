"""Read the rows of files as others publish them: JSON lines, a JSON list or Parquet, a bounded part at a time."""

from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from steersman.errors import DataError
from steersman.sources.items import Fault, SourceRow
from steersman.store.files import read_json
from steersman.store.jsonl import parse_line
from steersman.store.reading import line_chunks, why_not_utf8

SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".parquet")
_SLICE_ROWS = 4096
_SHOWN = 40


def read_rows(path: Path, *, on_fault: Callable[[Fault], None]) -> Iterator[SourceRow]:
    """Yield the rows of a file in order; a line that is no JSON object goes to `on_fault`, and empty ones are skipped.

    Raises DataError when the file cannot be read, or is none of the kinds in SUFFIXES.
    """
    if path.name.endswith((".jsonl", ".jsonl.gz")):
        yield from _json_lines(path, on_fault=on_fault)
    elif path.suffix == ".json":
        yield from _json_list(path, on_fault=on_fault)
    elif path.suffix == ".parquet":
        yield from _parquet_rows(path)
    else:
        raise DataError(f"{path}: is none of {', '.join(SUFFIXES)}")


def _json_lines(path: Path, *, on_fault: Callable[[Fault], None]) -> Iterator[SourceRow]:
    number = 0
    for place, line in _lines(path):
        if not line.strip():
            continue
        value, fault = parse_line(line)
        if fault is None:
            yield SourceRow(place, number, value)
        else:
            on_fault(Fault(place, fault))
        number += 1


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    for chunk in line_chunks(path):
        for number, line in enumerate(chunk.lines, start=chunk.first):
            try:
                yield f"{path}:{number}", line.decode()
            except UnicodeDecodeError as error:
                raise DataError(f"{path}: cannot be read as UTF-8 ({why_not_utf8(chunk)}); save it as UTF-8") from error


def _json_list(path: Path, *, on_fault: Callable[[Fault], None]) -> Iterator[SourceRow]:
    found = read_json(path)
    if not isinstance(found, list):
        raise DataError(f"{path}: a list of objects is needed")
    for number, value in enumerate(found):
        place = f"{path}: row {number + 1}"
        if isinstance(value, dict):
            yield SourceRow(place, number, value)
        else:
            on_fault(Fault(place, f"a JSON object is needed, got {str(value)[:_SHOWN]!r}"))


def _parquet_rows(path: Path) -> Iterator[SourceRow]:
    try:
        scanned = pl.scan_parquet(path)
        total = scanned.select(pl.len()).collect().item()
        for start in range(0, total, _SLICE_ROWS):
            for number, value in enumerate(scanned.slice(start, _SLICE_ROWS).collect().to_dicts(), start=start):
                yield SourceRow(f"{path}: row {number + 1}", number, value)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path}: not a Parquet file ({error})") from error
