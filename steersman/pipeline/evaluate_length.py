"""`steersman evaluate length`: how long the responses of a file are."""

from pathlib import Path

import numpy as np

from steersman.evaluate.length import length_statistics
from steersman.store.files import read_table
from steersman.tables import Column, Table

_TEXTS = Table("responses", {"response": Column("text")})


def run(data: Path, *, seed: int, rounds: int) -> dict[str, object]:
    """Return `{"responses", "mean_characters", "ci95": [low, high], "median_characters", "empty"}` of a table.

    Any JSON lines or Parquet file with a `response` column will do. Raises DataError that lists all its faults.
    """
    responses = read_table(data, table=_TEXTS)["response"].to_list()
    found = length_statistics(responses, rng=np.random.default_rng(seed), rounds=rounds)
    mean = found.mean_characters
    return {
        "responses": mean.count,
        "mean_characters": mean.estimate,
        "ci95": [mean.low, mean.high],
        "median_characters": found.median_characters,
        "empty": found.empty,
    }
