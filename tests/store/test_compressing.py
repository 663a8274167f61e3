"""Gzip files are what every other reader takes them for, and depend on nothing but the data."""

import gzip
import importlib
import json
import subprocess
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import datasets
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman.store import compressing, files
from steersman.store.compressing import compressed, decompressed

BLOCKS = st.lists(st.binary(max_size=9) | st.just(b"ab" * 9), max_size=9)


@pytest.fixture(autouse=True)
def small_chunks() -> Iterator[None]:
    """Make chunks and windows so small that a few bytes fill several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compressing, "_CHUNK_BYTES", 8)
        yield


def gz(blocks: Iterable[bytes], *, num_threads: int = 2) -> bytes:
    return b"".join(compressed(blocks, num_threads=num_threads))


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def outcome(read: Callable[[], bytes]) -> bytes | str:
    try:
        return read()
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        # Python words some damage in other ways than zlib
        return "damage" if isinstance(error, zlib.error) or "failed" in str(error) else str(error)


@given(blocks=BLOCKS)
def test_what_is_compressed_comes_back(blocks: list[bytes]) -> None:
    assert gzip.decompress(gz(blocks)) == b"".join(blocks)


@given(data=st.binary(max_size=60), size=st.integers(1, 60), num_threads=st.integers(1, 4))
def test_neither_threads_nor_blocks_change_a_byte(data: bytes, size: int, num_threads: int) -> None:
    assert gz(cut(data, size), num_threads=num_threads) == gz([data], num_threads=1)


def test_a_chunk_is_compressed_with_what_stands_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second half of the data repeats the first, which no chunk could know by itself."""
    data = bytes(range(256)) * 16
    monkeypatch.setattr(compressing, "_CHUNK_BYTES", len(data) // 2)
    halves = len(gz([data[: len(data) // 2]])) + len(gz([data[len(data) // 2 :]]))
    alone = len(gz([bytes(range(256))]))
    assert len(gz([data])) < halves - alone + 64


def test_the_file_is_one_member_without_name_or_time() -> None:
    """RFC 1952: two bytes of magic, method 8, no flags, four bytes of time; the size of the data ends the file."""
    data = b"x" * 1000
    whole = gz([data])
    assert (whole[:8], int.from_bytes(whole[-4:], "little")) == (b"\x1f\x8b\x08\0\0\0\0\0", len(data))
    inflater = zlib.decompressobj(31)
    assert (inflater.decompress(whole), inflater.unused_data) == (data, b"")


def test_an_error_of_whoever_makes_the_blocks_is_passed_on() -> None:
    def fail() -> Iterator[bytes]:
        yield b"ab" * 9
        raise KeyError("stop")

    with pytest.raises(KeyError, match="stop"):
        gz(fail())


@given(blocks=BLOCKS, size=st.integers(1, 40), most_bytes=st.integers(1, 40), padding=st.sampled_from([b"", b"\0" * 3]))
def test_members_are_read_one_after_another(blocks: list[bytes], size: int, most_bytes: int, padding: bytes) -> None:
    data = padding.join([gzip.compress(block) for block in blocks]) + padding if blocks else b""
    pieces = list(decompressed(cut(data, size), most_bytes=most_bytes))
    assert b"".join(pieces) == gzip.decompress(data) == b"".join(blocks)
    assert all(0 < len(piece) <= most_bytes for piece in pieces)


@given(data=st.data(), size=st.integers(1, 40))
def test_damage_is_found_where_the_standard_library_finds_it(data: st.DataObject, size: int) -> None:
    whole = gzip.compress(b"ab" * 20) + gzip.compress(b"c")
    place = data.draw(st.integers(0, len(whole)))
    ends = [whole[:place], whole + b"junk", whole + b"\x1f", whole[:place] + b"\xff" + whole[place + 1 :]]
    given_bytes = data.draw(st.sampled_from(ends))
    found = outcome(lambda: b"".join(decompressed(cut(given_bytes, size), most_bytes=9)))
    wanted = outcome(lambda: gzip.decompress(given_bytes))
    assert (found == wanted) or (not isinstance(found, bytes) and not isinstance(wanted, bytes))


@pytest.fixture
def table_file(tmp_path: Path) -> tuple[Path, pl.DataFrame]:
    frame = pl.DataFrame({"prompt": ["p", "\u00e9\n"] * 50, "helpfulness": [3, 4] * 50, "margin": [0.5, 1e-7] * 50})
    files.write_table(tmp_path / "train.jsonl.gz", frame)
    return tmp_path / "train.jsonl.gz", frame


def test_python_zcat_pandas_and_polars_read_the_file(table_file: tuple[Path, pl.DataFrame]) -> None:
    path, frame = table_file
    rows = frame.to_dicts()
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        assert [json.loads(line) for line in lines] == rows
    unpacked = subprocess.run(["gzip", "-dc", str(path)], capture_output=True, check=True).stdout
    assert [json.loads(line) for line in unpacked.decode().splitlines()] == rows
    # pandas brings no types
    pandas = importlib.import_module("pandas")
    assert pandas.read_json(path, lines=True, dtype=False).to_dict("records") == rows
    assert pl.read_ndjson(path).equals(frame)


def test_the_datasets_library_loads_the_folder_of_the_file(table_file: tuple[Path, pl.DataFrame]) -> None:
    path, frame = table_file
    loaded = datasets.load_dataset(str(path.parent), cache_dir=str(path.parent / "cache"))
    assert loaded["train"].to_list() == frame.to_dicts()
