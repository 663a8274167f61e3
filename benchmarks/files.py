"""Time reading and writing tables with texts of HelpSteer2's length, and measure the memory it takes.

    STEERSMAN_DATA=PATH python benchmarks/files.py --rows 1000000 --write

Makes ratings, four a response, and examples whose texts are those below PATH/helpsteer2. Each way of reading or writing
them then runs in a process of its own, so that its memory is its own too. Ways that are slow, or that hold the whole
table as Python objects, get --few rows.
"""

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from files_made import example_frames, rating_frames, real_texts, write_parts
from machine import ROOT, commit_words, machine_words, version_words
from page import page_with_table

from steersman.errors import RunError, SteersmanError
from steersman.store.files import iter_table, read_lines, read_rows, write_rows_stream, write_text
from steersman.store.jsonl import jsonl_blocks
from steersman.tables import EXAMPLES, RATINGS, frame_from_columns, table_from_rows

NAME = "benchmarks/files.py"
RESULTS_PAGE = ROOT / "docs" / "results.md"
SECTION = """
## Reading and writing tables

Ratings and examples with texts of HelpSteer2's lengths, read and written in every format. "Cell by cell" is the check
of Python objects that words every fault: what all else must agree with. Polars' own readers check nothing; they stand
beside ours as what reading costs at least. Each way ran in a process of its own, whose CPU seconds and memory include
the start of Python and Polars.
"""
NARROW = tuple(name for name in RATINGS.columns if name not in ("prompt", "response"))
LEVEL = 6
_BYTES_PER_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True, slots=True)
class Figure:
    """What one way took in wall time, and its process in CPU time of all threads and in memory at most."""

    way: str
    rows: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int


