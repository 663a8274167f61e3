"""The door: exit codes, one line for a user's fault, a traceback for one of ours, and no torch where none is needed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest
from tiny_loop import CONFIG, ROOT, steersman

from steersman.errors import EXIT_CHECK_FELL_SHORT, EXIT_OUR_FAULT, EXIT_USER_INPUT, CheckFailedError
from steersman.pipeline import prompts as pipeline

pytest_plugins = ("loop_fixtures",)
pytestmark = pytest.mark.usefixtures("own_cache")

Capture = pytest.CaptureFixture[str]
GROUPS = ("", "annotate", "train", "serve", "evaluate")
# runs commands, given as JSON, in a Python in which the extra `train` is not installed
WITHOUT_TORCH = """
import json, sys
BLOCKED = {"torch", "transformers", "peft", "gguf", "safetensors", "tokenizers", "accelerate"}
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocker())
from steersman.cli.main import main
for command in json.loads(sys.argv[1]):
    print("code", main(command), file=sys.stderr, flush=True)
"""


@pytest.mark.parametrize("group", [group for group in GROUPS if group])
def test_an_unknown_verb_is_told_with_where_to_look(group: str, capfd: Capture) -> None:
    said = steersman(capfd, group, "frobnicate")
    assert said.code == EXIT_USER_INPUT
    assert said.fault == f"steersman: No such command 'frobnicate'. (steersman {group} -h shows how)"


def test_an_unknown_first_verb_is_told(capfd: Capture) -> None:
    said = steersman(capfd, "frobnicate")
    assert (said.code, said.fault) == (2, "steersman: No such command 'frobnicate'. (steersman -h shows how)")


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_without_a_verb_shows_its_help(group: str, capfd: Capture) -> None:
    said = steersman(capfd, *group.split())
    assert (said.code, said.out) == (EXIT_USER_INPUT, "")
    assert len(said.err.splitlines()) > 5
    assert said.err.startswith("Usage: steersman")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("run",), "Missing argument 'CONFIG'. (steersman run -h shows how)"),
        (("prompts",), "Missing option '--out'. (steersman prompts -h shows how)"),
        (("prompts", "--out", "o", "--limit", "1"), "Invalid value for '--limit'"),
        (("clean", "r", "--out", "o", "--keep", "many"), "'many' is not a valid integer"),
        (("report", "--nothing"), "No such option"),
    ],
)
def test_a_wrong_option_is_told(command: tuple[str, ...], words: str, capfd: Capture) -> None:
    said = steersman(capfd, *command)
    assert (said.code, words in said.fault) == (EXIT_USER_INPUT, True)


def test_a_fault_of_ours_keeps_its_traceback(capfd: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object, **_options: object) -> NoReturn:
        raise RuntimeError("a wheel came off")

    monkeypatch.setattr(pipeline, "run", broken)
    said = steersman(capfd, "prompts", "--out", tmp_path / "out")
    assert (said.code, said.out) == (EXIT_OUR_FAULT, "")
    assert "Traceback" in said.err
    assert "RuntimeError: a wheel came off" in said.err
    assert said.err.splitlines()[-1].startswith("steersman: this is a fault of ours; please report it")


def test_a_missing_module_that_is_no_extra_is_a_fault_of_ours(
    capfd: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object, **_options: object) -> NoReturn:
        raise ModuleNotFoundError("No module named 'gone'", name="gone")

    monkeypatch.setattr(pipeline, "run", broken)
    said = steersman(capfd, "prompts", "--out", tmp_path / "out")
    assert (said.code, "Traceback" in said.err) == (EXIT_OUR_FAULT, True)


def test_a_check_that_fell_short_has_its_own_code(
    capfd: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(*_arguments: object, **_options: object) -> NoReturn:
        raise CheckFailedError("3 of 4 gold answers were missed")

    monkeypatch.setattr(pipeline, "run", short)
    said = steersman(capfd, "prompts", "--out", tmp_path / "out")
    assert (said.code, said.fault) == (EXIT_CHECK_FELL_SHORT, "steersman: 3 of 4 gold answers were missed")


def test_a_message_of_several_lines_becomes_one(
    capfd: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(*_arguments: object, **_options: object) -> NoReturn:
        raise CheckFailedError("first\n  second")

    monkeypatch.setattr(pipeline, "run", short)
    assert steersman(capfd, "prompts", "--out", tmp_path / "out").fault == "steersman: first second"


def without_torch(*commands: tuple[object, ...]) -> list[tuple[int, str]]:
    """Return exit code and stderr of each command, run where the extra `train` is missing."""
    given = json.dumps([[str(part) for part in command] for command in commands])
    python = [sys.executable, "-c", WITHOUT_TORCH, given]
    done = subprocess.run(python, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    found: list[tuple[int, str]] = []
    said: list[str] = []
    for line in done.stderr.splitlines():
        if line.startswith("code "):
            found.append((int(line.removeprefix("code ")), "\n".join(said)))
            said = []
        else:
            said.append(line)
    return found


def test_verbs_that_need_the_extra_say_how_to_install_it(finished_run: Path, tmp_path: Path) -> None:
    out, prompts = tmp_path / "out", finished_run / "prompts" / "prompts.jsonl"
    train = tmp_path / "train.yaml"
    train.write_text((finished_run / "reward" / "config.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    policy = tmp_path / "dpo.yaml"
    policy.write_text((finished_run / "align" / "config.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    commands: list[tuple[object, ...]] = [
        ("demo", "--out", out),
        ("run", CONFIG, "--out", out),
        ("respond", prompts, "--config", CONFIG, "--out", out),
        ("train", "reward", train, "--out", out),
        ("train", "dpo", policy, "--out", out),
        ("score", finished_run / "reward", prompts, "--out", out),
        ("serve", "reward", finished_run / "reward", "--port", "0"),
    ]
    for command, (code, said) in zip(commands, without_torch(*commands), strict=True):
        assert code == EXIT_USER_INPUT, command
        assert "pip install 'steersman[train]'" in said, command
        assert len(said.splitlines()) == 1, command
    assert not out.exists()


def test_verbs_without_gradients_work_without_the_extra(finished_run: Path, tmp_path: Path) -> None:
    tables = (finished_run / "prompts" / "prompts.jsonl", finished_run / "responses" / "responses.jsonl")
    ratings, site = finished_run / "ratings" / "ratings.jsonl", tmp_path / "site.db"
    commands: list[tuple[object, ...]] = [
        ("prompts", "--out", tmp_path / "prompts"),
        ("annotate", "init", *tables, "--annotators", "5", "--out", site),
        ("annotate", "export", site, "--out", tmp_path / "exported.jsonl"),
        ("annotate", "simulate", *tables, "--out", tmp_path / "ratings" / "ratings.jsonl"),
        ("agreement", ratings),
        ("clean", ratings, "--out", tmp_path / "clean"),
        ("evaluate", "length", tables[1]),
        ("report", finished_run, "--out", tmp_path / "page.html"),
        ("licences", finished_run),
        ("run", CONFIG, "--dry-run"),
        ("demo", "--dry-run"),
    ]
    assert [code for code, _ in without_torch(*commands)] == [0] * len(commands)
