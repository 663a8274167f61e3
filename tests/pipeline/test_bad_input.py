"""What a user gets wrong ends with exit code 2 and one clear line, and leaves nothing at --out."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from huggingface_hub import snapshot_download
from tiny_loop import CONFIG, ROOT, rows_of, steersman

from steersman.errors import EXIT_USER_INPUT
from steersman.sources import models as sources
from steersman.store.files import write_jsonl, write_table
from steersman.tables import RATINGS

pytest_plugins = ("loop_fixtures",)
pytestmark = pytest.mark.usefixtures("own_cache")

Capture = pytest.CaptureFixture[str]
Row = dict[str, object]
# FILE stands for an input that is not there
VERBS_THAT_READ = (
    ("agreement", "FILE"),
    ("clean", "FILE", "--out", "OUT"),
    ("score", "tiny-random", "FILE", "--out", "OUT"),
    ("respond", "FILE", "--config", CONFIG, "--out", "OUT"),
    ("annotate", "init", "FILE", "FILE", "--annotators", "5", "--out", "OUT"),
    ("annotate", "simulate", "FILE", "FILE", "--out", "OUT"),
    ("annotate", "export", "FILE", "--out", "OUT"),
    ("annotate", "serve", "FILE"),
    ("evaluate", "length", "FILE"),
    ("report", "FILE"),
    ("licences", "FILE"),
    ("prompts", "--source", "FILE", "--out", "OUT"),
    ("run", "FILE", "--out", "OUT"),
    ("train", "reward", "FILE", "--out", "OUT"),
    ("train", "dpo", "FILE", "--out", "OUT"),
    ("demo", "--data", "FILE", "--out", "OUT"),
    ("serve", "reward", "./FILE", "--port", "0"),
)


def rating(number: int, **changes: object) -> Row:
    scores = dict.fromkeys(("helpfulness", "correctness", "coherence", "complexity", "verbosity"), 3)
    task = {"task_id": "t", "prompt": "why?", "response_id": "r", "response": "because", "position": 0}
    return {**task, "annotator": f"a{number}", **scores, **changes}


def pair(task: int) -> list[Row]:
    scores = dict.fromkeys(("helpfulness", "correctness", "coherence", "complexity", "verbosity"), 3)
    return [
        {"prompt": f"why {task}?", "response": text, **scores, "helpfulness": level}
        for text, level in (("because", 3), ("no", 1))
    ]


@pytest.mark.parametrize("command", VERBS_THAT_READ, ids=lambda command: "-".join(command[:2]))
def test_a_missing_file_is_named(command: tuple[object, ...], tmp_path: Path, capfd: Capture) -> None:
    missing, out = tmp_path / "missing.jsonl", tmp_path / "out"
    places = {"FILE": missing, "./FILE": missing, "OUT": out}
    said = steersman(capfd, *(places.get(str(each), each) for each in command))
    assert said.code == EXIT_USER_INPUT
    assert "missing.jsonl" in said.fault
    # a run makes its folder and locks it before its first stage
    assert [each for each in out.rglob("*") if each.name == "done" or each.suffix in (".jsonl", ".partial")] == []
    assert not out.is_file()


@pytest.mark.parametrize("verb", ["agreement", "clean"])
def test_all_faulty_lines_of_a_file_are_named(verb: str, tmp_path: Path, capfd: Capture) -> None:
    lines = [json.dumps(rating(number)) for number in range(6)]
    lines[1], lines[3], lines[5] = "{", "[]", json.dumps({"task_id": "t"})
    path, out = tmp_path / "ratings.jsonl", tmp_path / "out"
    path.write_text("\n".join(lines), encoding="utf-8")
    said = steersman(capfd, verb, path, *(["--out", out] if verb == "clean" else []))
    assert said.code == EXIT_USER_INPUT
    assert all(f"ratings.jsonl:{number}:" in said.fault for number in (2, 4, 6))
    assert not any(f"ratings.jsonl:{number}:" in said.fault for number in (1, 3, 5))
    assert not out.exists()


@pytest.mark.parametrize("score", [-1, 5, 2.5, "3"])
def test_a_rating_outside_the_scale_is_named_with_its_line(score: object, tmp_path: Path, capfd: Capture) -> None:
    write_jsonl(tmp_path / "ratings.jsonl", [rating(1), rating(2, coherence=score)])
    said = steersman(capfd, "clean", tmp_path / "ratings.jsonl", "--out", tmp_path / "out")
    assert said.code == EXIT_USER_INPUT
    assert "ratings.jsonl:2:" in said.fault
    assert "coherence" in said.fault
    assert not (tmp_path / "out").exists()


def changed_config(folder: Path, *, old: str, new: str) -> Path:
    text = CONFIG.read_text(encoding="utf-8")
    assert old in text
    (folder / "config.yaml").write_text(text.replace(old, new, 1), encoding="utf-8")
    return folder / "config.yaml"


def test_an_unknown_key_of_a_config_names_the_nearest(tmp_path: Path, capfd: Capture) -> None:
    config = changed_config(tmp_path, old="evaluate_every", new="evaluate_evry")
    said = steersman(capfd, "run", config, "--out", tmp_path / "out")
    assert said.code == EXIT_USER_INPUT
    assert "unknown key 'reward.evaluate_evry'; did you mean 'evaluate_every'?" in said.fault
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("clean.max_spred=1", "unknown key 'clean.max_spred'; did you mean 'max_spread'?"),
        ("clean.max_spread=9", "'clean.max_spread'"),
        ("clean.max_spread", "write it as key=value"),
        ("seed.deeper=1", "'seed' holds no keys of its own"),
    ],
)
def test_a_wrong_override_says_what_is_wrong(override: str, words: str, tmp_path: Path, capfd: Capture) -> None:
    said = steersman(capfd, "run", CONFIG, "--set", override, "--out", tmp_path / "out")
    assert said.code == EXIT_USER_INPUT
    assert words in said.fault
    assert not (tmp_path / "out").exists()


def test_a_config_that_is_no_yaml_is_told(tmp_path: Path, capfd: Capture) -> None:
    (tmp_path / "config.yaml").write_text("name: [", encoding="utf-8")
    said = steersman(capfd, "run", tmp_path / "config.yaml", "--out", tmp_path / "out")
    assert (said.code, "not YAML" in said.fault) == (EXIT_USER_INPUT, True)


@pytest.mark.parametrize(
    ("text", "words"),
    [("a: " + "[" * 5000, "nested too deep"), ("seed: 1\nname: x\nseed: 2\n", ":3: the key 'seed' stands on line 1")],
    ids=["deep", "repeated"],
)
def test_a_config_that_cannot_be_meant_is_told(text: str, words: str, tmp_path: Path, capfd: Capture) -> None:
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    said = steersman(capfd, "run", tmp_path / "config.yaml", "--out", tmp_path / "out")
    assert (said.code, words in said.fault) == (EXIT_USER_INPUT, True)


def train_config(folder: Path, *, model: str) -> Path:
    """Write the data of four pairs, and a config that trains a reward model on them."""
    write_jsonl(folder / "rows.jsonl", [row for task in range(4) for row in pair(task)])
    import yaml

    loop = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    data = dict.fromkeys(("train", "validation"), str(folder / "rows.jsonl"))
    config = {"seed": 1, "data": data, "reward": {**loop["reward"], "model": model}}
    (folder / "train.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return folder / "train.yaml"


def is_unfinished(folder: Path) -> bool:
    """Return whether nothing below `folder` could be taken for a result."""
    names = {each.name for each in folder.rglob("*")}
    return not names & {"done", "checkpoint", "result.json"} and not any(each.endswith(".partial") for each in names)


def test_a_model_folder_without_tokenizer_is_told(finished_run: Path, tmp_path: Path, capfd: Capture) -> None:
    shutil.copytree(finished_run / "reward" / "checkpoint", tmp_path / "model")
    for file in (tmp_path / "model").glob("tokenizer*"):
        file.unlink()
    config = train_config(tmp_path, model=str(tmp_path / "model"))
    said = steersman(capfd, "train", "reward", config, "--out", tmp_path / "out")
    assert said.code == EXIT_USER_INPUT
    assert "the model has no tokenizer; save it there with tokenizer.save_pretrained(folder)" in said.fault
    assert is_unfinished(tmp_path / "out")
    said = steersman(capfd, "score", tmp_path / "model", tmp_path / "rows.jsonl", "--out", tmp_path / "scores.jsonl")
    assert (said.code, "has no tokenizer" in said.fault) == (EXIT_USER_INPUT, True)
    assert not (tmp_path / "scores.jsonl").exists()


@pytest.mark.parametrize("name", ["no-such-model", "/no/such/model"])
def test_an_unknown_model_lists_the_known_ones(name: str, tmp_path: Path, capfd: Capture) -> None:
    config = train_config(tmp_path, model=name)
    said = steersman(capfd, "train", "reward", config, "--out", tmp_path / "out")
    assert said.code == EXIT_USER_INPUT
    assert f"model '{name}'" in said.fault
    assert "tiny-random" in said.fault
    assert is_unfinished(tmp_path / "out")


@pytest.mark.parametrize("section", ["reward", "align"])
def test_a_run_refuses_a_wrong_model_before_its_first_stage(section: str, tmp_path: Path, capfd: Capture) -> None:
    (tmp_path / "model").mkdir()
    for name, words in (("no-such-model", "no such folder"), (str(tmp_path / "model"), "no config.json")):
        said = steersman(capfd, "run", CONFIG, "--set", f"{section}.model={name}", "--out", tmp_path / "out")
        assert said.code == EXIT_USER_INPUT
        assert words in said.fault
        assert not (tmp_path / "out").exists()


def test_a_hub_name_without_a_network_ends_within_seconds(
    tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a port that nobody listens on: the real library, without a network
    monkeypatch.setattr(sources, "snapshot_download", partial(snapshot_download, endpoint="http://127.0.0.1:1"))
    config = train_config(tmp_path, model="owner/name")
    began = time.monotonic()
    said = steersman(capfd, "train", "reward", config, "--out", tmp_path / "out")
    assert said.code == EXIT_USER_INPUT
    assert "the hub cannot be reached" in said.fault
    assert time.monotonic() - began < 30
    assert is_unfinished(tmp_path / "out")


@pytest.mark.parametrize("verb", ["run", "prompts", "train", "clean", "respond"])
def test_a_folder_of_other_files_is_left_alone(verb: str, finished_run: Path, tmp_path: Path, capfd: Capture) -> None:
    home = tmp_path / "home"
    (home / ".git").mkdir(parents=True)
    for name in ("thesis.txt", ".git/config", "config.yaml"):
        (home / name).write_text("mine", encoding="utf-8")
    commands: dict[str, tuple[object, ...]] = {
        "run": ("run", CONFIG),
        "prompts": ("prompts", "--limit", 10),
        "train": ("train", "reward", train_config(tmp_path, model="tiny-random")),
        "clean": ("clean", finished_run / "ratings" / "ratings.jsonl"),
        "respond": ("respond", finished_run / "prompts" / "prompts.jsonl", "--config", CONFIG),
    }
    said = steersman(capfd, *commands[verb], "--out", home)
    assert said.code == EXIT_USER_INPUT
    assert "did not write (.git" in said.fault
    assert sorted(each.name for each in home.rglob("*")) == [".git", "config", "config.yaml", "thesis.txt"]
    assert (home / "config.yaml").read_text(encoding="utf-8") == "mine"


def test_a_stage_is_not_written_over_what_it_reads(tmp_path: Path, capfd: Capture) -> None:
    assert steersman(capfd, "prompts", "--limit", 10, "--out", tmp_path / "p1").code == 0
    before = (tmp_path / "p1" / "prompts.jsonl").read_bytes()
    said = steersman(capfd, "prompts", "--source", tmp_path / "p1" / "prompts.jsonl", "--out", tmp_path / "p1")
    assert (said.code, "choose another --out" in said.fault) == (EXIT_USER_INPUT, True)
    assert (tmp_path / "p1" / "prompts.jsonl").read_bytes() == before


def test_settings_that_fail_at_once_cost_no_finished_result(tmp_path: Path, capfd: Capture) -> None:
    out = tmp_path / "out"
    command = ("train", "reward", train_config(tmp_path, model="tiny-random"), "--out", out)
    assert steersman(capfd, *command).code == 0
    before = {each: each.read_bytes() for each in out.rglob("*") if each.is_file()}
    said = steersman(capfd, *command, "--force", "--set", "reward.model=no-such-model")
    assert (said.code, "no-such-model" in said.fault) == (EXIT_USER_INPUT, True)
    assert {each: each.read_bytes() for each in out.rglob("*") if each.is_file()} == before


@pytest.mark.parametrize("setting", ["data.path=nowhere", "prompts.limit=5000", "prompts.source=nowhere.jsonl"])
def test_a_finished_run_outlives_settings_that_fail_in_a_first_stage(
    setting: str, finished_run: Path, tmp_path: Path, capfd: Capture
) -> None:
    shutil.copytree(finished_run, tmp_path / "run")
    before = {each: each.read_bytes() for each in (tmp_path / "run").rglob("*") if each.is_file()}
    said = steersman(capfd, "run", CONFIG, "--set", setting, "--out", tmp_path / "run")
    assert said.code == EXIT_USER_INPUT
    assert {each: each.read_bytes() for each in before} == before


@pytest.mark.parametrize(
    ("verb", "length"), [("clean", 240), ("clean", 300), ("prompts", 300), ("simulate", 240), ("score", 240)]
)
def test_a_name_that_is_too_long_is_told(
    verb: str, length: int, finished_run: Path, tmp_path: Path, capfd: Capture
) -> None:
    tables = (finished_run / "prompts" / "prompts.jsonl", finished_run / "responses" / "responses.jsonl")
    commands: dict[str, tuple[object, ...]] = {
        "clean": ("clean", finished_run / "ratings" / "ratings.jsonl"),
        "prompts": ("prompts",),
        "simulate": ("annotate", "simulate", *tables),
        "score": ("score", finished_run / "reward", finished_run / "clean" / "train.jsonl.gz"),
    }
    said = steersman(capfd, *commands[verb], "--out", tmp_path / "deep" / ("x" * length))
    assert (said.code, "the name is too long; choose a shorter --out" in said.fault) == (EXIT_USER_INPUT, True)
    assert [each for each in tmp_path.rglob("*") if each.is_file() and each.name != "lineage.json"] == []


@contextmanager
def taken_port() -> Iterator[int]:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def test_a_port_in_use_is_told_before_the_reward_model_is_loaded(capfd: Capture) -> None:
    with taken_port() as port:
        said = steersman(capfd, "serve", "reward", "no-such-model", "--port", port)
    assert said.code == EXIT_USER_INPUT
    assert f"port {port} on 127.0.0.1 is in use; choose another with --port" in said.fault


def test_a_port_in_use_is_told_by_the_annotation_site(finished_run: Path, tmp_path: Path, capfd: Capture) -> None:
    tables = (finished_run / "prompts" / "prompts.jsonl", finished_run / "responses" / "responses.jsonl")
    made = steersman(capfd, "annotate", "init", *tables, "--annotators", 5, "--out", tmp_path / "site.db")
    assert made.code == 0, made.err
    with taken_port() as port:
        said = steersman(capfd, "annotate", "serve", tmp_path / "site.db", "--port", port)
    assert said.code == EXIT_USER_INPUT
    assert f"port {port} on 127.0.0.1 is in use" in said.fault


HOLDER = """
import sys, time
from pathlib import Path
from steersman.store.runs import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_by_another(folder: Path) -> Iterator[None]:
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        yield
        other.communicate("")


