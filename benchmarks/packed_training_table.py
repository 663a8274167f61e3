"""The table of the packed forward and backward pass: what was spent, and its text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from reward_speed_data import Prepared

from steersman.modeling.precision import Precision

NAME = "benchmarks/packed_training.py"
SECTION = """## What each piece of the packed pass brings

Forward and backward pass of reward-model training on a CPU, without the optimiser step.
"""
_MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Spent:
    """One process: time of its measured batches, most bytes beyond weights and gradients, loss of the first batch."""

    seconds: float
    cpu_seconds: float
    peak_bytes: float
    first_loss: float


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What all lines share: `tokens` and `operations` of the measured batches, `peak` operations per second."""

    prepared: Prepared
    precision: Precision
    tokens: int
    operations: int
    peak: float
    where: str
    command: str


def table_text(runs: Mapping[str, Sequence[Spent]], *, told: Circumstances) -> str:
    """Return the table and what it was measured on; a line's figures are medians of its processes."""
    lines = [
        "| the pass | useful tokens/s | first line / this | tokens per CPU second | share of peak | peak memory beyond"
        " weights and gradients, MiB | loss of the first batch |",
        "|---|---|---|---|---|---|---|",
    ]
    first = median(each.seconds for each in next(iter(runs.values())))
    for words, found in runs.items():
        seconds, cpu_seconds = median(each.seconds for each in found), median(each.cpu_seconds for each in found)
        cells = [
            words,
            f"{told.tokens / seconds:,.0f}",
            f"{first / seconds:.2f}x",
            f"{told.tokens / cpu_seconds:,.0f}",
            f"{told.operations / seconds / told.peak:.0%}",
            f"{median(each.peak_bytes for each in found) / _MEBIBYTE:,.0f}",
            f"{found[0].first_loss:.4f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    processes = len(next(iter(runs.values())))
    notes = (
        f"`{told.command.strip()}`: {told.prepared.model} in {told.precision}, {told.prepared.pairs}. {told.tokens:,}"
        f" tokens are measured, each prompt once; figures are medians of {processes} processes a line, in turns."
        " Rows hold up to 1024 tokens where nothing else is said. The peak of matrix products, measured between the"
        f" lines, is {told.peak / 1e9:,.0f} GFLOP/s; counted are {told.operations / 1e12:,.2f} TFLOP. {told.where}."
    )
    return "\n".join([*lines, "", notes])
