"""The check of whole frames says exactly what the check of cells says, and lets exactly the same pass."""

import math
import sys
from typing import cast

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from steersman.errors import MAX_FAULTS_SHOWN, DataError
from steersman.tables import RATINGS, Column, Kind, Table, cell_fault, check_table, table_from_rows

KINDS: tuple[Kind, ...] = ("text", "integer", "number", "flag", "texts", "integers", "messages")
RANGED = ("integer", "number", "integers")
TEXT = st.text(max_size=2)
WHOLE = st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 6)
POSITIVE = st.integers(0, 2**64 - 1) | st.integers(0, 6)
NOT_FINITE = st.sampled_from([float("nan"), float("inf"), -float("inf")])
FLOATS = (
    st.floats() | NOT_FINITE | st.integers(-2, 6).map(float) | st.sampled_from([2.0**63, -(2.0**63), 2.0**63 - 1024])
)
NARROW = st.floats(width=32) | NOT_FINITE | st.integers(-2, 6).map(float) | st.sampled_from([2.0**63])
SCALARS: dict[pl.DataType, st.SearchStrategy[object]] = {
    pl.String(): TEXT,
    pl.Categorical(): TEXT,
    pl.Enum(["a", "b"]): st.sampled_from(["a", "b"]),
    pl.Boolean(): st.booleans(),
    pl.Int64(): WHOLE,
    pl.Int8(): st.integers(-128, 127) | st.integers(-2, 6),
    pl.UInt64(): POSITIVE,
    pl.UInt8(): st.integers(0, 255) | st.integers(0, 6),
    pl.Int128(): st.integers(-(2**100), 2**100) | st.integers(-2, 6),
    pl.Float64(): FLOATS,
    pl.Float32(): NARROW,
    pl.Null(): st.none(),
    pl.Binary(): st.binary(max_size=2),
    pl.Date(): st.dates(),
    pl.Decimal(10, 2): st.decimals(-9, 9, places=2),
}


def lists_of(items: dict[pl.DataType, st.SearchStrategy[object]]) -> dict[pl.DataType, st.SearchStrategy[object]]:
    return {pl.List(dtype): st.lists(values | st.none(), max_size=3) for dtype, values in items.items()}


def turns_of(role: pl.DataType, content: pl.DataType) -> tuple[pl.DataType, st.SearchStrategy[object]]:
    fields = {"role": role, "note": pl.Int8(), "content": content}
    values = {"role": SCALARS[role] | st.none(), "note": st.just(1), "content": SCALARS[content] | st.none()}
    return pl.Struct(fields), st.fixed_dictionaries(values)


TURNS = dict(
    turns_of(role, content)
    for role in (pl.String(), pl.Categorical(), pl.Int8(), pl.Binary())
    for content in (pl.String(), pl.Null())
)
OTHERS: dict[pl.DataType, st.SearchStrategy[object]] = {
    pl.Struct({"role": pl.String()}): st.fixed_dictionaries({"role": TEXT}),
    pl.List(pl.Struct({"role": pl.String()})): st.lists(st.fixed_dictionaries({"role": TEXT}), max_size=2),
    pl.List(pl.List(pl.Int64())): st.lists(st.lists(WHOLE, max_size=2), max_size=2),
    pl.Array(pl.String(), 2): st.lists(TEXT, min_size=2, max_size=2),
    pl.Array(pl.Int8(), 1): st.lists(st.integers(-2, 6), min_size=1, max_size=1),
    pl.Object(): TEXT | WHOLE | st.booleans() | st.lists(TEXT, max_size=2),
}
TYPES = {**SCALARS, **lists_of(SCALARS), **lists_of(TURNS), **OTHERS}


WHOLE_EDGES: list[object] = [-1, 0, 4, 5, None]
FLOAT_EDGES: list[object] = [-1.0, -0.0, 0.5, 2.5, 4.0, 4.5, 2.0**63, -(2.0**63), math.nan, math.inf, -math.inf, None]
EDGES: dict[pl.DataType, list[object]] = {
    pl.String(): ["", "a", None],
    pl.Categorical(): ["", "a", None],
    pl.Boolean(): [True, False, None],
    pl.Int8(): WHOLE_EDGES,
    pl.Int64(): [*WHOLE_EDGES, 2**63 - 1, -(2**63)],
    pl.UInt64(): [*WHOLE_EDGES[1:], 2**63 - 1, 2**63],
    pl.Int128(): [*WHOLE_EDGES, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1],
    pl.Float32(): FLOAT_EDGES,
    pl.Float64(): [*FLOAT_EDGES, 2.0**63 - 1024, sys.float_info.max],
}
LIST_EDGES: dict[pl.DataType, list[object]] = {
    pl.List(dtype): [None, [], *([value] for value in edges), edges[:2], edges] for dtype, edges in EDGES.items()
}
TURN = pl.Struct({"role": pl.String(), "note": pl.Int8(), "content": pl.String()})
TURN_EDGES: list[object] = [
    {"role": role, "note": None, "content": content} for role in ("user", None) for content in ("hi", None)
]
LIST_EDGES[pl.List(TURN)] = [None, [], *([turn] for turn in TURN_EDGES), TURN_EDGES, [TURN_EDGES[0]] * 2, [None]]
FITTING: dict[Kind, list[pl.DataType]] = {
    "text": [pl.String(), pl.Categorical(), pl.Enum(["a", "b"])],
    "integer": [dtype for dtype in SCALARS if dtype.is_numeric()],
    "number": [dtype for dtype in SCALARS if dtype.is_numeric()],
    "flag": [pl.Boolean()],
    "texts": [pl.List(pl.String()), pl.List(pl.Categorical()), pl.Array(pl.String(), 2)],
    "integers": [dtype for dtype in lists_of(SCALARS) if cast(pl.List, dtype).inner.is_numeric()],
    "messages": list(lists_of(TURNS)),
}


