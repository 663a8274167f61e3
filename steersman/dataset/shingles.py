"""Turn prompts into the hashes of their word shingles: every three words in a row, after folding.

Folding takes away case, white space, punctuation and the marks between turns, so that prompts which differ in nothing
else have the same words. Equal shingles have equal hashes; that two different ones of n have is less likely than
n^2 / 2^65. Everything is done on whole arrays: P prompts, B bytes, W words, S shingles.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from steersman.dataset.grid import BoolArray, IntArray
from steersman.records import TURN_MARKER

HashArray = npt.NDArray[np.uint64]

SHINGLE_WORDS = 3
# a chunk's arrays of words stay within the cache of a processor
_CHUNK_CHARACTERS = 1 << 18
_SPACE = 32
_WORD_BYTES = 8
# bytes of other scripts count as letters here; their own punctuation and case are folded before
_FOLD = bytes(byte if byte >= 128 else ord(chr(byte).lower()) if chr(byte).isalnum() else _SPACE for byte in range(256))
_TURNS = [f"\n{TURN_MARKER}{role}\n" for role in ("User", "Assistant")]
# scripts written without spaces: each character counts as a word
_UNSPACED = r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])"
_NO_LETTER = r"[^\p{L}\p{M}\p{N}]+"
# odd numbers without pattern: digits of the golden ratio, and the multipliers of the SplitMix64 generator
_GOLDEN, _MIX_1, _MIX_2 = (np.uint64(each) for each in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
# which bytes of a little-endian block of 8 belong to a word with so many left
_MASKS = np.array([(1 << (8 * left)) - 1 for left in range(_WORD_BYTES + 1)], dtype=np.uint64)


@dataclass(frozen=True, slots=True)
class Shingles:
    """The shingle hashes of some prompts, those of prompt p from `starts[p]` on; `starts` is (P + 1,), `hashes` (S,).

    A prompt has at least one shingle: one of fewer than three words is a shingle by itself. `keys` (P,) are equal for
    prompts with the same words in the same order; for prompts with one distinct shingle they are equal where it is.
    `is_single` (P,) marks those.
    """

    hashes: HashArray
    starts: IntArray
    keys: HashArray
    is_single: BoolArray


def shingle_chunks(prompts: pl.Series) -> Iterator[Shingles]:
    """Yield the shingles of all `prompts` in order, a bounded number of characters at a time."""
    sizes = prompts.str.len_bytes().cast(pl.Int64).to_numpy() + 1
    chunk = np.cumsum(sizes) // _CHUNK_CHARACTERS
    bounds = [0, *(np.flatnonzero(np.diff(chunk)) + 1).tolist(), prompts.len()]
    for first, last in pairwise(bounds):
        if first < last:
            yield _shingles(prompts.slice(first, last - first))


def _shingles(prompts: pl.Series) -> Shingles:
    words, counts = _word_hashes(prompts)
    ends = np.cumsum(counts)
    place = np.arange(words.size) - np.repeat(ends - counts, counts)
    order_keys = _sums(_mixed(words + place.astype(np.uint64) * _GOLDEN), ends - counts, counts)
    hashes = _joined(words, left=np.repeat(ends, counts) - np.arange(words.size))
    is_start = (place == 0) | (np.repeat(counts, counts) - place >= SHINGLE_WORDS)
    starts = np.concatenate([[0], np.cumsum(np.maximum(counts - SHINGLE_WORDS + 1, 1))])
    hashes = hashes[is_start]
    is_single = np.minimum.reduceat(hashes, starts[:-1]) == np.maximum.reduceat(hashes, starts[:-1])
    return Shingles(hashes, starts, np.where(is_single, hashes[starts[:-1]], order_keys), is_single)


def _sums(values: HashArray, starts: IntArray, counts: IntArray) -> HashArray:
    total = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(values)])
    return _mixed(total[starts + counts] - total[starts] + counts.astype(np.uint64))


def _joined(words: HashArray, *, left: IntArray) -> HashArray:
    """Return the hash of each word with the next two, or with as many as are `left` (W,) of its prompt."""
    padded = np.concatenate([words, np.zeros(SHINGLE_WORDS - 1, dtype=np.uint64)])
    joined = words
    for ahead in range(1, SHINGLE_WORDS):
        following = np.where(left > ahead, padded[ahead : ahead + words.size], np.uint64(0))
        joined = joined * _GOLDEN + following
    return _mixed(joined)


def _mixed(values: HashArray) -> HashArray:
    """Return numbers of which every bit depends on all bits of `values` (the finaliser of SplitMix64)."""
    mixed = (values ^ (values >> np.uint64(30))) * _MIX_1
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def _word_hashes(prompts: pl.Series) -> tuple[HashArray, IntArray]:
    """Return the hashes of all words, (W,), and how many each prompt has, at least 1, (P,)."""
    data, ends = _folded(prompts)
    is_letter = np.frombuffer(data, dtype=np.uint8) != _SPACE
    # padded with a space in front and behind
    edges = np.flatnonzero(is_letter[1:] != is_letter[:-1])
    begins, stops = edges[0::2] + 1, edges[1::2] + 1
    counts = np.diff(np.searchsorted(begins, ends), prepend=0)
    empty = np.flatnonzero(counts == 0)
    # a prompt without a letter is one empty word
    places = np.searchsorted(begins, ends[empty])
    begins, stops = np.insert(begins, places, 0), np.insert(stops, places, 0)
    counts[empty] = 1
    return _block_hashes(data, begins, stops - begins), counts


def _folded(prompts: pl.Series) -> tuple[bytes, IntArray]:
    """Return one text in which words are divided by spaces, padded, and where each prompt ends in it, (P,)."""
    texts = prompts
    for turn in _TURNS:
        texts = texts.str.replace_all(turn, " ", literal=True)
    is_other = texts.str.len_bytes() != texts.str.len_chars()
    if is_other.any():
        folded = texts.filter(is_other).str.normalize("NFKC").str.to_lowercase()
        folded = folded.str.replace_all(_UNSPACED, " $1 ").str.replace_all(_NO_LETTER, " ")
        texts = texts.scatter(is_other.arg_true(), folded)
    ends = np.cumsum(texts.str.len_bytes().cast(pl.Int64).to_numpy() + 1)
    data = " ".join(["", *texts.to_list(), " " * _WORD_BYTES]).encode()
    return data.translate(_FOLD), ends


def _block_hashes(data: bytes, begins: IntArray, lengths: IntArray) -> HashArray:
    """Return the hash of each word of `data`, read eight bytes at a time."""
    blocks = np.ndarray(shape=(len(data) - _WORD_BYTES + 1,), dtype="<u8", buffer=data, strides=(1,))
    first = blocks[begins] & _MASKS[np.minimum(lengths, _WORD_BYTES)]
    hashes = _mixed(first ^ (lengths.astype(np.uint64) * _GOLDEN))
    offset, words = _WORD_BYTES, np.flatnonzero(lengths > _WORD_BYTES)
    while words.size:
        left = lengths[words] - offset
        block = blocks[begins[words] + offset] & _MASKS[np.minimum(left, _WORD_BYTES)]
        hashes[words] = _mixed(hashes[words] ^ block)
        offset += _WORD_BYTES
        words = words[left > _WORD_BYTES]
    return hashes
