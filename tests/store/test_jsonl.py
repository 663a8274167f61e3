"""JSON lines read the fast way are the rows, or the faults, that the slow way finds in them."""

import gzip
import json
import math
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from steersman.errors import DataError
from steersman.store import files, jsonl, reading
from steersman.tables import Column, Table, frame_from_columns

TABLE = Table(
    "any",
    {
        "t": Column("text"),
        "i": Column("integer", nullable=True),
        "s": Column("integer", low=0, high=4, required=False),
        "n": Column("number", required=False, nullable=True),
        "m": Column("number", required=False, low=0.5),
        "f": Column("flag", required=False, nullable=True),
        "ts": Column("texts", required=False, nullable=True),
        "is": Column("integers", required=False, low=0, high=4),
        "ms": Column("messages", required=False),
    },
)
GOOD = b'{"t": "x", "i": 1}'
# a row of digits that Python's json refuses to read as an integer
MANY_DIGITS = b"9" * (sys.get_int_max_str_digits() + 1)
VALUES = [
    rb'"" "\u00e9" "\ud83d\ude00" "\ud800" "\udc00" "\ud800\u0041" "\x" "\u12" "\/" "\n"'.split(b" "),
    [b'"a\tb"', b'"\x00"', b'"\x7f"', '"\u00e9"'.encode(), '"\u2028\U0001f600"'.encode(), b'"\xff"', b'"\xe2\x82"'],
    b"0 1 4 5 -1 -1.0 -0 01 -01 - +1 1. .5 1.e5 1e5 1E+0 1e 3.0 2.5 4.0 5.0 -0.0 0e1 0.5 0x1".split(),
    b"9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809 -1e19".split(),
    b"0.49999999999999999 9223372036854774784.0".split(),
    b"9223372036854775808.0 9007199254740993 9007199254740993.0 18446744073709551616 1e22 1e400 -1e400 1e-400".split(),
    b"1.7976931348623158e308 1.7976931348623159e308 2.2250738585072011e-308 123456789012345678901234567890".split(),
    b"NaN Infinity -Infinity nul null true false tru truex 1x [1,] [1.0,2] [0,4,1.0] [5] [] [null] [true]".split(),
    b'{} {"a":1,} {"a" 1} {a:1} ["a","b"] ["a",1] ["\\ud800"] [[]] [2.5] [1e0]'.split(b" "),
    b'[{"role":"u","content":"c"}] [{"content":"c","role":"u","x":[1]},{"role":"","content":""}]'.split(b" "),
    b'[{"role":"u"}] [{"role":"u","content":null}] [{"role":1,"content":"c"}] ["x"] {"role":"u","content":"c"}'.split(
        b" "
    ),
    [MANY_DIGITS, b"0." + MANY_DIGITS, b"[" * 400 + b"]" * 400, b"[" * 3000 + b"]" * 3000, b"[" * 3000],
]
VALUE = st.sampled_from([value for values in VALUES for value in values])
SCORE = st.sampled_from([b"0", b"4", b"3.0", b"null"])
KEYS = [name.encode() for name in TABLE.columns]
KEY = st.sampled_from([*KEYS, b"unknown", b"", rb"\u0074", b"\xff", b"\x00", "\u00e9".encode()])
BLANK = st.sampled_from([b"", b" ", b"\t", b"\r", b"\xc2\xa0", b"\x0b", b"\x1c"])


@st.composite
def objects(draw: st.DrawFn) -> bytes:
    pairs = [(b"t", b'"x"'), (b"i", draw(SCORE))]
    pairs += draw(st.lists(st.tuples(KEY, VALUE), max_size=3))
    colon, comma = draw(st.sampled_from([(b":", b","), (b": ", b", "), (b" :\t", b"\r, ")]))
    return b"{" + comma.join(b'"' + key + b'"' + colon + value for key, value in draw(st.permutations(pairs))) + b"}"


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    line = draw(objects())
    place = draw(st.integers(0, len(line)))
    return line[:place] + draw(st.binary(max_size=2)) + line[place + draw(st.integers(0, 2)) :]


LINES = st.lists(objects() | st.just(GOOD) | damaged() | BLANK | VALUE, max_size=5)
FILES = st.tuples(
    st.sampled_from([b"", b"\xef\xbb\xbf"]), LINES, st.sampled_from([b"\n", b"\r\n"]), st.sampled_from([b"", b"\n"])
).map(lambda parts: parts[0] + parts[2].join(parts[1]) + parts[3])


def slow(path: Path, *, table: Table) -> pl.DataFrame | str:
    try:
        rows = files.read_rows(path, table=table)
    except DataError as error:
        return str(error)
    return frame_from_columns({name: [row.get(name) for row in rows] for name in table.columns}, table=table)


def fast(path: Path, *, table: Table) -> pl.DataFrame | str:
    try:
        return files.read_table(path, table=table)
    except DataError as error:
        return str(error)


