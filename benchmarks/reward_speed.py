"""Time the training of a reward model by TRL, by a plain loop and by the engine, on the same pairs, in one run.

    STEERSMAN_DATA=PATH python benchmarks/reward_speed.py --write
    python benchmarks/reward_speed.py --small
    python benchmarks/reward_speed.py --device cuda --shape 0.5b --repeats 5

SmolLM2-135M on pairs of PATH/helpsteer2/train.jsonl; with --shape a random model of that size and made-up pairs, with
--small the tiny model, in seconds, to see that everything works. First a search over micro-batch and checkpointing
finds TRL's best setting; then the rows take turns, each training in a process of its own.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import cast, get_args

import torch
from machine import ROOT, commit_words, machine_words, version_words
from page import page_with_table
from reward_speed_data import EMBEDDED, SHAPES, TINY, Prepared, prepare
from reward_speed_peak import PeakTask, write_peak_task
from reward_speed_records import Measured, Row, Terms, measured_from, read_groups
from reward_speed_row import write_task
from reward_speed_table import NAME, SECTION, Circumstances, Figures, table_text
from reward_speed_ways import DEFAULT_PAIRS, OURS, in_format, rivals, trl_row

from steersman.errors import ConfigError, RunError, SteersmanError
from steersman.modeling.precision import Precision
from steersman.store.files import read_json, read_lines, write_text

RESULTS_PAGE = ROOT / "docs" / "results.md"
HERE = Path(__file__).resolve().parent
_SHOWN_CHARACTERS = 2000


def main(argv: list[str]) -> int:
    """Run the benchmark; print its table and, with --write, put it into docs/results.md."""
    options = parse(argv)
    try:
        check(options)
        table = table_text(measure(options), circumstances=circumstances(options))
        print(table)
        if options.write:
            page = "\n".join(read_lines(RESULTS_PAGE))
            write_text(RESULTS_PAGE, page_with_table(page, table, name=table_name(options), section=SECTION))
    except SteersmanError as error:
        print(f"reward_speed: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def parse(argv: list[str]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="trainings per row, taking turns with the other rows")
    parser.add_argument("--steps", type=int, default=5, help="measured optimiser steps, after one of warm-up")
    parser.add_argument("--search-steps", type=int, default=2, help="the same in the search for TRL's best setting")
    parser.add_argument("--micro-batches", type=int, nargs="+", default=[1, 2, 4, 8], help="pairs; what is searched")
    parser.add_argument("--rows", nargs="+", choices=[*OURS], default=[*OURS], help="which of ours beside TRL's")
    parser.add_argument("--precision", choices=get_args(Precision), default="bfloat16")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--shape", choices=[*SHAPES], help="random weights of this size and made-up pairs")
    parser.add_argument("--small", action="store_true", help="the tiny model and short made-up pairs, in seconds")
    parser.add_argument("--batch-pairs", type=int, default=DEFAULT_PAIRS, help="pairs per optimiser step")
    parser.add_argument("--learning-rate", type=float, default=1e-5)
    parser.add_argument("--threads", type=int, help="of PyTorch on the CPU; default: PyTorch's own choice")
    parser.add_argument("--seed", type=int, default=1, help="of the head and of the choice of pairs")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "reward-speed")
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    return parser.parse_args(argv)


def check(options: argparse.Namespace) -> None:
    """Raise ConfigError where micro-batches do not divide the batch, nothing is measured or the device is not there."""
    wrong = [pairs for pairs in options.micro_batches if pairs < 1 or options.batch_pairs % pairs]
    if wrong:
        raise ConfigError(f"--micro-batches {wrong[0]}: --batch-pairs {options.batch_pairs} is no multiple of it")
    if min(options.repeats, options.steps, options.search_steps) < 1:
        raise ConfigError("--repeats, --steps and --search-steps must be at least 1")
    if options.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device cuda: PyTorch sees no CUDA device here")


def measure(options: argparse.Namespace) -> Figures:
    """Return the figures of one run; what --out holds is removed again."""
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    terms = terms_of(options)
    prepared = prepare(
        options.out,
        model=options.shape or (TINY if options.small else EMBEDDED),
        num_pairs=terms.all_steps * terms.batch_pairs,
        is_made=options.small or options.shape is not None,
        seed=options.seed,
    )
    search = searched(options, terms=terms)
    rows = (
        *rivals(search, precision=options.precision, batch_pairs=options.batch_pairs),
        *(in_format(OURS[key], precision=options.precision) for key in dict.fromkeys(options.rows)),
    )
    repeats, peaks = turns(rows, options, terms=terms, prepared=prepared)
    groups = read_groups(options.out)
    shutil.rmtree(options.out)
    return Figures(rows, repeats, {row.name: found for row, found in search}, peaks, groups, prepared, terms)


def terms_of(options: argparse.Namespace) -> Terms:
    """Return what is the same for every row."""
    return Terms(
        folder=options.out,
        device=options.device,
        warm_up_steps=1,
        steps=options.steps,
        batch_pairs=options.batch_pairs,
        learning_rate=options.learning_rate,
        threads=options.threads,
    )


def searched(options: argparse.Namespace, *, terms: Terms) -> list[tuple[Row, Measured | None]]:
    """Return TRL's rows for every micro-batch, with and without checkpointing, measured over fewer steps."""
    fewer = replace(terms, steps=options.search_steps)
    ways = product(dict.fromkeys(options.micro_batches), (True, False))
    rows = [
        in_format(trl_row(pairs, checkpointing=checkpointing), precision=options.precision)
        for pairs, checkpointing in ways
    ]
    return [(row, trained(row, options, terms=fewer)) for row in rows]


