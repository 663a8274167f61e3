"""Time `steersman clean` on many ratings, beside the time that compressing its output alone takes.

    python benchmarks/clean.py --responses 1000000
    STEERSMAN_DATA=PATH python benchmarks/clean.py --responses 1000000 --texts --write

Makes a table of simulated ratings (three annotators a task, five where the first three disagree), cleans it by the
command line in a process of its own, then compresses what came out once more. With --texts, prompts and responses are
those of PATH/helpsteer2, words and pieces in another order; without, they are short names.
"""

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, compress, pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from machine import ROOT, commit_words, machine_words, version_words
from page import page_with_table

from steersman.annotation.escalation import FIRST_ANNOTATORS, MAX_HELPFULNESS_SPREAD, MOST_ANNOTATORS
from steersman.config.cleaning import CleanSettings
from steersman.dataset.grid import IntArray, RatingGrid
from steersman.dataset.selection import select_ratings
from steersman.errors import DataError, SteersmanError
from steersman.records import ATTRIBUTES
from steersman.store.compressing import compressed, num_cores
from steersman.store.files import read_lines, read_table, write_text
from steersman.tables import EXAMPLES

RESULTS_PAGE = ROOT / "docs" / "results.md"
ANNOTATORS = 500
KEPT = 3
_PLAIN_RESPONSES = 20_000
_CHUNK_TASKS = 50_000
_PIECE_CHARACTERS = 80
_COPY_BYTES = 1 << 22


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured; seconds are wall time, `peak_bytes` the highest memory of the process that cleaned."""

    ratings: int
    counts: Mapping[str, object]
    seconds: float
    peak_bytes: int
    selection_seconds: float
    plain_seconds: float
    output_bytes: int
    compressed_bytes: int
    compression_seconds: float


def main(argv: list[str]) -> int:
    """Run the benchmark; print its table and, with --write, put it into docs/results.md."""
    options = parse(argv)
    try:
        table = table_text(measure(options), options=options)
        print(table)
        if options.write:
            page = "\n".join(read_lines(RESULTS_PAGE))
            write_text(RESULTS_PAGE, page_with_table(page, table, name=_name(options), section=SECTION))
    except SteersmanError as error:
        print(f"clean: {error}", file=sys.stderr)
        return error.exit_code
    return 0


SECTION = """
## Cleaning at scale

