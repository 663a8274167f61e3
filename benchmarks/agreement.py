"""Time the coefficients of agreement beside other packages, on the same simulated ratings, and compare the answers.

    python benchmarks/agreement.py
    python benchmarks/agreement.py --units 1000000 --rounds 5 --write

A million units, three ratings each and five where the first three are more than two levels apart, by 500 raters. Ours
and the other package take turns in one process, and the median of the rounds counts. `krippendorff`, `irrCAC` and
`statsmodels` are used where they are installed, and named as missing where they are not. What would take a package too
long is timed on a part, and says so. Ends with exit code 1 when two answers differ.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from typing import get_args

import numpy as np
from agreement_peers import (
    LEVELS,
    RATERS,
    Peer,
    Simulated,
    irrcac_gwet,
    krippendorff_ordinal,
    simulated,
    sklearn_pooled,
    sklearn_rater_pairs,
    statsmodels_fleiss,
)
from machine import ROOT, commit_words, machine_words, version_words
from page import page_with_table

from steersman.stats import coefficients as co
from steersman.stats.arrays import FloatArray
from steersman.stats.counts import count_tables, move_unit
from steersman.stats.intraclass import intraclass_mean, intraclass_single
from steersman.stats.kappa import Coefficient, Weights
from steersman.stats.pairs import pair_agreement, pair_tables
from steersman.stats.raters import rater_figures, rater_tables
from steersman.stats.resampling import percentile_interval, resample_groups
from steersman.store.files import read_lines, write_text

RESULTS_PAGE = ROOT / "docs" / "results.md"
NAME = "benchmarks/agreement.py"
SECTION = """
## Agreement at scale

Coefficients of agreement of one attribute, from counts or ratings in memory to the figure, beside what other packages
take for the same figure. Their input is made outside the clock, ours is counted inside it.
"""
PACKAGES = ("krippendorff", "irrCAC", "statsmodels", "pandas")
_RESAMPLES = 1_000
_MOST_PAIRS = 2_000
_MOST_FRAME_UNITS = 20_000
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Task:
    """One figure: our way, the time asked for in seconds, and how another package's way is made."""

    name: str
    ours: Callable[[], FloatArray]
    limit: float | None = None
    make_peer: Callable[[], Peer] | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One figure, measured; `difference` is the largest between the two answers, None without another one."""

    name: str
    seconds: float
    limit: float | None
    peer: str
    peer_seconds: float | None
    difference: float | None


def main(argv: list[str]) -> int:
    """Run the benchmark; print its table and, with --write, put it into docs/results.md."""
    options = parse(argv)
    data = simulated(options.units, seed=options.seed)
    rows = [measured(task, rounds=options.rounds) for task in tasks(data)]
    table = table_text(rows, data=data, options=options)
    print(table)
    wrong = [row.name for row in rows if (row.difference or 0.0) > _TOLERANCE]
    if wrong:
        print(f"agreement: other answers than the other package's: {', '.join(wrong)}", file=sys.stderr)
        return 1
    if options.write:
        page = "\n".join(read_lines(RESULTS_PAGE))
        write_text(RESULTS_PAGE, page_with_table(page, table, name=NAME, section=SECTION))
    return 0


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    return parser.parse_args(argv)


def tasks(data: Simulated) -> Iterator[Task]:
    """Yield what is measured, first what others compute too."""
    pairs = partial(pair_tables, data.level, unit=data.unit, rater=data.rater, num_levels=LEVELS)
    yield Task("quadratic kappa, pooled", partial(_pooled, data), 0.1, partial(sklearn_pooled, data))
    yield Task(
        "quadratic kappa of each pair of raters",
        lambda: pair_agreement(pairs(), weights="quadratic", min_overlap=1).kappas,
        0.6,
        lambda: sklearn_rater_pairs(pairs(), most=_MOST_PAIRS),
    )
    yield Task("ordinal alpha", partial(_alpha, data), 0.15, partial(krippendorff_ordinal, data))
    yield Task("Fleiss' kappa, first three", partial(_fleiss, data), None, partial(statsmodels_fleiss, data))
    some = min(_MOST_FRAME_UNITS, data.counts.shape[0])
    yield Task(f"AC2 of {some:,} units", partial(_gwet, data, some), None, partial(irrcac_gwet, data, num_units=some))
    yield Task("all 14 coefficients at once", partial(_all, data))
    yield Task("agreement, bias and spread of each rater", partial(_raters, data))
    groups = (data.counts.shape[0] + 1) // 2
    yield Task(f"kappa's interval, {_RESAMPLES:,} resamples of {groups:,} groups", partial(_interval, data), 0.3)
    yield Task("one rating more in the tables", _one_more(data))


def _pooled(data: Simulated) -> FloatArray:
    return _values(co.pooled_kappa(count_tables(data.counts), weights="quadratic"))


def _alpha(data: Simulated) -> FloatArray:
    return _values(co.krippendorff_alpha(count_tables(data.counts), metric="ordinal"))


def _fleiss(data: Simulated) -> FloatArray:
    return _values(co.fleiss_kappa(count_tables(data.first_counts)))


def _gwet(data: Simulated, num_units: int) -> FloatArray:
    return _values(co.gwet_coefficient(count_tables(data.counts[:num_units]), weights="quadratic"))


def _all(data: Simulated) -> FloatArray:
    tables = count_tables(data.counts)
    return _values(
        *(co.pooled_kappa(tables, weights=each) for each in get_args(Weights)),
        *(co.pooled_kappa(tables, weights=each, pairing="by_pair") for each in get_args(Weights)),
        *(co.krippendorff_alpha(tables, metric=each) for each in get_args(co.Metric)),
        co.fleiss_kappa(tables),
        co.gwet_coefficient(tables, weights="quadratic"),
        intraclass_single(tables),
        intraclass_mean(tables),
    )


def _raters(data: Simulated) -> FloatArray:
    tables = rater_tables(data.level, unit=data.unit, rater=data.rater, num_levels=LEVELS)
    return _values(*(each.agreement for each in rater_figures(tables, weights="quadratic")))


def _interval(data: Simulated) -> FloatArray:
    groups, rng = np.arange(data.counts.shape[0]) // 2, np.random.default_rng(0)
    stack = resample_groups(data.counts, unit_groups=groups, rng=rng, rounds=_RESAMPLES)
    return np.array(percentile_interval(co.pooled_kappas(stack, weights="quadratic")), dtype=np.float64)


def _one_more(data: Simulated) -> Callable[[], FloatArray]:
    tables, before = count_tables(data.counts), data.counts[0]
    after = before + np.eye(LEVELS, dtype=np.int64)[2]
    return lambda: np.asarray(move_unit(tables, before=before, after=after).units, dtype=np.float64)


def _values(*found: Coefficient) -> FloatArray:
    return np.array([each.value for each in found], dtype=np.float64)


def measured(task: Task, *, rounds: int) -> Row:
    """Return the medians of as many rounds, ours and the other package's in turns."""
    try:
        peer = task.make_peer() if task.make_peer else None
        words = peer.name if peer else "-"
    except ModuleNotFoundError as error:
        peer, words = None, f"{error.name} is not installed"
    ours, theirs, difference = [], [], None
    for _ in range(rounds):
        seconds, answer = _timed(task.ours)
        ours.append(seconds)
        if peer:
            seconds, other = _timed(peer.answer)
            theirs.append(seconds * peer.scale)
            chosen = answer if peer.chosen is None else answer[peer.chosen]
            difference = _difference(chosen, other)
    return Row(task.name, median(ours), task.limit, words, median(theirs) if theirs else None, difference)


