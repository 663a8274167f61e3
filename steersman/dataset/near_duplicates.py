"""Group prompts that say nearly the same: connected components of pairs whose word shingles overlap enough.

How alike two prompts are is the Jaccard similarity of their sets of shingles. Candidates are found by MinHash (Broder
1997) in bands (Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, chapter 3) and compared in full, so that no
pair counts that is not as alike as was asked. docs/decisions/0008-splitting-and-preferences.md says what may be missed.
Hash functions are fixed: the result depends on the set of prompts alone.

P prompts, B bands, N prompts that speak for all with the same shingles.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log, log1p

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from steersman.dataset.grid import BoolArray, IntArray
from steersman.dataset.shingles import HashArray, Shingles, shingle_chunks

SketchArray = npt.NDArray[np.uint32]

MOST_MISSED = 1e-3
MAX_HASH_FUNCTIONS = 128
_SEED = 20_240_612
_PAIRS_AT_ONCE = 1 << 14
# with so many others of its bucket a prompt is compared: a template that most prompts share must not take hours
_MAX_NEIGHBOURS = 16
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Bands:
    """So many bands of so many hash functions each; two prompts are compared when they agree on all of one band."""

    number: int
    rows: int


def bands_for(threshold: float) -> Bands:
    """Return the bands that miss a pair of similarity `threshold` with probability MOST_MISSED at most.

    A pair agrees on one hash function with probability s, its similarity, so it is missed with probability
    (1 - s^rows)^number. Of all that keep to MAX_HASH_FUNCTIONS the ones with the longest bands are taken, because
    dissimilar pairs agree on a long band most rarely.
    """
    for rows in range(MAX_HASH_FUNCTIONS, 1, -1):
        agree = threshold**rows
        number = 1 if agree == 1 else ceil(log(MOST_MISSED) / log1p(-agree)) if agree > 0 else MAX_HASH_FUNCTIONS + 1
        if number * rows <= MAX_HASH_FUNCTIONS:
            return Bands(number, rows)
    return Bands(MAX_HASH_FUNCTIONS, 1)


def near_duplicate_groups(prompts: Sequence[str] | pl.Series, *, threshold: float) -> IntArray:
    """Return the number of each prompt's group, (P,), counted from 0 in order of first mention.

    Two prompts share a group when a chain of prompts leads from one to the other in which each is at least
    `threshold` (above 0, at most 1) similar to the next. Prompts in HelpSteer2's text form; those that differ only in
    case, white space, punctuation or marks of turns always share a group. Raises ValueError for another threshold.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"a threshold above 0 and at most 1 is needed, got {threshold}")
    texts = pl.Series(prompts, dtype=pl.String)
    if texts.is_empty():
        return np.empty(0, dtype=np.int64)
    sketches = _sketches(texts, threshold=threshold)
    _, speakers, speaker_of = np.unique(sketches.keys, return_index=True, return_inverse=True)
    labels = np.arange(speakers.size)
    compared, buckets = _bucketed(sketches.band_keys[:, speakers], where=sketches.is_sketched[speakers])
    if compared.size:
        labels[compared] = compared[_linked(texts.gather(speakers[compared]), buckets, threshold=threshold)]
    return _in_order_of_mention(labels[speaker_of])


def _in_order_of_mention(labels: IntArray) -> IntArray:
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[inverse], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class _Sketches:
    """Of each prompt: its key, equal where shingles are (P,), whether another may be near it (P,), band keys (B, P)."""

    keys: HashArray
    is_sketched: BoolArray
    band_keys: HashArray


def _sketches(texts: pl.Series, *, threshold: float) -> _Sketches:
    bands = bands_for(threshold)
    rng = np.random.default_rng(_SEED)
    # an odd factor makes x -> factor * x + shift a permutation of all 32-bit numbers
    factors = rng.integers(0, 1 << 32, size=(bands.number, bands.rows), dtype=np.uint32) | np.uint32(1)
    shifts = rng.integers(0, 1 << 32, size=factors.shape, dtype=np.uint32)
    found = _Sketches(
        keys=np.empty(texts.len(), dtype=np.uint64),
        is_sketched=np.empty(texts.len(), dtype=np.bool_),
        band_keys=np.zeros((bands.number, texts.len()), dtype=np.uint64),
    )
    first = 0
    for chunk in shingle_chunks(texts):
        here = slice(first, first + chunk.keys.size)
        found.keys[here] = chunk.keys
        # a set of one shingle is at most half similar to any other
        found.is_sketched[here] = ~chunk.is_single | (threshold <= 0.5)
        _sketch(chunk, factors, shifts, where=found.is_sketched[here], out=found.band_keys[:, here])
        first = here.stop
    return found


