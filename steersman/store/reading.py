"""Read files in blocks of a bounded size, compressed or not, and say plainly why one cannot be read."""

import gzip
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from steersman.errors import DataError
from steersman.store.compressing import decompressed

_Item = TypeVar("_Item")

_BLOCK_BYTES = 1 << 23
_COMPRESSED_BYTES = 1 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class LineChunk:
    """Whole lines of a file in bytes.

    `first` is the number of the first line, from 1, and `offset` the place of its first byte, from 0; a byte order mark
    does not count. `end` ends each of the lines, but nothing the last line of a file that has no end.
    """

    lines: list[bytes]
    first: int
    offset: int
    end: bytes


@contextmanager
def explained_unreadable(path: Path) -> Iterator[None]:
    """Turn whatever keeps `path` from being read as text, compressed or not, into a DataError."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: cannot be read as UTF-8 ({error}); save it as UTF-8") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read as gzip ({error})") from error
    except OSError as error:
        raise DataError(f"{path}: {why_unreadable(error)}") from error


def why_unreadable(error: OSError) -> str:
    """Return why the operating system does not let a file be read, and what to do where that is known."""
    if isinstance(error, FileNotFoundError):
        return "no such file; check the path"
    if isinstance(error, IsADirectoryError):
        return "is a folder, a file is needed"
    return f"cannot be read ({error.strerror})"


def file_blocks(path: Path) -> Iterator[bytes]:
    """Yield what is in a file, decompressed where its name ends in .gz; raises DataError when it cannot be read."""
    is_compressed = path.suffix == ".gz"
    with explained_unreadable(path), path.open("rb") as file:
        blocks = iter(partial(file.read, _COMPRESSED_BYTES if is_compressed else _BLOCK_BYTES), b"")
        yield from decompressed(blocks, most_bytes=_BLOCK_BYTES) if is_compressed else blocks


def line_chunks(path: Path) -> Iterator[LineChunk]:
    """Yield the lines of a file in chunks of a bounded size; only a longer line makes a longer chunk.

    Lines end with a line feed and nothing else. A byte order mark is left out. Raises DataError when the file cannot be
    read; whether it is UTF-8 is for the caller to see.
    """
    first, offset = 1, 0
    pending: list[bytes] = []
    for block in _ahead(file_blocks(path)):
        whole, end, tail = block.rpartition(b"\n")
        if not end:
            pending.append(block)
            continue
        chunk = _joined(*pending, whole, first=first)
        lines = chunk.split(b"\n")
        yield LineChunk(lines, first=first, offset=offset, end=b"\n")
        first, offset, pending = first + len(lines), offset + len(chunk) + 1, [tail]
    yield LineChunk([_joined(*pending, first=first)], first=first, offset=offset, end=b"")


def why_not_utf8(chunk: LineChunk) -> str | None:
    """Return where in the file and why a chunk of lines is not UTF-8, in the words of Python, or None where it is."""
    try:
        b"".join(line + chunk.end for line in chunk.lines).decode()
    except UnicodeDecodeError as error:
        start, last = error.start + chunk.offset, error.end - 1 + chunk.offset
        where = f"byte 0x{error.object[error.start]:02x} in position {start}"
        if start != last:
            where = f"bytes in position {start}-{last}"
        return f"'utf-8' codec can't decode {where}: {error.reason}"
    return None


def _joined(*blocks: bytes, first: int) -> bytes:
    chunk = b"".join(blocks)
    return chunk.removeprefix(_BYTE_ORDER_MARK) if first == 1 else chunk


def _ahead(items: Iterator[_Item]) -> Iterator[_Item]:
    """Yield `items`, the next of which a thread gets while the one before it is worked on."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item
