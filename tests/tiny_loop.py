"""The whole loop of configs/tiny.yaml, for tests of the pipeline and of the command line."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
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


def start_steersman(*arguments: object, cache_folder: Path) -> "subprocess.Popen[str]":
    """Start a command in a process of its own, which can be killed."""
    command = [sys.executable, "-m", "steersman.cli.main", *(str(each) for each in arguments)]
    environment = {**os.environ, CACHE_VARIABLE: str(cache_folder), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    )


def tiny_settings(*overrides: str) -> RunSettings:
    """Return the settings of configs/tiny.yaml after some overrides."""
    return load_settings(CONFIG.read_text(encoding="utf-8"), model=RunSettings, source=str(CONFIG), overrides=overrides)


def loop_cache(base: Path) -> Path:
    """Return the one cache folder of a test session, below its base folder."""
    return base / "steersman-cache"


@cache
def finished_run(base: Path) -> Path:
    """Return a finished run of configs/tiny.yaml, made once in a test session."""
    from steersman.pipeline import run

    out = base / "finished" / "tiny"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(loop_cache(base)))
        run.run(tiny_settings(), out=out)
    return out


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
    """Return the SHA-256 of everything stages made that must not depend on when and where they ran."""
    return {
        file.relative_to(run).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for stage in stages
        for file in sorted((run / stage).rglob("*"))
        if file.is_file() and file.name not in _OF_TIME_AND_PLACE
    }


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
