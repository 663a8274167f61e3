"""The options of `steersman agreement` and `steersman clean`: groups, trust, preferences, selection by attribute."""

import gzip
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from crowd_tasks import tasks
from sklearn.metrics import cohen_kappa_score

from steersman.config.cleaning import CleanSettings
from steersman.config.sections import CrowdSettings
from steersman.errors import ConfigError, DataError
from steersman.pipeline import agreement, annotators, clean, simulate
from steersman.records import ATTRIBUTES
from steersman.store.files import read_table, write_jsonl, write_table
from steersman.store.lineage import read_lineage
from steersman.tables import EXAMPLES, RATINGS, table_from_rows

RULES = CleanSettings.model_validate({})
UNTRUSTING = CleanSettings.model_validate({"trust": {"enabled": False}})
CROWD = CrowdSettings.model_validate({"annotators": 12})


@pytest.fixture(scope="module")
def ratings_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ratings") / "ratings.jsonl"
    simulate.run(tasks(40), crowd=CROWD, seed=1, out=path)
    return path


def with_column(ratings_file: Path, path: Path, **columns: pl.Expr) -> Path:
    write_table(path, read_table(ratings_file, table=RATINGS).with_columns(**columns))
    return path


def test_agreement_by_guideline_version_is_that_of_each_part(ratings_file: Path, tmp_path: Path) -> None:
    is_early = pl.col("task_id").is_in([f"task-{number}" for number in range(15)])
    version = pl.when(is_early).then(pl.lit("1")).otherwise(pl.lit("2"))
    path = with_column(ratings_file, tmp_path / "ratings.jsonl", guideline_version=version)
    found = agreement.run_by(path, by=("guideline_version",), rules=UNTRUSTING, seed=0, rounds=50)
    assert list(found) == ["guideline_version=1", "guideline_version=2"]
    alone = tmp_path / "alone.jsonl"
    write_table(alone, read_table(path, table=RATINGS).filter(is_early))
    part = agreement.run(alone, rules=UNTRUSTING, seed=0, rounds=50)["helpfulness"]
    for stage, figures in found["guideline_version=1"]["helpfulness"].items():
        other = part[stage]
        assert figures is not None
        assert other is not None
        assert (figures["kappa_quadratic"], figures["tasks"]) == (other["kappa_quadratic"], other["tasks"])


def test_two_columns_make_groups_of_their_combinations(ratings_file: Path, tmp_path: Path) -> None:
    early, first = pl.col("task_id") < "task-3", pl.col("position") == 0
    path = with_column(
        ratings_file,
        tmp_path / "ratings.jsonl",
        guideline_version=pl.when(early).then(pl.lit("1")),
        delivery=pl.when(first).then(pl.lit("a")).otherwise(pl.lit("b")),
    )
    found = agreement.run_by(path, by=("guideline_version", "delivery"), rules=RULES, seed=0, rounds=50)
    assert list(found) == [
        f"{version},delivery={part}" for version in ("guideline_version=1", "no guideline_version") for part in "ab"
    ]


def selected_by_chance(path: Path, rules: CleanSettings, *, by: tuple[str, ...] = ("delivery",)) -> list[float]:
    groups = agreement.run_by(path, by=by, rules=rules, seed=0, rounds=50).values()
    figures = [group["helpfulness"]["selected"] for group in groups]
    return [each["random_raters"] for each in figures if each is not None]  # type: ignore[misc]


def five_each(path: Path, **columns: pl.Expr) -> Path:
    scores = np.random.default_rng(3).integers(0, 5, size=(40, 2, 5)).tolist()
    rows: list[dict[str, object]] = [
        {
            **{"task_id": f"t{task}", "prompt": f"p{task}", "response_id": f"r{task}/{place}", "response": "text"},
            **{"position": place, "annotator": f"a{number}", **dict.fromkeys(ATTRIBUTES, score)},
        }
        for task, responses in enumerate(scores)
        for place, given in enumerate(responses)
        for number, score in enumerate(given)
    ]
    write_table(path, table_from_rows(rows, table=RATINGS, source="test").with_columns(**columns))
    return path


def test_random_raters_of_a_group_are_selected_among_all_raters_of_a_response(tmp_path: Path) -> None:
    # three of five annotators are in one group: alone, three would be kept and chance would be 0
    group = pl.when(pl.col("annotator") < "a3").then(pl.lit("a")).otherwise(pl.lit("b"))
    path = five_each(tmp_path / "ratings.jsonl", delivery=group)
    assert all(figure > 0.25 for figure in selected_by_chance(path, UNTRUSTING))


def test_random_raters_of_a_group_are_those_of_its_responses_alone(tmp_path: Path) -> None:
    # first responses have five ratings, second ones three, of which nobody is outvoted
    group = pl.when(pl.col("position") == 0).then(pl.lit("a")).otherwise(pl.lit("b"))
    path = five_each(tmp_path / "ratings.jsonl", delivery=group)
    write_table(path, read_table(path, table=RATINGS).filter((pl.col("position") == 0) | (pl.col("annotator") < "a3")))
    first, second = selected_by_chance(path, UNTRUSTING)
    assert first > 0.25
    assert second == pytest.approx(0.0, abs=0.02)