def _difference(ours: FloatArray, theirs: FloatArray) -> float:
    """Return the largest difference; two NaNs are equal, one alone differs without bounds."""
    is_same = np.isnan(ours) & np.isnan(theirs)
    return float(np.nan_to_num(np.abs(ours - theirs)[~is_same], nan=np.inf).max(initial=0.0))


def _timed(work: Callable[[], FloatArray]) -> tuple[float, FloatArray]:
    began = time.perf_counter()
    answer = work()
    return time.perf_counter() - began, answer


def table_text(rows: Sequence[Row], *, data: Simulated, options: argparse.Namespace) -> str:
    """Return the figures as Markdown."""
    command = f"python {NAME} --units {options.units} --rounds {options.rounds} --seed {options.seed}"
    return "\n".join(
        [
            f"{options.units:,} units, {data.level.size:,} ratings, {RATERS} raters, {LEVELS} levels.",
            "",
            "| figure | ours, s | asked for, s | other package | its time, s | largest difference |",
            "|---|---|---|---|---|---|",
            *map(_line, rows),
            "",
            f"- Command: `{command}`, medians of the rounds. Commit: {commit_words()}.",
            f"- Machine: {machine_words()}, {os.getloadavg()[0]:.1f} processes wanting to run in the last minute.",
            f"- Versions: {version_words()}, {', '.join(map(_package_words, PACKAGES))}.",
        ]
    )


def _line(row: Row) -> str:
    cells = [row.name, f"{row.seconds:.2g}" if row.seconds < 1e-2 else f"{row.seconds:.3f}"]
    cells += ["-" if row.limit is None else f"{row.limit}", row.peer]
    cells += ["-" if row.peer_seconds is None else f"{row.peer_seconds:.2f}"]
    return f"| {' | '.join(cells)} | {'-' if row.difference is None else f'{row.difference:.0e}'} |"


def _package_words(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"{name} not installed"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
