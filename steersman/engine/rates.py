"""The learning rate at each step, as a share of its peak."""

import math

from steersman.config.sections import OptimiserSettings


def rate_share(step: int, *, last_step: int, optimiser: OptimiserSettings) -> float:
    """Return the share of the peak rate at `step` (from 1): linear warm-up, then constant, or down to the final share.

    Cosine and linear reach `final_share` at `last_step`, after half a cosine or a straight line.
    """
    warmup = optimiser.warmup_steps
    if step < warmup:
        return step / warmup
    if optimiser.schedule == "constant" or last_step <= warmup:
        return 1.0
    done = (step - warmup) / (last_step - warmup)
    left = (1 + math.cos(math.pi * done)) / 2 if optimiser.schedule == "cosine" else 1 - done
    return optimiser.final_share + (1 - optimiser.final_share) * left
