"""What comes out of a project: ratings and preferences, in order of submission."""

import pytest
from database_work import NAMES, NOON, compared, fill, give, new_task, rate, ratings, saw, scored, taken, wrote
from sqlalchemy import Engine

from steersman.store.database.audit import Act
from steersman.store.database.exporting import Cursor, read_preferences, read_ratings
from steersman.store.database.known import known_ratings
from steersman.store.database.withdrawing import Withdrawal, withdraw
from steersman.tables import PREFERENCE_RATINGS, RATINGS

pytest_plugins = ("database_fixtures",)


def numbers(engine: Engine, cursor: Cursor) -> list[int]:
    return saw(engine, lambda connection: [number for number, _ in read_ratings(connection, "p", cursor=cursor)])


def preferences(engine: Engine) -> list[dict[str, object]]:
    return saw(engine, lambda connection: [row for _, row in read_preferences(connection, "p")])


def test_a_rating_has_all_columns_of_the_table(filled: Engine) -> None:
    rate(filled, "ann")
    assert [tuple(row) for row in ratings(filled)] == [tuple(RATINGS.columns)] * 2


def test_ratings_come_in_order_of_submission_left_first(filled: Engine) -> None:
    for name in ("ben", "ann"):
        rate(filled, name)
    found = [(row["annotator"], row["position"]) for row in ratings(filled)]
    assert found == [("ben", 0), ("ben", 1), ("ann", 0), ("ann", 1)]


def test_truth_values_come_out_as_such(filled: Engine) -> None:
    rate(filled, "ann")
    (row, _) = ratings(filled)
    assert (row["safe"], row["surplus"], row["gold"], row["simulated"]) == (True, False, False, None)


def test_a_stream_goes_on_behind_the_row_where_it_stopped(filled: Engine) -> None:
    for name in ("ann", "ben"):
        rate(filled, name)
    first = numbers(filled, Cursor(limit=3))
    rest = numbers(filled, Cursor(after=first[-1]))
    assert (len(first), len(rest)) == (3, 1)
    assert [*first, *rest] == numbers(filled, Cursor())


def test_gold_is_marked_and_tests_are_left_out(engine: Engine) -> None:
    fill(engine, tasks=[new_task("g1", kind="gold"), new_task("q1", kind="qualification")])
    for kind in ("gold", "qualification"):
        give(engine, "ann", scored(taken(engine, "ann", kind=kind).lease))
    assert [(row["task_id"], row["gold"]) for row in ratings(engine)] == [("g1", True)] * 2


def test_other_projects_stay_out(filled: Engine) -> None:
    rate(filled, "ann")
    assert saw(filled, lambda connection: list(read_ratings(connection, "other"))) == []


@pytest.mark.parametrize("strength", [-3, 1])
def test_a_preference_is_for_the_responses_in_the_order_they_came(filled: Engine, strength: int) -> None:
    for name in NAMES:
        give(filled, name, compared(taken(filled, name).lease, strength))
    left = {(row["task_id"], row["annotator"]): str(row["response_id"])[-1] for row in ratings(filled)[::2]}
    # `strength` was said of the right response; seen in the order of the responses it turns where sides were swapped
    wanted = {key: strength if first == "0" else -strength for key, first in left.items()}
    assert {(row["task_id"], row["annotator"]): row["strength"] for row in preferences(filled)} == wanted
    assert set(wanted.values()) == {strength, -strength}
    assert {row["first_response"] for row in preferences(filled)} == {f"{task}-0" for task, _ in wanted}
    assert {tuple(row) for row in preferences(filled)} == {tuple(PREFERENCE_RATINGS.columns)}


def test_what_a_reviewer_took_out_is_in_neither(filled: Engine) -> None:
    give(filled, "ann", compared(taken(filled, "ann").lease, 1))
    wrote(filled, lambda connection: withdraw(connection, 1, Withdrawal("rejected"), by=Act("ben", NOON)))
    assert (ratings(filled), preferences(filled)) == ([], [])


def test_known_scores_stand_beside_what_was_given_as_the_annotator_saw_it(engine: Engine) -> None:
    fill(engine, tasks=[new_task("g1", kind="gold")])
    task = taken(engine, "ann", kind="gold")
    # the first response should get helpfulness 4, the second 0
    give(engine, "ann", scored(task.lease, (4, 0) if task.left.startswith("first") else (0, 4)))
    found = saw(engine, lambda connection: known_ratings(connection, "p", "ann", kind="gold"))
    assert [each.position for each in found] == [0, 1]
    assert all(each.given[0] == each.known[0] for each in found)
    assert {each.explanation for each in found} == {"it is right", None}
