"""Time our aggregators beside pandas and crowd-kit on a million responses, and see whose labels are nearest the truth.

    python benchmarks/aggregation.py --write

Answers are compared with ours (aggregation_ways.py). pandas and crowd-kit are used where they can be imported, and
reported as absent where not: crowd-kit is no dependency of this project, `pip install crowd-kit` puts it beside. Labels
are judged on simulated crowds with planted truth (aggregation_crowd.py), with all tasks, also those that cleaning would
remove for their spread.
"""

import argparse
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
from aggregation_crowd import KINDS, CrowdKind, RatedCrowd, draw_crowd
from aggregation_table import NAME, SECTION, Circumstances, Figures, LabelError, table_text
from aggregation_ways import timed_ways
from machine import ROOT, commit_words, machine_words, version_words
from page import page_with_table

from steersman.annotation.escalation import FIRST_ANNOTATORS
from steersman.config.cleaning import CleanSettings
from steersman.dataset.aggregation import aggregate
from steersman.dataset.grid import FloatArray, IntArray
from steersman.dataset.selection import select_ratings
from steersman.errors import SteersmanError
from steersman.store.files import read_lines, write_json, write_text

RESULTS_PAGE = ROOT / "docs" / "results.md"
LARGE = CrowdKind("large", 500_000, 500, leaning_sd=0.4, scale_sd=0.1, noise_sd=0.7, spammers=0.05, careless=0.02)
# name of the package, and of what it has to import
RIVALS = {"pandas": "pandas", "crowd-kit": "crowdkit"}
BEST = "nearest scores, as good as whole labels get"


def main(argv: list[str]) -> int:
    """Run the benchmark; print its tables and, with --write, put them into docs/results.md."""
    options = parse(argv)
    try:
        figures = measure(options)
        if options.out:
            write_json(options.out, asdict(figures))
        print(table_text(figures))
        if options.write:
            page = "\n".join(read_lines(RESULTS_PAGE))
            write_text(RESULTS_PAGE, page_with_table(page, table_text(figures), name=NAME, section=SECTION))
    except SteersmanError as error:
        print(f"aggregation: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def parse(argv: list[str]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=LARGE.tasks, help="tasks of two responses to time on")
    parser.add_argument("--runs", type=int, default=3, help="timed runs of each way; slow ones get 1")
    parser.add_argument("--seeds", type=int, default=5, help="simulated crowds of each kind")
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file as well")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/results.md")
    return parser.parse_args(argv)


def measure(options: argparse.Namespace) -> Figures:
    """Return all figures."""
    large = draw_crowd(replace(LARGE, tasks=options.tasks), rng=np.random.default_rng(0))
    timings = tuple(timed_ways(large.grid, runs=options.runs))
    errors = [label_errors(kind, seeds=options.seeds) for kind in KINDS]
    ways = [error.way for error in errors[0]]
    return Figures(
        timings=timings,
        errors=tuple(found for way in ways for each in errors for found in each if found.way == way),
        crowds=tuple(kind.name for kind in KINDS),
        circumstances=Circumstances(
            command=f"python benchmarks/aggregation.py --tasks {options.tasks} --seeds {options.seeds}",
            commit=commit_words(),
            machine=machine_words(),
            versions=f"{version_words()}{_rival_words()}",
            responses=large.grid.task.size,
            ratings=large.grid.response.size,
            annotators=LARGE.annotators,
        ),
    )


def _rival_words() -> str:
    """Return the versions of the rivals that are installed."""
    found = (name for name in RIVALS if importlib.util.find_spec(RIVALS[name]) is not None)
    return "".join(f", {name} {importlib.metadata.version(name)}" for name in found)


def label_errors(kind: CrowdKind, *, seeds: int) -> list[LabelError]:
    """Return the error of each way of making labels on crowds of one kind, one crowd per seed."""
    crowds = [draw_crowd(kind, rng=np.random.default_rng(seed)) for seed in range(1, seeds + 1)]
    found = [dict(_labels(crowd)) for crowd in crowds]
    return [
        LabelError(
            way,
            kind.name,
            rms=tuple(_rms(labels[way], crowd.truth) for labels, crowd in zip(found, crowds, strict=True)),
            exact=tuple(_exact(labels[way], crowd.truth) for labels, crowd in zip(found, crowds, strict=True)),
        )
        for way in found[0]
    ]


def _labels(crowd: RatedCrowd) -> Iterator[tuple[str, IntArray]]:
    grid = crowd.grid
    every = np.ones(grid.scores.shape, dtype=np.bool_)
    kept = select_ratings(grid, rules=CleanSettings.model_validate({}))
    label = partial(aggregate, grid, rounding="half_up")
    yield BEST, np.rint(crowd.truth).astype(np.int64)
    yield "mean of the first three", label(used=every & (grid.rank < FIRST_ANNOTATORS)[:, None], method="mean")
    yield "mean of the three most agreeing", label(used=kept, method="mean")
    yield "mean of all", label(used=every, method="mean")
    yield "median of all", label(used=every, method="median")
    yield "majority of all", label(used=every, method="majority")
    yield "Dawid-Skene, posterior mean", label(used=every, method="dawid_skene")
    yield "Dawid-Skene, most probable", label(used=every, method="dawid_skene", dawid_skene="most_probable")
    yield "rater bias", label(used=every, method="rater_bias")


def _rms(labels: IntArray, truth: FloatArray) -> float:
    return float(np.sqrt(np.mean((labels - truth) ** 2)))


def _exact(labels: IntArray, truth: FloatArray) -> float:
    return float(np.mean(labels == np.rint(truth)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