def main(argv: list[str]) -> int:
    """Run the benchmark; print its table and, with --write, put it into docs/results.md."""
    options = parse(argv)
    try:
        if options.step:
            took_step(options)
            return 0
        if options.out.exists() and any(options.out.iterdir()):
            raise RunError(f"{options.out}: holds files already, and is removed at the end; give a new --out")
        measured("make", options=options)
        table = table_text([measured(way, options=options) for way in WAYS], options=options)
        print(table)
        if options.write:
            page = "\n".join(read_lines(RESULTS_PAGE))
            write_text(RESULTS_PAGE, page_with_table(page, table, name=NAME, section=SECTION))
        shutil.rmtree(options.out)
    except SteersmanError as error:
        print(f"files: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def parse(argv: list[str]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--few", type=int, default=50_000, help="rows for the ways that are slow or large")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "files-benchmark", help="removed at the end")
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def measured(way: str, *, options: argparse.Namespace) -> Figure:
    """Run one way in a process of its own."""
    words = ["--rows", str(options.rows), "--few", str(options.few), "--seed", str(options.seed)]
    command = [sys.executable, __file__, "--step", way, *words, "--out", str(options.out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        printed = child.stdout.read() if child.stdout else ""
        # wait4 gives the peak memory of this one child
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise RunError(f"{way}: its process ended with {child.returncode}")
    rows, seconds = json.loads(printed)
    return Figure(way, rows, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _BYTES_PER_RSS_UNIT)


def took_step(options: argparse.Namespace) -> None:
    """Make the files or go one way, and print the rows and the seconds it took."""
    began = time.monotonic()
    if options.step == "make":
        rows = make_files(options)
    else:
        folder, go = WAYS[options.step]
        rows = go(options.out / folder)
    print(json.dumps([rows, time.monotonic() - began]))


def make_files(options: argparse.Namespace) -> int:
    """Write ratings in all formats, and examples; return the rows of each."""
    texts = real_texts()
    for folder, rows in (("many", options.rows), ("few", min(options.few, options.rows))):
        for name in ("ratings.jsonl", "ratings.jsonl.gz"):
            write_rows_stream(options.out / folder / name, rating_frames(texts, rows=rows, seed=options.seed))
        write_parts(options.out / folder / "ratings.parquet", rating_frames(texts, rows=rows, seed=options.seed))
        write_parts(options.out / folder / "examples.parquet", example_frames(texts, rows=rows, seed=options.seed))
    return int(options.rows)


def stream(path: Path, *, columns: Sequence[str] | None = None) -> int:
    """Read a table in checked frames, none of which is kept."""
    return sum(frame.height for frame in iter_table(path, table=RATINGS, columns=columns))


def json_cells(path: Path) -> int:
    """Read JSON lines and check them cell by cell, as Python objects."""
    rows = read_rows(path, table=RATINGS)
    return frame_from_columns({name: [row.get(name) for row in rows] for name in RATINGS.columns}, table=RATINGS).height


def parquet_cells(path: Path) -> int:
    """Read Parquet and check it cell by cell, as Python objects."""
    return table_from_rows(pl.read_parquet(path).to_dicts(), table=RATINGS, source=str(path)).height


def write_examples(folder: Path, *, name: str) -> int:
    """Write the examples of a folder as JSON lines in the way that `name` says."""
    write_rows_stream(folder / name, iter_table(folder / "examples.parquet", table=EXAMPLES))
    return _written(folder / name)


def write_with_gzip_module(folder: Path) -> int:
    """Write the same JSON lines through Python's gzip module."""
    target = folder / "module.jsonl.gz"
    with gzip.open(target, "wb", compresslevel=LEVEL) as packed:
        for frame in iter_table(folder / "examples.parquet", table=EXAMPLES):
            for block in jsonl_blocks(frame, source=str(target)):
                packed.write(block)
    return _written(target)


def _written(path: Path) -> int:
    rows = pl.scan_parquet(path.with_name("examples.parquet")).select(pl.len()).collect().item()
    path.unlink()
    return int(rows)


# what each way is called, the files it gets, and what it does to their folder
WAYS: dict[str, tuple[str, Callable[[Path], int]]] = {
    "read JSON lines cell by cell": ("few", lambda folder: json_cells(folder / "ratings.jsonl")),
    "read Parquet cell by cell": ("few", lambda folder: parquet_cells(folder / "ratings.parquet")),
    "read JSON lines with Polars, unchecked": (
        "few",
        lambda folder: pl.read_ndjson(folder / "ratings.jsonl", schema=RATINGS.schema).height,
    ),
    "read JSON lines": ("many", lambda folder: stream(folder / "ratings.jsonl")),
    "read JSON lines without texts": ("many", lambda folder: stream(folder / "ratings.jsonl", columns=NARROW)),
    "read gzipped JSON lines": ("many", lambda folder: stream(folder / "ratings.jsonl.gz")),
    "read gzipped JSON lines without texts": (
        "many",
        lambda folder: stream(folder / "ratings.jsonl.gz", columns=NARROW),
    ),
    "read Parquet": ("many", lambda folder: stream(folder / "ratings.parquet")),
    "read Parquet without texts": ("many", lambda folder: stream(folder / "ratings.parquet", columns=NARROW)),
    "write JSON lines": ("many", lambda folder: write_examples(folder, name="examples.jsonl")),
    "write gzipped JSON lines": ("many", lambda folder: write_examples(folder, name="examples.jsonl.gz")),
    "write them with Python's gzip, one thread": ("many", write_with_gzip_module),
}


def table_text(figures: Sequence[Figure], *, options: argparse.Namespace) -> str:
    """Return the figures as Markdown."""
    return "\n".join(
        [
            "| way | rows | seconds | CPU seconds | rows a second | peak memory, GB |",
            "|---|---|---|---|---|---|",
            *(
                f"| {each.way} | {each.rows:,} | {each.seconds:.1f} | {each.cpu_seconds:.1f} "
                f"| {each.rows / each.seconds:,.0f} | {each.peak_bytes / 1e9:.2f} |"
                for each in figures
            ),
            "",
            f"- Command: `python {NAME} --rows {options.rows} --few {options.few}`. Seed: {options.seed}."
            f" Commit: {commit_words()}. Compression level of both gzip ways: {LEVEL}.",
            f"- Machine: {machine_words()}. {version_words()}.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
