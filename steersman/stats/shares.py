"""The interval of a share from the number of trials alone."""

import math

_NORMAL_975 = 1.959963984540054


def wilson_interval(share: float, count: int) -> tuple[float, float]:
    """Return the two ends of the 95 % interval of Wilson (1927) of a share, 0-1, of `count` trials.

    It stays within 0 and 1 and has a width even where all trials went one way. Raises ValueError for no trials or
    another share.
    """
    if count < 1 or not 0 <= share <= 1:
        raise ValueError(f"a share between 0 and 1 of at least one trial is needed, got {share} of {count}")
    square = _NORMAL_975**2 / count
    centre = (share + square / 2) / (1 + square)
    reach = math.sqrt(share * (1 - share) * square + square**2 / 4) / (1 + square)
    return max(0.0, centre - reach), min(1.0, centre + reach)
