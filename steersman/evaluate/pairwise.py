"""How often a scorer ranks two responses to one prompt as people did.

Rows 2k and 2k+1 are the two responses to prompt k, as in HelpSteer2's released files. The pair is the unit of every
interval: the rows of one pair depend on each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steersman.errors import DataError, join_faults
from steersman.stats.bootstrap import Interval, bootstrap_mean

_TAIL = 0.025


@dataclass(frozen=True, slots=True)
class PairwiseAccuracy:
    """The share of pairs ranked as labelled, 0-1, over the pairs whose labels differ.

    `tied_labels` pairs are left out; `tied_scores` of the pairs that count were scored equal, and count as wrong.
    """

    accuracy: Interval
    tied_labels: int
    tied_scores: int


def pairwise_accuracy(
    labels: npt.ArrayLike, scores: npt.ArrayLike, *, rng: np.random.Generator, rounds: int
) -> PairwiseAccuracy:
    """Return how often the higher score meets the higher label, with a 95 % bootstrap interval over pairs.

    `labels` and `scores` have shape (rows,). Raises DataError for an odd number of rows, a score that is not a finite
    number, or labels that tie in every pair.
    """
    label_gaps, score_gaps = _gaps(labels), _gaps(scores)
    is_untied = _untied(label_gaps, score_gaps)
    is_right = _is_right(label_gaps, score_gaps)[is_untied]
    return PairwiseAccuracy(
        accuracy=share_interval(is_right, rng=rng, rounds=rounds),
        tied_labels=int((~is_untied).sum()),
        tied_scores=int((score_gaps[is_untied] == 0).sum()),
    )


def share_interval(outcomes: npt.NDArray[np.float64], *, rng: np.random.Generator, rounds: int) -> Interval:
    """Return the mean of `outcomes`, from 0 (lost) to 1 (won), shape (units,), with a 95 % bootstrap interval.

    Where all units were won, or all lost, every resample is alike and a bootstrap interval would have no width. There
    it is the exact one for a share (Clopper and Pearson 1934): with n units won, from 0.025^(1/n) to 1.
    """
    share, count = float(outcomes[0]), outcomes.size
    if share not in (0.0, 1.0) or (outcomes != share).any():
        return bootstrap_mean(outcomes, rng=rng, rounds=rounds)
    bound = (_TAIL ** (1 / count)) if share else 1 - _TAIL ** (1 / count)
    return Interval(share, min(share, bound), max(share, bound), count)


def paired_difference(
    labels: npt.ArrayLike,
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    rounds: int,
) -> Interval:
    """Return the accuracy of scores `first` less that of `second` on the same pairs, with its 95 % interval.

    Both are resampled together, so that pairs hard for both do not widen the interval. Raises as `pairwise_accuracy`.
    """
    label_gaps, first_gaps, second_gaps = _gaps(labels), _gaps(first), _gaps(second)
    is_untied = _untied(label_gaps, first_gaps) & _untied(label_gaps, second_gaps)
    gains = _is_right(label_gaps, first_gaps) - _is_right(label_gaps, second_gaps)
    return bootstrap_mean(gains[is_untied], rng=rng, rounds=rounds)


def check_pairs(prompts: Sequence[str], *, source: str) -> None:
    """Raise DataError unless rows 2k and 2k+1 of `prompts` are equal for every k."""
    if len(prompts) % 2:
        raise DataError(f"{source}: {len(prompts)} rows; two rows per prompt are needed, one after the other")
    faults = [
        f"{source}: rows {row + 1} and {row + 2} have different prompts"
        for row in range(0, len(prompts), 2)
        if prompts[row] != prompts[row + 1]
    ]
    if faults:
        raise DataError(f"{join_faults(faults)}. Put the two responses to a prompt one after the other.")


def _gaps(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return value(2k) - value(2k+1), shape (pairs,)."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"one value per row is needed, got shape {array.shape}")
    if array.size % 2:
        raise DataError(f"{array.size} rows; pairs need two rows per prompt, one after the other")
    if not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array))[0])
        raise DataError(f"row {row + 1}: {array[row]} is not a finite number, so its pair cannot be ranked")
    gaps: npt.NDArray[np.float64] = array[0::2] - array[1::2]
    return gaps


def _untied(label_gaps: npt.NDArray[np.float64], score_gaps: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    if label_gaps.shape != score_gaps.shape:
        raise ValueError(f"{2 * label_gaps.size} labels but {2 * score_gaps.size} scores")
    is_untied: npt.NDArray[np.bool_] = label_gaps != 0
    if not is_untied.any():
        raise DataError("no pair has two different labels; nothing can be ranked")
    return is_untied


def _is_right(label_gaps: npt.NDArray[np.float64], score_gaps: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    # strictly: equal scores give 0 and are wrong wherever the labels differ
    return (np.sign(label_gaps) * np.sign(score_gaps) > 0).astype(np.float64)
