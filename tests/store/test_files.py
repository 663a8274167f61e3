"""Files are complete or absent, and every fault of a file is named with its line."""

import errno
import gzip
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from steersman.errors import DataError, RunError
from steersman.store import disk, files, jsonl
from steersman.tables import PAIRS, PROMPTED_RESPONSES

GOOD = '{"prompt": "p", "response": "r"}'
DIES_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from steersman.store.files import renamed_when_whole, whole_folder

target = Path(sys.argv[1])
with (whole_folder if target.is_dir() else renamed_when_whole)(target) as temporary:
    (temporary / "half" if target.is_dir() else temporary).write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def die_while_writing(target: Path) -> None:
    done = subprocess.run([sys.executable, "-c", DIES_WHILE_WRITING, str(target)], check=False)
    assert done.returncode == -signal.SIGKILL


def test_a_killed_writer_leaves_the_old_file(tmp_path: Path) -> None:
    old = write(tmp_path / "table.jsonl", "old")
    die_while_writing(old)
    assert old.read_text(encoding="utf-8") == "old"


def test_a_killed_writer_leaves_the_old_folder(tmp_path: Path) -> None:
    folder = tmp_path / "clean"
    folder.mkdir()
    write(folder / "old", "old")
    die_while_writing(folder)
    assert [entry.name for entry in folder.iterdir()] == ["old"]


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    die_while_writing(tmp_path / "deep.jsonl")
    left = [entry.name for entry in tmp_path.iterdir()]
    files.remove_partials(tmp_path)
    assert (len(left), list(tmp_path.iterdir())) == (1, [])


