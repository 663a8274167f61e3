"""The words of the report: numbers, times and verdicts as people read them. Pure; used by the template as filters."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from steersman.report.data import Agreement, AgreementFigure, AncestorVerdict, Estimate, Missing, StageTime, Training

NOT_RECORDED = "not recorded"
_MINUS = "\u2212"


def _or_not_recorded(write: Callable[[float], str], value: float | None) -> str:
    return NOT_RECORDED if value is None else write(value)


def figure(value: float | None, digits: int = 0) -> str:
    """Return a number with thousands marks and a true minus sign."""
    return _or_not_recorded(lambda number: f"{number:,.{digits}f}".replace("-", _MINUS), value)


def signed(value: float | None, digits: int = 2) -> str:
    """Return a number with its sign, whichever it is."""
    return _or_not_recorded(lambda number: f"{number:+.{digits}f}".replace("-", _MINUS), value)


def percent(value: float | None, digits: int = 1) -> str:
    """Return a share between 0 and 1 as a percentage."""
    return _or_not_recorded(lambda number: f"{100 * number:.{digits}f} %", value)


def interval(estimate: Estimate | None, write: Callable[[float | None], str] = signed) -> str:
    """Return the two ends of a 95 % interval, each written by `write`."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return f"interval {NOT_RECORDED}"
    return f"{write(estimate.low)} to {write(estimate.high)}"


def duration(seconds: float | None) -> str:
    """Return seconds as people say them: 8.4 s, 2 min 05 s, 1 h 02 min."""
    if seconds is None:
        return NOT_RECORDED
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def gigabytes(size: float | None) -> str:
    """Return a number of bytes in GB, a GB being 10^9 bytes."""
    return _or_not_recorded(lambda number: f"{number / 1e9:.2f} GB", size)


def moment(created_at: str | None) -> str:
    """Return an ISO 8601 time as `4 March 2026, 09:05 UTC`; a text that is none is shown as it is."""
    if created_at is None:
        return NOT_RECORDED
    try:
        time = datetime.fromisoformat(created_at)
    except ValueError:
        return created_at
    if time.tzinfo is None:
        return f"{time.day} {time:%B %Y, %H:%M}"
    return f"{time.astimezone(UTC).day} {time.astimezone(UTC):%B %Y, %H:%M} UTC"


def counted(count: int | None, noun: str) -> str:
    """Return `1 rating`, `1,240 ratings`, or that the number was not recorded."""
    if count is None:
        return f"{noun}s {NOT_RECORDED}"
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def share_interval(estimate: Estimate | None) -> str:
    """Return the two ends of a 95 % interval of a share, as percentages."""
    return interval(estimate, percent)


def change_tone(change: float | None) -> Literal["clear", "forbidden", ""]:
    """Return the CSS class that colours a change of reward; none where nothing changed."""
    if not change:
        return ""
    return "clear" if change > 0 else "forbidden"


def final_kappa(agreement: Agreement | Missing) -> AgreementFigure | None:
    """Return the agreement on helpfulness at the last stage, None where it has no kappa."""
    figures = () if isinstance(agreement, Missing) else agreement.figures
    found = (each for each in figures if each.attribute == "helpfulness" and each.stage == "final" and each.kappa)
    return next(found, None)


def kept_margin(training: Training) -> float | None:
    """Return the margin between better and worse validation responses at the step whose weights were kept."""
    return next((point.margin for point in training.curve if point.step == training.best_step), None)


def helpfulness_accuracy(reward: Training | Missing) -> Estimate | None:
    """Return the accuracy on helpfulness on validation pairs."""
    return None if isinstance(reward, Missing) else dict(reward.accuracy).get("helpfulness")


def licence_words(ancestor: AncestorVerdict) -> str:
    """Return the licence of an ancestor; one that is clear without a licence needs none."""
    return ancestor.licence or ("none needed" if ancestor.verdict == "clear" else "not known")


def total_seconds(times: tuple[StageTime, ...]) -> float | None:
    """Return the time of all stages together, reused ones with the time they once took."""
    return sum(time.seconds for time in times) if times else None


def peak_bytes(times: tuple[StageTime, ...]) -> float | None:
    """Return the largest memory any stage held."""
    return max((time.peak_rss_bytes for time in times if time.peak_rss_bytes is not None), default=None)


def reward_sentence(difference: Estimate | None) -> str:
    """Say in words what the change of the mean reward amounts to; an interval around zero is no change."""
    if difference is None or difference.low is None or difference.high is None:
        return "The change of the mean reward was not recorded with an interval."
    if difference.low > 0:
        return "Alignment raised the mean reward on held-out prompts."
    if difference.high < 0:
        return "Alignment lowered the mean reward on held-out prompts."
    return "No change of the mean reward can be told from chance: its interval includes zero."
