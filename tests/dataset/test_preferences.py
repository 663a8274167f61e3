"""Strengths of preference become one label per task, whichever response stands first."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from random import Random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steersman.config.preferences import PreferenceRules
from steersman.dataset.preference_rows import NEITHER_VALID, RELEASED_SCHEMA, preference_rows
from steersman.dataset.preferences import PreferenceResult, clean_preferences
from steersman.errors import DataError
from steersman.tables import PREFERENCE_RATINGS, table_from_rows

Strengths = Mapping[str, Sequence[int | None]]

RULES = PreferenceRules.model_validate({})
ANYTHING = PreferenceRules(min_ratings=1, max_spread=6)
TASKS = st.lists(st.lists(st.none() | st.integers(-3, 3), min_size=1, max_size=6), min_size=1, max_size=8)


def table(tasks: Strengths) -> pl.DataFrame:
    """Return strengths by task; annotators are called a, b, c and so on."""
    rows = [
        {"task_id": task, "annotator": "abcdefghijkl"[place], "strength": strength, "justification": f"because {place}"}
        for task, strengths in tasks.items()
        for place, strength in enumerate(strengths)
    ]
    return table_from_rows(rows, table=PREFERENCE_RATINGS, source="test")


def cleaned(*strengths: int | None, rules: PreferenceRules = RULES) -> PreferenceResult:
    return clean_preferences(table({"task": strengths}), rules=rules)


def label(*strengths: int | None, rules: PreferenceRules = RULES) -> tuple[object, object]:
    found = cleaned(*strengths, rules=rules).tasks.row(0, named=True)
    return found["strength"], found["reason"]


def reasons(*strengths: int | None) -> list[str | None]:
    found: list[str | None] = cleaned(*strengths).decisions["reason"].to_list()
    return found


@pytest.mark.parametrize(
    ("strengths", "expected"),
    [
        ((2, 2, 1), 2),  # 5/3
        ((-1, -1, -2), -1),  # -4/3
        ((3, 3, 3, -3, -3), 3),
        ((1, 2), 2),  # 1.5
        ((-1, -2), -2),  # -1.5, the mirror image
        ((1, 0), 1),
        ((-1, 0), -1),
    ],
)
def test_the_label_is_the_mean_of_the_three_most_similar(strengths: tuple[int, ...], expected: int) -> None:
    assert label(*strengths) == (expected, None)


def test_strengths_that_cancel_out_are_no_preference() -> None:
    """A mean of 1/3 is nearest to 0."""
    assert label(-1, 1, 1) == (None, "no_preference")
    assert reasons(-1, 1, 1) == ["no_preference"] * 3


def test_a_task_goes_when_the_three_most_similar_differ_by_more_than_two() -> None:
    assert label(1, 2, 3) == (2, None)
    assert label(0, 1, 3) == (None, "spread")
    assert label(0, 1, 3, rules=PreferenceRules(max_spread=3)) == (1, None)


def test_a_task_with_too_few_valid_strengths_goes() -> None:
    assert label(3, None, None) == (None, "too_few_ratings")
    assert label(3, None, None, rules=PreferenceRules(min_ratings=1)) == (3, None)
    assert label(3, 3, None, rules=PreferenceRules(min_ratings=3)) == (None, "too_few_ratings")
    assert label(None, None, rules=ANYTHING) == (None, "too_few_ratings")


def test_every_strength_keeps_the_reason_why_it_does_not_count() -> None:
    assert reasons(2, None, 2, -3, 2) == [None, "not_valid", None, "outvoted", None]
    assert reasons(3, None) == ["too_few_ratings", "not_valid"]
    assert reasons(0, 3, 1, -3) == ["spread", "spread", "spread", "outvoted"]


def test_of_equally_similar_trios_the_one_nearest_to_the_median_of_all_is_kept() -> None:
    """(-2, -1, -1) and (1, 1, 2) are alike; the median of all seven is 1, so the second it is."""
    assert reasons(-2, -1, -1, 3, 1, 1, 2) == ["outvoted"] * 4 + [None] * 3


def test_where_that_ties_too_the_annotators_whose_ids_sort_first_are_kept() -> None:
    """(-1, -1, 1) and (-1, 1, 1) have the same range and lie around the median 0 alike."""
    assert reasons(1, -1, 1, -1) == ["no_preference"] * 3 + ["outvoted"]
    assert reasons(-1, 1, -1, 1) == ["no_preference"] * 3 + ["outvoted"]


def most_similar(strengths: Sequence[int | None]) -> tuple[int, ...]:
    """Return which places are kept, by listing all combinations in the order of annotators."""
    valid = [(place, strength) for place, strength in enumerate(strengths) if strength is not None]
    ordered = sorted(strength for _, strength in valid)
    doubled_median = ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2] if ordered else 0

    def badness(trio: tuple[tuple[int, int], ...]) -> tuple[int, int]:
        numbers = [strength for _, strength in trio]
        apart = sum(abs(one - other) for one, other in combinations(numbers, 2))
        return apart, sum(abs(2 * each - doubled_median) for each in numbers)

    best = min(combinations(valid, min(3, len(valid))), key=badness)
    return tuple(place for place, _ in best)


@given(TASKS)
@settings(max_examples=200, deadline=None)
def test_selection_is_that_of_listing_all_combinations(tasks: list[list[int | None]]) -> None:
    named = {f"task {number}": strengths for number, strengths in enumerate(tasks)}
    decisions = clean_preferences(table(named), rules=PreferenceRules(min_ratings=1, max_spread=6)).decisions
    for task, strengths in named.items():
        found = decisions.filter(pl.col("task_id") == task)["reason"].to_list()
        kept = tuple(place for place, reason in enumerate(found) if reason not in ("outvoted", "not_valid"))
        # a task without enough strengths keeps none, and says so of each
        assert kept == most_similar(strengths)


@given(TASKS)
@settings(max_examples=200, deadline=None)
def test_swapping_the_responses_negates_every_label_and_keeps_every_reason(tasks: list[list[int | None]]) -> None:
    ratings = table({f"task {number}": strengths for number, strengths in enumerate(tasks)})
    found = clean_preferences(ratings, rules=RULES)
    swapped = clean_preferences(ratings.with_columns(-pl.col("strength")), rules=RULES)
    assert swapped.tasks["strength"].to_list() == (-found.tasks["strength"]).to_list()
    assert swapped.decisions.equals(found.decisions)
    assert swapped.dropped == found.dropped


@given(TASKS, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_order_of_rows_decides_nothing(tasks: list[list[int | None]], random: Random) -> None:
    ratings = table({f"task {number}": strengths for number, strengths in enumerate(tasks)})
    order = list(range(ratings.height))
    random.shuffle(order)
    found = clean_preferences(ratings, rules=RULES)
    shuffled = clean_preferences(ratings[order], rules=RULES)
    assert shuffled.tasks.sort("task_id").equals(found.tasks.sort("task_id"))
    assert shuffled.decisions.equals(found.decisions[order])


@given(TASKS)
@settings(max_examples=50, deadline=None)
def test_what_came_in_is_what_is_left_and_what_was_dropped(tasks: list[list[int | None]]) -> None:
    found = clean_preferences(table({str(number): each for number, each in enumerate(tasks)}), rules=RULES)
    assert found.tasks_in == len(tasks) == found.tasks_out + sum(found.dropped.values())
    assert found.ratings_in == sum(map(len, tasks)) == found.ratings_kept + sum(found.ratings_left_out.values())
    assert found.tasks["strength"].null_count() == sum(found.dropped.values())


def test_many_annotators_of_one_task_are_no_trouble() -> None:
    """Of 2,000 equal strengths the first three by id are kept."""
    rows = [{"task_id": "task", "annotator": f"{place:05d}", "strength": 2} for place in range(2000)]
    found = clean_preferences(table_from_rows(rows, table=PREFERENCE_RATINGS, source="test"), rules=RULES)
    assert found.decisions["kept"].arg_true().to_list() == [0, 1, 2]


def test_two_strengths_of_one_annotator_are_refused_even_where_one_is_not_valid() -> None:
    ratings = table({"x": [1, 2], "y": [1, 1]})
    again = pl.concat([ratings, ratings[2:3].with_columns(strength=pl.lit(None, dtype=pl.Int64))])
    with pytest.raises(DataError, match="annotator 'a' judged task 'y' more than once"):
        clean_preferences(again, rules=RULES)


def test_no_strengths_give_no_labels() -> None:
    found = clean_preferences(table({"x": [1]})[:0], rules=RULES)
    assert (found.tasks_in, found.tasks_out, found.tasks.height, found.decisions.height) == (0, 0, 0, 0)


TEXTS = pl.DataFrame(
    {
        "task_id": ["y", "x"],
        "split": ["validation", "train"],
        "prompt": ["prompt y", "prompt x"],
        "response_1": ["y one", "x one"],
        "response_2": ["y two", "x two"],
    }
)


def released(tasks: Strengths, *, statements: pl.DataFrame | None = None) -> list[dict[str, object]]:
    ratings = table(tasks)
    result = clean_preferences(ratings, rules=RULES)
    rows = preference_rows(result, ratings=ratings, texts=TEXTS, statements=statements)
    assert dict(rows.schema) == RELEASED_SCHEMA
    return rows.to_dicts()


def test_rows_have_the_released_shape_without_naming_annotators() -> None:
    """(3, 2, 2) of x give 7/3, so 2: those that said 2 come first; y drops to nothing and is left out."""
    assert released({"x": [3, None, 2, 2, -3], "y": [-1, 1, 1]}) == [
        {
            "split": "train",
            "prompt": "prompt x",
            "response_1": "x one",
            "response_2": "x two",
            "preference_strength": 2,
            "preference_statement": None,
            "preference_elaboration": None,
            "three_most_similar_preferences": [
                {"statement": None, "elaboration": None, "strength": strength} for strength in (2, 2, 3)
            ],
            "all_preferences_unprocessed": [
                {"strength": strength, "justification": f"because {place}"}
                for place, strength in enumerate([3, NEITHER_VALID, 2, 2, -3])
            ],
        }
    ]


def test_the_statement_nearest_to_the_label_stands_for_the_whole() -> None:
    statements = pl.DataFrame(
        {
            "task_id": ["y"] * 3,
            "annotator": ["a", "b", "c"],
            "statement": ["much better", "better", "as good"],
            "elaboration": ["by far", None, "nearly"],
        }
    )
    [row] = released({"y": [3, 2, 1]}, statements=statements)
    assert (row["split"], row["preference_strength"]) == ("val", 2)
    assert (row["preference_statement"], row["preference_elaboration"]) == ("better", None)
    assert row["three_most_similar_preferences"] == [
        {"statement": "better", "elaboration": None, "strength": 2},
        {"statement": "much better", "elaboration": "by far", "strength": 3},
        {"statement": "as good", "elaboration": "nearly", "strength": 1},
    ]


def test_a_task_without_texts_or_with_an_unknown_split_is_refused() -> None:
    ratings = table({"x": [2, 2], "z": [1, 1]})
    result = clean_preferences(ratings, rules=RULES)
    with pytest.raises(DataError, match="task 'z' has no texts"):
        preference_rows(result, ratings=ratings, texts=TEXTS)
    with pytest.raises(DataError, match="task 'x' has 2 texts"):
        preference_rows(result, ratings=ratings, texts=pl.concat([TEXTS, TEXTS]))
    with pytest.raises(DataError, match="task 'y' is in the split 'test'"):
        preference_rows(result, ratings=ratings, texts=TEXTS.with_columns(split=pl.lit("test")))


def test_two_statements_of_one_annotator_are_refused() -> None:
    said = {"task_id": ["x", "x"], "annotator": ["a", "a"], "statement": ["better", "worse"], "elaboration": ["", ""]}
    with pytest.raises(DataError, match="annotator 'a' has 2 statements on task 'x'"):
        released({"x": [2, 2]}, statements=pl.DataFrame(said))