`steersman clean` on simulated ratings of many responses, from Parquet to the dataset folder, agreement with its
intervals, statistics and card included. Compressing the same output again, with the same compressor and as many
threads, says how much of the time nothing but that could save. The texts are HelpSteer2's, with the words of prompts
and pieces of responses in another order, so that no two prompts are alike. A plain search through all trios, response
by response in Python, is timed on a part and scaled; what it finds must agree as much as what was selected.
"""


def _name(options: argparse.Namespace) -> str:
    return f"benchmarks/clean.py{' --texts' if options.texts else ''}"


def parse(argv: list[str]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--responses", type=int, default=1_000_000)
    parser.add_argument("--texts", action="store_true", help="prompts and responses of HelpSteer2's lengths")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "clean-benchmark")
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    return parser.parse_args(argv)


def measure(options: argparse.Namespace) -> Figures:
    """Return the figures of one run; what it made is removed again."""
    options.out.mkdir(parents=True, exist_ok=True)
    ratings, dataset = options.out / "ratings.parquet", options.out / "dataset"
    grid = simulated(options.responses // 2, seed=options.seed)
    began = time.monotonic()
    kept = select_ratings(grid, rules=CleanSettings.model_validate({}))
    selection_seconds = time.monotonic() - began
    plain_seconds = plain_search(grid, kept=kept[:, 0])
    rows = write_ratings(ratings, grid, texts=real_texts() if options.texts else None, seed=options.seed)
    del grid
    seconds, peak_bytes, counts = timed_clean(ratings, out=dataset, log=options.out / "clean.log")
    output_bytes, compressed_bytes, compression_seconds = timed_compression(dataset, out=options.out / "again")
    shutil.rmtree(options.out)
    return Figures(
        ratings=rows,
        counts=counts,
        seconds=seconds,
        peak_bytes=peak_bytes,
        selection_seconds=selection_seconds,
        plain_seconds=plain_seconds,
        output_bytes=output_bytes,
        compressed_bytes=compressed_bytes,
        compression_seconds=compression_seconds,
    )


def plain_search(grid: RatingGrid, *, kept: npt.NDArray[np.bool_]) -> float:
    """Return the seconds a search of all trios, one response after another, takes for all responses.

    A part of them is timed, and the time scaled. Raises DataError where the trio that was `kept` (R,) agrees less than
    one that the search finds.
    """
    bounds = np.searchsorted(grid.response, np.arange(min(_PLAIN_RESPONSES, grid.task.size) + 1)).tolist()
    scores, chosen = grid.scores[: bounds[-1]].tolist(), kept[: bounds[-1]].tolist()
    began = time.monotonic()
    best = [
        min(_distance(trio) for trio in combinations(scores[first:last], min(KEPT, last - first)))
        for first, last in pairwise(bounds)
    ]
    seconds = time.monotonic() - began
    found = [_distance(list(compress(scores[first:last], chosen[first:last]))) for first, last in pairwise(bounds)]
    if found != best:
        raise DataError("what was selected agrees less than what a plain search finds")
    return seconds * grid.task.size / (len(bounds) - 1)


def _distance(ratings: Sequence[Sequence[int]]) -> int:
    return sum(abs(a - b) for one, other in combinations(ratings, 2) for a, b in zip(one, other, strict=True))


def simulated(num_tasks: int, *, seed: int) -> RatingGrid:
    """Return ratings around a latent quality, with a bias per annotator and noise of 0.9 levels, 3 or 5 a response."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(2.5, 1.2, size=(num_tasks, 2, 1, len(ATTRIBUTES)))
    bias = rng.normal(0.0, 0.3, size=(ANNOTATORS, len(ATTRIBUTES)))
    steps = rng.integers(1, ANNOTATORS // (MOST_ANNOTATORS + 1), size=(num_tasks, MOST_ANNOTATORS))
    people = (rng.integers(0, ANNOTATORS, size=(num_tasks, 1)) + np.cumsum(steps, axis=1)) % ANNOTATORS
    felt = latent + bias[people][:, None] + rng.normal(0.0, 0.9, size=(num_tasks, 2, MOST_ANNOTATORS, len(ATTRIBUTES)))
    scores = np.clip(np.rint(felt), 0, 4).astype(np.int8)
    first = scores[:, :, :FIRST_ANNOTATORS, 0]
    is_disputed = ((first.max(axis=2) - first.min(axis=2)) > MAX_HELPFULNESS_SPREAD).any(axis=1)
    needed = np.where(is_disputed, MOST_ANNOTATORS, FIRST_ANNOTATORS)
    return _grid(scores, people, needed=needed)


def _grid(scores: np.ndarray[tuple[int, ...], np.dtype[np.int8]], people: IntArray, *, needed: IntArray) -> RatingGrid:
    num_tasks, _, most, attributes = scores.shape
    is_asked = np.broadcast_to(np.arange(most) < needed[:, None, None], scores.shape[:3])
    response = np.repeat(np.arange(2 * num_tasks), most).reshape(scores.shape[:3])[is_asked]
    annotator = np.broadcast_to(people[:, None], scores.shape[:3])[is_asked]
    rank = np.broadcast_to(np.arange(most), scores.shape[:3])[is_asked]
    order = np.lexsort((annotator, response))
    return RatingGrid(
        scores=scores[is_asked][order],
        given=np.ones((response.size, attributes), dtype=np.bool_),
        response=response[order],
        annotator=annotator[order],
        task=np.repeat(np.arange(num_tasks), 2),
        rank=rank[order],
        rows=np.arange(response.size),
        num_tasks=num_tasks,
    )


def real_texts() -> pl.DataFrame:
    """Return HelpSteer2's training rows below $STEERSMAN_DATA."""
    folder = os.environ.get("STEERSMAN_DATA")
    if not folder:
        raise DataError("--texts needs STEERSMAN_DATA, the folder that holds helpsteer2/train.jsonl")
    return read_table(Path(folder) / "helpsteer2" / "train.jsonl", table=EXAMPLES)


def write_ratings(path: Path, grid: RatingGrid, *, texts: pl.DataFrame | None, seed: int) -> int:
    """Write the ratings as Parquet in the order a site would export them, task by task; return their number."""
    rng = np.random.default_rng(seed)
    place = np.lexsort((grid.response, grid.rank, grid.task[grid.response]))
    parts = path.with_suffix(".parts")
    parts.mkdir(exist_ok=True)
    task = grid.task[grid.response][place]
    bounds = np.searchsorted(task, np.arange(0, grid.num_tasks + _CHUNK_TASKS, _CHUNK_TASKS))
    for number, (first, last) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)):
        frame = _frame(grid, place[first:last], start=first, texts=texts, rng=rng)
        frame.write_parquet(parts / f"{number:05d}.parquet")
    pl.scan_parquet(parts / "*.parquet").sink_parquet(path)
    shutil.rmtree(parts)
    return int(grid.response.size)


