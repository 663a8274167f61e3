"""The ways of turning ratings into labels that `aggregation.py` times: ours, and those of pandas and crowd-kit.

A way is prepared, which puts the ratings into the shape it wants and is not timed, and then run. Each runs in a forked
process of its own, so that what it needs in memory on top of its input can be told apart. Forking and reading memory
from /proc: Linux only.
"""

import importlib
import importlib.util
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from aggregation_table import Timing

from steersman.config.cleaning import Aggregation
from steersman.dataset.aggregation import aggregate_values
from steersman.dataset.grid import BoolArray, FloatArray, RatingGrid, level_counts
from steersman.errors import RunError
from steersman.records import ATTRIBUTES, NUM_LEVELS
from steersman.stats.dawid_skene import DawidSkeneRules, fit_dawid_skene

ITERATIONS = 5
# pandas calls Python once per response for a mode: a part is timed, and the time is scaled
SLOW_RESPONSES = 20_000
# a way that took longer is not run again
_LONG_SECONDS = 10.0
_MEBIBYTE = 2**20

Run = Callable[[], FloatArray]


@dataclass(frozen=True, slots=True)
class Way:
    """One way of doing a job; its runs give numbers (responses, attributes), of the first `share` of the responses."""

    job: str
    name: str
    attributes: int
    prepare: Callable[[], Run]
    needs: str | None = None
    share: float = 1.0


def timed_ways(grid: RatingGrid, *, runs: int) -> Iterator[Timing]:
    """Yield the timing of each way, ours first in each job, so that the others can be compared with it."""
    ours: dict[str, FloatArray] = {}
    tied = _tied(grid)
    for way in _ways(grid):
        if way.needs is not None and importlib.util.find_spec(way.needs) is None:
            yield Timing(way.job, way.name, absent=f"{way.needs} is not installed")
            continue
        found = [_apart(way)]
        while len(found) < runs and found[-1].seconds < _LONG_SECONDS:
            found.append(_apart(way))
        answer = found[0].answer
        agreement = _compared(ours[way.job], answer, tied=tied) if way.job in ours else ""
        ours.setdefault(way.job, answer)
        yield Timing(
            way.job,
            way.name if way.share == 1.0 else f"{way.name}; time of {100 * way.share:.1f} % of them, scaled",
            attributes=way.attributes,
            seconds=statistics.median(each.seconds for each in found) / way.share,
            cpu_seconds=statistics.median(each.cpu_seconds for each in found) / way.share,
            megabytes=max(each.megabytes for each in found),
            runs=len(found),
            agreement=agreement,
        )


def _compared(ours: FloatArray, theirs: FloatArray, *, tied: BoolArray) -> str:
    """Say how an answer compares with ours, on the responses and attributes that it has; ties of a majority aside."""
    part, is_tied = ours[: len(theirs), : theirs.shape[1]], tied[: len(theirs), : theirs.shape[1]]
    differs = np.abs(part - theirs) > 1e-6
    if not differs.any():
        return "yes"
    aside = differs & ~is_tied
    return "yes, ties aside" if not aside.any() else f"{100 * (1 - differs.mean()):.2f} % of them"


def _tied(grid: RatingGrid) -> BoolArray:
    """Return where two levels have most votes, (S, A)."""
    every = np.ones(grid.scores.shape, dtype=np.bool_)
    counts = [level_counts(grid, used=every, attribute=index) for index in range(len(ATTRIBUTES))]
    return np.stack([(each == each.max(axis=1, keepdims=True)).sum(axis=1) > 1 for each in counts], axis=1)


@dataclass(frozen=True, slots=True)
class _Measured:
    seconds: float
    cpu_seconds: float
    megabytes: float
    answer: FloatArray


