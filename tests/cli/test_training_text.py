"""What a training verb prints tells which pairs it learnt from and what it left out."""

from pathlib import Path

import pytest
from tiny_loop import object_of, steersman

from steersman.cli.training_text import training_lines
from steersman.pipeline import train_reward

pytest_plugins = ("loop_fixtures",)
pytestmark = pytest.mark.usefixtures("own_cache")

CONFIG = """
seed: 1
data: {train: t.jsonl, validation: v.jsonl}
reward: {model: tiny-random, max_tokens: 64, tune: {mode: frozen}}
"""
LOOP: dict[str, object] = {
    "steps": 4,
    "best_step": 2,
    "metrics": {"reward/validation_loss": 0.5, "reward/validation_accuracy": 1.0},
    "tune_mode": "full",
    "train_pairs": 14,
    "validation_pairs": 4,
    "ties": 5,
    "dropped_long": 26,
    "dropped_equal": 2,
    "not_compared": 0,
    "warnings": ["verbosity: nothing trains this output, so it means nothing"],
}


def test_the_pairs_and_all_that_was_left_out_are_told() -> None:
    assert training_lines(LOOP, made="reward model in run/checkpoint") == [
        "reward model in run/checkpoint (best step 2 of 4, reward/validation_accuracy 1.0000,"
        " reward/validation_loss 0.5000)",
        "pairs: 14 to train on, 4 to validate on; in both files 26 longer than max_tokens and dropped,"
        " 2 of two equal responses and dropped, 5 tied",
        "note: verbosity: nothing trains this output, so it means nothing",
    ]


def test_a_solver_has_iterations_or_a_closed_form_and_no_steps() -> None:
    solved = {**LOOP, "tune_mode": "frozen", "metrics": {}, "steps": 69, "best_step": 69}
    assert training_lines(solved, made="m")[0] == "m (head fitted in 69 iterations)"
    assert training_lines({**solved, "steps": 0}, made="m")[0] == "m (head fitted in closed form)"


def test_a_training_that_never_got_better_says_so() -> None:
    told = "note: no step was better than the start, so the start is what was kept"
    assert training_lines({**LOOP, "best_step": 0}, made="m")[-1] == told
    assert told not in training_lines({**LOOP, "tune_mode": "frozen", "steps": 0, "best_step": 0}, made="m")


@pytest.mark.parametrize("is_kept", [False, True])
def test_an_interrupted_training_says_when_nothing_was_kept(
    is_kept: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG, encoding="utf-8")
    if is_kept:
        (tmp_path / "out" / "resume").mkdir(parents=True)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train_reward, "run_outcome", interrupted)
    said = steersman(capfd, "train", "reward", config, "--out", tmp_path / "out")
    assert said.code == 130
    assert ("so it begins anew" in said.err) is not is_kept


def test_a_result_without_counts_is_one_line() -> None:
    result = {"steps": 3, "best_step": 3, "metrics": {"align/validation_loss": 0.25}}
    assert training_lines(result, made="policy in p") == [
        "policy in p (best step 3 of 3, align/validation_loss 0.2500)"
    ]


def test_a_training_that_was_done_before_says_so(
    finished_run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # the paths in its config are those it was given
    monkeypatch.chdir(finished_run.parent)
    command = ("train", "reward", finished_run / "reward" / "config.yaml", "--out", tmp_path / "out")
    first, second = steersman(capfd, *command), steersman(capfd, *command)
    assert first.out == second.out
    assert "nothing was trained now" not in first.err
    told = "holds what the same settings and data gave before; nothing was trained now"
    assert second.err == f"note: {tmp_path / 'out'} {told}\n"


@pytest.mark.parametrize("is_forced", [False, True])
def test_a_finished_training_is_replaced_on_demand_only(
    is_forced: bool,
    finished_run: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(finished_run.parent)
    command = ("train", "reward", finished_run / "reward" / "config.yaml", "--out", tmp_path / "out")
    before = object_of(tmp_path / "out" / "done") if steersman(capfd, *command).code == 0 else {}
    said = steersman(capfd, *command, "--set", "reward.head_start=zero", *(["--force"] if is_forced else []))
    after = object_of(tmp_path / "out" / "done")
    if is_forced:
        assert (said.code, after == before) == (0, False)
    else:
        assert said.fault.endswith(
            "differs from what is asked for in reward.head_start; choose another --out, or replace it with --force"
        )
        assert after == before
