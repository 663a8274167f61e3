"""Foreign files are read row by row, each with its place; what is no row is named and the rest is read on."""

import gzip
import json
from pathlib import Path

import polars as pl
import pytest

from steersman.errors import DataError
from steersman.sources.files import read_rows
from steersman.sources.items import Fault, SourceRow

ROWS: list[dict[str, object]] = [{"a": 1, "b": ["x"]}, {"a": 2, "b": ["y\u2028z"]}]


def rows_of(path: Path) -> tuple[list[SourceRow], list[Fault]]:
    faults: list[Fault] = []
    return list(read_rows(path, on_fault=faults.append)), faults


def jsonl(rows: list[dict[str, object]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


@pytest.mark.parametrize("name", ["f.jsonl", "f.jsonl.gz", "f.json", "f.parquet"])
def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith(".parquet"):
        pl.DataFrame(ROWS).write_parquet(path)
    else:
        data = json.dumps(ROWS).encode() if name.endswith(".json") else jsonl(ROWS)
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    found, faults = rows_of(path)
    assert ([row.value for row in found], [row.number for row in found], faults) == (ROWS, [0, 1], [])


def test_a_row_knows_its_line_and_empty_lines_count_as_lines_only(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_bytes(b'\n{"a": 1}\n  \n{"a": 2}')
    found, _ = rows_of(path)
    assert [(row.place, row.number) for row in found] == [(f"{path}:2", 0), (f"{path}:4", 1)]


def test_lines_that_are_no_objects_are_all_named_and_the_others_read(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_bytes(b'{"a": 1}\n{"a": \n[1]\n{"a": 4}\n')
    found, faults = rows_of(path)
    assert [row.value["a"] for row in found] == [1, 4]
    assert [fault.place for fault in faults] == [f"{path}:2", f"{path}:3"]


def test_a_list_may_hold_faulty_rows_too(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    path.write_text('[{"a": 1}, 7]', encoding="utf-8")
    found, faults = rows_of(path)
    assert (len(found), faults[0].place) == (1, f"{path}: row 2")


def test_a_parquet_file_is_read_past_its_first_part(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    pl.DataFrame({"a": range(10_000)}).write_parquet(path)
    found, _ = rows_of(path)
    assert [row.value["a"] for row in found] == list(range(10_000))
    assert found[-1].place == f"{path}: row 10000"


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("f.jsonl.gz", b"not gzip", "cannot be read as gzip"),
        ("f.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 100, mtime=0)[:30], "cannot be read as gzip"),
        ("f.jsonl", b'{"a": "\xff"}', "cannot be read as UTF-8"),
        ("f.json", b"{}", "a list of objects is needed"),
        ("f.json", b"[", "not JSON"),
        ("f.parquet", b"PAR1", "not a Parquet file"),
        ("f.csv", b"a", "is none of .jsonl, .jsonl.gz, .json, .parquet"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=words):
        rows_of(tmp_path / name)