def turns(
    rows: Sequence[Row], options: argparse.Namespace, *, terms: Terms, prepared: Prepared
) -> tuple[dict[str, list[Measured]], dict[Precision, float]]:
    """Train by every row once, and again, each repeat beginning at another row; return that and the matrix peak."""
    repeats: dict[str, list[Measured]] = {row.name: [] for row in rows}
    peaks: dict[Precision, float] = {}
    for repeat in range(options.repeats):
        for name, rate in matrix_peaks(options, prepared=prepared).items():
            peaks[name] = max(peaks.get(name, 0.0), rate)
        first = repeat % len(rows)
        for row in (*rows[first:], *rows[:first]):
            found = trained(row, options, terms=terms)
            if found is None:
                raise RunError(f"{row.name}: out of memory; leave the row out by --rows, or take a smaller shape")
            repeats[row.name].append(found)
    return repeats, peaks


def trained(row: Row, options: argparse.Namespace, *, terms: Terms) -> Measured | None:
    """Train by `row` in a process of its own; return what it measured, or None where the device's memory was short."""
    task = options.out / "task.json"
    write_task(task, row, terms=terms)
    found = in_a_process("reward_speed_row.py", task, of=row.name)
    if found is not None:
        print(f"{row.name}: {measured_from(found).seconds_per_step:.3g} s per step", file=sys.stderr)
    return None if found is None else measured_from(found)


def matrix_peaks(options: argparse.Namespace, *, prepared: Prepared) -> Mapping[Precision, float]:
    """Return operations per second of the fastest matrix product by number format, measured in a process of its own."""
    task = PeakTask(
        hidden=prepared.hidden,
        feedforward=prepared.feedforward,
        tokens=64 if options.small else 2048,
        square=64 if options.small else 4096,
        device=options.device,
        threads=options.threads,
    )
    write_peak_task(options.out / "task.json", task)
    found = in_a_process("reward_speed_peak.py", options.out / "task.json", of="matrix products")
    return cast("Mapping[Precision, float]", found)


def in_a_process(script: str, task: Path, *, of: str) -> Mapping[str, object] | None:
    """Return the JSON that `script` makes of `task`; raises RunError with the end of what it printed when it fails."""
    result, log = task.with_name("result.json"), task.with_name("log.txt")
    result.unlink(missing_ok=True)
    command = [sys.executable, str(HERE / script), str(task), str(result)]
    environment = os.environ | {"TOKENIZERS_PARALLELISM": "false"}
    with log.open("w", encoding="utf-8") as printed:
        done = subprocess.run(command, stdout=printed, stderr=printed, check=False, env=environment)
    if done.returncode != 0:
        tail = log.read_text(encoding="utf-8")[-_SHOWN_CHARACTERS:]
        raise RunError(f"{of}: the process ended with {done.returncode}; the end of what it printed:\n{tail}")
    return cast("Mapping[str, object] | None", read_json(result))


def circumstances(options: argparse.Namespace) -> Circumstances:
    """Return how and where the figures were made; no names of hosts or folders."""
    given = [part for part in sys.argv[1:] if part != "--write"]
    device = f"{gpu_words()}, " if options.device == "cuda" else ""
    return Circumstances(
        command=" ".join(["python benchmarks/reward_speed.py", *given]),
        commit=commit_words(),
        machine=device + machine_words(),
        versions=f"{version_words()}, trl {version('trl')}",
    )


def gpu_words() -> str:
    """Return the name of the first CUDA device."""
    return str(torch.cuda.get_device_name())


def table_name(options: argparse.Namespace) -> str:
    """Return the name of the table's markers: one for each device, shape and number format."""
    device = " --device cuda" if options.device == "cuda" else ""
    shape = f" --shape {options.shape}" if options.shape else ""
    precision = " --precision float32" if options.precision == "float32" else ""
    return NAME + device + shape + precision


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
