"""Files come in blocks and lines of bounded size, whatever stands in them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steersman.store import reading
from steersman.store.reading import LineChunk, line_chunks, why_not_utf8

BYTES = st.lists(st.sampled_from([b"a", b"\n", b"\r", "\u2028".encode(), b"\xef\xbb\xbf"]), max_size=9).map(b"".join)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reading") / "a.jsonl"


@given(data=BYTES, block_bytes=st.integers(1, 9))
def test_lines_are_those_of_the_whole_file(path: Path, data: bytes, block_bytes: int) -> None:
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "_BLOCK_BYTES", block_bytes)
        chunks = list(line_chunks(path))
    text = data.removeprefix(b"\xef\xbb\xbf")
    assert [line for chunk in chunks for line in chunk.lines] == text.split(b"\n")
    for chunk in chunks:
        whole = b"".join(line + chunk.end for line in chunk.lines)
        assert text[chunk.offset : chunk.offset + len(whole)] == whole
        assert text[: chunk.offset].count(b"\n") == chunk.first - 1


def test_a_chunk_is_no_longer_than_a_block_and_the_line_that_began_before_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block of 10 bytes holds at most 9 bytes of lines, and a line of 4 bytes can have begun 4 bytes before."""
    monkeypatch.setattr(reading, "_BLOCK_BYTES", 10)
    path.write_bytes(b"abcd\n" * 99)
    assert max(sum(map(len, chunk.lines)) for chunk in line_chunks(path)) <= 9 + 4


@pytest.mark.parametrize(
    ("line", "end", "words"),
    [
        (b"a\xff", b"\n", "byte 0xff in position 8: invalid start byte"),
        (b"\xe2\x82", b"", "bytes in position 7-8: unexpected end of data"),
        (b"\xe2\x82", b"\n", "bytes in position 7-8: invalid continuation byte"),
        ("\u20ac".encode(), b"\n", None),
    ],
)
def test_a_byte_that_is_not_utf8_has_its_place_in_the_file(line: bytes, end: bytes, words: str | None) -> None:
    """The chunk begins at byte 7."""
    found = why_not_utf8(LineChunk([line], first=3, offset=7, end=end))
    assert found == (f"'utf-8' codec can't decode {words}" if words else None)