def test_random_raters_lack_the_ratings_of_annotators_who_were_removed(tmp_path: Path) -> None:
    # of gold, two annotators fail every answer and three none: three are left, of whom nobody is outvoted
    path = five_each(tmp_path / "ratings.jsonl", delivery=pl.lit("a"))
    gold = read_table(path, table=RATINGS).with_columns(
        "delivery",
        pl.concat_str(pl.lit("gold-"), "task_id").alias("task_id"),
        pl.concat_str(pl.lit("gold-"), "response_id").alias("response_id"),
        pl.when(pl.col("annotator") < "a3").then(0).otherwise(4).cast(pl.Int64).alias("helpfulness"),
        gold=pl.lit(value=True),
    )
    write_table(path, pl.concat([read_table(path, table=RATINGS), gold]))
    strict = CleanSettings.model_validate({"trust": {"min_agreement": -1.0, "max_constant": 1.0}})
    assert selected_by_chance(path, strict)[0] == pytest.approx(0.0, abs=0.02)
    assert selected_by_chance(path, UNTRUSTING)[0] > 0.25


@pytest.mark.parametrize(
    ("by", "message"),
    [("annotator", "cannot be grouped by; choose from"), ("delivery", "no rating of .* has a value there")],
)
def test_a_column_that_cannot_group_is_refused(ratings_file: Path, by: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        agreement.run_by(ratings_file, by=(by,), rules=RULES, seed=0, rounds=50)


def test_an_annotator_who_is_not_trusted_leaves_a_reason_with_every_rating(ratings_file: Path, tmp_path: Path) -> None:
    same = [
        pl.when(pl.col("annotator") == "annotator-03").then(2).otherwise(pl.col(name)).alias(name)
        for name in ATTRIBUTES
    ]
    path = tmp_path / "ratings.jsonl"
    write_table(path, read_table(ratings_file, table=RATINGS).with_columns(same))
    strict = CleanSettings.model_validate({"trust": {"min_responses": 5, "prior_responses": 0, "min_agreement": -1}})
    result = clean.run(path, out=tmp_path / "clean", rules=strict, seed=0)
    number = read_table(path, table=RATINGS).filter(annotator="annotator-03").height
    removed, left_out = result["annotators_removed"], result["ratings_left_out"]
    assert isinstance(removed, dict)
    assert isinstance(left_out, dict)
    assert removed["annotator_constant"] == 1
    assert left_out["annotator_constant"] == number
    rows = [
        json.loads(line) for line in (tmp_path / "clean" / "annotators.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert [row["annotator"] for row in rows if row["reason"] == "annotator_constant"] == ["annotator-03"]


def preferences(path: Path, strengths: dict[str, list[int | None]]) -> Path:
    rows = [
        {"task_id": task, "annotator": f"judge-{number}", "strength": strength, "justification": f"why {number}"}
        for task, given in strengths.items()
        for number, strength in enumerate(given)
    ]
    write_jsonl(path, rows)
    return path


def test_preferences_of_tasks_that_are_left_lie_beside_the_dataset(ratings_file: Path, tmp_path: Path) -> None:
    plain = clean.run(ratings_file, out=tmp_path / "plain", rules=RULES, seed=0)
    labelled = read_table(tmp_path / "plain" / "validation.jsonl.gz", table=EXAMPLES)["prompt"].to_list()
    kept = labelled[0].rsplit(" ", 1)[1].rstrip("?")
    path = preferences(
        tmp_path / "preferences.jsonl",
        {f"task-{kept}": [-2, -3, -2, 3], "task-nowhere": [1, 1, 1]},
    )
    result = clean.run(ratings_file, out=tmp_path / "clean", rules=RULES, seed=0, preferences=path)
    assert result["preferences"] == {
        "tasks_in": 2,
        "tasks_out": 1,
        "dropped": {"not_in_dataset": 1},
        "ratings_in": 7,
        "ratings_kept": 3,
        "ratings_left_out": {"outvoted": 1, "not_in_dataset": 3},
    }
    decided = (tmp_path / "clean" / "preference" / "decisions.jsonl").read_text(encoding="utf-8").splitlines()
    reasons = [json.loads(line)["reason"] for line in decided]
    assert reasons == [None, None, None, "outvoted", *["not_in_dataset"] * 3]
    assert result["tasks_out"] == plain["tasks_out"]
    written = gzip.decompress((tmp_path / "clean" / "preference" / "preference.jsonl.gz").read_bytes())
    row = json.loads(written)
    pair = read_table(tmp_path / "clean" / "validation.jsonl.gz", table=EXAMPLES).head(2)
    assert (row["split"], row["prompt"]) == ("val", pair["prompt"][0])
    assert [row["response_1"], row["response_2"]] == pair["response"].to_list()
    # the mean of -2, -3 and -2 is -2.33
    assert row["preference_strength"] == -2
    assert [each["strength"] for each in row["three_most_similar_preferences"]] == [-2, -2, -3]
    assert len(read_lineage(tmp_path / "clean").inputs) == 2


def test_preferences_of_other_tasks_are_refused(ratings_file: Path, tmp_path: Path) -> None:
    path = preferences(tmp_path / "preferences.jsonl", {"task-nowhere": [1, 1, 1]})
    with pytest.raises(DataError, match=r"preferences.jsonl: no task_id is one of the dataset's"):
        clean.run(ratings_file, out=tmp_path / "clean", rules=RULES, seed=0, preferences=path)
    assert not (tmp_path / "clean").exists()


def test_selecting_each_attribute_for_itself_says_on_which_a_rating_was_kept(
    ratings_file: Path, tmp_path: Path
) -> None:
    clean.run(ratings_file, out=tmp_path / "clean", rules=CleanSettings.model_validate({"select_on": "each"}), seed=0)
    lines = (tmp_path / "clean" / "decisions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert {len(row["kept_on"]) for row in rows if row["kept"]} > {5}
    assert all(row["kept"] == bool(row["kept_on"]) for row in rows)


def test_two_annotators_have_the_kappa_of_the_responses_both_rated(ratings_file: Path) -> None:
    found = annotators.run(ratings_file, rules=RULES, min_overlap=4)
    pairs = found["pairs"]
    assert isinstance(pairs, list)
    wide = read_table(ratings_file, table=RATINGS).pivot(on="annotator", index="response_id", values="helpfulness")
    assert len(pairs) > 5
    for pair in pairs:
        both = wide.select(pair["annotators"]).drop_nulls()
        assert pair["responses"] == both.height >= 4
        kappa = cohen_kappa_score(*both.to_numpy().T, weights="quadratic", labels=range(5))
        assert pair["helpfulness"] == pytest.approx(kappa)


def test_the_figures_of_annotators_are_those_beside_the_dataset(ratings_file: Path, tmp_path: Path) -> None:
    clean.run(ratings_file, out=tmp_path / "clean", rules=RULES, seed=0)
    lines = (tmp_path / "clean" / "annotators.jsonl").read_text(encoding="utf-8").splitlines()
    found = annotators.run(ratings_file, rules=RULES, min_overlap=20)
    assert found["annotators"] == [json.loads(line) for line in lines]


def test_lists_say_nothing_of_annotators(tmp_path: Path) -> None:
    rows = [{"prompt": "p", "response": f"r{row}", **{name: [1, 2, 3] for name in ATTRIBUTES}} for row in range(2)]
    write_jsonl(tmp_path / "lists.jsonl", rows)
    with pytest.raises(DataError, match="do not say who gave them"):
        annotators.run(tmp_path / "lists.jsonl", rules=RULES, min_overlap=2)


def test_a_sixth_attribute_is_ignored_and_named(ratings_file: Path, tmp_path: Path) -> None:
    rows = [{**row, "charm": 3} for row in read_table(ratings_file, table=RATINGS).to_dicts()]
    write_jsonl(tmp_path / "ratings.jsonl", rows)
    result = clean.run(tmp_path / "ratings.jsonl", out=tmp_path / "clean", rules=RULES, seed=0)
    assert result["ignored_columns"] == ["charm"]
    assert clean.run(ratings_file, out=tmp_path / "same", rules=RULES, seed=0)["ignored_columns"] == []


@pytest.mark.parametrize("score", [5, -1, 2.5, "NaN", True])
def test_a_score_on_another_scale_is_named_with_its_line(ratings_file: Path, tmp_path: Path, score: object) -> None:
    rows = read_table(ratings_file, table=RATINGS).to_dicts()
    rows[4]["coherence"] = score
    text = "".join(json.dumps(row).replace('"NaN"', "NaN") + "\n" for row in rows)
    (tmp_path / "ratings.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"ratings.jsonl:5: 'coherence' must be"):
        clean.run(tmp_path / "ratings.jsonl", out=tmp_path / "clean", rules=RULES, seed=0)
    assert not (tmp_path / "clean").exists()


def test_a_team_can_state_the_licence_of_its_own_ratings(ratings_file: Path, tmp_path: Path) -> None:
    rows = read_table(ratings_file, table=RATINGS).with_columns(simulated=pl.lit(None, dtype=pl.Boolean))
    write_table(tmp_path / "mine.jsonl", rows)
    clean.run(tmp_path / "mine.jsonl", out=tmp_path / "clean", rules=RULES, seed=0, licence="CC-BY-4.0")
    assert [each.licence for each in read_lineage(tmp_path / "clean").ancestors] == ["CC-BY-4.0"]
    assert (tmp_path / "clean" / "README.md").read_text(encoding="utf-8").splitlines()[1] == "license: cc-by-4.0"


def test_a_licence_is_refused_where_a_lineage_says_it_already(ratings_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="says already where the ratings come from"):
        clean.run(ratings_file, out=tmp_path / "clean", rules=RULES, seed=0, licence="CC-BY-4.0")
