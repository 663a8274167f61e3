"""The whole loop from configs/tiny.yaml: what a run leaves behind, what it reuses, what is the same twice."""

import json
import shutil
from pathlib import Path

import pytest
from tiny_loop import STAGES, data_files, learning_curve, object_of, partials, rows_of, stage_files, tiny_settings

from steersman.errors import DataError
from steersman.pipeline import evaluate_policy, licences, run
from steersman.store.files import write_jsonl
from steersman.store.lineage import read_lineage
from steersman.store.runs import read_result

pytest_plugins = ("loop_fixtures",)
pytestmark = pytest.mark.usefixtures("own_cache")

SIMULATED_STAGES = ("ratings", "clean", "reward", "align", "evaluate")


def results(folder: Path) -> dict[str, dict[str, object]]:
    stages = read_result(folder)["stages"]
    assert isinstance(stages, dict)
    return stages


@pytest.mark.parametrize("stage", ["", *STAGES])
def test_a_run_and_each_of_its_stages_tell_what_they_are(finished_run: Path, stage: str) -> None:
    found = {file.name for file in (finished_run / stage).iterdir()}
    assert {"config.yaml", "lineage.json", "done"} <= found
    assert read_lineage(finished_run / stage).stage == (stage or "run")


def test_the_log_has_one_line_per_stage_in_order(finished_run: Path) -> None:
    lines = rows_of(finished_run / "metrics.jsonl")
    assert [line["stage"] for line in lines] == list(STAGES)
    assert all(line["reused"] is False and line["seconds"] > 0 for line in lines)  # type: ignore[operator]
    # a process that has loaded torch holds more than 50 MB; bytes, not kilobytes
    assert all(line["peak_rss_bytes"] > 50e6 for line in lines)  # type: ignore[operator]


def test_nothing_half_written_is_left(finished_run: Path) -> None:
    assert partials(finished_run) == []


def test_counts_of_prompts_agree_with_the_files(finished_run: Path) -> None:
    asked, held_out = (rows_of(finished_run / "prompts" / f"{name}.jsonl") for name in ("prompts", "held_out"))
    topics = {row["topic"] for row in asked + held_out}
    expected = {"prompts": len(asked), "held_out": len(held_out), "topics": len(topics)}
    assert results(finished_run)["prompts"] == expected
    assert (len(asked), len(held_out)) == (24 - 4, 4)
    assert not {row["prompt_id"] for row in asked} & {row["prompt_id"] for row in held_out}


def test_counts_of_responses_agree_with_the_file(finished_run: Path) -> None:
    rows = rows_of(finished_run / "responses" / "responses.jsonl")
    sampling = [json.loads(str(row["sampling"])) for row in rows]
    finished = sum(each["is_finished"] for each in sampling)
    assert results(finished_run)["responses"] == {
        "responses": len(rows),
        "tokens": sum(each["num_tokens"] for each in sampling),
        "finished": finished,
        "unfinished": len(rows) - finished,
    }


def test_each_prompt_has_two_responses_by_different_generators(finished_run: Path) -> None:
    asked = [row["prompt_id"] for row in rows_of(finished_run / "prompts" / "prompts.jsonl")]
    rows = rows_of(finished_run / "responses" / "responses.jsonl")
    assert [row["prompt_id"] for row in rows] == [each for each in asked for _ in range(2)]
    pairs = zip(rows[0::2], rows[1::2], strict=True)
    assert all({first["generator"], second["generator"]} == {"careful", "wild"} for first, second in pairs)


def test_counts_of_ratings_agree_with_the_file(finished_run: Path) -> None:
    rows = rows_of(finished_run / "ratings" / "ratings.jsonl")
    assert results(finished_run)["ratings"] == {
        "tasks": len({row["task_id"] for row in rows}),
        "ratings": len(rows),
        "annotators": len({row["annotator"] for row in rows}),
        "simulated": True,
    }


def test_counts_of_cleaning_agree_with_the_dataset(finished_run: Path) -> None:
    counts, clean = results(finished_run)["clean"], finished_run / "clean"
    rows = [row for name in ("train", "validation") for row in rows_of(clean / f"{name}.jsonl.gz")]
    lists = rows_of(clean / "disagreements" / "disagreements.jsonl.gz")
    assert counts["rows_out"] == len(rows) == 2 * counts["tasks_out"]  # type: ignore[operator]
    assert counts["ratings_in"] == len(rows_of(finished_run / "ratings" / "ratings.jsonl"))
    assert counts["ratings_kept"] == 3 * len(rows)
    assert len(lists) >= len(rows)