def _sketch(chunk: Shingles, factors: SketchArray, shifts: SketchArray, *, where: BoolArray, out: HashArray) -> None:
    """Put into `out` (B, P) one number per band, equal for prompts that agree on all MinHashes of the band."""
    if not where.any():
        return
    sizes = np.diff(chunk.starts)
    hashes = (chunk.hashes >> np.uint64(32)).astype(np.uint32)[np.repeat(where, sizes)]
    starts = np.cumsum(sizes[where]) - sizes[where]
    values = np.empty_like(hashes)
    for band, (some_factors, some_shifts) in enumerate(zip(factors, shifts, strict=True)):
        keys = np.zeros(starts.size, dtype=np.uint64)
        for factor, shift in zip(some_factors, some_shifts, strict=True):
            np.multiply(hashes, factor, out=values)
            np.add(values, shift, out=values)
            keys = keys * _GOLDEN + np.minimum.reduceat(values, starts)
        out[band, where] = keys


@dataclass(frozen=True, slots=True)
class _Buckets:
    """Prompts that agree on one band, in order of bucket: which prompt, and the number of its bucket, each (M,)."""

    members: IntArray
    numbers: IntArray

    def within(self, labels: IntArray) -> "_Buckets":
        """Return the buckets whose members do not all have the same label."""
        of_member = labels[self.members]
        starts = np.flatnonzero(np.diff(self.numbers, prepend=-1))
        is_mixed = np.minimum.reduceat(of_member, starts) != np.maximum.reduceat(of_member, starts)
        keep = np.repeat(is_mixed, np.diff(starts, append=self.numbers.size))
        return _Buckets(self.members[keep], self.numbers[keep])


def _bucketed(band_keys: HashArray, *, where: BoolArray) -> tuple[IntArray, list[_Buckets]]:
    """Return which prompts share a bucket with another, in order, and each band's buckets, by place among those."""
    candidates = np.flatnonzero(where)
    found = []
    for band, keys in enumerate(band_keys[:, candidates]):
        _, number, size = np.unique(keys, return_inverse=True, return_counts=True)
        shared = np.flatnonzero(size[number] > 1)
        # those that agree on the next band too are neighbours in their bucket
        beside = band_keys[(band + 1) % len(band_keys), candidates[shared]]
        order = shared[np.lexsort((beside, number[shared]))]
        found.append(_Buckets(candidates[order], number[order]))
    compared = np.unique(np.concatenate([each.members for each in found]))
    return compared, [_Buckets(np.searchsorted(compared, each.members), each.numbers) for each in found]


def _linked(texts: pl.Series, buckets: Sequence[_Buckets], *, threshold: float) -> IntArray:
    """Return a label per prompt, (N,), equal where a chain of near pairs leads from one to another."""
    shingles = _shingle_sets(texts)
    labels = np.arange(texts.len())
    for band in buckets:
        left, distance = band, 1
        while distance <= min(_MAX_NEIGHBOURS, left.members.size - 1):
            left = left.within(labels)
            together = left.numbers[distance:] == left.numbers[:-distance]
            first, second = left.members[:-distance][together], left.members[distance:][together]
            apart = labels[first] != labels[second]
            first, second = first[apart], second[apart]
            near = _are_near(shingles, first, second, threshold=threshold)
            labels = _relabelled(labels, labels[first[near]], labels[second[near]])
            distance += 1
    return labels


def _relabelled(labels: IntArray, first: IntArray, second: IntArray) -> IntArray:
    """Return `labels` with each one of `first` made equal to its partner in `second`, the smallest for all of them."""
    if not first.size:
        return labels
    known, numbered = np.unique(np.concatenate([first, second]), return_inverse=True)
    edges = (np.ones(first.size, dtype=np.bool_), (numbered[: first.size], numbered[first.size :]))
    _, component = connected_components(csr_array(edges, shape=(known.size, known.size)), directed=False)
    _, smallest = np.unique(component, return_index=True)
    renamed = np.arange(labels.size)
    renamed[known] = known[smallest[component]]
    return np.asarray(renamed[labels])


def _shingle_sets(texts: pl.Series) -> csr_array:
    """Return one row per prompt with a 1 for each of its shingles; columns are hashes without their last bit."""
    chunks = list(shingle_chunks(texts))
    hashes = np.concatenate([chunk.hashes >> np.uint64(1) for chunk in chunks]).astype(np.int64)
    sizes = np.concatenate([np.diff(chunk.starts) for chunk in chunks])
    starts = np.concatenate([[0], np.cumsum(sizes)])
    ones = np.ones(hashes.size, dtype=np.int8)
    sets = csr_array((ones, hashes, starts), shape=(sizes.size, np.iinfo(np.int64).max))
    sets.sum_duplicates()
    sets.data[:] = 1
    return sets


def _are_near(sets: csr_array, first: IntArray, second: IntArray, *, threshold: float) -> BoolArray:
    """Return which of the pairs of rows have a Jaccard similarity of at least `threshold`, compared in full."""
    sizes = np.diff(sets.indptr)
    near = np.empty(first.size, dtype=np.bool_)
    for start in range(0, first.size, _PAIRS_AT_ONCE):
        here = slice(start, start + _PAIRS_AT_ONCE)
        shared = np.diff(sets[first[here]].multiply(sets[second[here]]).indptr)
        together = sizes[first[here]] + sizes[second[here]] - shared
        near[here] = shared / together >= threshold
    return near
