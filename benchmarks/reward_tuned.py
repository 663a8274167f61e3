"""Reward models whose layers are trained, beside the head alone: HelpSteer2, as a user would train them.

    STEERSMAN_DATA=PATH python benchmarks/reward_tuned.py --write
    STEERSMAN_DATA=PATH python benchmarks/reward_tuned.py --part all-layers --write

Splits, reading and objectives are those of `reward_evidence.py`: the reading it chose and its best two objectives are
the defaults here. Upper layers are trained with five seeds on one split, or with --part folds with one seed on every
fold; with --part all-layers all are trained once, of the model cut at the reading and of the whole model. Finished
runs are kept in --out and used again.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from evidence_data import Numbers
from evidence_figures import ROUNDS
from evidence_folds import FOLDS, Reading
from evidence_heads import OBJECTIVES
from evidence_plan import SEEDS
from evidence_runs import Place
from evidence_tuned import MAX_TOKENS, SPLIT_SEED, Trained, Way, trained
from machine import ROOT, commit_words, machine_words, version_words
from page import command_words, page_with_table, table_head, table_row

from steersman.errors import SteersmanError
from steersman.stats.bootstrap import Interval, bootstrap_mean
from steersman.store.files import read_lines, write_text

RESULTS_PAGE = ROOT / "docs" / "results.md"
NAME = "benchmarks/reward_tuned.py"
SECTION = """
## Reward models: trained layers

Does it help to train layers beneath the head? The same pairs, splits and reading as above, trained by the command line.
"""
PARTS = ("upper", "folds", "all-layers")
_ALL_FOLDS = tuple(range(FOLDS))


@dataclass(frozen=True, slots=True)
class Row:
    """A way to train with the seeds and folds it is run with."""

    way: Way
    seeds: Sequence[int]
    folds: Sequence[int]


@dataclass(frozen=True, slots=True)
class Judged:
    """What a row of the table says; `gain` is over the head of the same objective, on the same pairs."""

    accuracy: Interval
    seeds: tuple[float, float]
    gain: Interval | None
    pairs: int
    runs: Sequence[Trained]


def main(argv: list[str]) -> int:
    """Run what is not kept yet; print the table and, with --write, put it into docs/results.md."""
    options = parse(argv)
    try:
        text = table_text(measure(plan(options), place=Place(options.out.resolve(), options.model)), options=options)
        print(text)
        if options.write:
            page = "\n".join(read_lines(RESULTS_PAGE))
            write_text(RESULTS_PAGE, page_with_table(page, text, name=table_name(options), section=SECTION))
    except SteersmanError as error:
        print(f"reward_tuned: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def table_name(options: argparse.Namespace) -> str:
    """Return the name of the table's place in docs/results.md."""
    return NAME if options.part == PARTS[0] else f"{NAME} --part {options.part}"


def parse(argv: list[str]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, default="upper", help="what is trained; each part has its own table")
    parser.add_argument("--model", default="smollm2-135m-instruct", help="embedded name or folder")
    parser.add_argument("--objectives", nargs=2, choices=OBJECTIVES, default=("bradley-terry", "scaled"))
    parser.add_argument("--layers", type=int, default=14, help="the model is cut after so many layers")
    parser.add_argument("--whole", type=int, default=30, help="layers of the whole model; 0: not trained")
    parser.add_argument("--pooling", choices=("last", "end_of_turn", "mean"), default="mean")
    parser.add_argument("--upper", type=int, default=2, help="layers that are trained below the head")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "reward-tuned")
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    return parser.parse_args(argv)


def plan(options: argparse.Namespace) -> list[Row]:
    """Return what is trained; the heads first, which the others are compared with."""
    cut, whole = (Reading(layers, options.pooling) for layers in (options.layers, options.whole))
    best, second = options.objectives
    seeds = tuple(options.seeds)
    one, every = _ALL_FOLDS[:1], _ALL_FOLDS
    heads = {objective: Way(objective, "frozen", cut) for objective in (best, second)}
    upper = {objective: Way(objective, "upper", cut, 2e-5, options.upper, epochs=2) for objective in (best, second)}
    parts = {
        "upper": [
            *(Row(way, seeds[:1], one) for way in heads.values()),
            *(Row(way, seeds, one) for way in upper.values()),
        ],
        "folds": [Row(heads[best], seeds[:1], every), Row(upper[best], seeds[:1], every)],
        "all-layers": [
            Row(heads[best], seeds[:1], one),
            *(Row(Way(best, "full", reading), seeds[:1], one) for reading in (cut, whole) if reading.layers),
        ],
    }
    return parts[str(options.part)]


