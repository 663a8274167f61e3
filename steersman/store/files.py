"""Read and write files of rows so that a reader finds each one complete or not at all.

Faults of a JSONL file are collected and raised once, with line numbers. How files and folders come into place is said
in `disk`; its names are given here too.
"""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import SEEK_END, BytesIO
from pathlib import Path

import polars as pl

from steersman.errors import DataError, join_faults
from steersman.store.disk import PARTIAL_SUFFIX as PARTIAL_SUFFIX
from steersman.store.disk import explained_disk_errors as explained_disk_errors
from steersman.store.disk import remove_partials as remove_partials
from steersman.store.disk import renamed_when_whole as renamed_when_whole
from steersman.store.disk import whole_folder as whole_folder
from steersman.tables import Table, row_faults, table_from_rows

_CHUNK_BYTES = 1 << 20
_BATCH_ROWS = 1 << 16


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` in one step."""
    with renamed_when_whole(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8 in one step."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON with sorted keys."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def read_json(path: Path) -> object:
    """Return the JSON value in `path`; raises DataError when it is missing or malformed."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: {_why_unreadable(error)}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON ({error})") from error


def _why_unreadable(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file; check the path"
    if isinstance(error, IsADirectoryError):
        return "is a folder, a file is needed"
    return f"cannot be read ({error.strerror})"


def jsonl_bytes(rows: Sequence[Mapping[str, object]]) -> bytes:
    """Return `rows` as JSON lines in UTF-8, keys in the order given."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode("utf-8")


def write_jsonl(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write `rows` as JSON lines; a name that ends in .gz is compressed, the same bytes for the same rows."""
    data = jsonl_bytes(rows)
    write_bytes(path, gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def write_table(path: Path, frame: pl.DataFrame) -> None:
    """Write a table as Parquet or JSON lines, as the name of `path` says."""
    if path.suffix == ".parquet":
        # made in memory: Polars tells of a full disk by an error of its own
        data = BytesIO()
        frame.write_parquet(data)
        write_bytes(path, data.getvalue())
        return
    write_jsonl(path, frame.to_dicts())


def write_rows_stream(path: Path, frames: Iterable[pl.DataFrame]) -> None:
    """Write the rows of `frames`, one after another, as `write_table` writes one frame.

    All frames have the same columns, and there is at least one; it may be empty.
    """
    write_table(path, pl.concat(frames))


def append_jsonl(path: Path, row: Mapping[str, object]) -> None:
    """Append one line to a log, in place of a last line that was cut.

    Readers must expect the last line of a killed process to be cut.
    """
    with explained_disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            _mend_last_line(path)
        with path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(row, ensure_ascii=False) + "\n")


def _mend_last_line(path: Path) -> None:
    with path.open("rb+") as log:
        size = log.seek(0, SEEK_END)
        log.seek(max(size - 1, 0))
        if log.read() in (b"", b"\n"):
            return
        log.seek(0)
        log.truncate(log.read().rfind(b"\n") + 1)


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file, compressed or not; raises DataError when it cannot be read."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        return data.decode("utf-8-sig").split("\n")
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        kind = "UTF-8" if isinstance(error, UnicodeDecodeError) else "gzip"
        raise DataError(f"{path}: cannot be read as {kind} ({error})") from error
    except OSError as error:
        raise DataError(f"{path}: {_why_unreadable(error)}") from error


def _parse_line(line: str) -> tuple[dict[str, object], str | None]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        return {}, f"not JSON ({error.msg} at column {error.colno})"
    except (ValueError, RecursionError) as error:
        # a number of thousands of digits, or brackets nested thousands deep
        return {}, f"not JSON ({error})"
    return (row, None) if isinstance(row, dict) else ({}, f"an object is needed, got {line[:40]!r}")


def read_rows(path: Path, *, table: Table | None = None) -> list[dict[str, object]]:
    """Return the objects of a JSON lines file, checked against `table` where one is given.

    Empty lines are passed over. Raises DataError that lists every fault of the file with its line number.
    """
    rows: list[dict[str, object]] = []
    faults: list[str] = []
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        row, fault = _parse_line(line)
        found = [fault] if fault else row_faults(row, table=table) if table else []
        faults += [f"{path}:{number}: {each}" for each in found]
        rows.append(row)
    if faults:
        hint = f" See docs/tables.md for the columns of {table.name}." if table else ""
        raise DataError(f"{join_faults(faults)}.{hint}")
    if not rows:
        raise DataError(f"{path}: holds no rows")
    return rows


def read_table(path: Path, *, table: Table) -> pl.DataFrame:
    """Return a JSON lines or Parquet file as a checked table."""
    if path.suffix == ".parquet":
        return table_from_rows(_read_parquet(path), table=table, source=str(path))
    # checked line by line already
    rows = read_rows(path, table=table)
    columns = {name: [row.get(name) for row in rows] for name in table.columns}
    return pl.DataFrame(columns, schema=table.schema, strict=False)


def iter_table(path: Path, *, table: Table, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
    """Yield the rows of a JSON lines or Parquet file in order, as checked frames of a bounded size.

    Only `columns` of `table`, in the order given, are read and checked; all of them where none are named. Raises
    DataError as `read_table` does, at the latest after the last row: what was yielded before is checked.
    """
    asked = Table(table.name, {name: table.columns[name] for name in columns or table.columns})
    yield from read_table(path, table=asked).iter_slices(_BATCH_ROWS)


def _read_parquet(path: Path) -> list[dict[str, object]]:
    try:
        rows = pl.read_parquet(path).to_dicts()
    except OSError as error:
        raise DataError(f"{path}: {_why_unreadable(error)}") from error
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path}: not a Parquet file ({error})") from error
    if not rows:
        raise DataError(f"{path}: holds no rows")
    return rows


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal; raises DataError when it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as data:
            while chunk := data.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise DataError(f"{path}: {_why_unreadable(error)}") from error
    return digest.hexdigest()


def sha256_tree(path: Path) -> str:
    """Return one SHA-256 for a file, or for the names and contents of all files below a folder.

    Raises DataError when there is neither: nothing must not have a hash.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; check the path")
    if path.is_file():
        return sha256_file(path)
    digest = hashlib.sha256()
    for file in sorted(each for each in path.rglob("*") if each.is_file()):
        digest.update(f"{file.relative_to(path).as_posix()}\0{sha256_file(file)}\n".encode())
    return digest.hexdigest()
