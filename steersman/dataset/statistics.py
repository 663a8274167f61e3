"""Describe labelled examples: the statistics of HelpSteer2's second table, and histograms.

Rows are measured chunk by chunk, so that no more texts than a chunk's are ever in memory; a measured row is numbers
only (docs/cleaning.md).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from steersman.errors import DataError
from steersman.records import ATTRIBUTES, NUM_LEVELS, TURN_MARKER

TURNS = "turns_in_prompt"
PROMPT_CHARACTERS = "characters_in_prompt"
RESPONSE_CHARACTERS = "characters_in_response"
_TURN_TAG = rf"\n{TURN_MARKER}(?:User|Assistant)\n"


@dataclass(frozen=True, slots=True)
class Column:
    """How one column of the examples is distributed; `pearson` with helpfulness is None where either is constant.

    `std` divides by the number of rows.
    """

    mean: float
    std: float
    pearson: float | None


def measure(examples: pl.DataFrame) -> pl.DataFrame:
    """Return the attributes of each example, the turns of its prompt and the lengths of its texts in characters.

    A turn is one message of the prompt, user's or assistant's.
    """
    turns = (
        # most prompts have one turn, and looking for a plain marker is faster than matching the tag
        pl.when(pl.col("prompt").str.contains(TURN_MARKER, literal=True))
        .then(pl.col("prompt").str.count_matches(_TURN_TAG) + 1)
        .otherwise(1)
    )
    return examples.select(
        *(pl.col(name).cast(pl.Int8) for name in ATTRIBUTES),
        turns.cast(pl.Int32).alias(TURNS),
        pl.col("prompt").str.len_chars().cast(pl.Int32).alias(PROMPT_CHARACTERS),
        pl.col("response").str.len_chars().cast(pl.Int32).alias(RESPONSE_CHARACTERS),
    )


def describe(measured: pl.DataFrame) -> dict[str, Column]:
    """Return mean, spread and correlation with helpfulness of every column of `measure`.

    Raises DataError for no examples.
    """
    if measured.is_empty():
        raise DataError("no examples to describe; check what cleaning dropped")
    helpfulness = measured["helpfulness"].cast(pl.Float64).to_numpy()
    return {name: _describe(measured[name].cast(pl.Float64).to_numpy(), helpfulness) for name in measured.columns}


def _describe(values: npt.NDArray[np.float64], helpfulness: npt.NDArray[np.float64]) -> Column:
    spread = float(values.std())
    is_constant = spread == 0 or float(helpfulness.std()) == 0
    pearson = None if is_constant else float(np.corrcoef(values, helpfulness)[0, 1])
    return Column(mean=float(values.mean()), std=spread, pearson=pearson)


def statistics(measured: pl.DataFrame) -> dict[str, object]:
    """Return what statistics.json holds: `describe`, histograms of labels, and the usual sizes."""
    columns = describe(measured)
    found: dict[str, dict[str, object]] = {
        name: {"mean": column.mean, "std": column.std, "pearson_helpfulness": column.pearson}
        for name, column in columns.items()
    }
    for name in ATTRIBUTES:
        found[name]["histogram"] = np.bincount(measured[name].to_numpy(), minlength=NUM_LEVELS).tolist()
    characters = {"prompt": columns[PROMPT_CHARACTERS].mean, "response": columns[RESPONSE_CHARACTERS].mean}
    multi_turn = float((measured[TURNS] > 1).cast(pl.Float64).to_numpy().mean())
    sizes = {"rows": measured.height, "tasks": measured.height // 2}
    return {**sizes, "multi_turn_share": multi_turn, "characters": characters, **found}
