from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steersman.config.cleaning import CleanSettings
from steersman.dataset.cleaning import CleanResult, clean, with_texts
from steersman.dataset.lists import is_already_selected, ratings_from_disagreements
from steersman.errors import DataError
from steersman.records import ATTRIBUTES
from steersman.tables import DISAGREEMENTS, EXAMPLES, RATINGS, table_from_rows

Row = dict[str, object]


def rating(task: str, response: int, annotator: str, scores: int | Sequence[int | None], **more: object) -> Row:
    given = [scores] * 5 if isinstance(scores, int) else scores
    return {
        "task_id": task,
        "prompt": f"prompt {task}",
        "response_id": f"{task}/{response}",
        "response": f"response {response}",
        "position": response,
        "annotator": annotator,
        **dict(zip(ATTRIBUTES, given, strict=True)),
        **more,
    }


def task(name: str, first: Sequence[int], second: Sequence[int]) -> list[Row]:
    return [
        rating(name, response, f"annotator-{number}", value)
        for response, values in enumerate((first, second))
        for number, value in enumerate(values)
    ]


def ratings(rows: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    return table_from_rows(rows, table=RATINGS, source="test")


@dataclass(frozen=True)
class Cleaned:
    """A result of cleaning with its texts put back."""

    result: CleanResult
    texts: pl.DataFrame

    @property
    def examples(self) -> pl.DataFrame:
        return with_texts(self.result.labels, texts=self.texts)

    @property
    def disagreements(self) -> pl.DataFrame:
        return with_texts(self.result.selected, texts=self.texts)

    @property
    def decisions(self) -> pl.DataFrame:
        return self.result.decisions


def cleaned(rows: Sequence[Mapping[str, object]], **rules: object) -> Cleaned:
    return cleaned_table(ratings(rows), **rules)


def cleaned_table(table: pl.DataFrame, **rules: object) -> Cleaned:
    result = clean(table, rules=CleanSettings.model_validate(rules))
    return Cleaned(result, table.select("prompt", "response").with_row_index("row"))


@pytest.mark.parametrize(
    ("values", "label"),
    [([0, 0, 0, 0, 4], 0), ([3, 3, 4], 3), ([3, 4, 4], 4), ([1, 2, 3], 2), ([2, 3], 3), ([1, 1], 1)],
)
def test_the_label_is_the_rounded_mean_of_the_most_agreeing(values: list[int], label: int) -> None:
    result = cleaned(task("a", values, [2, 2, 2]))
    assert result.examples["helpfulness"].to_list() == [label, 2]


def test_a_task_whose_kept_helpfulness_differs_by_three_goes_as_a_whole() -> None:
    result = cleaned(task("a", [1, 2, 4], [2, 2, 2]) + task("b", [1, 2, 3], [2, 2, 2]))
    assert result.result.dropped == {"spread": 1}
    assert result.examples["prompt"].to_list() == ["prompt b"] * 2
    assert result.disagreements["helpfulness"].to_list() == [[1, 2, 4], [2, 2, 2], [1, 2, 3], [2, 2, 2]]


def test_a_task_that_was_dropped_leaves_its_reason_with_every_rating() -> None:
    result = cleaned(task("a", [1, 2, 4], [2, 2, 2, 0]) + task("b", [2, 2], [2, 2]))
    decided = result.decisions.filter(pl.col("task_id") == "a")
    assert decided["reason"].to_list() == ["spread"] * 6 + ["outvoted"]
    assert not decided["kept"].any()


def test_a_task_without_any_trusted_rating_still_has_its_reason() -> None:
    """Ann and ben disagree with the others and say the same of everything, and nobody else rated the last task."""
    rules = {"trust": {"min_responses": 2, "prior_responses": 0, "min_agreement": -1.0, "max_constant": 0.5}}
    rows = [row for place in range(4) for row in task(f"t{place}", [0, 1, 2], [1, 2, 3])]
    constant = [
        rating(name, response, who, 2) for who in ("ann", "ben") for name in ("t0", "t1", "last") for response in (0, 1)
    ]
    found = cleaned([*rows, *constant], **rules).result
    assert found.tasks.rows()[-1] == ("last", False, "too_few_ratings")
    assert found.decisions.filter(pl.col("task_id") == "last")["reason"].unique().to_list() == ["annotator_constant"]


def test_a_tie_between_trios_goes_to_those_who_agree_more_elsewhere() -> None:
    # 0,0,2 and 2,4,4 tie by every distance; annotators 0 and 1 disagree with each other on the other tasks
    rows = task("a", [0, 0, 2, 4, 4], [2, 2, 2])
    rows += task("b", [0, 4, 2, 2, 2], [4, 0, 2, 2, 2]) + task("c", [0, 4, 1, 1, 1], [4, 0, 3, 3, 3])
    for order in (rows, rows[::-1]):
        found = cleaned(order).examples.filter(pl.col("prompt") == "prompt a")
        assert found["helpfulness"].to_list() == [3, 2]


def test_a_tie_between_equally_reliable_trios_goes_by_annotator_and_not_by_order_of_rows() -> None:
    # what a lack of evidence leaves equal: the two ends of the scale are each other's mirror
    rows = task("a", [0, 0, 2, 4, 4], [4, 4, 2, 0, 0])
    for order in (rows, rows[::-1]):
        assert cleaned(order).examples["helpfulness"].to_list() == [1, 3]


def test_one_response_alone_is_no_task() -> None:
    result = cleaned(task("a", [1, 1], [2, 2])[:2] + task("b", [1, 1], [2, 2]))
    assert (result.result.tasks_in, result.result.tasks_out, result.result.dropped) == (2, 1, {"not_two_responses": 1})


def test_a_response_with_one_rating_drops_its_task() -> None:
    assert cleaned(task("a", [1], [2, 2])).result.dropped == {"too_few_ratings": 1}


def test_an_attribute_nobody_rated_drops_the_task() -> None:
    rows = task("a", [1, 1], [2, 2])
    assert cleaned([{**row, "verbosity": None} for row in rows]).result.dropped == {"unrated_attribute": 1}


def test_a_rating_without_any_score_is_left_out() -> None:
    rows = [*task("a", [1, 1], [2, 2]), rating("a", 0, "annotator-9", [None] * 5)]
    result = cleaned(rows)
    assert result.result.ratings_left_out == {"unrated": 1}
    assert result.examples["helpfulness"].to_list() == [1, 2]


def test_gold_and_surplus_ratings_are_left_out_of_labels() -> None:
    rows = task("a", [1, 1], [2, 2])
    rows += [rating("a", 0, "annotator-0", 4, surplus=True), rating("a", 0, "annotator-8", 4, gold=True)]
    result = cleaned(rows)
    assert result.result.ratings_left_out == {"gold": 1, "surplus": 1}
    assert result.examples["helpfulness"].to_list() == [1, 2]


def test_a_task_of_gold_ratings_alone_says_so() -> None:
    rows = [{**row, "gold": True} for row in task("a", [1, 1], [2, 2])]
    assert cleaned(rows + task("b", [1, 1], [2, 2])).result.dropped == {"gold": 1}


def test_a_missing_score_is_kept_only_when_nothing_complete_is_left() -> None:
    rows = task("a", [2, 2, 3, 3, 3], [2, 2, 2])
    rows[0] = rating("a", 0, "annotator-0", [2, None, 2, 2, 2])
    rows[3] = rating("a", 0, "annotator-3", [None, 3, 3, 3, 3])
    kept = cleaned(rows).decisions.filter("kept")["annotator"].to_list()[:3]
    assert kept == ["annotator-1", "annotator-2", "annotator-4"]


def test_a_rating_without_any_of_the_scores_that_are_used_is_not_kept() -> None:
    # 0 and 1 alone rated helpfulness; 2 comes nearest to them and makes the three full, but elsewhere 3, 4 and 5 agree
    given: list[list[int | None]] = [[2, 0, 0, 0, 0], [2, 0, 0, 0, 0], [None, 1, 1, 1, 1], *[[None, 4, 4, 4, 4]] * 3]
    rows = [rating("a", 0, f"annotator-{number}", scores) for number, scores in enumerate(given)]
    rows += [rating("a", 1, f"annotator-{number}", 2) for number in range(3)]
    decided = cleaned(rows, select_on="each").decisions.filter(pl.col("response_id") == "a/0")
    assert decided["kept_on"].list.len().to_list() == [1, 1, 0, 4, 4, 4]
    assert decided["reason"].to_list() == [None, None, "outvoted", None, None, None]


def test_a_response_with_too_many_ratings_to_choose_among_is_named() -> None:
    # 110 ratings hold 110 * 109 * 108 / 6 = 215,820 trios
    with pytest.raises(DataError, match="response 'a/1' of task 'a' has 110 ratings, 215820 ways to keep 3"):
        cleaned(task("a", [1, 1, 1], [2] * 110))


def test_an_annotator_who_rated_a_response_twice_is_refused() -> None:
    with pytest.raises(DataError, match="annotator-0' rated response 'a/0' of task 'a' 2 times"):
        cleaned([*task("a", [1, 1], [2, 2]), rating("a", 0, "annotator-0", 3)])


@pytest.mark.parametrize("name", ["task_id", "response_id", "annotator"])
def test_an_empty_id_is_refused_with_its_row(name: str) -> None:
    rows = task("t", [1, 1, 1], [1, 1, 1])
    with pytest.raises(DataError, match=rf"^row 2: '{name}' is empty\."):
        cleaned([rows[0], {**rows[1], name: ""}, *rows[2:]])


def test_rows_of_one_response_with_two_texts_are_refused() -> None:
    rows = task("a", [1, 1], [2, 2])
    with pytest.raises(DataError, match="response 'a/0' of task 'a' has 2 different texts"):
        cleaned([{**rows[0], "response": "another"}, *rows[1:]])


def test_rows_of_one_task_with_two_prompts_are_refused() -> None:
    rows = task("a", [1, 1], [2, 2])
    with pytest.raises(DataError, match="task 'a' has 2 different prompts"):
        cleaned([{**rows[0], "prompt": "another"}, *rows[1:]])


def test_a_time_that_is_no_time_is_refused() -> None:
    rows = [{**row, "created_at": "2026-01-01T00:00:00Z"} for row in task("a", [1, 1], [2, 2])]
    rows[1]["created_at"] = rows[3]["created_at"] = "yesterday"
    with pytest.raises(DataError, match=r"row 2: created_at must be ISO 8601.*got 'yesterday'; row 4: created_at"):
        cleaned(rows)


def test_the_first_ratings_are_the_earliest_ones() -> None:
    rows = task("a", [1, 2, 3, 4], [2, 2, 2, 2])
    hours = {"annotator-0": "09", "annotator-1": "08", "annotator-2": "07", "annotator-3": "06"}
    timed = [{**row, "created_at": f"2026-01-01T{hours[str(row['annotator'])]}:00:00Z"} for row in rows]
    result = cleaned(timed)
    first = result.result.rated.grid.scores[
        result.result.stages.first_three[:, 0] & (result.result.rated.grid.response == 0), 0
    ]
    assert (sorted(first.tolist()), result.result.rated.order) == ([2, 3, 4], "time")


def test_without_times_the_first_ratings_are_the_first_rows() -> None:
    result = cleaned(task("a", [1, 2, 3, 4], [2, 2, 2, 2])[::-1])
    first = result.result.rated.grid.scores[
        result.result.stages.first_three[:, 0] & (result.result.rated.grid.response == 0), 0
    ]
    assert (sorted(first.tolist()), result.result.rated.order) == ([2, 3, 4], "rows")


SCORES = st.lists(st.integers(0, 4) | st.none(), min_size=5, max_size=5)
RATINGS_OF_TASK = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 6), SCORES), min_size=1, max_size=14)
TABLES = st.lists(RATINGS_OF_TASK, min_size=1, max_size=4)