def assert_same(path: Path, *, table: Table = TABLE) -> None:
    found, wanted = fast(path, table=table), slow(path, table=table)
    if isinstance(found, str) or isinstance(wanted, str):
        assert found == wanted
    else:
        assert_frame_equal(found, wanted, check_exact=True)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jsonl") / "a.jsonl"


@settings(max_examples=250, deadline=None)
@given(data=FILES, block_bytes=st.sampled_from([1, 2, 7, 50, 1 << 20]))
def test_the_fast_way_gives_what_the_slow_way_gives(path: Path, data: bytes, block_bytes: int) -> None:
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "_BLOCK_BYTES", block_bytes)
        assert_same(path)


@pytest.mark.parametrize("name", [*TABLE.columns, "unknown"])
def test_every_value_means_the_same_in_every_column(path: Path, name: str) -> None:
    """Each value has a file of its own: a byte that is not UTF-8 is told instead of all other faults."""
    others = b"".join(b', "%s": %s' % pair for pair in ((b"t", b'"x"'), (b"i", b"1")) if pair[0] != name.encode())
    for value in [each for values in VALUES for each in values]:
        path.write_bytes(GOOD + b'\n{"' + name.encode() + b'": ' + value + others + b"}\n" + GOOD)
        assert_same(path)
        # what is not asked for is looked at no less
        assert_same(path, table=Table("any", {"i": TABLE.columns["i"]}))


def test_no_frame_is_given_once_a_fault_is_found(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks end after each line here, so that every line is a chunk of its own."""
    monkeypatch.setattr(reading, "_BLOCK_BYTES", len(GOOD) + 1)
    path.write_bytes(b"\n".join([GOOD, GOOD, b"{}".ljust(len(GOOD)), GOOD, b"[]".ljust(len(GOOD)), GOOD]))
    given: list[pl.DataFrame] = []
    with pytest.raises(DataError, match=r":3: no 't'; \S+:3: no 'i'; \S+:5: an object is needed"):
        given.extend(jsonl.iter_jsonl(path, table=TABLE))
    assert [frame["t"].to_list() for frame in given] == [["x"], ["x"]]


def test_damage_of_a_compressed_file_is_told_before_the_text_it_garbles(tmp_path: Path) -> None:
    whole = gzip.compress(b"\xff\n" + GOOD)
    (tmp_path / "a.jsonl.gz").write_bytes(whole[:-4])
    with pytest.raises(DataError, match="cannot be read as gzip"):
        files.read_table(tmp_path / "a.jsonl.gz", table=TABLE)


CELLS = {
    "text": st.text(max_size=4) | st.none(),
    "number": st.floats(allow_nan=False, allow_infinity=False) | st.none(),
    "whole": st.integers(-(2**63), 2**63 - 1) | st.none(),
    "flag": st.booleans() | st.none(),
    "texts": st.lists(st.text(max_size=2) | st.none(), max_size=2) | st.none(),
    "numbers": st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.none(), max_size=2) | st.none(),
    "turns": st.lists(st.fixed_dictionaries({"role": st.text(max_size=2)}), max_size=2) | st.none(),
}
SCHEMA = {
    "text": pl.String(),
    "number": pl.Float64(),
    "whole": pl.Int64(),
    "flag": pl.Boolean(),
    "texts": pl.List(pl.String()),
    "numbers": pl.List(pl.Float64()),
    "turns": pl.List(pl.Struct({"role": pl.String()})),
}


@settings(max_examples=200, deadline=None)
@given(rows=st.lists(st.fixed_dictionaries(CELLS), max_size=4), block_bytes=st.sampled_from([1, 1 << 20]))
def test_rows_are_written_as_json_reads_them(rows: list[dict[str, object]], block_bytes: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl, "_WRITTEN_BYTES", block_bytes)
        written = b"".join(jsonl.jsonl_blocks(pl.DataFrame(rows, schema=SCHEMA), source="f")).decode()
    assert [json.loads(line) for line in written.split("\n")[:-1]] == rows
    assert written.endswith("\n" if rows else "")


def test_texts_are_written_unescaped() -> None:
    (block,) = jsonl.jsonl_blocks(pl.DataFrame({"a": ["\u00e9\u2028\U0001f600"]}), source="f")
    assert block == '{"a":"\u00e9\u2028\U0001f600"}\n'.encode()


@pytest.mark.parametrize("value", [math.nan, math.inf, [0.0, -math.inf]])
def test_what_json_cannot_hold_is_refused_not_written_as_null(tmp_path: Path, value: object) -> None:
    frame = pl.DataFrame({"a": [1], "reward": [value]})
    with pytest.raises(DataError, match=r"a\.jsonl: column 'reward' holds NaN or an infinity"):
        files.write_table(tmp_path / "a.jsonl", frame)
    assert list(tmp_path.iterdir()) == []
