"""Draw bars as SVG on the server: geometry only, so that no style or script is needed in the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

_WIDTH, _HEIGHT, _FOOT, _HEAD = 560.0, 150.0, 18.0, 16.0
_GAP = 0.25


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar with its words: place and size in the units of the drawing."""

    x: float
    y: float
    width: float
    height: float
    middle: float
    label: str
    value: int


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars beside each other, on a line at `floor`; `words` say in one sentence what is seen."""

    width: float
    height: float
    floor: float
    bars: tuple[Bar, ...]
    words: str


def day_bars(days: Sequence[tuple[date, int]]) -> Chart:
    """Return a chart of counts by day."""
    highest = max((count for _, count in days), default=0)
    floor, room = _HEIGHT - _FOOT, _HEIGHT - _FOOT - _HEAD
    step = _WIDTH / max(1, len(days))
    bars = tuple(
        Bar(
            x=round(number * step + step * _GAP / 2, 1),
            y=round(floor - room * count / max(1, highest), 1),
            width=round(step * (1 - _GAP), 1),
            height=round(room * count / max(1, highest), 1),
            middle=round((number + 0.5) * step, 1),
            label=f"{day.day}.{day.month}.",
            value=count,
        )
        for number, (day, count) in enumerate(days)
    )
    total = sum(count for _, count in days)
    return Chart(_WIDTH, _HEIGHT, floor, bars, f"{total} answers in {len(days)} days, at most {highest} in one day")


def share_bar(part: int, whole: int) -> float:
    """Return how long the filled part of a bar of length 100 is."""
    return round(100.0 * part / whole, 1) if whole else 0.0


def bias_bar(value: float, *, low: float | None, high: float | None) -> tuple[float, float, float]:
    """Return where a leaning and the ends of its interval stand on a line of length 100, from -2 to 2 levels."""
    ends = (value, value if low is None else low, value if high is None else high)
    place, start, end = (round(50.0 + 25.0 * max(-2.0, min(2.0, each)), 1) for each in ends)
    return place, start, end
