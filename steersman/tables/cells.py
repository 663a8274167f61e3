"""The check of single cells: what each kind of column may hold, and the words for what it may not."""

import sys
from collections.abc import Mapping, Sequence
from typing import TypeGuard

import polars as pl

from steersman.tables.faults import faults_of, raise_if_any
from steersman.tables.schemas import DTYPES, Column, Table

INT64_LIMIT = 2**63
MAX_FLOAT = sys.float_info.max
_LISTS = (DTYPES["texts"], DTYPES["integers"])


def _is_number(value: object) -> TypeGuard[int | float]:
    # compared, not math.isfinite: that overflows on an integer of hundreds of digits
    return isinstance(value, int | float) and not isinstance(value, bool) and -MAX_FLOAT <= value <= MAX_FLOAT


def _is_whole(value: object) -> bool:
    # exports from spreadsheets and pandas write 3 as 3.0; what 64 bits cannot hold, a table would turn into null
    return _is_number(value) and value == int(value) and -INT64_LIMIT <= value < INT64_LIMIT


def _is_text(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        # JSON can spell half of a surrogate pair, which no file can hold
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _is_messages(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(turn, dict) and _is_text(turn.get("content")) and _is_text(turn.get("role")) for turn in value
    )


_CHECKS = {
    "text": _is_text,
    "integer": _is_whole,
    "number": _is_number,
    "flag": lambda value: isinstance(value, bool),
    "texts": lambda value: isinstance(value, list) and all(_is_text(item) for item in value),
    "integers": lambda value: isinstance(value, list) and bool(value) and all(_is_whole(item) for item in value),
    "messages": _is_messages,
}
_WORDS = {
    "text": "text",
    "integer": "a whole number",
    "number": "a number",
    "flag": "true or false",
    "texts": "a list of texts",
    "integers": "a list of whole numbers",
    "messages": "a list of {role, content}",
}


def _range_words(column: Column) -> str:
    if column.high is None:
        return f"at least {column.low:g}"
    return f"from {column.low:g} to {column.high:g}"


def _is_in_range(value: object, column: Column) -> bool:
    numbers = value if isinstance(value, list) else [value]
    for number in numbers:
        if not isinstance(number, int | float):
            continue
        # written so that NaN, which compares false with everything, is outside
        if column.low is not None and not number >= column.low:
            return False
        if column.high is not None and not number <= column.high:
            return False
    return True


def cell_fault(row: Mapping[str, object], *, name: str, column: Column) -> str | None:
    """Return what is wrong with one cell of a JSON row, or None."""
    if name not in row:
        return f"no '{name}'" if column.required else None
    value = row[name]
    if value is None:
        return None if column.nullable else f"'{name}' is empty"
    if not _CHECKS[column.kind](value):
        return f"'{name}' must be {_WORDS[column.kind]}, got {str(value)[:40]!r}"
    if not _is_in_range(value, column):
        return f"'{name}' must be {_range_words(column)}, got {str(value)[:40]}"
    return None


def row_faults(row: Mapping[str, object], *, table: Table) -> list[str]:
    """Return what is wrong with a JSON row as a row of `table`, in the order of its columns."""
    faults = (cell_fault(row, name=name, column=column) for name, column in table.columns.items())
    return [fault for fault in faults if fault is not None]


def table_from_rows(rows: Sequence[Mapping[str, object]], *, table: Table, source: str) -> pl.DataFrame:
    """Return `rows` as a frame with exactly the columns of `table`; other keys are left out.

    Raises DataError that names every faulty row (counted from 1) of `source`.
    """
    faults = [
        f"{source}: row {number}: {fault}"
        for number, row in enumerate(rows, start=1)
        for fault in row_faults(row, table=table)
    ]
    raise_if_any(faults_of(faults), table=table)
    return frame_from_columns({name: [row.get(name) for row in rows] for name in table.columns}, table=table)


def frame_from_columns(columns: Mapping[str, Sequence[object]], *, table: Table) -> pl.DataFrame:
    """Return checked values, None where there is none, as a frame with exactly the columns of `table`."""
    return pl.DataFrame([column_series(name, columns[name], dtype=dtype) for name, dtype in table.schema.items()])


def column_series(name: str, values: Sequence[object], *, dtype: pl.DataType) -> pl.Series:
    """Return checked values as a column of the type `dtype`; 3.0 becomes 3 where that is a whole number."""
    if dtype in _LISTS:
        # a Python list costs Polars a hundred times what a number does, and few of them differ from each other
        places: dict[tuple[object, ...] | None, int] = {}
        keys = (tuple(value) if isinstance(value, list) else None for value in values)
        indices = [places.setdefault(key, len(places)) for key in keys]
        distinct = [None if key is None else list(key) for key in places]
        return pl.Series(name, distinct, dtype=dtype, strict=False)[indices]
    return pl.Series(name, values, dtype=dtype, strict=False)