def rows_of(tables: list[list[tuple[int, int, list[int | None]]]]) -> list[Row]:
    unique = {
        (name, response, annotator): rating(str(name), response, f"annotator-{annotator}", scores)
        for name, found in enumerate(tables)
        for response, annotator, scores in found
    }
    return list(unique.values())


@settings(deadline=None, max_examples=60)
@given(tables=TABLES)
def test_what_goes_in_comes_out_or_has_a_reason(tables: list[list[tuple[int, int, list[int | None]]]]) -> None:
    result = cleaned(rows_of(tables))
    assert result.result.tasks_in == result.result.tasks_out + sum(result.result.dropped.values()) == len(tables)
    assert (
        result.result.ratings_in
        == result.result.ratings_kept + sum(result.result.ratings_left_out.values())
        == result.decisions.height
    )
    assert result.examples.height == 2 * result.result.tasks_out
    assert result.examples.null_count().sum_horizontal().sum() == 0


@settings(deadline=None, max_examples=60)
@given(tables=TABLES, data=st.data())
def test_no_order_of_rows_changes_a_label(
    tables: list[list[tuple[int, int, list[int | None]]]], data: st.DataObject
) -> None:
    rows = rows_of(tables)
    shuffled = data.draw(st.permutations(rows))
    keys = list(EXAMPLES.columns)
    assert cleaned(rows).examples.sort(keys).equals(cleaned(shuffled).examples.sort(keys))


