"""Train by one row of the benchmark in this process, which is fresh, and write what was measured.

    python benchmarks/reward_speed_row.py TASK.json RESULT.json

`reward_speed.py` starts it.
"""

import logging
import sys
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import torch
from reward_speed_data import TINY, prepare
from reward_speed_ours import ours
from reward_speed_records import Measured, Row, Terms, read_groups
from reward_speed_rivals import plain, trl

from steersman.store.files import read_json, write_json

_TRAINERS = {"trl": trl, "plain": plain, "ours": ours}


def main(argv: list[str]) -> int:
    """Run the task in the first file; write its `Measured` to the second, or null where a GPU's memory is short."""
    task_file, result_file = map(Path, argv)
    row, terms = read_task(task_file)
    logging.disable(logging.WARNING)  # the rivals' own notices
    try:
        write_json(result_file, asdict(measure(row, terms=terms)))
    except torch.OutOfMemoryError:
        write_json(result_file, None)
    return 0


def measure(row: Row, *, terms: Terms) -> Measured:
    """Return what training by `row` took.

    It is rehearsed on the tiny model, so that libraries which load code on first use have done so before memory counts.
    """
    if terms.threads is not None:
        torch.set_num_threads(terms.threads)
    with TemporaryDirectory() as folder:
        rehearsal = replace(terms, folder=Path(folder), steps=1)
        num_pairs = rehearsal.all_steps * rehearsal.batch_pairs
        prepare(rehearsal.folder, model=TINY, num_pairs=num_pairs, is_made=True, seed=0)
        # the tiny model's sizes must not be among those that the compiler has seen
        train(replace(row, compile=False), terms=rehearsal)
    return train(row, terms=terms)


def train(row: Row, *, terms: Terms) -> Measured:
    """Return what training by `row` took in a process as it is."""
    groups = read_groups(terms.folder)[: terms.all_steps * terms.batch_pairs]
    return _TRAINERS[row.trainer](row, groups, terms=terms)


def write_task(path: Path, row: Row, *, terms: Terms) -> None:
    """Write a task for `read_task`."""
    write_json(path, {"row": asdict(row), "terms": asdict(terms) | {"folder": str(terms.folder)}})


def read_task(path: Path) -> tuple[Row, Terms]:
    """Return the row and the terms in a file."""
    task = cast("dict[str, dict[str, object]]", read_json(path))
    folder = Path(str(task["terms"]["folder"]))
    return Row(**task["row"]), Terms(**task["terms"] | {"folder": folder})  # type: ignore[arg-type]  # as written above


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
