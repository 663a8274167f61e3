"""The table of docs/results.md that `serving.py` fills: its figures as records, and as text."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

SECTION = """
## The reward server

`steersman serve reward` in a process of its own on the same machine as its clients. A client sends one row, waits for
its reward and sends the next; four rows in a row have one prompt. "One by one" scores each request by itself. Rows per
second are the median of the repeats, with the smallest and the largest; latencies are those of all requests.
"""


@dataclass(frozen=True, slots=True)
class Case:
    """One mode at one number of clients: rows per second of each repeat, seconds and reward of each request."""

    mode: str
    clients: int
    rows_per_second: list[float]
    latencies: list[float]
    requests_per_batch: float
    rewards: list[float]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """How and where the figures were made."""

    command: str
    commit: str
    machine: str
    versions: str


def table_text(cases: Sequence[Case], *, facts: Circumstances) -> str:
    """Return the figures as Markdown."""
    return "\n".join(
        [
            "| clients | scored | rows/s | latency p50, ms | latency p95, ms | requests per batch |",
            "|---|---|---|---|---|---|",
            *(_line(case) for case in sorted(cases, key=lambda case: case.clients)),
            "",
            f"Largest difference between the rewards of one row in any two cases: {largest_difference(cases):.1e}.",
            "",
            f"- Command: `{facts.command}`. Commit: {facts.commit}.",
            f"- Machine: {facts.machine}. {facts.versions}.",
        ]
    )


def largest_difference(cases: Sequence[Case]) -> float:
    """Return how far the rewards of one row are apart between cases."""
    return float(np.ptp([case.rewards for case in cases], axis=0).max())


def _line(case: Case) -> str:
    rates = case.rows_per_second
    shown = f"{median(rates):.1f} ({min(rates):.1f} to {max(rates):.1f})"
    middle, slow = np.percentile(np.array(case.latencies) * 1000, [50, 95])
    return f"| {case.clients} | {case.mode} | {shown} | {middle:.1f} | {slow:.1f} | {case.requests_per_batch:.1f} |"
