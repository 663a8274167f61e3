"""The check of whole frames: Polars finds the rows in which a cell is faulty, the check of cells words the faults.

What a column may hold is said twice, here for a Polars type and in `cells` for a Python value; the tests hold the two
against each other. A type that is not spoken of here is checked cell by cell.
"""

import polars as pl
from polars._typing import PolarsDataType

from steersman.errors import MAX_FAULTS_SHOWN
from steersman.tables.cells import INT64_LIMIT, cell_fault, column_series, row_faults
from steersman.tables.faults import Faults, faults_of, raise_if_any
from steersman.tables.schemas import DTYPES, Column, Kind, Table

_TEXT_TYPES = (pl.String, pl.Categorical, pl.Enum)
_WHOLE_TYPES = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)
_DECIMAL_TYPES = (pl.Float32, pl.Float64)
_NUMBER_TYPES = (*_WHOLE_TYPES, *_DECIMAL_TYPES)
_KNOWN_TYPES = (*_TEXT_TYPES, *_NUMBER_TYPES, pl.Boolean, pl.Null)
_ITEM_KINDS: dict[Kind, Kind] = {"texts": "text", "integers": "integer", "messages": "messages"}
_TURN = ("role", "content")


def check_table(frame: pl.DataFrame, *, table: Table, source: str) -> pl.DataFrame:
    """Return `frame` with exactly the columns of `table`, in order; other columns are left out.

    Raises DataError that names every faulty row (counted from 1) of `source`.
    """
    raise_if_any(frame_faults(frame, table=table, source=source), table=table)
    return conformed(frame, table=table)


def frame_faults(frame: pl.DataFrame, *, table: Table, source: str, first_row: int = 1) -> Faults:
    """Return what is wrong with the rows of `frame`, the first of which is called `first_row`."""
    faulty = frame.select(**{name: _faulty(frame, name=name, column=column) for name, column in table.columns.items()})
    count = sum(int(column.sum()) for column in faulty)
    if count == 0:
        return Faults()
    rows = faulty.select(pl.any_horizontal(pl.all()).arg_true()).to_series().head(MAX_FAULTS_SHOWN)
    words = [
        f"{source}: row {first_row + number}: {fault}"
        for number, row in zip(rows, frame[rows].to_dicts(), strict=True)
        for fault in row_faults(row, table=table)
    ]
    return faults_of(words, count=count)


def conformed(frame: pl.DataFrame, *, table: Table) -> pl.DataFrame:
    """Return a frame without faults with the columns and types of `table`."""
    return frame.select(**{name: _cast(frame, name=name, wanted=dtype) for name, dtype in table.schema.items()})


def _faulty(frame: pl.DataFrame, *, name: str, column: Column) -> pl.Expr | pl.Series:
    """Return for every row whether its cell in the column `name` is faulty; never null."""
    if name not in frame.columns:
        return pl.repeat(column.required, pl.len())
    cell = pl.col(name)
    is_valid = _valid(cell, dtype=frame.schema[name], column=column)
    if is_valid is None:
        faults = [cell_fault({name: value}, name=name, column=column) for value in frame[name].to_list()]
        return pl.Series([fault is not None for fault in faults], dtype=pl.Boolean)
    return pl.when(cell.is_null()).then(not column.nullable).otherwise(~is_valid)


def _valid(cell: pl.Expr, *, dtype: pl.DataType, column: Column) -> pl.Expr | None:
    """Return whether a cell that is not null may stand in `column`, or None where only the check of cells knows."""
    if not isinstance(dtype, pl.List):
        return _valid_scalar(cell, dtype=dtype, kind=column.kind, column=column)
    if column.kind not in _ITEM_KINDS:
        return pl.lit(value=False)
    item = pl.element()
    if column.kind == "messages":
        fits = _valid_turn(item, dtype=dtype.inner)
    else:
        fits = _valid_scalar(item, dtype=dtype.inner, kind=_ITEM_KINDS[column.kind], column=column)
    if fits is None:
        return None
    all_fit = cell.list.eval(item.is_not_null() & fits).list.all()
    return all_fit & (cell.list.len() > 0) if column.kind == "integers" else all_fit


def _valid_scalar(value: pl.Expr, *, dtype: PolarsDataType, kind: Kind, column: Column) -> pl.Expr | None:
    if dtype not in _KNOWN_TYPES:
        return None
    if kind == "text":
        return pl.lit(value=dtype in _TEXT_TYPES)
    if kind == "flag":
        return pl.lit(value=dtype == pl.Boolean)
    if kind not in ("integer", "number") or dtype not in _NUMBER_TYPES:
        return pl.lit(value=False)
    is_valid = _is_whole(value, dtype=dtype) if kind == "integer" else _is_finite(value, dtype=dtype)
    if column.low is not None:
        is_valid &= value >= column.low
    if column.high is not None:
        is_valid &= value <= column.high
    return is_valid


def _is_finite(value: pl.Expr, *, dtype: PolarsDataType) -> pl.Expr:
    return value.is_finite() if dtype in _DECIMAL_TYPES else pl.lit(value=True)


def _is_whole(value: pl.Expr, *, dtype: PolarsDataType) -> pl.Expr:
    if dtype == pl.UInt64:
        return value < pl.lit(INT64_LIMIT, dtype=pl.UInt64)
    if dtype not in _DECIMAL_TYPES:
        return pl.lit(value=True)
    exact = value.cast(pl.Float64)
    # neither NaN nor an infinity is between the limits
    return (exact == exact.floor()) & exact.is_between(-float(INT64_LIMIT), float(INT64_LIMIT), closed="left")


def _valid_turn(turn: pl.Expr, *, dtype: PolarsDataType) -> pl.Expr | None:
    if not isinstance(dtype, pl.Struct):
        return pl.lit(value=False) if dtype in _KNOWN_TYPES else None
    found = {field.name: field.dtype for field in dtype.fields}
    types = [found.get(name, pl.Null()) for name in _TURN]
    if not all(each in _KNOWN_TYPES for each in types):
        return None
    if not all(each in _TEXT_TYPES for each in types):
        return pl.lit(value=False)
    return pl.all_horizontal(turn.struct.field(name).is_not_null() for name in _TURN)


def _cast(frame: pl.DataFrame, *, name: str, wanted: pl.DataType) -> pl.Expr | pl.Series:
    """Return the column `name` in the type `wanted`, exactly; null where the frame has no such column."""
    if name not in frame.columns or frame[name].null_count() == frame.height:
        return pl.repeat(None, pl.len(), dtype=wanted)
    found = frame.schema[name]
    if found == wanted:
        return pl.col(name)
    item = found.inner if isinstance(found, pl.List) else found
    if item in _KNOWN_TYPES:
        return pl.col(name).cast(wanted)
    has_turns = isinstance(item, pl.Struct) and {field.name for field in item.fields} >= set(_TURN)
    if wanted == DTYPES["messages"] and has_turns:
        fields = [pl.element().struct.field(field).cast(pl.String) for field in _TURN]
        return pl.col(name).list.eval(pl.struct(fields))
    return column_series(name, frame[name].to_list(), dtype=wanted)
