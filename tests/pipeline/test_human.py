"""A run on human labels: a small folder in HelpSteer2's released shape, made here, with and without rating lists."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tiny_loop import data_files, object_of, rows_of, tiny_settings

from steersman.config.run import RunSettings
from steersman.config.sections import HumanDataSettings
from steersman.errors import DataError
from steersman.pipeline import human, run
from steersman.pipeline.human import AGGREGATED_NOTE
from steersman.records import ATTRIBUTES
from steersman.sources.helpsteer2 import HumanData
from steersman.store.files import write_jsonl
from steersman.store.lineage import Ancestor, Lineage, read_lineage, write_lineage
from steersman.store.runs import read_result

pytest_plugins = ("loop_fixtures",)
pytestmark = pytest.mark.usefixtures("own_cache")

TRAIN_TASKS, VALIDATION_TASKS = 30, 16


def examples(name: str, *, tasks: int, seed: int) -> list[dict[str, object]]:
    """Return two rows per task: the longer response is the more helpful one."""
    draw = random.Random(seed)
    rows: list[dict[str, object]] = []
    for task in range(tasks):
        for level in draw.sample(range(5), 2):
            scores = dict.fromkeys(ATTRIBUTES, level)
            rows.append({"prompt": f"{name} question {task}?", "response": f"answer {'word ' * level}end", **scores})
    return rows


def lists(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Return rating lists behind `rows`: three annotators who agree, as HelpSteer2 releases them."""
    return [{**row, **{each: [row[each]] * 3 for each in ATTRIBUTES}} for row in rows]


def write_labels(folder: Path, *, with_lists: bool) -> Path:
    train, validation = examples("train", tasks=TRAIN_TASKS, seed=1), examples("check", tasks=VALIDATION_TASKS, seed=2)
    write_jsonl(folder / "train.jsonl", train)
    write_jsonl(folder / "validation.jsonl.gz", validation)
    if with_lists:
        write_jsonl(folder / "disagreements" / "disagreements.jsonl", lists(train + validation))
    return folder


def human_settings(folder: Path, *overrides: str) -> RunSettings:
    return tiny_settings(f"data.path={folder}", "data.prompts=20", *overrides)


@pytest.fixture(scope="module")
def aggregated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run on labels that were aggregated already."""
    base = tmp_path_factory.mktemp("aggregated")
    run.run(human_settings(write_labels(base / "labels", with_lists=False)), out=base / "run")
    return base / "run"


@pytest.fixture(scope="module")
def cleaned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run on labels with the annotators' single ratings."""
    base = tmp_path_factory.mktemp("cleaned")
    run.run(human_settings(write_labels(base / "labels", with_lists=True)), out=base / "run")
    return base / "run"


def test_aggregated_labels_are_taken_as_they_are(aggregated: Path) -> None:
    known = examples("train", tasks=TRAIN_TASKS, seed=1) + examples("check", tasks=VALIDATION_TASKS, seed=2)
    taken = [row for name in ("train", "validation") for row in rows_of(aggregated / "clean" / f"{name}.jsonl.gz")]
    assert all(row in known for row in taken)
    assert len(taken) == 2 * (16 + 4)


def test_a_run_on_aggregated_labels_says_that_agreement_cannot_be_computed(aggregated: Path) -> None:
    assert object_of(aggregated / "clean" / "agreement.json") == {"note": AGGREGATED_NOTE}
    assert AGGREGATED_NOTE in read_lineage(aggregated / "clean").notes
    assert "already aggregated" in (aggregated / "report.html").read_text(encoding="utf-8")


def test_rating_lists_go_through_cleaning(cleaned: Path) -> None:
    stages = read_result(cleaned)["stages"]
    counts = stages["clean"]  # type: ignore[index]
    # three annotators who agree: every task stays, every rating counts
    assert (counts["tasks_in"], counts["tasks_out"], counts["rows_out"]) == (20, 20, 40)
    assert counts["ratings_in"] == counts["ratings_kept"] == 40 * 3
    rows = rows_of(cleaned / "clean" / "disagreements" / "disagreements.jsonl.gz")
    assert len(rows) == 40
    assert set(object_of(cleaned / "clean" / "agreement.json")) == set(ATTRIBUTES)