@pytest.mark.parametrize("verb", ["run", "prompts", "train"])
def test_two_at_once_in_one_folder_are_refused(verb: str, tmp_path: Path, capfd: Capture) -> None:
    out = tmp_path / "out"
    commands: dict[str, tuple[object, ...]] = {
        "run": ("run", CONFIG),
        "prompts": ("prompts",),
        "train": ("train", "reward", train_config(tmp_path, model="tiny-random")),
    }
    with held_by_another(out):
        said = steersman(capfd, *commands[verb], "--out", out)
    assert said.code == EXIT_USER_INPUT
    assert "another steersman is working there; wait for it or choose another --out" in said.fault
    assert [each.name for each in out.iterdir()] == [".lock"]


@pytest.mark.parametrize("verb", ["run", "prompts", "train", "clean", "respond"])
def test_a_file_where_a_folder_is_to_be_made_is_left_alone(
    verb: str, finished_run: Path, tmp_path: Path, capfd: Capture
) -> None:
    out = tmp_path / "out"
    out.write_text("mine", encoding="utf-8")
    commands: dict[str, tuple[object, ...]] = {
        "run": ("run", CONFIG),
        "prompts": ("prompts",),
        "train": ("train", "reward", train_config(tmp_path, model="tiny-random")),
        "clean": ("clean", finished_run / "ratings" / "ratings.jsonl"),
        "respond": ("respond", finished_run / "prompts" / "prompts.jsonl", "--config", CONFIG),
    }
    said = steersman(capfd, *commands[verb], "--out", out)
    assert said.code == EXIT_USER_INPUT
    assert "a file stands where a folder is needed; choose another --out" in said.fault
    assert out.read_text(encoding="utf-8") == "mine"
    assert not [each for each in tmp_path.iterdir() if each.name.endswith(".partial")]


