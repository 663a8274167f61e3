"""The table of docs/results.md that `annotation_site.py` fills: its figures as records, and as text."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from annotation_cycles import Cycle
from page import table_head, table_row

NAME = "benchmarks/annotation_site.py"
SECTION = """
## The annotation site beside Label Studio

Our site, `steersman annotate serve`, and Label Studio, `label-studio start`, one after the other in one run, each on
SQLite as it comes. Eight annotators, each a process of its own on the same machine, do nothing but claim a task and
submit its ten ratings. "Pages" is the whole work of a page per task: at ours the rating page and its form, at Label
Studio the labelling page, the request of that page for the next task, and its submit; all with a login by name and
password. "API" is the two JSON requests of a cycle, at ours with a token, at Label Studio with the session, as its page
sends them once it is loaded. Figures are of the cycles that ended inside the window.
"""


@dataclass(frozen=True, slots=True)
class Case:
    """One server in one way: its cycles in a window of so many seconds, and what they cost."""

    server: str
    way: str
    seconds: float
    cycles: list[Cycle]
    errors: list[str]
    start_seconds: float
    memory_bytes: int
    server_cpu_seconds: float
    client_cpu_seconds: float
    over: int = 0
    touched: int = 0

    @property
    def rate(self) -> float:
        """Return cycles per second."""
        return len(self.cycles) / self.seconds


def table_text(cases: Sequence[Case], *, facts: Sequence[str]) -> str:
    """Return the figures as Markdown."""
    head = table_head(
        "server",
        "way",
        "cycles/s",
        "claim p50 / p99, ms",
        "submit p50 / p99, ms",
        "errors",
        "tasks over-assigned",
        "start, s",
        "memory, MB",
        "CPU of server / clients, cores",
    )
    return "\n".join([*head, *(_line(case) for case in cases), "", *_ratios(cases), *(f"- {fact}" for fact in facts)])


def _line(case: Case) -> str:
    return table_row(
        case.server,
        case.way,
        f"{case.rate:.1f}",
        percentiles([each.claim_seconds for each in case.cycles]),
        percentiles([each.submit_seconds for each in case.cycles]),
        str(len(case.errors)),
        f"{case.over} of {case.touched}",
        f"{case.start_seconds:.1f}",
        f"{case.memory_bytes / 1e6:.0f}",
        f"{case.server_cpu_seconds / case.seconds:.2f} / {case.client_cpu_seconds / case.seconds:.2f}",
    )


def percentiles(seconds: Sequence[float]) -> str:
    """Return the median and the 99th percentile in milliseconds."""
    if not seconds:
        return "-"
    middle, slow = np.percentile(np.array(seconds) * 1000, [50, 99])
    return f"{middle:.1f} / {slow:.1f}"


def _ratios(cases: Sequence[Case]) -> list[str]:
    """Return how many times more cycles each case of ours does than Label Studio in the same way."""
    rivals = {case.way: case for case in cases if case.server == "Label Studio"}
    found = [
        f"- {case.server}, {case.way}: {case.rate / rivals[case.way].rate:.1f} times Label Studio's cycles per second."
        for case in cases
        if case.way in rivals and rivals[case.way].rate and case.server != "Label Studio"
    ]
    return found
