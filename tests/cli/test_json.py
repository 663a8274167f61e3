"""With --json a verb writes one JSON object on stdout, and everything else on stderr."""

import os
from pathlib import Path

import pytest
import yaml
from tiny_loop import CONFIG, STAGES, Said, object_of, rows_of, steersman

from steersman.records import ATTRIBUTES

pytest_plugins = ("loop_fixtures",)
pytestmark = pytest.mark.usefixtures("own_cache")

Capture = pytest.CaptureFixture[str]


def answered(said: Said) -> dict[str, object]:
    """Return the JSON of a command that succeeded."""
    assert said.code == 0, said.err
    assert "Traceback" not in said.err
    return said.json


@pytest.fixture
def tables(finished_run: Path) -> tuple[Path, Path]:
    return finished_run / "prompts" / "prompts.jsonl", finished_run / "responses" / "responses.jsonl"


def test_run_tells_its_progress_on_stderr_and_its_result_on_stdout(tmp_path: Path, capfd: Capture) -> None:
    said = steersman(capfd, "run", CONFIG, "--out", tmp_path / "run", "--json")
    result = answered(said)
    assert list(result["stages"]) == list(STAGES)  # type: ignore[call-overload]
    assert Path(str(result["report"])).is_file()
    assert all(f"{stage}: done in" in said.err for stage in STAGES)
    assert "100%" in said.err


def test_run_without_json_prints_where_the_report_is(tmp_path: Path, capfd: Capture) -> None:
    said = steersman(capfd, "run", CONFIG, "--out", tmp_path / "run")
    assert said.out == f"{tmp_path / 'run' / 'report.html'}\n"


def test_demo(tmp_path: Path, capfd: Capture) -> None:
    """The demo's own verb, its config set to that of configs/tiny.yaml so that it takes seconds."""
    tiny = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    # an absent section keeps its defaults, as it does in the file
    changes = [
        f"--set={key}={yaml.safe_dump(value, default_flow_style=True, width=9999).split(chr(10))[0]}"
        for key, value in tiny.items()
    ]
    result = answered(steersman(capfd, "demo", *changes, "--out", tmp_path / "demo", "--json"))
    assert result["run"] == str(tmp_path / "demo")


def test_prompts(tmp_path: Path, capfd: Capture) -> None:
    said = steersman(capfd, "prompts", "--limit", 12, "--held-out", 2, "--out", tmp_path / "out", "--json")
    result = answered(said)
    assert (result["prompts"], result["held_out"]) == (10, 2)
    assert len(rows_of(tmp_path / "out" / "prompts.jsonl")) == 10


def test_respond(tables: tuple[Path, Path], tmp_path: Path, capfd: Capture) -> None:
    command = ("respond", tables[0], "--config", CONFIG, "--set", "responses.max_new_tokens=2")
    result = answered(steersman(capfd, *command, "--out", tmp_path / "out", "--json"))
    assert result["responses"] == 2 * len(rows_of(tables[0]))


def test_annotate_init_and_export(tables: tuple[Path, Path], tmp_path: Path, capfd: Capture) -> None:
    site = tmp_path / "site.db"
    made = answered(steersman(capfd, "annotate", "init", *tables, "--annotators", 5, "--out", site, "--json"))
    people = made["annotators"]
    assert isinstance(people, list)
    assert len({each["token"] for each in people}) == 5
    exported = steersman(capfd, "annotate", "export", site, "--out", tmp_path / "ratings.jsonl", "--json")
    assert answered(exported)["ratings"] == 0


def test_annotate_simulate(tables: tuple[Path, Path], tmp_path: Path, capfd: Capture) -> None:
    out = tmp_path / "ratings" / "ratings.jsonl"
    result = answered(steersman(capfd, "annotate", "simulate", *tables, "--out", out, "--json"))
    assert (result["ratings"], result["simulated"]) == (len(rows_of(out)), True)