def lists(first: Sequence[int], second: Sequence[int], *, prompt: str = "p", verbosity: int | None = None) -> list[Row]:
    rows: list[Row] = []
    for response, values in (("one", first), ("two", second)):
        row: Row = {"prompt": prompt, "response": response, **{name: list(values) for name in ATTRIBUTES}}
        rows.append(row if verbosity is None else {**row, "verbosity": list(values)[:verbosity]})
    return rows


def disagreements(rows: Sequence[Row]) -> pl.DataFrame:
    return table_from_rows(rows, table=DISAGREEMENTS, source="test")


def test_lists_of_scores_clean_like_ratings() -> None:
    table = disagreements(lists([0, 0, 0, 0, 4], [3, 4, 4]) + lists([1, 2, 4], [2, 2, 2]))
    result = cleaned_table(ratings_from_disagreements(table, keep=3))
    assert result.examples["helpfulness"].to_list() == [0, 4]
    assert result.result.dropped == {"spread": 1}


def test_lists_of_three_are_taken_as_already_selected() -> None:
    assert is_already_selected(disagreements(lists([1, 2, 3], [2, 2])), keep=3)
    assert not is_already_selected(disagreements(lists([1, 2, 3, 3], [2, 2])), keep=3)


def test_what_cleaning_calls_disagreements_cleans_to_the_same_labels() -> None:
    first = cleaned(task("a", [0, 1, 4, 1, 1], [2, 4, 3]) + task("b", [1, 2, 4], [2, 2, 2]))
    again = cleaned_table(ratings_from_disagreements(first.disagreements, keep=3))
    assert again.examples.equals(first.examples)


def test_a_short_list_lacks_its_last_score() -> None:
    result = cleaned_table(ratings_from_disagreements(disagreements(lists([1, 3], [2, 2], verbosity=1)), keep=3))
    assert result.examples["verbosity"].to_list() == [1, 2]
    assert result.disagreements["verbosity"].to_list() == [[1], [2]]


def test_long_lists_of_different_length_are_refused() -> None:
    with pytest.raises(DataError, match="row 1: lists of different length"):
        ratings_from_disagreements(disagreements(lists([1, 1, 1, 1], [2, 2], verbosity=2)), keep=3)


def test_a_prompt_with_three_rows_has_one_response_without_partner() -> None:
    table = disagreements([*lists([1, 1], [2, 2]), lists([3, 3], [0, 0])[0]])
    result = cleaned_table(ratings_from_disagreements(table, keep=3))
    assert (result.result.tasks_in, result.result.dropped) == (2, {"not_two_responses": 1})
