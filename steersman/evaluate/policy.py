"""Compare a policy with its start by the rewards of their responses to the same prompts."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steersman.errors import DataError
from steersman.evaluate.pairwise import share_interval
from steersman.stats.bootstrap import Interval, bootstrap_mean


@dataclass(frozen=True, slots=True)
class PolicyComparison:
    """Mean rewards and who wins; every interval is over prompts.

    `difference` is after less before, resampled per prompt. `win_share` (0-1) is the share of prompts where the
    response after is rewarded more; `ties` prompts with equal rewards count half.
    """

    before: Interval
    after: Interval
    difference: Interval
    win_share: Interval
    ties: int


def compare_rewards(
    before: npt.ArrayLike, after: npt.ArrayLike, *, rng: np.random.Generator, rounds: int
) -> PolicyComparison:
    """Return how the rewards after alignment compare with those before, both of shape (prompts,) in the same order.

    Raises ValueError where the shapes differ or there are no prompts, DataError for a reward that is not finite.
    """
    start, aligned = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    if start.ndim != 1 or start.size == 0 or start.shape != aligned.shape:
        raise ValueError(f"before {start.shape} and after {aligned.shape} must be equal non-empty vectors")
    if not (np.isfinite(start).all() and np.isfinite(aligned).all()):
        raise DataError("a reward is not a finite number; score the responses again")
    differences = aligned - start
    # sign is -1, 0, 1: a tie lands on one half
    wins = (np.sign(differences) + 1) / 2
    return PolicyComparison(
        before=bootstrap_mean(start, rng=rng, rounds=rounds),
        after=bootstrap_mean(aligned, rng=rng, rounds=rounds),
        difference=bootstrap_mean(differences, rng=rng, rounds=rounds),
        win_share=share_interval(wins, rng=rng, rounds=rounds),
        ties=int((differences == 0).sum()),
    )