@pytest.mark.parametrize("verb", ["score", "simulate", "export"])
def test_a_folder_where_a_file_is_to_be_written_is_left_alone(
    verb: str, finished_run: Path, tmp_path: Path, capfd: Capture
) -> None:
    out = tmp_path / "out"
    (out / "inside").mkdir(parents=True)
    tables = (finished_run / "prompts" / "prompts.jsonl", finished_run / "responses" / "responses.jsonl")
    database = tmp_path / "db" / "site.db"
    assert steersman(capfd, "annotate", "init", *tables, "--annotators", 5, "--out", database).code == 0
    commands: dict[str, tuple[object, ...]] = {
        "score": ("score", finished_run / "reward", finished_run / "clean" / "train.jsonl.gz"),
        "simulate": ("annotate", "simulate", *tables),
        "export": ("annotate", "export", database),
    }
    said = steersman(capfd, *commands[verb], "--out", out)
    assert said.code == EXIT_USER_INPUT
    assert "folder" in said.fault
    assert sorted(each.name for each in tmp_path.iterdir()) == ["db", "out"]
    assert [each.name for each in out.iterdir()] == ["inside"]


def test_a_database_that_holds_answers_is_not_written_over(finished_run: Path, tmp_path: Path, capfd: Capture) -> None:
    tables = (finished_run / "prompts" / "prompts.jsonl", finished_run / "responses" / "responses.jsonl")
    command = ("annotate", "init", *tables, "--annotators", 5, "--out", tmp_path / "site.db")
    assert steersman(capfd, *command).code == 0
    before = (tmp_path / "site.db").read_bytes()
    said = steersman(capfd, *command)
    assert (said.code, "already exists" in said.fault) == (EXIT_USER_INPUT, True)
    assert (tmp_path / "site.db").read_bytes() == before


