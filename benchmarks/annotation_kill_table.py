"""The table of docs/results.md that `annotation_kill.py` fills: its figures as records, and as text."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from page import table_head, table_row

NAME = "benchmarks/annotation_kill.py"
SECTION = """
## The annotation site when servers are killed

Two `steersman annotate serve` processes on one database, killed with SIGKILL at random moments, one or both, and
started again. Annotators use the API and send a request again until they have a reply; at times they let a lease run
out, answer late, answer twice at once, hang up before the reply, repeat old answers, skip and undo. On PostgreSQL
processes of the database are killed too, which makes it drop all connections and recover. Faults are acknowledged
answers that are not in the database exactly once as they were sent, answers that nobody sent, tasks with too many
annotators or one twice, tasks that are not finished when everybody has stopped, counters that differ from their rows,
and leases whose history in the audit log does not lead to their state.
"""


@dataclass(frozen=True, slots=True)
class Run:
    """What became of a run on one database."""

    database: str
    seconds: float
    counts: Counter[str]
    faults: list[str]


def table_text(runs: Sequence[Run], *, facts: Sequence[str]) -> str:
    """Return the figures as Markdown."""
    head = table_head("", *(run.database for run in runs))
    rows = [
        ("answers acknowledged", "acknowledged"),
        ("tasks", "tasks"),
        ("servers killed", "killed"),
        ("processes of the database killed", "backends killed"),
        ("requests sent again, for want of a reply", "retried"),
        ("hung up before the reply", "hang_up"),
        ("answers sent to two servers at once, or again later", "twice"),
        ("leases run out", "lease.expired"),
        ("answers kept as surplus", "surplus"),
        ("answers undone", "answer.undone"),
        ("tasks skipped", "task.skipped"),
    ]
    lines = [table_row(name, *(f"{_count(run, key):,}" for run in runs)) for name, key in rows]
    lines.append(table_row("minutes", *(f"{run.seconds / 60:.1f}" for run in runs)))
    lines.append(table_row("**faults**", *(f"**{len(run.faults)}**" for run in runs)))
    return "\n".join([*head, *lines, "", *(f"- {fact}" for fact in facts)])


def _count(run: Run, key: str) -> int:
    return run.counts[key] + (run.counts["replay"] if key == "twice" else 0)
