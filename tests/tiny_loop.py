"""The whole loop of configs/tiny.yaml, for tests of the pipeline and of the command line."""

import hashlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from steersman.cli.main import main
from steersman.config.loading import load_settings
from steersman.config.run import RunSettings
from steersman.store.cache import CACHE_VARIABLE

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "configs" / "tiny.yaml"
STAGES = ("prompts", "responses", "ratings", "clean", "reward", "align", "evaluate")
# these tell when and where a run was made, so they differ between two runs of the same settings
_OF_TIME_AND_PLACE = {"config.yaml", "lineage.json", "done", "result.json", "report.html", ".lock"}
_OF_TRAINING = {"metrics.jsonl", "model.safetensors"}


@dataclass(frozen=True, slots=True)
class Said:
    """What a command answered: its exit code and what it wrote to stdout and stderr."""

    code: int
    out: str
    err: str

    @property
    def fault(self) -> str:
        """The one line of a command that failed; fails the test when it is not one clear line."""
        lines = [line for line in self.err.splitlines() if line.startswith("steersman: ")]
        assert (len(lines), self.err.splitlines()[-1:]) == (1, lines), self.err
        assert "Traceback" not in self.err
        assert self.out == ""
        return lines[0]

    @property
    def json(self) -> dict[str, object]:
        """Stdout as the JSON object it must be; NaN and infinity are no JSON."""
        value = json.loads(self.out, parse_constant=_refuse_constant)
        assert isinstance(value, dict)
        return value


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def steersman(capfd: pytest.CaptureFixture[str], *arguments: object) -> Said:
    """Run a command in this process, as `steersman ARGUMENTS` does."""
    capfd.readouterr()
    code = main([str(each) for each in arguments])
    captured = capfd.readouterr()
    return Said(code, captured.out, captured.err)


def start_steersman(*arguments: object, cache_folder: Path, where: Path) -> "subprocess.Popen[str]":
    """Start a command in the folder `where`, in a process of its own, which can be killed."""
    command = [sys.executable, "-m", "steersman.cli.main", *(str(each) for each in arguments)]
    environment = {**os.environ, CACHE_VARIABLE: str(cache_folder), "OMP_NUM_THREADS": "1"}
    # a shell that started the tests in the background has them ignore Ctrl-C, and a child inherits that
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=where, env=environment
    )


def fork_steersman(*arguments: object, cache_folder: Path, where: Path) -> ForkServerProcess:
    """Start a command in the folder `where`, in a process that can be killed: a fork of one that has loaded torch.

    Such a start takes milliseconds, where a new interpreter takes seconds.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["steersman.pipeline.run"])
    words = [str(each) for each in arguments]
    process = context.Process(target=_run_in, args=(words,), kwargs={"cache_folder": cache_folder, "where": where})
    process.start()
    return process


def _run_in(words: list[str], *, cache_folder: Path, where: Path) -> None:
    os.environ[CACHE_VARIABLE] = str(cache_folder)
    os.chdir(where)
    sys.exit(main(words))


def tiny_settings(*overrides: str) -> RunSettings:
    """Return the settings of configs/tiny.yaml after some overrides."""
    return load_settings(CONFIG.read_text(encoding="utf-8"), model=RunSettings, source=str(CONFIG), overrides=overrides)


def loop_cache(base: Path) -> Path:
    """Return the one cache folder of a test session, below its base folder."""
    return base / "steersman-cache"


@cache
def finished_run(base: Path) -> Path:
    """Return a finished run of configs/tiny.yaml, made once in a test session.

    It was made as `tiny` of the folder it lies in: a copy under that name is finished too when it is looked at from
    its own folder.
    """
    from steersman.pipeline import run

    folder = base / "finished"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv(CACHE_VARIABLE, str(loop_cache(base)))
        run.run(tiny_settings(), out=Path("tiny"))
    return folder / "tiny"


def rows_of(path: Path) -> list[dict[str, object]]:
    """Return the objects of a JSON lines file, read in plain Python."""
    import gzip

    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in data.decode("utf-8").splitlines()]


def object_of(path: Path) -> dict[str, object]:
    """Return the object in a JSON file."""
    value = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(value, dict)
    return value


def data_files(run: Path, *, stages: Sequence[str] = STAGES) -> dict[str, str]:
    """Return the SHA-256 of every table, score and sample of some stages: what must be the same to the last bit.

    Weights and learning curves are left out: sums of floating point numbers on a CPU may differ in their last bits.
    """
    return {
        file.relative_to(run).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for stage in stages
        for file in sorted((run / stage).rglob("*"))
        if file.is_file() and file.name not in _OF_TIME_AND_PLACE | _OF_TRAINING and file.parent.name != "batches"
    }


def learning_curve(run: Path, *, stage: str) -> list[tuple[int, float]]:
    """Return step and validation loss of a training."""
    log = rows_of(run / stage / "metrics.jsonl")
    return [(int(str(row["step"])), float(str(row[f"{stage}/validation_loss"]))) for row in log]


def stage_files(run: Path, *, stages: Sequence[str] = STAGES) -> dict[str, tuple[int, str]]:
    """Return modification time and SHA-256 of every file of some stages."""
    return {
        file.relative_to(run).as_posix(): (file.stat().st_mtime_ns, hashlib.sha256(file.read_bytes()).hexdigest())
        for stage in stages
        for file in sorted((run / stage).rglob("*"))
        if file.is_file()
    }


def partials(folder: Path) -> list[Path]:
    """Return what was left half-written below a folder."""
    return sorted(folder.rglob("*.partial"))