def measure(rows: Sequence[Row], *, place: Place) -> Mapping[Row, Judged]:
    """Return what each row gave; runs that rows share are trained once."""
    found: dict[tuple[Way, int, int], Trained] = {}
    for row in rows:
        for seed in row.seeds:
            for fold in row.folds:
                if (row.way, seed, fold) not in found:
                    found[row.way, seed, fold] = trained(row.way, seed=seed, fold=fold, place=place)
    heads = {row.way.objective: row for row in rows if row.way.mode == "frozen"}
    return {row: judged(row, found=found, head=heads[row.way.objective]) for row in rows}


def judged(row: Row, *, found: Mapping[tuple[Way, int, int], Trained], head: Row) -> Judged:
    """Return the figures of a row; a pair counts by its mean over seeds."""
    hits = hits_of(row.way, row.seeds, row.folds, found=found)
    gains = hits.mean(axis=0) - hits_of(head.way, head.seeds, row.folds, found=found).mean(axis=0)
    shares = hits.mean(axis=1)
    return Judged(
        accuracy=_mean(hits.mean(axis=0)),
        seeds=(float(shares.min()), float(shares.max())),
        gain=None if row.way == head.way else _mean(gains),
        pairs=hits.shape[1],
        runs=[found[row.way, seed, fold] for seed in row.seeds for fold in row.folds],
    )


def hits_of(
    way: Way, seeds: Sequence[int], folds: Sequence[int], *, found: Mapping[tuple[Way, int, int], Trained]
) -> Numbers:
    """Return hits on the untied held-out pairs of some folds, (seeds, P)."""
    hits = np.stack([np.concatenate([found[way, seed, fold].hits for fold in folds]) for seed in seeds])
    return hits[:, ~np.isnan(hits[0])]


def table_text(found: Mapping[Row, Judged], *, options: argparse.Namespace) -> str:
    """Return the table with its notes."""
    command = command_words("reward_tuned.py", options, plain=parse([]), hidden=("out", "write"))
    runs = {id(run): run for each in found.values() for run in each.runs}
    heads = ("trained", "held out", "runs", "helpfulness, %", "least to greatest seed", "points above its head")
    lines = table_head(*heads, "best step", "CPU seconds a run")
    lines += [table_row(*_cells(row, each)) for row, each in found.items()]
    longest = max(run.dropped_long for run in runs.values())
    return "\n".join(
        [
            *lines,
            "",
            f"- {Path(options.model).name}, read by `pooling: {options.pooling}`. Folds are those of seed {SPLIT_SEED}"
            f" above. Of the training pairs every tenth chooses the step. Pairs longer than {MAX_TOKENS} tokens are"
            f" not trained on (at most {longest} of a split); all are judged.",
            f"- Rates: 2e-5 and 2 epochs for upper layers, 1e-5 and 1 epoch for all; 8 pairs a step; the head starts at"
            f" a linear probe. Intervals, 95 %: {ROUNDS} bootstrap resamples of pairs, of each the mean over seeds.",
            "- Best step: of the lowest loss on the pairs set aside, 0 is the start; the median of the runs, and how"
            " many stayed at the start.",
            f"- CPU seconds: of training and scoring, all cores. A run whose lower layers are cached already, by an"
            f" earlier seed, takes less. All runs: {sum(run.cpu_seconds for run in runs.values()):,.0f}.",
            f"- Command: `{command}`. Commit: {commit_words()}.",
            f"- Machine: {machine_words()}. {version_words()}.",
        ]
    )


def _cells(row: Row, found: Judged) -> list[str]:
    steps = [run.best_step for run in found.runs if run.best_step is not None]
    at_start = sum(step == 0 for step in steps)
    seconds = [run.cpu_seconds for run in found.runs]
    span = f"{100 * found.seeds[0]:.1f} to {100 * found.seeds[1]:.1f}"
    folds = "all folds" if len(row.folds) == FOLDS else "fold 1"
    return [
        row.way.name,
        f"{folds}, {found.pairs} pairs",
        f"{len(found.runs)}",
        f"{100 * found.accuracy.estimate:.1f} ({100 * found.accuracy.low:.1f} to {100 * found.accuracy.high:.1f})",
        span if len(row.seeds) > 1 else "-",
        "-"
        if found.gain is None
        else f"{100 * found.gain.estimate:+.1f} ({100 * found.gain.low:+.1f} to {100 * found.gain.high:+.1f})",
        f"{np.median(steps):.0f} of {found.runs[0].steps} ({at_start})" if steps and found.runs[0].steps else "-",
        f"{min(seconds):.0f} to {max(seconds):.0f}" if len(seconds) > 1 else f"{seconds[0]:.0f}",
    ]


def _mean(values: Numbers) -> Interval:
    return bootstrap_mean(values, rng=np.random.default_rng(0), rounds=ROUNDS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
