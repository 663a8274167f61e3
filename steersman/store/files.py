"""Read and write files of rows so that a reader finds each one complete or not at all.

A name that ends in .parquet stands for Parquet, any other for JSON lines, and one that ends in .gz for JSON lines that
are compressed. All faults of a file are collected and raised once. How files and folders come into place is said in
`disk`; its names are given here too.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import SEEK_END
from pathlib import Path

import polars as pl

from steersman.errors import DataError
from steersman.store.compressing import compressed, num_cores
from steersman.store.disk import PARTIAL_SUFFIX as PARTIAL_SUFFIX
from steersman.store.disk import explained_disk_errors as explained_disk_errors
from steersman.store.disk import remove_partials as remove_partials
from steersman.store.disk import renamed_when_whole as renamed_when_whole
from steersman.store.disk import whole_folder as whole_folder
from steersman.store.jsonl import iter_jsonl, jsonl_blocks, parse_line
from steersman.store.parquet import iter_parquet, parquet_first_row, sink_parquet, write_parquet
from steersman.store.reading import explained_unreadable, file_blocks, line_chunks, why_unreadable
from steersman.tables import Table, faults_of, raise_if_any, row_faults

_CHUNK_BYTES = 1 << 20
# a table somebody exported but not for us: its every line would be named as faulty
_OTHER_FORMATS = frozenset({".csv", ".tsv", ".xls", ".xlsx", ".ods", ".feather", ".arrow", ".avro"})


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
        raise DataError(f"{path}: {why_unreadable(error)}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON ({error})") from error


def jsonl_bytes(rows: Sequence[Mapping[str, object]]) -> bytes:
    """Return `rows` as JSON lines in UTF-8, keys in the order given."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode("utf-8")


def write_jsonl(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write `rows` as JSON lines; a name that ends in .gz is compressed, the same bytes for the same rows."""
    _write_blocks(path, [jsonl_bytes(rows)])


def write_table(path: Path, frame: pl.DataFrame) -> None:
    """Write a table as Parquet or JSON lines, as the name of `path` says; the same bytes for the same frame.

    Raises DataError where JSON lines are asked for and a number of the frame is NaN or infinite.
    """
    if path.suffix == ".parquet":
        with renamed_when_whole(path) as temporary:
            write_parquet(temporary, frame)
        return
    write_rows_stream(path, [frame])


def write_rows_stream(path: Path, frames: Iterable[pl.DataFrame]) -> None:
    """Write the rows of `frames`, one after another, as `write_table` writes one frame.

    All frames have the same columns. JSON lines never need more memory than the largest frame and what is being
    compressed; the rows of a Parquet file, of which there must be one frame at least, are gathered first.
    """
    if path.suffix == ".parquet":
        write_table(path, pl.concat(frames))
        return
    _write_blocks(path, (block for frame in frames for block in jsonl_blocks(frame, source=str(path))))


def write_lines(path: Path, blocks: Iterable[bytes], *, table: Table) -> None:
    """Write whole lines of JSON, which make rows of `table`, as Parquet or JSON lines, as the name of `path` says.

    `blocks` are drawn to the end before the file comes into place. Memory is that of some blocks.
    """
    if path.suffix != ".parquet":
        _write_blocks(path, blocks)
        return
    with renamed_when_whole(path) as temporary:
        lines = temporary.with_name(f"{temporary.name}.jsonl")
        try:
            with lines.open("wb") as file:
                file.writelines(blocks)
            sink_parquet(temporary, lines, table=table)
        finally:
            lines.unlink(missing_ok=True)


def _write_blocks(path: Path, blocks: Iterable[bytes]) -> None:
    with renamed_when_whole(path) as temporary, temporary.open("wb") as file:
        for block in compressed(blocks, num_threads=num_cores()) if path.suffix == ".gz" else blocks:
            file.write(block)


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
    with explained_unreadable(path):
        return b"".join(file_blocks(path)).decode("utf-8-sig").split("\n")


def read_rows(path: Path, *, table: Table | None = None) -> list[dict[str, object]]:
    """Return the objects of a JSON lines file, checked against `table` where one is given.

    Empty lines are passed over. Raises DataError that lists every fault of the file with its line number. This is for
    small files: `read_table` and `iter_table` are many times faster.
    """
    rows: list[dict[str, object]] = []
    faults: list[str] = []
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        row, fault = parse_line(line)
        found = [fault] if fault else row_faults(row, table=table) if table else []
        faults += [f"{path}:{number}: {each}" for each in found]
        rows.append(row)
    raise_if_any(faults_of(faults), table=table)
    if not rows:
        raise DataError(f"{path}: holds no rows")
    return rows


def first_row(path: Path) -> dict[str, object]:
    """Return the first row of a JSON lines or Parquet file unchecked, however large the file is.

    It is empty where there is none or where the line of the first is not an object: that is for the check of the whole
    to say. Raises DataError when the file cannot be read.
    """
    _refuse_other_format(path)
    if path.suffix == ".parquet":
        return parquet_first_row(path)
    lines = (line for chunk in line_chunks(path) for line in chunk.lines if line.strip())
    return parse_line(next(lines, b"{}").decode(errors="replace"))[0]


def read_table(path: Path, *, table: Table) -> pl.DataFrame:
    """Return a JSON lines or Parquet file as a checked table.

    Raises DataError that lists every fault of the file, with the number of its line or, for Parquet, of its row.
    """
    return pl.concat(iter_table(path, table=table))


def iter_table(path: Path, *, table: Table, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
    """Yield the rows of a JSON lines or Parquet file in order, as checked frames of a bounded size.

    Only `columns` of `table`, in the order given, are read and checked; all of them where none are named. Raises
    DataError as `read_table` does, after the last row: what was yielded before is checked, and nothing is yielded once
    a fault is found.
    """
    _refuse_other_format(path)
    asked = Table(table.name, {name: table.columns[name] for name in columns or table.columns})
    yield from (iter_parquet if path.suffix == ".parquet" else iter_jsonl)(path, table=asked)


def _refuse_other_format(path: Path) -> None:
    if path.suffix.lower() in _OTHER_FORMATS and path.is_file():
        raise DataError(f"{path}: is neither JSON lines nor Parquet, by its name; convert it first (docs/tables.md)")


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal; raises DataError when it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as data:
            while chunk := data.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise DataError(f"{path}: {why_unreadable(error)}") from error
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
