"""Ratings whose texts are read again: what changed meanwhile is noticed, and how they come in parts decides nothing."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from crowd_tasks import tasks

from steersman.config.cleaning import CleanSettings
from steersman.config.sections import CrowdSettings
from steersman.dataset.cleaning import clean
from steersman.errors import DataError
from steersman.pipeline import agreement, annotators, simulate
from steersman.pipeline import clean as verb
from steersman.pipeline.dataset_folder import Cleaned, write_tables
from steersman.pipeline.ratings_file import open_ratings
from steersman.records import ATTRIBUTES
from steersman.store.files import read_table, write_jsonl, write_table
from steersman.tables import RATINGS

RULES = CleanSettings.model_validate({"validation_share": 0.3})


@pytest.fixture
def ratings_file(tmp_path: Path) -> Path:
    path = tmp_path / "ratings.jsonl"
    simulate.run(tasks(40), crowd=CrowdSettings.model_validate({"annotators": 12}), seed=1, out=path)
    return path


def test_texts_that_changed_since_the_ratings_were_read_are_refused(ratings_file: Path) -> None:
    given = open_ratings(ratings_file, keep=3)
    assert sum(part.height for part in given.texts()) == given.ratings.height
    lines = ratings_file.read_text(encoding="utf-8").splitlines(keepends=True)
    ratings_file.write_text("".join([*lines[1:], lines[0]]), encoding="utf-8")
    with pytest.raises(DataError, match=r"ratings.jsonl: changed while it was read"):
        list(given.texts())


def test_the_parts_in_which_texts_come_change_no_figure(ratings_file: Path, tmp_path: Path) -> None:
    given = open_ratings(ratings_file, keep=3)
    result = clean(given.ratings, rules=RULES)

    def small_parts() -> Iterator[pl.DataFrame]:
        for part in given.texts():
            yield from part.iter_slices(7)

    whole, parts = (
        write_tables(tmp_path / name, Cleaned(each, result), rules=RULES, seed=0).measured
        for name, each in (("whole", given), ("parts", replace(given, texts=small_parts)))
    )
    assert whole.equals(parts)


def test_a_time_beyond_32_bits_is_a_time(ratings_file: Path, tmp_path: Path) -> None:
    write_table(ratings_file, read_table(ratings_file, table=RATINGS).with_columns(seconds=pl.lit(1e300)))
    verb.run(ratings_file, out=tmp_path / "clean", rules=RULES, seed=0)
    figures = (tmp_path / "clean" / "annotators.jsonl").read_text(encoding="utf-8").splitlines()
    assert all(json.loads(line)["speed_ratio"] == pytest.approx(1.0) for line in figures)


def test_the_card_counts_neither_test_questions_nor_their_key_as_ratings_of_the_data(
    ratings_file: Path, tmp_path: Path
) -> None:
    verb.run(ratings_file, out=tmp_path / "plain", rules=RULES, seed=0)
    ratings = read_table(ratings_file, table=RATINGS)
    gold = ratings.unique("response_id", maintain_order=True).with_columns(
        pl.lit("gold").alias("annotator"),
        pl.lit(value=True).alias("gold"),
        *(pl.concat_str(pl.lit("gold-"), name).alias(name) for name in ("task_id", "response_id")),
    )
    write_table(ratings_file, pl.concat([ratings, gold]))
    verb.run(ratings_file, out=tmp_path / "gold", rules=RULES, seed=0)
    said = [
        [
            line
            for line in (tmp_path / name / "README.md").read_text(encoding="utf-8").splitlines()
            if "on average" in line
        ]
        for name in ("plain", "gold")
    ]
    assert said[0] == said[1]
    assert len(said[0]) == 1


def test_faults_of_ratings_name_the_file(ratings_file: Path, tmp_path: Path) -> None:
    ratings = read_table(ratings_file, table=RATINGS)
    write_table(ratings_file, pl.concat([ratings, ratings.head(1)]))
    with pytest.raises(DataError, match=r"ratings.jsonl: annotator '.*' rated response '.*' 2 times"):
        verb.run(ratings_file, out=tmp_path / "clean", rules=RULES, seed=0)
    with pytest.raises(DataError, match=r"ratings.jsonl: annotator"):
        agreement.run(ratings_file, rules=RULES, seed=0, rounds=100)
    with pytest.raises(DataError, match=r"ratings.jsonl: annotator"):
        annotators.run(ratings_file, rules=RULES, min_overlap=2)


def test_lists_of_different_length_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "lists.jsonl"
    row = {"prompt": "p", "response": "r", **{name: [1, 2, 3, 4] for name in ATTRIBUTES}, "verbosity": [1]}
    write_jsonl(path, [row, row])
    with pytest.raises(DataError, match=r"lists.jsonl: row 1: lists of different length"):
        open_ratings(path, keep=3)


def test_an_empty_result_says_what_became_of_the_ratings(ratings_file: Path, tmp_path: Path) -> None:
    write_table(ratings_file, read_table(ratings_file, table=RATINGS).with_columns(surplus=pl.lit(value=True)))
    with pytest.raises(DataError, match=r"\(too_few_ratings: 40\); of the ratings, surplus: \d+"):
        verb.run(ratings_file, out=tmp_path / "clean", rules=RULES, seed=0)
