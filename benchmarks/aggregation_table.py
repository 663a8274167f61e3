"""The tables of docs/results.md that `aggregation.py` fills: its figures as records, and as text."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

NAME = "benchmarks/aggregation.py"
SECTION = """## Labels from ratings

How long does each way of making labels take on a million responses, and whose labels are nearest to the truth? On real
data nobody knows the truth. The crowds here are simulated, so that it is planted: what a crowd is like decides the
order below, and real crowds are none of these five. *even* annotators only have noise (sd 0.6 levels); *leaning* ones
also a bias (sd 0.5) and another use of the scale (sd 0.15); *careless* ones draw every seventh rating at random; among
*spammers* every seventh annotator says one score to everything or draws it; *strangers* are a thousand such people
with about nine ratings each. Three annotators rate a task, five where the first three disagree. Every task counts,
also those that cleaning would remove for their spread.
"""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one way of doing a job took, median of `runs`, and what memory it needed on top of its input.

    `cpu_seconds` tells work from waiting where other programs run on the machine. `attributes` says how many of the
    five the way did; `agreement` how its answers compare with ours. A way that could not be tried has `absent` say why,
    and no figures.
    """

    job: str
    way: str
    attributes: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    megabytes: float = 0.0
    runs: int = 0
    agreement: str = ""
    absent: str | None = None


@dataclass(frozen=True, slots=True)
class LabelError:
    """How far labels are from the planted truth, for each seed: root mean square, and share of the nearest score."""

    way: str
    crowd: str
    rms: tuple[float, ...]
    exact: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the figures rest on: how they were made, and where."""

    command: str
    commit: str
    machine: str
    versions: str
    responses: int
    ratings: int
    annotators: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything in the tables."""

    timings: tuple[Timing, ...]
    errors: tuple[LabelError, ...]
    crowds: tuple[str, ...]
    circumstances: Circumstances


def table_text(figures: Figures) -> str:
    """Return the figures as Markdown."""
    facts = figures.circumstances
    return "\n".join(
        [
            f"{facts.responses:,} responses, {facts.ratings:,} ratings, {facts.annotators} annotators:",
            "",
            "| job | way | attributes | seconds | CPU seconds | memory on top, MB | same answer |",
            "|---|---|---|---|---|---|---|",
            *(_timing_line(timing) for timing in figures.timings),
            "",
            *_error_lines(figures),
            "",
            f"- Command: `{facts.command}`",
            f"- Commit: {facts.commit}. Machine: {facts.machine}. {facts.versions}.",
        ]
    )


def _timing_line(timing: Timing) -> str:
    if timing.absent is not None:
        return f"| {timing.job} | {timing.way} | | absent: {timing.absent} | | | |"
    return (
        f"| {timing.job} | {timing.way} | {timing.attributes} | {timing.seconds:.2f} | {timing.cpu_seconds:.2f} "
        f"| {timing.megabytes:.0f} | {timing.agreement} |"
    )


def _error_lines(figures: Figures) -> list[str]:
    """Return a line for each way and a cell for each crowd: error and share of exact labels, means over the seeds."""
    seeds = len(figures.errors[0].rms)
    lines = [
        "Root mean square error of the labels in levels, with its standard deviation over the seeds, and the share of "
        f"labels that are the score nearest to the truth; {seeds} seeds, five attributes:",
        "",
        f"| labels | {' | '.join(figures.crowds)} |",
        f"|---|{'---|' * len(figures.crowds)}",
    ]
    for way, found in groupby(figures.errors, key=lambda error: error.way):
        by_crowd = {error.crowd: error for error in found}
        lines.append(f"| {way} | {' | '.join(_error_cell(by_crowd[crowd]) for crowd in figures.crowds)} |")
    return lines


def _error_cell(error: LabelError) -> str:
    return f"{_mean(error.rms):.3f} ({_deviation(error.rms):.3f}), {100 * _mean(error.exact):.1f} %"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _deviation(values: Sequence[float]) -> float:
    mean = _mean(values)
    return float((sum((value - mean) ** 2 for value in values) / max(len(values) - 1, 1)) ** 0.5)
