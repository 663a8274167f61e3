from pathlib import Path

import polars as pl
import pytest

from steersman.errors import RunError
from steersman.store.files import read_rows, write_table
from steersman.store.table_writer import open_table


def frame(first: int, *, rows: int) -> pl.DataFrame:
    return pl.DataFrame({"number": range(first, first + rows)})


def test_frames_of_two_tables_come_out_in_their_order(tmp_path: Path) -> None:
    with open_table(tmp_path / "even.jsonl") as even, open_table(tmp_path / "odd.jsonl.gz") as odd:
        for number in range(0, 40, 2):
            even.write(frame(number, rows=1))
            odd.write(frame(number + 1, rows=1))
    assert [row["number"] for row in read_rows(tmp_path / "even.jsonl")] == list(range(0, 40, 2))
    assert [row["number"] for row in read_rows(tmp_path / "odd.jsonl.gz")] == list(range(1, 40, 2))


def test_parts_give_the_bytes_of_the_whole(tmp_path: Path) -> None:
    with open_table(tmp_path / "parts.jsonl.gz") as writer:
        for first in range(0, 90, 30):
            writer.write(frame(first, rows=30))
    write_table(tmp_path / "whole.jsonl.gz", frame(0, rows=90))
    assert (tmp_path / "parts.jsonl.gz").read_bytes() == (tmp_path / "whole.jsonl.gz").read_bytes()


def write_and_fail(path: Path) -> None:
    with open_table(path) as writer:
        writer.write(frame(0, rows=3))
        raise KeyError


def test_a_table_that_is_left_by_an_error_does_not_come_into_place(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        write_and_fail(tmp_path / "half.jsonl")
    assert list(tmp_path.iterdir()) == []


def write_many(path: Path) -> None:
    with open_table(path) as writer:
        for number in range(100):
            writer.write(frame(number, rows=1))


def test_a_place_that_cannot_be_written_ends_the_block(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="a file stands where a folder is needed"):
        write_many(tmp_path / "file" / "table.jsonl")
