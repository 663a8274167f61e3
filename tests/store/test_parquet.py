"""Parquet files come in batches whose rows are counted on, and only in the columns asked for."""

import importlib
from pathlib import Path

import polars as pl
import pytest

from steersman.errors import DataError
from steersman.store import parquet
from steersman.store.parquet import iter_parquet, write_parquet
from steersman.tables import Column, Table

TABLE = Table("any", {"score": Column("integer", low=0, high=4), "note": Column("text", required=False, nullable=True)})


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_BATCH_ROWS", 2)


def given_frames(path: Path) -> tuple[list[pl.DataFrame], str]:
    """Return the frames that came, and the error that ended them."""
    frames: list[pl.DataFrame] = []
    try:
        frames.extend(iter_parquet(path, table=TABLE))
    except DataError as error:
        return frames, str(error)
    return frames, ""


@pytest.mark.parametrize("row_group_size", [1, 3, 100])
def test_rows_come_in_order_in_batches_of_a_bounded_size(tmp_path: Path, row_group_size: int) -> None:
    scores = [0, 1, 2, 3, 4, 3, 2]
    pl.DataFrame({"score": scores}).write_parquet(tmp_path / "a.parquet", row_group_size=row_group_size)
    frames, error = given_frames(tmp_path / "a.parquet")
    assert ([score for frame in frames for score in frame["score"]], error) == (scores, "")
    assert max(frame.height for frame in frames) == 2
    assert all(dict(frame.schema) == TABLE.schema for frame in frames)


def test_rows_are_counted_over_all_batches_and_no_frame_follows_a_fault(tmp_path: Path) -> None:
    pl.DataFrame({"score": [1, 2, 3, 9, 4, 4, -1]}).write_parquet(tmp_path / "a.parquet")
    frames, error = given_frames(tmp_path / "a.parquet")
    assert [frame["score"].to_list() for frame in frames] == [[1, 2]]
    named = [
        part.split(":")[1:] for part in error.removesuffix(" See docs/tables.md for the columns of any.").split(";")
    ]
    wanted = [[" row 4", " 'score' must be from 0 to 4, got 9"], [" row 7", " 'score' must be from 0 to 4, got -1."]]
    assert named == wanted


def test_a_file_without_any_column_of_the_table_has_a_fault_in_every_row(tmp_path: Path) -> None:
    pl.DataFrame({"other": [1, 2, 3]}).write_parquet(tmp_path / "a.parquet")
    assert [f"row {row}: no 'score'" in given_frames(tmp_path / "a.parquet")[1] for row in (1, 2, 3)] == [True] * 3


def test_a_name_is_taken_as_it_is_and_not_as_a_pattern(tmp_path: Path) -> None:
    for score, name in [(1, "a[1]*.parquet"), (2, "a1.parquet")]:
        write_parquet(tmp_path / name, pl.DataFrame({"score": [score]}))
    assert given_frames(tmp_path / "a[1]*.parquet")[0][0]["score"].to_list() == [1]


def test_a_folder_of_parquet_files_is_one_table(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").mkdir()
    for score in (1, 2):
        write_parquet(tmp_path / "a.parquet" / f"{score}.parquet", pl.DataFrame({"score": [score]}))
    frames, error = given_frames(tmp_path / "a.parquet")
    assert (pl.concat(frames)["score"].to_list(), error) == ([1, 2], "")


@pytest.mark.parametrize(
    ("name", "words"), [("absent.parquet", "no such file"), ("a/b.parquet", "cannot be read \\(Not a directory")]
)
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(DataError, match=words):
        list(iter_parquet(tmp_path / name, table=TABLE))


def test_damage_inside_a_file_is_the_users_to_mend(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_parquet(path, pl.DataFrame({"score": [1, 2] * 500, "note": ["a", "b"] * 500}))
    data = bytearray(path.read_bytes())
    # the first column begins after the four bytes of magic; its values are no longer compressed data
    data[30:60] = b"\xff" * 30
    path.write_bytes(data)
    assert "a.parquet: not a Parquet file" in given_frames(path)[1]


def test_a_large_frame_is_written_in_row_groups_of_a_bounded_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight bytes a row: groups of at most 80 bytes hold ten rows."""
    monkeypatch.setattr(parquet, "_ROW_GROUP_BYTES", 80)
    write_parquet(tmp_path / "a.parquet", pl.DataFrame({"score": list(range(95))}, schema={"score": pl.Int64}))
    # pyarrow brings no types
    groups = importlib.import_module("pyarrow.parquet").ParquetFile(tmp_path / "a.parquet").metadata
    assert [groups.row_group(place).num_rows for place in range(groups.num_row_groups)] == [10] * 9 + [5]


def test_a_frame_that_parquet_cannot_hold_is_a_fault_of_ours(tmp_path: Path) -> None:
    with pytest.raises(pl.exceptions.ComputeError):
        write_parquet(tmp_path / "a.parquet", pl.DataFrame({"cell": pl.Series([object()], dtype=pl.Object)}))
