"""The table of docs/results.md that `annotation_load.py` fills: its figures as records, and as text."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from page import table_head, table_row

NAME = "benchmarks/annotation_load.py"
SECTION = """
## Annotators at work on the annotation site

`steersman annotate serve` on SQLite, and annotators with a session each who together begin so many cycles per second:
load the whole rating page, think, send the form. Waits count from when a page was due, also where the server was late
with the one before. Server and annotators share the machine. "Kept up" means that all cycles were done without an
error, with 99 % of the claims under 100 ms and 99 % of the submits under 250 ms.
"""
_CLAIM_LIMIT_SECONDS = 0.1
_SUBMIT_LIMIT_SECONDS = 0.25
_SLOW = 99


@dataclass(frozen=True, slots=True)
class Step:
    """One rate at one number of processes: the waits in a window, in seconds, and what it cost."""

    workers: int
    rate: float
    seconds: float
    claims: list[float]
    submits: list[float]
    errors: list[str]
    start_seconds: float
    memory_bytes: int
    server_cpu_seconds: float
    client_cpu_seconds: float

    @property
    def is_kept_up(self) -> bool:
        """Tell whether the server did all that was asked for within the limits."""
        return (
            not self.errors
            and bool(self.claims and self.submits)
            and slow_seconds(self.claims) < _CLAIM_LIMIT_SECONDS
            and slow_seconds(self.submits) < _SUBMIT_LIMIT_SECONDS
        )


def slow_seconds(waits: Sequence[float]) -> float:
    """Return the wait that 99 of 100 do not pass."""
    return float(np.percentile(np.array(waits), _SLOW))


def table_text(steps: Sequence[Step], *, people: int, facts: Sequence[str]) -> str:
    """Return the figures as Markdown."""
    head = table_head(
        "processes",
        "cycles/s begun",
        "done",
        "claim p50 / p99 / most, ms",
        "submit p50 / p99 / most, ms",
        "errors",
        "memory, MB",
        "CPU of server / annotators, cores",
        "kept up",
    )
    starts = {step.workers: step.start_seconds for step in steps}
    started = ", ".join(f"{seconds:.1f} s with {workers}" for workers, seconds in starts.items())
    return "\n".join(
        [
            *head,
            *(_line(step) for step in steps),
            "",
            f"- {people} annotators. From the command to the first page: {started} (processes).",
            *(f"- {fact}" for fact in facts),
        ]
    )


def _line(step: Step) -> str:
    return table_row(
        str(step.workers),
        f"{step.rate:g} for {step.seconds:g} s",
        f"{len(step.submits) / step.seconds:.1f}",
        _waits(step.claims),
        _waits(step.submits),
        str(len(step.errors)),
        f"{step.memory_bytes / 1e6:.0f}",
        f"{step.server_cpu_seconds / step.seconds:.2f} / {step.client_cpu_seconds / step.seconds:.2f}",
        "yes" if step.is_kept_up else "no",
    )


def _waits(seconds: Sequence[float]) -> str:
    if not seconds:
        return "-"
    middle, slow, most = np.percentile(np.array(seconds) * 1000, [50, _SLOW, 100])
    return f"{middle:.0f} / {slow:.0f} / {most:.0f}"