def _apart(way: Way) -> _Measured:
    """Return what one run in a process of its own took and gave."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_measured, args=(way, there))
    child.start()
    there.close()
    try:
        measured: _Measured = here.recv()
    except EOFError as error:
        raise RunError(f"{way.job}, {way.name}: ended without an answer; its message is above") from error
    child.join()
    return measured


def _measured(way: Way, there: Connection) -> None:
    run = way.prepare()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak counts from here
    before = _status("VmRSS")
    began, cpu_began = time.perf_counter(), time.process_time()
    answer = run()
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    there.send(_Measured(seconds, cpu_seconds, (_status("VmHWM") - before) / _MEBIBYTE, answer))


def _status(name: str) -> int:
    """Return a size that the kernel keeps of this process, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def _ways(grid: RatingGrid) -> list[Way]:
    slow = min(1.0, SLOW_RESPONSES / grid.task.size)
    five, once = len(ATTRIBUTES), f"Dawid-Skene, {ITERATIONS} iterations"
    return [
        Way("mean", "Steersman", five, partial(_ours, grid, method="mean")),
        Way("mean", "pandas groupby", five, partial(_pandas, grid, method="mean"), needs="pandas"),
        Way("median", "Steersman", five, partial(_ours, grid, method="median")),
        Way("median", "pandas groupby", five, partial(_pandas, grid, method="median"), needs="pandas"),
        Way("majority", "Steersman", five, partial(_ours, grid, method="majority")),
        Way("majority", "pandas groupby mode", 1, partial(_pandas_mode, grid), needs="pandas", share=slow),
        Way("majority", "crowd-kit MajorityVote", 1, partial(_crowd_kit_majority, grid), needs="crowdkit"),
        Way(once, "Steersman", 1, partial(_our_dawid_skene, grid)),
        Way(once, "crowd-kit DawidSkene", 1, partial(_crowd_kit_dawid_skene, grid), needs="crowdkit"),
        Way("Dawid-Skene, to its end", "Steersman", five, partial(_ours, grid, method="dawid_skene")),
        Way("rater bias, to its end", "Steersman", five, partial(_ours, grid, method="rater_bias")),
    ]


def _ours(grid: RatingGrid, *, method: Aggregation) -> Run:
    return partial(aggregate_values, grid, used=np.ones(grid.scores.shape, dtype=np.bool_), method=method)


def _our_dawid_skene(grid: RatingGrid) -> Run:
    rules = DawidSkeneRules(tolerance=0.0, max_iterations=ITERATIONS)
    level, unit, rater = grid.scores[:, 0], grid.response, grid.annotator
    levels = np.arange(NUM_LEVELS, dtype=np.float64)[:, None]
    return lambda: fit_dawid_skene(level, unit=unit, rater=rater, num_levels=NUM_LEVELS, rules=rules).posterior @ levels


def _pandas(grid: RatingGrid, *, method: str) -> Run:
    frame = importlib.import_module("pandas").DataFrame(grid.scores, columns=list(ATTRIBUTES))
    frame["response"] = grid.response
    return lambda: getattr(frame.groupby("response"), method)().to_numpy()


def _pandas_mode(grid: RatingGrid) -> Run:
    where = grid.response < SLOW_RESPONSES
    scores = importlib.import_module("pandas").Series(grid.scores[where, 0])
    groups = scores.groupby(grid.response[where])
    return lambda: groups.agg(lambda each: each.mode().iloc[0]).to_numpy(dtype=np.float64)[:, None]


def _crowd_kit_majority(grid: RatingGrid) -> Run:
    model, votes = importlib.import_module("crowdkit.aggregation").MajorityVote(), _votes(grid)
    return lambda: model.fit_predict(votes).sort_index().to_numpy(dtype=np.float64)[:, None]


def _crowd_kit_dawid_skene(grid: RatingGrid) -> Run:
    model = importlib.import_module("crowdkit.aggregation").DawidSkene(n_iter=ITERATIONS, tol=-1.0)
    votes, levels = _votes(grid), np.arange(NUM_LEVELS)

    def run() -> FloatArray:
        shares = model.fit_predict_proba(votes).sort_index()[levels]
        return np.asarray(shares.to_numpy() @ levels[:, None].astype(np.float64))

    return run


def _votes(grid: RatingGrid) -> object:
    columns = {"task": grid.response, "worker": grid.annotator, "label": grid.scores[:, 0]}
    frame: object = importlib.import_module("pandas").DataFrame(columns)
    return frame
