"""Imported tables are what the rest of the house reads: cleaning of preferences, agreement of raters on any scale."""

import json
from pathlib import Path

import polars as pl
import pytest

from steersman.config.importing import ImportSettings
from steersman.config.preferences import PreferenceRules
from steersman.dataset.preference_rows import preference_rows
from steersman.dataset.preferences import clean_preferences
from steersman.pipeline import import_data
from steersman.store.files import read_table
from steersman.tables import PREFERENCE_RATINGS, PREFERENCE_TASKS, UNIT_SCORES, Table

Row = dict[str, object]


def imported(source: str, where: Path, *, out: Path) -> Path:
    import_data.run(ImportSettings.model_validate({"source": source, "where": str(where)}), out=out)
    return out


def table(folder: Path, name: str, *, shape: Table) -> pl.DataFrame:
    return read_table(folder / f"{name}.jsonl.gz", table=shape)


def released(number: int, split: str, strength: int, given: list[int]) -> Row:
    return {
        "split": split,
        "prompt": f"prompt {number}",
        "response_1": "one",
        "response_2": "two",
        "preference_strength": strength,
        "preference_statement": None,
        "preference_elaboration": None,
        "three_most_similar_preferences": [],
        "all_preferences_unprocessed": [{"strength": each, "justification": "why"} for each in given],
    }


# the label is the mean of the three most similar, to the nearest whole number
RELEASED = [
    released(0, "train", 2, [2, 2, 3, -3]),
    released(1, "train", -1, [-1, -1, -2]),
    released(2, "val", 1, [1, 1, 1, -100]),
]


def test_imported_preferences_clean_into_the_labels_they_were_released_with(tmp_path: Path) -> None:
    (tmp_path / "preference.jsonl").write_text("\n".join(map(json.dumps, RELEASED)), encoding="utf-8")
    out = imported("helpsteer2", tmp_path / "preference.jsonl", out=tmp_path / "out")
    splits = ("train", "validation")
    ratings = pl.concat([table(out, f"preference_ratings.{split}", shape=PREFERENCE_RATINGS) for split in splits])
    texts = pl.concat([table(out, f"preference_tasks.{split}", shape=PREFERENCE_TASKS) for split in splits])
    result = clean_preferences(ratings, rules=PreferenceRules.model_validate({}))
    rows = preference_rows(result, ratings=ratings, texts=texts).to_dicts()
    same = ("split", "prompt", "response_1", "response_2", "preference_strength")
    assert [[row[name] for name in same] for row in rows] == [[row[name] for name in same] for row in RELEASED]
    # neither valid is -100 again
    assert [each["strength"] for each in rows[2]["all_preferences_unprocessed"]] == [1, 1, 1, -100]


@pytest.mark.data
def test_the_verdicts_of_pandalm_clean_into_their_majority(data_folder: Path, tmp_path: Path) -> None:
    rows = json.loads((data_folder / "pandalm" / "testset-v1.json").read_text("utf-8"))
    out = imported("pandalm", data_folder / "pandalm", out=tmp_path / "out")
    ratings = table(out, "preference_ratings", shape=PREFERENCE_RATINGS)
    result = clean_preferences(ratings, rules=PreferenceRules.model_validate({}))
    votes = [
        sum((row[f"annotator{number}"] == 2) - (row[f"annotator{number}"] == 1) for number in (1, 2, 3)) for row in rows
    ]
    # the mean of three verdicts of -1, 0 and 1 rounds to a side when two of the three balance no other out
    assert result.tasks["strength"].is_not_null().to_list() == [abs(vote) >= 2 for vote in votes]


@pytest.mark.data
def test_squality_keeps_the_mean_its_makers_published(data_folder: Path, tmp_path: Path) -> None:
    out = imported("squality", data_folder / "squality", out=tmp_path / "out")
    scores = table(out, "unit_scores", shape=UNIT_SCORES).filter(unit="50827-0-bart")
    means = dict(scores.group_by("attribute").agg(pl.col("score").mean()).rows())
    # data/human-eval/all-responses.jsonl, "overall" of the first summary
    assert means == pytest.approx({"correctness": 110 / 3, "selection": 20.0, "overall": 20.0})


@pytest.mark.data
def test_open_assistant_gives_the_same_from_parquet_as_from_json_lines(data_folder: Path, tmp_path: Path) -> None:
    lines = (data_folder / "oasst1" / "validation.en.jsonl").read_text("utf-8").splitlines()
    # detoxify has keys that come and go; the release holds it as a struct, and nothing here reads it
    rows = [{name: value for name, value in json.loads(line).items() if name != "detoxify"} for line in lines]
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(tmp_path / "validation.parquet")
    from_lines = imported("oasst", data_folder / "oasst1", out=tmp_path / "lines")
    from_parquet = imported("oasst", tmp_path / "validation.parquet", out=tmp_path / "parquet")
    for name in ("pairs", "units", "unit_scores"):
        files = [folder / f"{name}.validation.jsonl.gz" for folder in (from_lines, from_parquet)]
        assert files[0].read_bytes() == files[1].read_bytes()