def test_responses_that_do_not_fit_their_prompts_make_no_database(
    finished_run: Path, tmp_path: Path, capfd: Capture
) -> None:
    rows = rows_of(finished_run / "responses" / "responses.jsonl")
    write_jsonl(tmp_path / "responses.jsonl", rows[1:])
    prompts = finished_run / "prompts" / "prompts.jsonl"
    for verb, more in (("init", ("--annotators", 5)), ("simulate", ())):
        said = steersman(capfd, "annotate", verb, prompts, tmp_path / "responses.jsonl", *more, "--out", tmp_path / "o")
        assert (said.code, str(rows[0]["prompt_id"]) in said.fault) == (EXIT_USER_INPUT, True)
    assert [each.name for each in tmp_path.iterdir()] == ["responses.jsonl"]


def test_an_empty_file_holds_no_rows(tmp_path: Path, capfd: Capture) -> None:
    (tmp_path / "empty.jsonl").write_text("\n", encoding="utf-8")
    said = steersman(capfd, "clean", tmp_path / "empty.jsonl", "--out", tmp_path / "out")
    assert (said.code, "holds no rows" in said.fault, (tmp_path / "out").exists()) == (EXIT_USER_INPUT, True, False)


@pytest.mark.parametrize("verb", ["agreement", "clean", "score", "length"])
def test_a_parquet_file_without_rows_holds_no_rows(verb: str, tmp_path: Path, capfd: Capture) -> None:
    empty, out = tmp_path / "empty.parquet", tmp_path / "out"
    write_table(empty, pl.DataFrame(schema={**RATINGS.schema}))
    commands: dict[str, tuple[object, ...]] = {
        "agreement": ("agreement", empty),
        "clean": ("clean", empty, "--out", out),
        "score": ("score", "tiny-random", empty, "--out", out),
        "length": ("evaluate", "length", empty),
    }
    said = steersman(capfd, *commands[verb])
    assert (said.code, "holds no rows" in said.fault, out.exists()) == (EXIT_USER_INPUT, True, False)