def _frame(
    grid: RatingGrid, place: IntArray, *, start: int, texts: pl.DataFrame | None, rng: np.random.Generator
) -> pl.DataFrame:
    response = grid.response[place]
    task = grid.task[response]
    numbers = pl.DataFrame({"task": task, "place": response % 2, "annotator": grid.annotator[place]})
    made = pl.datetime(2026, 1, 1) + pl.duration(seconds=7 * ((start + pl.int_range(pl.len())) // 2))
    return numbers.select(
        pl.format("task-{}", "task").alias("task_id"),
        _text(texts, task, column="prompt", prefix="Request", rng=rng),
        pl.format("task-{}/{}", "task", "place").alias("response_id"),
        _text(texts, response, column="response", prefix="Answer", rng=rng),
        pl.col("place").alias("position"),
        pl.format("annotator-{}", pl.col("annotator").cast(pl.String).str.zfill(3)).alias("annotator"),
        *(pl.Series(name, grid.scores[place, index]).cast(pl.Int64) for index, name in enumerate(ATTRIBUTES)),
        pl.Series("seconds", rng.uniform(30, 300, size=place.size).round(1)),
        made.dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("created_at"),
    )


def _text(
    texts: pl.DataFrame | None, number: IntArray, *, column: str, prefix: str, rng: np.random.Generator
) -> pl.Series:
    """Return a text for each number, the same for the same number within a chunk."""
    names = pl.select(pl.format("{} {}", pl.lit(prefix), pl.Series(number))).to_series().alias(column)
    if texts is None:
        return names
    values, place = np.unique(number, return_inverse=True)
    make = _shuffled if column == "prompt" else _pieced
    made = make(texts[column], values.size, rng=rng).gather(place)
    return (names + ". " + made).alias(column)


def _shuffled(texts: pl.Series, count: int, *, rng: np.random.Generator) -> pl.Series:
    """Return `count` of `texts`, each with its words in an order of its own, so that no two are near duplicates."""
    drawn = texts.gather(rng.integers(0, texts.len(), size=count)).str.split(" ")
    sizes = drawn.list.len().to_numpy()
    words = pl.DataFrame({"text": np.repeat(np.arange(count), sizes), "word": drawn.explode()})
    order = np.lexsort((rng.random(words.height), words["text"].to_numpy()))
    return words[order].group_by("text", maintain_order=True).agg(pl.col("word").str.join(" "))["word"]


def _pieced(texts: pl.Series, count: int, *, rng: np.random.Generator) -> pl.Series:
    """Return `count` texts of the lengths of `texts`, put together from pieces of them."""
    pieces = texts.str.extract_all(rf"(?s).{{1,{_PIECE_CHARACTERS}}}").explode().drop_nulls()
    wanted = (texts.str.len_chars().to_numpy() // _PIECE_CHARACTERS + 1)[rng.integers(0, texts.len(), size=count)]
    drawn = pieces.gather(rng.integers(0, pieces.len(), size=int(wanted.sum())))
    frame = pl.DataFrame({"text": np.repeat(np.arange(count), wanted), "piece": drawn})
    return frame.group_by("text", maintain_order=True).agg(pl.col("piece").str.join(" "))["piece"]


def timed_clean(ratings: Path, *, out: Path, log: Path) -> tuple[float, int, Mapping[str, object]]:
    """Return the wall time and the highest memory of `steersman clean` in a process of its own, and what it printed."""
    command = [sys.executable, "-m", "steersman.cli.main", "clean", str(ratings), "--out", str(out), "--json"]
    began = time.monotonic()
    with log.open("w", encoding="utf-8") as errors:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
        printed, _ = child.communicate()
    seconds = time.monotonic() - began
    if child.returncode:
        raise DataError(f"steersman clean ended with {child.returncode}: {log.read_text(encoding='utf-8')[-500:]}")
    return seconds, _peak_bytes(), json.loads(printed)


def _peak_bytes() -> int:
    import resource

    # the only child so far is the one that cleaned; Linux counts in units of 1024 bytes
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def timed_compression(dataset: Path, *, out: Path) -> tuple[int, int, float]:
    """Compress each compressed file of the dataset again; return plain and compressed bytes, and the wall time."""
    plain = packed = 0
    seconds = 0.0
    out.mkdir()
    for file in sorted(dataset.rglob("*.gz")):
        copy = out / file.stem
        with gzip.open(file) as packed_file, copy.open("wb") as unpacked:
            shutil.copyfileobj(packed_file, unpacked, _COPY_BYTES)
        plain += copy.stat().st_size
        began = time.monotonic()
        with (out / file.name).open("wb") as target:
            for part in compressed(_parts(copy), num_threads=num_cores()):
                target.write(part)
        seconds += time.monotonic() - began
        packed += (out / file.name).stat().st_size
        copy.unlink()
    return plain, packed, seconds


def _parts(path: Path) -> Iterator[bytes]:
    with path.open("rb") as source:
        while part := source.read(_COPY_BYTES):
            yield part


def table_text(figures: Figures, *, options: argparse.Namespace) -> str:
    """Return the figures as Markdown."""
    ratio = figures.seconds / figures.compression_seconds
    return "\n".join(
        [
            "| what | figure |",
            "|---|---|",
            f"| rated responses, ratings | {options.responses:,}, {figures.ratings:,} |",
            f"| tasks in, tasks out | {figures.counts['tasks_in']:,}, {figures.counts['tasks_out']:,} |",
            f"| the three most agreeing, on five attributes jointly | {figures.selection_seconds:.2f} s |",
            f"| the same by a plain search in Python, a part timed and scaled | {figures.plain_seconds:.0f} s |",
            f"| **whole command** | **{figures.seconds:.1f} s** |",
            f"| peak memory | {figures.peak_bytes / 1e9:.2f} GB |",
            f"| output, compressed | {figures.output_bytes / 1e9:.2f} GB, {figures.compressed_bytes / 1e9:.2f} GB |",
            f"| compressing that output alone | {figures.compression_seconds:.1f} s |",
            f"| whole command / compressing alone | {ratio:.2f} |",
            "",
            f"- Command: `python {_name(options)} --responses {options.responses}`. Seed: {options.seed}."
            f" Commit: {commit_words()}.",
            f"- Machine: {machine_words()}. {version_words()}.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