def test_nothing_of_the_validation_split_is_learnt_from_where_lists_are_split_anew(cleaned: Path) -> None:
    rows = [row for name in ("train", "validation") for row in rows_of(cleaned / "clean" / f"{name}.jsonl.gz")]
    released = {str(row["prompt"]) for row in examples("check", tasks=VALIDATION_TASKS, seed=2)}
    assert not released & {str(row["prompt"]) for row in rows}
    assert {str(row["prompt"]) for row in rows_of(cleaned / "evaluate" / "samples.jsonl")} <= released


@pytest.mark.parametrize("kind", ["aggregated", "cleaned"])
def test_human_labels_are_never_marked_simulated(kind: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(kind)
    marks = {each.name: read_lineage(each).simulated for each in folder.iterdir() if (each / "lineage.json").is_file()}
    assert not any(marks.values())
    assert not read_lineage(folder).simulated
    assert set(marks) == {"labels", "clean", "reward", "align", "evaluate"}


def test_labels_of_unknown_origin_have_no_clear_licence(aggregated: Path) -> None:
    ancestors = read_lineage(aggregated).ancestors
    assert ("labels", None) in [(each.work, each.licence) for each in ancestors]


@pytest.mark.parametrize("kind", ["aggregated", "cleaned"])
def test_held_out_prompts_come_from_the_validation_split_and_are_not_trained_on(
    kind: str, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(kind)
    samples = {str(row["prompt"]) for row in rows_of(folder / "evaluate" / "samples.jsonl")}
    labels = [row for name in ("train", "validation") for row in rows_of(folder / "labels" / f"{name}.jsonl")]
    assert all(prompt.startswith("check") for prompt in samples)
    assert not samples & {str(row["prompt"]) for row in labels}


def test_the_same_labels_and_seed_give_the_same_bytes(aggregated: Path, tmp_path: Path) -> None:
    write_labels(tmp_path / "labels", with_lists=False)
    run.run(human_settings(tmp_path / "labels"), out=tmp_path / "run")
    stages = ("labels", "clean", "reward", "align", "evaluate")
    assert data_files(tmp_path / "run", stages=stages) == data_files(aggregated, stages=stages)


def test_changed_labels_redo_the_run_that_used_them(tmp_path: Path) -> None:
    settings = HumanDataSettings.model_validate({"path": str(write_labels(tmp_path / "in", with_lists=False))})
    human.run(settings, held_out=2, seed=1, out=tmp_path / "out")
    assert human.run(settings, held_out=2, seed=1, out=tmp_path / "out").is_reused
    write_jsonl(tmp_path / "in" / "train.jsonl", examples("other", tasks=TRAIN_TASKS, seed=3))
    assert not human.run(settings, held_out=2, seed=1, out=tmp_path / "out").is_reused


def test_labels_of_a_folder_marked_as_simulated_stay_marked(tmp_path: Path) -> None:
    folder = write_labels(tmp_path / "in", with_lists=False)
    mine = Ancestor("mine", "data", "ratings", None)
    write_lineage(folder, Lineage("mine", "clean", "2026-01-01", 1.0, 1, "0", {}, (mine,), simulated=True))
    settings = HumanDataSettings.model_validate({"path": str(folder)})
    human.run(settings, held_out=2, seed=1, out=tmp_path / "out")
    assert read_lineage(tmp_path / "out").simulated


def frame(name: str, *, tasks: int) -> pl.DataFrame:
    return pl.DataFrame(examples(name, tasks=tasks, seed=4))


def draw(settings: dict[str, object], *, held_out: int) -> human.Sample:
    data = HumanData(frame("train", tasks=40), frame("check", tasks=20), None, (), ())
    asked = HumanDataSettings.model_validate({"path": "labels", **settings})
    return human.draw(data, settings=asked, held_out=held_out, rng=np.random.default_rng(0))


def test_as_many_tasks_are_drawn_as_were_asked_for() -> None:
    sample = draw({"prompts": 10}, held_out=3)
    # a fifth of them is for validation
    assert (sample.training.height, sample.validation.height, len(sample.held_out)) == (2 * 8, 2 * 2, 3)
    assert sample.notes == ()


def test_fewer_tasks_than_asked_for_are_told() -> None:
    sample = draw({"prompts": 70}, held_out=3)
    assert (sample.training.height, sample.validation.height) == (2 * 40, 2 * 14)
    assert sample.notes == ("70 tasks were asked for, 54 are there.",)


def test_training_takes_what_validation_has_not() -> None:
    # a fifth of 40 is 8, but two prompts are left once 18 are held out
    sample = draw({"prompts": 40}, held_out=18)
    assert (sample.training.height, sample.validation.height) == (2 * 38, 2 * 2)


def test_validation_never_shares_a_prompt_with_training() -> None:
    shared = frame("shared", tasks=10)
    data = HumanData(shared, pl.concat([shared, frame("check", tasks=10)]), None, (), ())
    asked = HumanDataSettings.model_validate({"path": "labels", "prompts": 12})
    sample = human.draw(data, settings=asked, held_out=2, rng=np.random.default_rng(0))
    assert not set(sample.validation["prompt"]) & set(sample.training["prompt"])
    assert not set(sample.held_out) & {*sample.training["prompt"], *sample.validation["prompt"]}


def test_prompts_that_both_splits_hold_leave_enough_to_hold_out() -> None:
    shared = frame("shared", tasks=2)
    data = HumanData(
        pl.concat([shared, frame("train", tasks=38)]), pl.concat([shared, frame("check", tasks=6)]), None, (), ()
    )
    asked = HumanDataSettings.model_validate({"path": "labels", "prompts": None})
    sample = human.draw(data, settings=asked, held_out=2, rng=np.random.default_rng(0))
    # all 40 training tasks are drawn, so that 6 prompts are left, of which 2 are held out
    assert (sample.training.height, sample.validation.height, len(sample.held_out)) == (2 * 40, 2 * 4, 2)


def test_only_short_tasks_are_drawn_where_asked_and_the_loss_is_told() -> None:
    sample = draw({"prompts": None, "max_characters": 100}, held_out=1)
    sizes = [
        len(first["prompt"]) + len(first["response"]) + len(second["response"])
        for first, second in zip(sample.training.to_dicts()[0::2], sample.training.to_dicts()[1::2], strict=True)
    ]
    assert max(sizes) <= 100
    assert len(sample.notes) == 1
    assert "short tasks are over-represented" in sample.notes[0]


def test_the_loss_is_told_of_the_splits_that_were_drawn_from() -> None:
    asked = HumanDataSettings.model_validate({"path": "labels", "max_characters": 100})
    data = HumanData(frame("train", tasks=40), frame("check", tasks=20), None, (), ())
    for given, told in ((data, True), (replace(data, disagreements=pl.DataFrame()), False)):
        (note, *_) = human.draw(given, settings=asked, held_out=1, rng=np.random.default_rng(0)).notes
        assert "of 40 training tasks" in note
        assert ("of 20 validation tasks" in note) is told


def test_a_limit_that_leaves_nothing_is_told() -> None:
    data = HumanData(frame("a long name " * 20, tasks=20), frame("another long name " * 20, tasks=20), None, (), ())
    asked = HumanDataSettings.model_validate({"path": "labels", "max_characters": 100})
    with pytest.raises(DataError, match="too few tasks of at most 100 characters"):
        human.draw(data, settings=asked, held_out=1, rng=np.random.default_rng(0))


def test_more_held_out_prompts_than_are_left_are_refused() -> None:
    with pytest.raises(DataError, match="100 held-out prompts"):
        draw({"prompts": 10}, held_out=100)


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    settings = HumanDataSettings.model_validate({"path": str(tmp_path / "nowhere")})
    with pytest.raises(DataError, match="nowhere: no such folder"):
        human.run(settings, held_out=2, seed=1, out=tmp_path / "out")
    assert not (tmp_path / "out" / "done").exists()