def test_compressed_rows_that_are_cut_off_are_told(finished_run: Path, tmp_path: Path, capfd: Capture) -> None:
    whole = (finished_run / "clean" / "train.jsonl.gz").read_bytes()
    (tmp_path / "cut.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    said = steersman(capfd, "evaluate", "length", tmp_path / "cut.jsonl.gz")
    assert (said.code, "cannot be read as gzip" in said.fault) == (EXIT_USER_INPUT, True)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read every file")
def test_a_file_that_may_not_be_read_is_told(tmp_path: Path, capfd: Capture) -> None:
    write_jsonl(tmp_path / "ratings.jsonl", [rating(1)])
    (tmp_path / "ratings.jsonl").chmod(0)
    said = steersman(capfd, "agreement", tmp_path / "ratings.jsonl")
    assert (said.code, "cannot be read" in said.fault) == (EXIT_USER_INPUT, True)


@pytest.mark.parametrize("verb", [each for each in VERBS_THAT_READ if each[0] not in ("demo", "serve")])
def test_an_input_whose_name_is_too_long_or_lies_below_a_file_is_told(
    verb: tuple[object, ...], tmp_path: Path, capfd: Capture
) -> None:
    for place in ("x" * 300, ROOT / "README.md" / "x.yaml"):
        command = [place if each == "FILE" else tmp_path / "out" if each == "OUT" else each for each in verb]
        said = steersman(capfd, *command)
        assert (said.code, len(said.fault.splitlines())) == (EXIT_USER_INPUT, 1), said.fault