def test_agreement(finished_run: Path, capfd: Capture) -> None:
    ratings = finished_run / "ratings" / "ratings.jsonl"
    result = answered(steersman(capfd, "agreement", ratings, "--rounds", 100, "--json"))
    assert list(result) == list(ATTRIBUTES)
    stages = result["helpfulness"]
    assert isinstance(stages, dict)
    assert list(stages) == ["first_three", "all", "selected", "final"]
    contract = {"kappa_quadratic", "kappa_ci95", "alpha_ordinal", "random_raters", "tasks", "ratings"}
    assert all(contract <= set(figures) for figures in stages.values())


def test_clean(finished_run: Path, tmp_path: Path, capfd: Capture) -> None:
    ratings = finished_run / "ratings" / "ratings.jsonl"
    result = answered(steersman(capfd, "clean", ratings, "--out", tmp_path / "out", "--json"))
    assert {"tasks_in", "tasks_out", "rows_out", "ratings_in", "ratings_kept", "dropped"} <= set(result)


@pytest.mark.parametrize(("verb", "stage"), [("reward", "reward"), ("dpo", "align")])
def test_train(
    verb: str, stage: str, finished_run: Path, tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the paths in its config are those it was given
    monkeypatch.chdir(finished_run.parent)
    config = finished_run / stage / "config.yaml"
    result = answered(steersman(capfd, "train", verb, config, "--out", tmp_path / "out", "--json"))
    assert {"run", "steps", "seconds", "tokens", "best_step", "metrics"} <= set(result)
    assert {"run": str(tmp_path / "out"), **object_of(tmp_path / "out" / "result.json")} == result


def test_score(finished_run: Path, tmp_path: Path, capfd: Capture) -> None:
    data, out = finished_run / "clean" / "validation.jsonl.gz", tmp_path / "scores.jsonl"
    result = answered(steersman(capfd, "score", finished_run / "reward", data, "--out", out, "--json"))
    assert set(result) == {"rows", "seconds", "tokens"}
    assert result["rows"] == len(rows_of(data)) == len(rows_of(out))


def test_evaluate_length(tables: tuple[Path, Path], capfd: Capture) -> None:
    result = answered(steersman(capfd, "evaluate", "length", tables[1], "--json"))
    lengths = [len(str(row["response"])) for row in rows_of(tables[1])]
    assert result["mean_characters"] == pytest.approx(sum(lengths) / len(lengths))


def test_report(finished_run: Path, tmp_path: Path, capfd: Capture) -> None:
    result = answered(steersman(capfd, "report", finished_run, "--out", tmp_path / "page.html", "--json"))
    assert result == {"report": str(tmp_path / "page.html")}
    assert (tmp_path / "page.html").read_text(encoding="utf-8").lstrip().lower().startswith("<!doctype html>")


def test_licences(finished_run: Path, capfd: Capture) -> None:
    result = answered(steersman(capfd, "licences", finished_run, "--json"))
    assert {"commercial_use", "reasons", "ancestors"} <= set(result)


@pytest.mark.parametrize("verb", [("run", str(CONFIG)), ("demo",), ("train", "reward"), ("train", "dpo")])
def test_a_dry_run_prints_a_config_that_can_be_run_and_makes_nothing(
    verb: tuple[str, ...], finished_run: Path, tmp_path: Path, capfd: Capture
) -> None:
    stage = {"reward": "reward", "dpo": "align"}.get(verb[-1])
    given = [*verb, *([finished_run / stage / "config.yaml"] if stage else [])]
    said = steersman(capfd, *given, "--set", "seed=77", "--out", tmp_path / "out", "--dry-run")
    assert (said.code, yaml.safe_load(said.out)["seed"]) == (0, 77)
    assert not (tmp_path / "out").exists()


def test_a_reader_that_leaves_early_is_no_fault(finished_run: Path, capfd: Capture) -> None:
    import subprocess
    import sys

    command = [sys.executable, "-m", "steersman.cli.main", "licences", str(finished_run), "--json"]
    read_end, write_end = os.pipe()
    os.close(read_end)
    with capfd.disabled():
        done = subprocess.run(command, stdout=write_end, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write_end)
    assert (done.returncode, done.stderr) == (0, "")