def test_an_error_while_writing_leaves_neither_file_nor_partial(tmp_path: Path) -> None:
    def fail() -> None:
        with files.renamed_when_whole(tmp_path / "a") as temporary:
            temporary.write_text("half", encoding="utf-8")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_new_folder_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "clean").mkdir()
    write(tmp_path / "clean" / "old", "old")
    with files.whole_folder(tmp_path / "clean") as folder:
        write(folder / "new", "new")
    assert [entry.name for entry in (tmp_path / "clean").iterdir()] == ["new"]


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.ENOSPC, "no space left"), (errno.EACCES, "may not be written"), (errno.EROFS, "may not be written")],
)
def test_a_disk_that_refuses_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    old = write(tmp_path / "table.parquet", "old")

    def refuse(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(RunError, match=words):
        files.write_text(old, "new")
    with pytest.raises(RunError, match=words):
        files.write_table(old, pl.DataFrame({"a": [1]}))
    assert [(entry.name, entry.read_text(encoding="utf-8")) for entry in tmp_path.iterdir()] == [(old.name, "old")]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.parquet"])
def test_a_full_disk_is_explained_while_a_table_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    monkeypatch.setattr(disk, "_temporary_name", lambda path: full)
    with pytest.raises(RunError, match=rf"{name}: no space left"):
        files.write_table(tmp_path / name, pl.DataFrame({"a": [random.Random(1).random() for _ in range(9999)]}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
def test_a_full_disk_is_explained_while_a_log_grows(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    with pytest.raises(RunError, match="no space left"):
        files.append_jsonl(tmp_path / "metrics.jsonl", {"step": 1})


def test_a_line_that_was_cut_gives_way_to_the_next_one(tmp_path: Path) -> None:
    log = tmp_path / "metrics.jsonl"
    for torn in (b'{"step": 1}\n{"st', b'{"st', b""):
        log.write_bytes(torn)
        whole = files.read_rows(write(tmp_path / "whole.jsonl", '{"step": 1}')) if b"\n" in torn else []
        files.append_jsonl(log, {"step": 2})
        assert files.read_rows(log) == [*whole, {"step": 2}]


def test_whole_lines_of_a_log_stay(tmp_path: Path) -> None:
    for step in range(3):
        files.append_jsonl(tmp_path / "metrics.jsonl", {"step": step})
    assert files.read_rows(tmp_path / "metrics.jsonl") == [{"step": step} for step in range(3)]


def test_a_file_in_place_of_the_folder_is_explained(tmp_path: Path) -> None:
    blocking = write(tmp_path / "file", "x")
    with pytest.raises(RunError, match="a file stands where a folder is needed"):
        files.write_text(blocking / "table.jsonl", "x")


def test_a_folder_in_place_of_the_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="a folder stands where a file is needed"):
        files.write_text(tmp_path, "x")


def test_every_faulty_line_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", GOOD, "", "{", "[1]", '{"prompt": 3}', GOOD)
    with pytest.raises(DataError) as error:
        files.read_table(path, table=PROMPTED_RESPONSES)
    wanted = [(3, "not JSON"), (4, "an object is needed"), (5, "'prompt' must be text"), (5, "no 'response'")]
    found = [part.strip().removeprefix(f"{path}:") for part in str(error.value).split(";")]
    assert [part.startswith(f"{line}: {words}") for part, (line, words) in zip(found, wanted, strict=True)] == [
        True
    ] * 4


@pytest.mark.parametrize("line", ["[" * 100_000, '{"a": ' + "9" * 5000 + "}"], ids=["nested", "digits"])
def test_json_that_the_reader_cannot_hold_is_a_fault_of_its_line(tmp_path: Path, line: str) -> None:
    with pytest.raises(DataError, match=r"a\.jsonl:1: not JSON"):
        files.read_rows(write(tmp_path / "a.jsonl", line))


def test_windows_line_ends_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n{"a": 2}\r\n')
    assert files.read_rows(tmp_path / "a.jsonl") == [{"a": 1}, {"a": 2}]


def test_a_line_separator_inside_a_text_ends_no_line(tmp_path: Path) -> None:
    rows = [{"a": "one\u2028two\x85three"}]
    files.write_jsonl(tmp_path / "a.jsonl", rows)
    assert files.read_rows(tmp_path / "a.jsonl") == rows


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.write_bytes(b""), "holds no rows"),
        (lambda path: path.write_bytes(b"not gzip"), r"cannot be read as gzip \(Not a gzipped file"),
        (lambda path: path.write_bytes(gzip.compress(b'{"a": 1}\n' * 999)[:-20]), "cannot be read as gzip"),
        (lambda path: path.write_bytes(b"\x1f\x8b\x08" + b"\0" * 7 + b"\xff" * 40), "cannot be read as gzip"),
        (lambda path: path.write_bytes(gzip.compress(b"\xff\xfe")), "cannot be read as UTF-8"),
        (lambda path: path.write_bytes(gzip.compress(b"\n\n")), "holds no rows"),
    ],
    ids=["missing", "folder", "empty", "plain", "cut", "damaged", "latin", "blank"],
)
def test_a_file_that_cannot_be_read_is_the_users_to_mend(
    tmp_path: Path, make: Callable[[Path], object], words: str
) -> None:
    make(tmp_path / "a.jsonl.gz")
    with pytest.raises(DataError, match=words):
        files.read_rows(tmp_path / "a.jsonl.gz")


def test_a_path_below_a_file_is_the_users_to_mend(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        files.read_rows(write(tmp_path / "file", "x") / "a.jsonl")


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.parquet"])
def test_a_table_comes_back_as_it_was_written(tmp_path: Path, name: str) -> None:
    frame = pl.DataFrame({"prompt": ["p", "q"], "chosen": ["a\nb", "\\"], "rejected": ["", "d"], "margin": [0.5, 2.0]})
    files.write_table(tmp_path / name, frame)
    assert files.read_table(tmp_path / name, table=PAIRS).equals(frame)


def test_a_damaged_parquet_file_is_the_users_to_mend(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a Parquet file"):
        files.read_table(write(tmp_path / "a.parquet", "x"), table=PAIRS)


def test_a_table_in_another_format_is_told_so_instead_of_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "ratings.CSV"
    path.write_text("prompt,response\np,r\n", encoding="utf-8")
    for read in (files.first_row, lambda given: files.read_table(given, table=PROMPTED_RESPONSES)):
        with pytest.raises(DataError, match="neither JSON lines nor Parquet, by its name; convert it"):
            read(path)


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.parquet"])
def test_a_table_without_rows_is_refused(tmp_path: Path, name: str) -> None:
    files.write_table(tmp_path / name, pl.DataFrame(schema=PAIRS.schema))
    with pytest.raises(DataError, match=f"{name}: holds no rows"):
        files.read_table(tmp_path / name, table=PAIRS)


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.parquet"])
def test_only_the_columns_asked_for_are_given_and_checked(tmp_path: Path, name: str) -> None:
    frame = pl.DataFrame({"prompt": ["p"], "chosen": ["a"], "rejected": [None], "margin": [0.5]})
    files.write_table(tmp_path / name, frame)
    (given,) = files.iter_table(tmp_path / name, table=PAIRS, columns=["margin", "prompt"])
    assert given.to_dict(as_series=False) == {"margin": [0.5], "prompt": ["p"]}
    with pytest.raises(DataError, match="'rejected' is empty"):
        list(files.iter_table(tmp_path / name, table=PAIRS))


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.parquet"])
def test_a_stream_of_frames_is_written_as_one_table(tmp_path: Path, name: str) -> None:
    rows = pl.DataFrame({"prompt": ["p", "q", "r"], "response": ["\u00e9", "", "x"]})
    parts = (rows.slice(start, size) for start, size in [(0, 1), (1, 0), (1, 2)])
    files.write_rows_stream(tmp_path / name, parts)
    files.write_table(tmp_path / f"whole-{name}", rows)
    assert files.read_table(tmp_path / name, table=PROMPTED_RESPONSES).equals(rows)
    assert (tmp_path / name).read_bytes() == (tmp_path / f"whole-{name}").read_bytes()


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.parquet"])
def test_a_stream_that_breaks_leaves_the_old_file(tmp_path: Path, name: str) -> None:
    def frames() -> Iterator[pl.DataFrame]:
        yield pl.DataFrame({"a": [1]})
        raise DataError("stop")

    old = write(tmp_path / name, "old")
    with pytest.raises(DataError, match="stop"):
        files.write_rows_stream(old, frames())
    assert [(entry.name, entry.read_text(encoding="utf-8")) for entry in tmp_path.iterdir()] == [(name, "old")]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.parquet"])
def test_the_first_row_is_read_without_a_check(tmp_path: Path, name: str) -> None:
    files.write_table(tmp_path / name, pl.DataFrame({"helpfulness": [[9], [1]]}))
    assert files.first_row(tmp_path / name) == {"helpfulness": [9]}


@pytest.mark.parametrize("data", [b"", b"\n \n", b"[1]\n{}", b"\xff"])
def test_a_first_line_that_is_no_object_has_no_values(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.jsonl").write_bytes(data)
    assert files.first_row(tmp_path / "a.jsonl") == {}


def test_rows_without_fault_never_go_the_slow_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(jsonl, "row_faults")
    assert files.read_table(write(tmp_path / "a.jsonl", GOOD, GOOD), table=PROMPTED_RESPONSES).height == 2


def test_a_folder_has_no_hash_as_a_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder"):
        files.sha256_file(tmp_path)


def test_the_same_rows_are_compressed_to_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        files.write_jsonl(tmp_path / name, [{"a": 1}])
    first = (tmp_path / "a.jsonl.gz").read_bytes()
    # bytes 4 to 8 of a gzip header hold the time of compression
    assert (first[4:8], first) == (b"\0" * 4, (tmp_path / "b.jsonl.gz").read_bytes())


def test_the_hash_of_a_folder_follows_names_and_contents(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    hashes = set()
    for name, text in [("a", "1"), ("a", "2"), ("b", "2")]:
        for old in folder.iterdir():
            old.unlink()
        write(folder / name, text)
        hashes.add(files.sha256_tree(folder))
    assert len(hashes) == 3


def test_nothing_has_no_hash(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        files.sha256_tree(tmp_path / "absent")
