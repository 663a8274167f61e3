"""What the page shows of how a reward model was judged, as frozen records. None means that it was not recorded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from steersman.report.data import Estimate
from steersman.stats.shares import wilson_interval

# a share of fewer pairs says next to nothing
MIN_BIN = 10

Turns = Literal["all", "single turn", "multi-turn"]


@dataclass(frozen=True, slots=True)
class RankedPairs:
    """The share of untied pairs that `output` ranks right, among prompts of so many `turns`.

    `tied_labels` pairs are left out of it; `tied_scores` of those that count were scored equal, and are wrong.
    """

    output: str
    turns: Turns
    right: Estimate
    tied_labels: int | None
    tied_scores: int | None


@dataclass(frozen=True, slots=True)
class Bin:
    """Pairs of similar gaps: how likely the higher score was said to be right, and how often it was (0-1)."""

    said: float
    seen: float
    count: int

    @property
    def seen_interval(self) -> tuple[float, float]:
        """The 95 % interval of `seen`."""
        return wilson_interval(self.seen, self.count)


@dataclass(frozen=True, slots=True)
class Reliability:
    """How sure the gaps of `output` are and how often they are right. `by_chance` is the error of a calibrated model.

    The errors are of the bins that the run recorded; `bins` are those, joined until each holds enough pairs.
    """

    output: str
    expected_error: float | None
    by_chance: float | None
    brier: float | None
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class LabelError:
    """The squared error of one attribute beside that of its mean training label; `gain` is by how much it is less."""

    attribute: str
    error: float | None
    constant_error: float | None
    gain: Estimate | None
    spearman: float | None
    slope: float | None
    labels: int | None


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """A training on so many pairs, and what the same validation pairs say of it; accuracy is a share (0-1)."""

    pairs: int
    loss: float | None
    accuracy: Estimate | None


@dataclass(frozen=True, slots=True)
class Preferences:
    """The pairs of one part of the data by what people said: one is better, neither is, or nobody could compare."""

    part: str
    untied: int | None
    tied: int | None
    not_compared: int | None


@dataclass(frozen=True, slots=True)
class RewardFigures:
    """How a reward model was trained and judged. `objectives` are names and weights; none where not recorded."""

    objectives: tuple[tuple[str, float], ...]
    tune_mode: str | None
    head_start: str | None
    ranked: tuple[RankedPairs, ...]
    reliability: tuple[Reliability, ...]
    label_errors: tuple[LabelError, ...]
    mean_squared_error: float | None
    trained_on: tuple[TrainedOn, ...]
    preferences: tuple[Preferences, ...]
    weights: tuple[tuple[str, float], ...]
    weights_source: str | None

    @property
    def is_frozen(self) -> bool:
        """Whether a solver fitted the head: then there were no steps, and nothing chose among them."""
        return self.tune_mode == "frozen"

    @property
    def loss_is_squared_error(self) -> bool:
        """Whether the constant predictor's error stands on the scale of the loss; older runs knew no other loss."""
        return not self.objectives or self.objectives == (("regression", 1.0),)


def joined(bins: Sequence[Bin], *, at_least: int = MIN_BIN) -> tuple[Bin, ...]:
    """Return neighbouring bins joined from the lowest until each holds `at_least` pairs; the rest joins the last.

    Means are weighted by pairs, so they are those of the pairs in the joined bin.
    """
    found: list[Bin] = []
    for each in bins:
        if found and found[-1].count < at_least:
            found[-1] = _both(found[-1], each)
        else:
            found.append(each)
    if len(found) > 1 and found[-1].count < at_least:
        found[-2:] = [_both(found[-2], found[-1])]
    return tuple(found)


def _both(first: Bin, second: Bin) -> Bin:
    count = first.count + second.count
    said = (first.said * first.count + second.said * second.count) / count
    seen = (first.seen * first.count + second.seen * second.count) / count
    return Bin(said, min(1.0, max(0.0, seen)), count)
