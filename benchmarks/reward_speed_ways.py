"""The ways to train that the benchmark compares: the rows of its table."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reward_speed_records import Measured, Row
from reward_speed_table import BEST, DEFAULT

from steersman.errors import RunError
from steersman.modeling.precision import Precision

# RewardConfig of TRL 1.16: eight pairs a device and step, checkpointing on, bfloat16 by autocast
DEFAULT_PAIRS = 8
# the engine's ways, by the name that --rows takes
OURS: Mapping[str, Row] = {
    "engine": Row("**Steersman**", "ours"),
    "compiled": Row("Steersman, compiled", "ours", compile=True),
    "alone": Row("Steersman, a pair a row", "ours", row_tokens=1),
    "rows-1024": Row("Steersman, rows up to 1024 tokens", "ours", row_tokens=1024),
    "rows-4096": Row("Steersman, rows up to 4096 tokens", "ours", row_tokens=4096),
    "unshared": Row("Steersman, prompts not shared", "ours", shares=False),
    "checkpointing": Row("Steersman with checkpointing", "ours", checkpointing=True),
    "float32": Row("Steersman in float32", "ours", precision="float32"),
}


def trl_row(pairs: int, *, checkpointing: bool) -> Row:
    """Return TRL's row for so many pairs a micro-batch."""
    words = f"micro-batches of {pairs}{', checkpointing' if checkpointing else ''}"
    return Row(words, "trl", pairs=pairs, checkpointing=checkpointing)


def rivals(
    search: Sequence[tuple[Row, Measured | None]], *, precision: Precision, batch_pairs: int
) -> tuple[Row, Row, Row]:
    """Return TRL's default, its best setting found, and the plain loop that does what the default does.

    Raises RunError when no setting of the search had enough memory.
    """
    fitting = [(found.seconds_per_step, row) for row, found in search if found is not None]
    if not fitting:
        raise RunError("no setting of TRL fits into this device's memory; take a smaller shape")
    _, best = min(fitting, key=lambda each: each[0])
    pairs = min(DEFAULT_PAIRS, batch_pairs)
    default = Row(DEFAULT, "trl", precision=precision, pairs=pairs, checkpointing=True)
    return (
        default,
        replace(best, name=f"{BEST} ({best.name})"),
        replace(default, name="plain loop, as TRL's default", trainer="plain"),
    )


def in_format(row: Row, *, precision: Precision) -> Row:
    """Return `row` in the number format of this run, unless it is there to show another."""
    return row if row.precision == "float32" else replace(row, precision=precision)
