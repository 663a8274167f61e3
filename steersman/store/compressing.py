"""Compress to gzip with several threads and decompress it, in blocks of a bounded size.

What is written is one gzip member without a name or a time. Its data are deflated in chunks of a fixed size, each by
whichever thread is free and each with the end of the chunk before it as its dictionary; a flush aligns every chunk to
whole bytes, so that they can be put one after another (RFC 1951, 1952). The bytes depend on the data alone, not on
the number of threads or on how the data came in.
"""

import gzip
import os
import struct
import zlib
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

_MAGIC = b"\x1f\x8b"
# deflate, no flags, no time, no hint of the level, no system
_HEADER = _MAGIC + b"\x08" + b"\0" * 6 + b"\xff"
# a last block of no data: every chunk before it ends with a flush
_END_OF_DEFLATE = b"\x03\x00"
_LEVEL = 6
_WINDOW_BYTES = 1 << 15
_CHUNK_BYTES = 1 << 20
_GZIP_WINDOW_BITS = 31


def num_cores() -> int:
    """Return how many threads can compress at the same time, at least two."""
    return max(2, os.cpu_count() or 2)


def compressed(blocks: Iterable[bytes], *, num_threads: int) -> Iterator[bytes]:
    """Yield the gzip file that holds `blocks`, one after another, in pieces."""
    yield _HEADER
    checksum, size = 0, 0
    window = b""
    deflated: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(num_threads) as pool:
        for chunk in _chunks(blocks):
            deflated.append(pool.submit(_deflate, chunk, window=window))
            checksum, size, window = zlib.crc32(chunk, checksum), size + len(chunk), chunk[-_WINDOW_BYTES:]
            if len(deflated) > 2 * num_threads:
                yield deflated.popleft().result()
        while deflated:
            yield deflated.popleft().result()
    yield _END_OF_DEFLATE + struct.pack("<LL", checksum, size & 0xFFFFFFFF)


def _chunks(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Cut what `blocks` hold into chunks of one size, the last one excepted."""
    rest = bytearray()
    for block in blocks:
        rest += block
        whole = len(rest) - len(rest) % _CHUNK_BYTES
        for start in range(0, whole, _CHUNK_BYTES):
            yield bytes(rest[start : start + _CHUNK_BYTES])
        del rest[:whole]
    if rest:
        yield bytes(rest)


def _deflate(chunk: bytes, *, window: bytes) -> bytes:
    deflater = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=window)
    return deflater.compress(chunk) + deflater.flush(zlib.Z_SYNC_FLUSH)


def decompressed(blocks: Iterable[bytes], *, most_bytes: int) -> Iterator[bytes]:
    """Yield what the gzip file `blocks` holds, of one member or more, at most `most_bytes` at a time.

    Raises gzip.BadGzipFile, zlib.error or EOFError where it is not gzip, is damaged or ends too early.
    """
    source = iter(blocks)
    rest = next(source, b"")
    while rest:
        rest = yield from _member(rest, source, most_bytes=most_bytes)
        # zeros may pad what stands between members and after the last
        while not (rest := rest.lstrip(b"\0")) and (block := next(source, b"")):
            rest = block


def _member(start: bytes, source: Iterator[bytes], *, most_bytes: int) -> Generator[bytes, None, bytes]:
    """Yield what one member holds; return what stands after it in the last block that was taken from `source`."""
    data = start if len(start) >= len(_MAGIC) else start + next(source, b"")
    if not data.startswith(_MAGIC):
        raise gzip.BadGzipFile(f"Not a gzipped file ({data[: len(_MAGIC)]!r})")
    inflater = zlib.decompressobj(_GZIP_WINDOW_BITS)
    while not inflater.eof:
        piece = inflater.decompress(data, most_bytes)
        if piece:
            yield piece
        data = inflater.unconsumed_tail
        if not data and not inflater.eof:
            data = next(source, b"")
            if not data:
                raise EOFError("Compressed file ended before the end-of-stream marker was reached")
    return inflater.unused_data
