"""Read JSON lines in chunks of a bounded size and check each row against a table; write frames as JSON lines.

What a row must be is said by the check of cells (`steersman.tables`) on what Python's `json` makes of a line. That is
slow, so msgspec, which checks types and ranges while it parses, goes first. Whatever it takes the slow way takes too,
with the same values; the tests hold the two against each other. Where msgspec finds fault with a line, or might be
less strict than `json`, the slow way decides and words the fault.
"""

import json
import math
import operator
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import GenericAlias
from typing import Annotated, TypedDict, cast

import msgspec
import polars as pl
from msgspec import Meta

from steersman.errors import DataError
from steersman.store.reading import LineChunk, line_chunks, why_not_utf8
from steersman.tables import (
    INT64_LIMIT,
    Column,
    Faults,
    Table,
    faults_of,
    frame_from_columns,
    joined,
    raise_if_any,
    row_faults,
)

# Python's json refuses an integer of more digits, also where msgspec passes over it
_MOST_DIGITS = 4300
_DIGITS = frozenset(b"0123456789")
_WRITTEN_BYTES = 1 << 22


class _Turn(TypedDict):
    role: str
    content: str


@dataclass(frozen=True, slots=True)
class _Parser:
    """The fast way to read the rows of one table: `decode` makes a `row_type` of a line; `fields` by column name."""

    table: Table
    decode: Callable[[bytes], msgspec.Struct]
    row_type: Callable[..., msgspec.Struct]
    fields: Mapping[str, str]


def iter_jsonl(path: Path, *, table: Table) -> Iterator[pl.DataFrame]:
    """Yield the rows of a JSON lines file in order as checked frames with the columns of `table`.

    Empty lines are passed over. Raises DataError that lists every fault of the file with its line number; once there is
    one, no more frames are given.
    """
    parser = _parser(table)
    faults = Faults()
    is_empty = True
    chunks = line_chunks(path)
    for chunk in chunks:
        try:
            rows, words = _read_chunk(chunk, parser=parser, path=path)
        except UnicodeDecodeError as error:
            # what a damaged gzip file gives is seldom UTF-8: read on, then the damage is told instead
            deque(chunks, maxlen=0)
            raise DataError(f"{path}: cannot be read as UTF-8 ({why_not_utf8(chunk)}); save it as UTF-8") from error
        faults = joined(faults, faults_of(words))
        is_empty = is_empty and not rows
        if rows and faults.count == 0:
            yield _frame(rows, parser=parser)
    raise_if_any(faults, table=table)
    if is_empty:
        raise DataError(f"{path}: holds no rows")


def jsonl_blocks(frame: pl.DataFrame, *, source: str) -> Iterator[bytes]:
    """Yield a frame as JSON lines in UTF-8, nothing escaped that need not be, some thousands of rows at a time.

    Raises DataError where `frame` holds NaN or an infinity, which JSON cannot hold and Polars would write as null.
    """
    for name, dtype in frame.schema.items():
        numbers = frame[name].explode() if isinstance(dtype, pl.List) else frame[name]
        if numbers.dtype.is_float() and not numbers.is_finite().all():
            raise DataError(f"{source}: column '{name}' holds NaN or an infinity, which JSON lines cannot hold")
    num_blocks = 1 + int(frame.estimated_size()) // _WRITTEN_BYTES
    for rows in frame.iter_slices(1 + frame.height // num_blocks):
        block = BytesIO()
        rows.write_ndjson(block)
        yield block.getvalue()


def parse_line(line: str) -> tuple[dict[str, object], str | None]:
    """Return the object of a line of JSON and what is wrong with the line, if anything."""
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        return {}, f"not JSON ({error.msg} at column {error.colno})"
    except (ValueError, RecursionError) as error:
        # a number of thousands of digits, or brackets nested thousands deep
        return {}, f"not JSON ({error})"
    return (row, None) if isinstance(row, dict) else ({}, f"an object is needed, got {line[:40]!r}")


def _read_chunk(chunk: LineChunk, *, parser: _Parser, path: Path) -> tuple[list[msgspec.Struct], list[str]]:
    """Return the rows of a chunk and what is wrong with them; raises UnicodeDecodeError where it is not UTF-8."""
    rows: list[msgspec.Struct] = []
    words: list[str] = []
    for number, line in enumerate(chunk.lines, start=chunk.first):
        row = _fast_row(line, decode=parser.decode)
        if row is not None:
            rows.append(row)
        elif (text := line.decode()).strip():
            values, faults = _slow_row(text, table=parser.table)
            rows.append(parser.row_type(**{field: values.get(name) for name, field in parser.fields.items()}))
            words += [f"{path}:{number}: {fault}" for fault in faults]
    return rows, words


def _fast_row(line: bytes, *, decode: Callable[[bytes], msgspec.Struct]) -> msgspec.Struct | None:
    """Return the row of a line, or None where the slow way must decide."""
    try:
        if not line.isascii():
            line.decode()
        return None if _may_hold_long_number(line) else decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _may_hold_long_number(line: bytes) -> bool:
    # of a row of so many digits one is at each place that is looked at
    return not _DIGITS.isdisjoint(line[_MOST_DIGITS :: _MOST_DIGITS + 1])


def _slow_row(text: str, *, table: Table) -> tuple[dict[str, object], list[str]]:
    row, fault = parse_line(text)
    return row, [fault] if fault else row_faults(row, table=table)


def _frame(rows: list[msgspec.Struct], *, parser: _Parser) -> pl.DataFrame:
    columns = {name: list(map(operator.attrgetter(field), rows)) for name, field in parser.fields.items()}
    return frame_from_columns(columns, table=parser.table)


def _parser(table: Table) -> _Parser:
    fields = {name: f"column_{index}" for index, name in enumerate(table.columns)}
    row_type = msgspec.defstruct(
        "Row",
        [_field(fields[name], column) for name, column in table.columns.items()],
        rename={field: name for name, field in fields.items()},
        kw_only=True,
        gc=False,
    )
    return _Parser(table, decode=msgspec.json.Decoder(row_type).decode, row_type=row_type, fields=fields)


def _field(name: str, column: Column) -> tuple[str, type] | tuple[str, type, None]:
    kinds = {
        "text": str,
        "integer": _whole_type(column),
        "number": Annotated[float, Meta(ge=column.low, le=column.high)],
        "flag": bool,
        "texts": list[str],
        "integers": Annotated[GenericAlias(list, _whole_type(column)), Meta(min_length=1)],
        "messages": list[_Turn],
    }
    held = cast("type", operator.or_(kinds[column.kind], None) if column.nullable else kinds[column.kind])
    return (name, held) if column.required else (name, held, None)


def _whole_type(column: Column) -> object:
    """Return the type of whole numbers within the range of a column and of 64 bits, written as 3 or as 3.0."""
    low = -INT64_LIMIT if column.low is None else max(math.ceil(column.low), -INT64_LIMIT)
    high = INT64_LIMIT - 1 if column.high is None else min(math.floor(column.high), INT64_LIMIT - 1)
    whole = Annotated[int, Meta(ge=low, le=high)]
    decimal = Annotated[float, Meta(ge=float(low), lt=float(high + 1), multiple_of=1.0)]
    return operator.or_(whole, decimal)