def test_counts_of_training_agree_with_the_dataset(finished_run: Path) -> None:
    train, validation = (rows_of(finished_run / "clean" / f"{name}.jsonl.gz") for name in ("train", "validation"))
    reward, align = results(finished_run)["reward"], results(finished_run)["align"]
    scores = [row["helpfulness"] for row in train + validation]
    untied = sum(first != second for first, second in zip(scores[0::2], scores[1::2], strict=True))
    assert (reward["train_pairs"], reward["validation_pairs"]) == (len(train) // 2, len(validation) // 2)
    assert reward["steps"] == -(-(len(train) // 2) // 4)
    assert align["train_pairs"] + align["validation_pairs"] == untied  # type: ignore[operator]
    assert align["ties"] == len(scores) // 2 - untied


def test_the_best_step_of_training_is_the_one_of_the_lowest_loss_in_the_log(finished_run: Path) -> None:
    for stage in ("reward", "align"):
        key = f"{stage}/validation_loss"
        log = rows_of(finished_run / stage / "metrics.jsonl")
        best = min(log, key=lambda row: float(str(row[key])))
        result = results(finished_run)[stage]
        assert (result["best_step"], result["metrics"][key]) == (best["step"], best[key])  # type: ignore[index]


def test_figures_of_the_evaluation_agree_with_its_samples(finished_run: Path) -> None:
    samples = rows_of(finished_run / "evaluate" / "samples.jsonl")
    figures = results(finished_run)["evaluate"]
    before, after = ([float(str(row[f"reward_{name}"])) for row in samples] for name in ("before", "after"))
    assert figures["prompts"] == len(samples) == 4
    assert figures["reward_before"]["estimate"] == pytest.approx(sum(before) / 4)  # type: ignore[index]
    assert figures["reward_after"]["estimate"] == pytest.approx(sum(after) / 4)  # type: ignore[index]
    gains = [late - early for early, late in zip(before, after, strict=True)]
    assert figures["reward_difference"]["estimate"] == pytest.approx(sum(gains) / 4)  # type: ignore[index]
    lengths = [len(str(row["after"])) for row in samples]
    assert figures["length_after"]["estimate"] == pytest.approx(sum(lengths) / 4)  # type: ignore[index]


def test_the_evaluation_asks_only_held_out_prompts(finished_run: Path) -> None:
    samples = rows_of(finished_run / "evaluate" / "samples.jsonl")
    trained_on = {row["prompt"] for name in ("train", "validation") for row in rows_of(clean_file(finished_run, name))}
    assert not trained_on & {row["prompt"] for row in samples}


def clean_file(folder: Path, name: str) -> Path:
    return folder / "clean" / f"{name}.jsonl.gz"


def test_result_files_hold_what_the_run_answered(finished_run: Path) -> None:
    for stage in ("reward", "align", "evaluate"):
        assert object_of(finished_run / stage / "result.json") == results(finished_run)[stage]


@pytest.mark.parametrize("stage", ["", *STAGES])
def test_everything_after_the_simulated_ratings_is_marked_so_and_nothing_before(finished_run: Path, stage: str) -> None:
    assert read_lineage(finished_run / stage).simulated is (stage in ("", *SIMULATED_STAGES))


def test_the_dataset_card_and_the_report_say_that_ratings_were_simulated(finished_run: Path) -> None:
    card = (finished_run / "clean" / "README.md").read_text(encoding="utf-8")
    page = (finished_run / "report.html").read_text(encoding="utf-8")
    assert "No person rated these responses" in card
    assert "simulated" in page.lower()


def test_the_licence_of_a_simulated_run_is_clear_and_the_crowd_is_named(finished_run: Path) -> None:
    verdict = licences.run(finished_run)
    # prompts and model are CC0, and nobody holds rights in the crowd's ratings
    works = {row["work"]: row["verdict"] for row in verdict["ancestors"]}  # type: ignore[attr-defined]
    assert works == dict.fromkeys(("tiny-random", "steersman-starter-prompts", "steersman-simulated-crowd"), "clear")
    assert verdict["commercial_use"] == "clear"
    assert any("steersman-simulated-crowd" in reason for reason in verdict["reasons"])  # type: ignore[attr-defined]


@pytest.fixture
def own_run(finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a finished run that a test may change."""
    shutil.copytree(finished_run, tmp_path / finished_run.name)
    monkeypatch.chdir(tmp_path)
    return Path(finished_run.name)


def test_a_second_run_reuses_every_stage_and_touches_no_file(own_run: Path) -> None:
    before = stage_files(own_run)
    said: list[str] = []
    run.run(tiny_settings(), out=own_run, say=said.append)
    assert stage_files(own_run) == before
    assert said == [f"{stage}: already finished" for stage in STAGES]
    assert [row["reused"] for row in rows_of(own_run / "metrics.jsonl")] == [False] * 7 + [True] * 7


def test_other_reward_settings_redo_the_reward_model_and_what_rests_on_it(own_run: Path) -> None:
    # DPO learns from the ratings, not from the reward model
    untouched = ("prompts", "responses", "ratings", "clean", "align")
    before = stage_files(own_run, stages=untouched)
    run.run(tiny_settings("reward.weights={helpfulness: 1.0}"), out=own_run)
    assert stage_files(own_run, stages=untouched) == before
    redone = [row["stage"] for row in rows_of(own_run / "metrics.jsonl")[7:] if not row["reused"]]
    assert redone == ["reward", "evaluate"]


def test_the_same_seed_in_another_folder_gives_the_same_bytes(finished_run: Path, tmp_path: Path) -> None:
    run.run(tiny_settings(), out=tmp_path)
    found = data_files(tmp_path)
    assert found == data_files(finished_run)
    assert {"responses/responses.jsonl", "clean/train.jsonl.gz", "evaluate/samples.jsonl"} <= set(found)
    for stage in ("reward", "align"):
        curves = [learning_curve(each, stage=stage) for each in (tmp_path, finished_run)]
        for found_point, point in zip(*curves, strict=True):
            assert found_point == pytest.approx(point, rel=1e-4)


def test_another_seed_gives_other_prompts_responses_and_ratings(finished_run: Path, tmp_path: Path) -> None:
    run.run(tiny_settings("seed=6"), out=tmp_path)
    for file in ("prompts/prompts.jsonl", "responses/responses.jsonl", "ratings/ratings.jsonl"):
        assert (tmp_path / file).read_bytes() != (finished_run / file).read_bytes()


def test_a_damaged_marker_redoes_its_stage(own_run: Path) -> None:
    tables = data_files(own_run)
    (own_run / "clean" / "done").write_text('{"fingerprint": "', encoding="utf-8")
    run.run(tiny_settings(), out=own_run)
    redone = [row["stage"] for row in rows_of(own_run / "metrics.jsonl")[7:] if not row["reused"]]
    # cleaning gave the same bytes again, so that nothing after it needed to be redone
    assert (redone, data_files(own_run)) == (["clean"], tables)


def test_a_run_that_fails_after_a_stage_leaves_no_marker_of_the_run_before(own_run: Path) -> None:
    with pytest.raises(DataError, match="no conversation fits"):
        run.run(tiny_settings("annotation.annotators=11", "reward.max_tokens=16"), out=own_run)
    assert not (own_run / "done").exists()
    assert "annotators: 11" in (own_run / "config.yaml").read_text(encoding="utf-8")


def test_an_evaluation_of_a_single_prompt_says_what_to_raise(finished_run: Path, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "one.jsonl", rows_of(finished_run / "prompts" / "held_out.jsonl")[:1])
    contest = evaluate_policy.Contest(
        "tiny-random",
        align=finished_run / "align",
        reward=finished_run / "reward",
        held_out=tmp_path / "one.jsonl",
    )
    with pytest.raises(DataError, match=r"raise prompts\.held_out"):
        evaluate_policy.run(contest, settings=tiny_settings().evaluate, seed=1, out=tmp_path / "out")
    assert not (tmp_path / "out" / "done").exists()


def test_a_deleted_stage_is_made_again_with_the_same_bytes(own_run: Path) -> None:
    tables = data_files(own_run)
    shutil.rmtree(own_run / "responses")
    run.run(tiny_settings(), out=own_run)
    assert data_files(own_run) == tables
