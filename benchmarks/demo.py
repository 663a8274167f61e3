"""Time the demo as a user starts it, measure its memory, and kill it in every stage to see what is lost.

    python benchmarks/demo.py --out DIR --write
    python benchmarks/demo.py --out DIR --data PATH --kill --write

The command runs in a process of its own with an empty cache in --out. With --kill the uninterrupted run is made first,
if it is not there yet; then a second one is killed (SIGKILL) inside each stage in turn, started again each time, and
its results are compared with the first one's. --config FILE measures `steersman run FILE` instead, to try the
benchmark itself; its figures are never written into docs/results.md.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from demo_table import (
    SECTION,
    Circumstances,
    KillFigures,
    Recovery,
    RunFigures,
    StageFigures,
    recovery_text,
    run_text,
)
from machine import ROOT, commit_words, machine_words, version_words
from page import page_with_table

from steersman.errors import RunError, SteersmanError
from steersman.store.cache import CACHE_VARIABLE
from steersman.store.files import PARTIAL_SUFFIX, read_json, read_lines, read_rows, write_json, write_text
from steersman.store.runs import CONFIG_FILE, DONE_FILE, METRICS_FILE

RESULTS_PAGE = ROOT / "docs" / "results.md"
FIGURES_FILE = "figures.json"
_POLL_SECONDS = 0.001
_LONG_STAGE_SECONDS = 2.0
_BYTES_PER_RSS_UNIT = 1 if sys.platform == "darwin" else 1024
# these say when and where a run was made, or how it was remembered on the way
_NOT_RESULTS = {CONFIG_FILE, DONE_FILE, "lineage.json", "result.json", "report.html", ".lock"}


@dataclass(frozen=True, slots=True)
class Job:
    """What to run: the words of the command without --out, and where everything of this benchmark is kept."""

    words: tuple[str, ...]
    out: Path

    def start(self, run: Path, *, log: Path) -> "subprocess.Popen[bytes]":
        """Start the command into the folder `run`; what it says goes to the end of `log`."""
        command = [sys.executable, "-m", "steersman.cli.main", *self.words, "--out", str(run)]
        environment = {**os.environ, CACHE_VARIABLE: str(self.out / "cache")}
        with log.open("ab") as said:
            return subprocess.Popen(command, stdout=said, stderr=said, cwd=ROOT, env=environment)


def main(argv: list[str]) -> int:
    """Run the benchmark; print its tables and, with --write, put them into docs/results.md."""
    options = parse(argv)
    job = Job(_words(options), options.out.resolve())
    try:
        job.out.mkdir(parents=True, exist_ok=True)
        figures = measure(job)
        tables = {_name(options, suffix=""): run_text(figures, facts=circumstances(options))}
        if options.kill:
            recovery = kill_in_every_stage(job, figures=figures)
            write_json(job.out / "recovery.json", asdict(recovery))
            tables[_name(options, suffix=" --kill")] = recovery_text(recovery, facts=circumstances(options))
        for name, table in tables.items():
            print(f"{name}\n\n{table}\n")
            if options.write:
                page = "\n".join(read_lines(RESULTS_PAGE))
                write_text(RESULTS_PAGE, page_with_table(page, table, name=name, section=SECTION))
    except SteersmanError as error:
        print(f"demo: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "benchmark-demo")
    parser.add_argument("--data", help="human labels, as in steersman demo --data")
    parser.add_argument("--config", type=Path, help="measure steersman run CONFIG instead")
    parser.add_argument("--kill", action="store_true", help="kill a second run in every stage and compare")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/results.md")
    options = parser.parse_args(argv)
    if options.config and (options.data or options.write):
        parser.error("--config goes with neither --data nor --write: docs/results.md is about the demo")
    return options


def measure(job: Job) -> RunFigures:
    """Return the figures of an uninterrupted run, made now, or earlier with the same command and commit."""
    asked: dict[str, object] = {"words": list(job.words), "commit": commit_words()}
    if (job.out / FIGURES_FILE).is_file():
        return _earlier(job.out / FIGURES_FILE, asked=asked)
    if any(job.out.iterdir()):
        raise RunError(f"{job.out}: holds files already, which would be reused; give a new --out")
    began = time.monotonic()
    child = job.start(job.out / "run", log=job.out / "run.log")
    # wait4 gives the peak memory of this one child
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise RunError(f"the command ended with {child.returncode}; {job.out / 'run.log'} says why")
    rows = read_rows(job.out / "run" / METRICS_FILE)
    stages = tuple(
        StageFigures(str(row["stage"]), float(str(row["seconds"])), int(str(row["peak_rss_bytes"]))) for row in rows
    )
    figures = RunFigures(stages, round(seconds, 1), usage.ru_maxrss * _BYTES_PER_RSS_UNIT)
    write_json(job.out / FIGURES_FILE, {**asked, "figures": asdict(figures)})
    return figures


def _earlier(path: Path, *, asked: dict[str, object]) -> RunFigures:
    kept = read_json(path)
    if not isinstance(kept, dict) or {name: kept.get(name) for name in asked} != asked:
        raise RunError(f"{path}: was measured with another command or commit; give a new --out")
    figures = dict(kept["figures"])
    stages = tuple(StageFigures(**each) for each in figures.pop("stages"))
    return RunFigures(stages=stages, **figures)


def kill_in_every_stage(job: Job, *, figures: RunFigures) -> Recovery:
    """Return what a run came to that was killed in the middle of each stage, one after another."""
    run, log = job.out / "killed", job.out / "killed.log"
    if run.exists():
        raise RunError(f"{run}: is there already; remove it to kill a new run")
    inside = [kill_inside(job, each, run=run, log=log) for each in figures.stages]
    marks = [num_logged for _, num_logged in inside]
    last = job.start(run, log=log)
    if last.wait() != 0:
        raise RunError(f"the command ended with {last.returncode} after the last kill; {log} says why")
    rows = read_rows(run / METRICS_FILE)
    starts = [rows[first:next_] for first, next_ in zip(marks, [*marks[1:], len(rows)], strict=True)]
    kills = tuple(
        KillFigures(each.stage, round(seconds, 2), _repeated(rows_of_start, killed=each.stage))
        for each, (seconds, _), rows_of_start in zip(figures.stages, inside, starts, strict=True)
    )
    different = different_files(job.out / "run", run)
    left = sum(1 for _ in run.rglob(f"*{PARTIAL_SUFFIX}"))
    return Recovery(kills, len(result_files(run)), tuple(different), left)


def _repeated(rows: Sequence[dict[str, object]], *, killed: str) -> tuple[str, ...]:
    """Return the stages up to the killed one that a start did again."""
    names = [str(row["stage"]) for row in rows]
    upto = rows[: names.index(killed) + 1] if killed in names else rows
    return tuple(str(row["stage"]) for row in upto if not row["reused"])


def kill_inside(job: Job, stage: StageFigures, *, run: Path, log: Path) -> tuple[float, int]:
    """Start the command, kill it a quarter through `stage`; return the seconds spent there and the lines logged so far.

    A quarter, because the time of a stage varies with what else runs; a short stage is killed as soon as it has begun.
    """
    child = job.start(run, log=log)
    _wait_for(run / stage.stage / CONFIG_FILE, child=child, log=log)
    began = time.monotonic()
    _wait_for(run / stage.stage / DONE_FILE, child=child, log=log, seconds=_moment(stage))
    child.kill()
    child.wait()
    seconds = time.monotonic() - began
    if (run / stage.stage / DONE_FILE).exists():
        raise RunError(f"{stage.stage} was over before it could be killed; start again with a new --out")
    metrics = run / METRICS_FILE
    return seconds, len(read_rows(metrics)) if metrics.is_file() else 0


def _moment(stage: StageFigures) -> float:
    return stage.seconds / 4 if stage.seconds >= _LONG_STAGE_SECONDS else 0.0


def _wait_for(path: Path, *, child: "subprocess.Popen[bytes]", log: Path, seconds: float | None = None) -> None:
    """Return when `path` is there or the `seconds` are over."""
    began = time.monotonic()
    while not path.exists():
        if seconds is not None and time.monotonic() - began >= seconds:
            return
        if child.poll() is not None:
            raise RunError(f"the command ended with {child.returncode} before it was killed; {log} says why")
        time.sleep(_POLL_SECONDS)


def different_files(one: Path, other: Path) -> list[str]:
    """Return the names of results that are not the same to the last bit in both runs, or in one of them only."""
    first, second = result_files(one), result_files(other)
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def result_files(run: Path) -> dict[str, str]:
    """Return the SHA-256 of every table, sample, score, weight and learning curve below a run's stages."""
    files = [file for folder in run.iterdir() if folder.is_dir() for file in folder.rglob("*") if file.is_file()]
    return {
        file.relative_to(run).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(files)
        if file.name not in _NOT_RESULTS and file.parent.name != "batches"
    }


def circumstances(options: argparse.Namespace) -> Circumstances:
    """Return how and where the figures were made, in words that hold no names of hosts or folders."""
    shown = ["python benchmarks/demo.py", *(["--data PATH"] if options.data else [])]
    shown += [f"--config {options.config.name}"] if options.config else []
    shown += ["--kill"] if options.kill else []
    return Circumstances(" ".join(shown), commit_words(), machine_words(), version_words())


def _words(options: argparse.Namespace) -> tuple[str, ...]:
    if options.config:
        return ("run", str(options.config.resolve()))
    # the command runs in the folder of this repository
    data = options.data and (str(Path(options.data).resolve()) if Path(options.data).exists() else options.data)
    return ("demo", *(["--data", data] if data else []))


def _name(options: argparse.Namespace, *, suffix: str) -> str:
    return f"benchmarks/demo.py{' --data PATH' if options.data else ''}{suffix}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