@st.composite
def columns(draw: st.DrawFn, kind: Kind) -> Column:
    ranges = [(None, None), (0, 4), (-3, 3), (0, None), (0.5, 2.5)] if kind in RANGED else [(None, None)]
    low, high = draw(st.sampled_from(ranges))
    return Column(kind, nullable=draw(st.booleans()), low=low, high=high)


@st.composite
def frames(draw: st.DrawFn, kind: Kind) -> pl.DataFrame:
    dtype = draw(st.sampled_from(FITTING[kind]) | st.sampled_from(list(TYPES)))
    values = draw(st.lists(TYPES[dtype] | st.none(), max_size=4))
    return pl.DataFrame({"cell": pl.Series(values, dtype=dtype), "other": pl.Series([0] * len(values))})


def outcome(frame: pl.DataFrame, *, table: Table, fast: bool) -> pl.DataFrame | str:
    try:
        if fast:
            return check_table(frame, table=table, source="f")
        return table_from_rows(frame.to_dicts(), table=table, source="f")
    except DataError as error:
        return str(error)


def assert_same(frame: pl.DataFrame, *, table: Table) -> None:
    found, wanted = (outcome(frame, table=table, fast=fast) for fast in (True, False))
    if isinstance(wanted, str) or isinstance(found, str):
        assert found == wanted
    else:
        assert_frame_equal(found, wanted, check_exact=True)
        assert found.to_dicts() == wanted.to_dicts()


@pytest.mark.parametrize("dtype", [*EDGES, *LIST_EDGES], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_the_two_checks_agree_at_the_edges_of_every_type(kind: Kind, dtype: pl.DataType) -> None:
    """First all values are judged, then those are converted in which the check of cells finds no fault."""
    values = pl.DataFrame({"cell": pl.Series((EDGES | LIST_EDGES)[dtype], dtype=dtype)})
    for low, high in [(None, None), (0, 4), (0.5, 2.5)] if kind in RANGED else [(None, None)]:
        column = Column(kind, nullable=True, low=low, high=high)
        assert_same(values, table=Table("any", {"cell": column}))
        passes = [cell_fault(row, name="cell", column=column) is None for row in values.to_dicts()]
        assert_same(values.filter(passes), table=Table("any", {"cell": column}))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_the_check_of_frames_agrees_with_the_check_of_cells(kind: Kind, data: st.DataObject) -> None:
    frame, column = data.draw(frames(kind)), data.draw(columns(kind))
    assert_same(frame, table=Table("any", {"cell": column}))


@pytest.mark.parametrize("kind", ["texts", "messages"])
@pytest.mark.parametrize("dtype", [dtype for dtype in TYPES if isinstance(dtype, pl.List)], ids=str)
def test_empty_lists_pass_whatever_they_could_hold(kind: Kind, dtype: pl.DataType) -> None:
    assert_same(pl.DataFrame({"cell": pl.Series([[]], dtype=dtype)}), table=Table("any", {"cell": Column(kind)}))


def test_a_missing_column_is_null_or_a_fault_of_every_row() -> None:
    frame = pl.DataFrame({"other": [1, 2]})
    for required in (True, False):
        assert_same(frame, table=Table("any", {"cell": Column("messages", required=required, nullable=True)}))


def test_many_faulty_rows_are_counted_and_the_first_are_named() -> None:
    """Two faults in each of 30 rows are 60; 20 of them are shown, those of the first ten rows."""
    rows = 30
    frame = pl.DataFrame({"cell": [5] * rows, "more": ["x"] * rows})
    table = Table("any", {"cell": Column("integer", low=0, high=4), "more": Column("flag")})
    assert_same(frame, table=table)
    with pytest.raises(
        DataError, match=rf"row 10: 'more' must be true or false.*; and {2 * rows - MAX_FAULTS_SHOWN} more"
    ):
        check_table(frame, table=table, source="f")


def test_a_pandas_export_with_decimal_scores_is_taken_as_whole_numbers() -> None:
    scores = pl.DataFrame({"helpfulness": [3.0, None, 4.0]})
    column = Table("any", {"helpfulness": RATINGS.columns["helpfulness"]})
    assert check_table(scores, table=column, source="f")["helpfulness"].to_list() == [3, None, 4]
