"""What becomes of an answer: counted, surplus, replayed, refused; and how many annotators a task then needs."""

from datetime import timedelta

import pytest
from database_work import (
    HOUR,
    NAMES,
    NOON,
    compared,
    counters,
    events,
    flagged,
    give,
    rate,
    ratings,
    scored,
    state,
    take,
    taken,
)
from sqlalchemy import Engine

from steersman.errors import DataError
from steersman.store.database.faults import AlreadyAnsweredError, UnknownLeaseError

pytest_plugins = ("database_fixtures",)


def disagree(engine: Engine, scores: tuple[int, int, int]) -> None:
    """Let three annotators give the first response these scores, on whichever side it stands."""
    tasks = [taken(engine, name) for name in NAMES[:3]]
    for name, task, score in zip(NAMES[:3], tasks, scores, strict=True):
        pair = (score, 3) if task.left.startswith("first") else (3, score)
        give(engine, name, scored(task.lease, pair))


def test_a_replayed_answer_returns_the_same_receipt_and_adds_nothing(filled: Engine) -> None:
    task = taken(filled, "ann")
    first = give(filled, "ann", scored(task.lease))
    assert give(filled, "ann", scored(task.lease), now=NOON + HOUR) == first
    assert len(ratings(filled)) == 2
    assert counters(filled, "t1") == (3, 0, 1)
    assert len(events(filled, "answer.submitted")) == 1


def test_a_replay_with_other_scores_is_refused_and_the_first_answer_kept(filled: Engine) -> None:
    task = taken(filled, "ann")
    give(filled, "ann", scored(task.lease, (3, 3)))
    with pytest.raises(AlreadyAnsweredError):
        give(filled, "ann", scored(task.lease, (3, 2)))
    assert [row["helpfulness"] for row in ratings(filled)] == [3, 3]


def test_an_answer_may_not_leave_out_a_revision(filled: Engine) -> None:
    task = taken(filled, "ann")
    with pytest.raises(DataError, match="revision must be 0"):
        give(filled, "ann", scored(task.lease, revision=1))


def test_the_lease_of_another_annotator_cannot_be_answered(filled: Engine) -> None:
    task = taken(filled, "ann")
    with pytest.raises(UnknownLeaseError):
        give(filled, "ben", scored(task.lease))


def test_a_late_answer_counts_while_a_place_is_free(filled: Engine) -> None:
    late = taken(filled, "ann")
    taken(filled, "ben", now=NOON + HOUR)
    receipt = give(filled, "ann", scored(late.lease), now=NOON + 2 * HOUR)
    assert not receipt.surplus
    assert counters(filled, "t1") == (3, 1, 1)


def test_a_late_answer_without_a_place_is_kept_as_surplus(filled: Engine) -> None:
    late = taken(filled, "ann")
    for name in ("ben", "cay", "dee"):
        rate(filled, name, now=NOON + HOUR)
    receipt = give(filled, "ann", scored(late.lease), now=NOON + HOUR)
    assert receipt.surplus
    assert give(filled, "ann", scored(late.lease), now=NOON + 2 * HOUR) == receipt
    assert counters(filled, "t1") == (3, 0, 3)
    assert [row["surplus"] for row in ratings(filled)] == [False] * 6 + [True] * 2


def test_three_that_disagree_on_one_response_bring_two_more_and_no_third(filled: Engine) -> None:
    disagree(filled, (0, 1, 3))
    assert counters(filled, "t1") == (5, 0, 3)
    assert [taken(filled, name).task_id for name in NAMES[3:]] == ["t1", "t1", "t2"]


def test_a_difference_of_two_brings_nobody(filled: Engine) -> None:
    disagree(filled, (1, 2, 3))
    assert counters(filled, "t1") == (3, 0, 3)


def test_a_surplus_answer_brings_nobody(filled: Engine) -> None:
    late = taken(filled, "ann")
    for name in ("ben", "cay", "dee"):
        rate(filled, name, now=NOON + HOUR)
    give(filled, "ann", scored(late.lease, (0, 0)), now=NOON + HOUR)
    assert counters(filled, "t1") == (3, 0, 3)


def test_two_flags_end_a_task_for_everybody(filled: Engine) -> None:
    give(filled, "ann", flagged(taken(filled, "ann").lease))
    assert state(filled, "t1") == "open"
    give(filled, "ben", flagged(taken(filled, "ben").lease, "needs_code"))
    assert state(filled, "t1") == "ended"
    assert taken(filled, "cay").task_id == "t2"


def test_who_holds_a_task_that_ends_may_still_answer_it(filled: Engine) -> None:
    held = taken(filled, "cay")
    for name in ("ann", "ben"):
        give(filled, name, flagged(taken(filled, name).lease))
    assert not give(filled, "cay", scored(held.lease)).surplus


def test_flags_of_an_answer_are_kept_without_scores(filled: Engine) -> None:
    give(filled, "ann", flagged(taken(filled, "ann").lease))
    assert [(row["helpfulness"], row["flags"]) for row in ratings(filled)] == [(None, ["pii"])] * 2


def test_seconds_run_from_the_claim_to_the_answer(filled: Engine) -> None:
    task = taken(filled, "ann")
    give(filled, "ann", scored(task.lease), now=NOON + timedelta(seconds=90))
    assert [row["seconds"] for row in ratings(filled)] == [90.0, 90.0]


def test_a_comparison_without_a_better_one_is_kept_as_said(filled: Engine) -> None:
    lease = taken(filled, "ann").lease
    first = give(filled, "ann", compared(lease, None))
    assert give(filled, "ann", compared(lease, None)) == first
    with pytest.raises(AlreadyAnsweredError):
        give(filled, "ann", compared(lease, 1))


def test_everybody_who_asks_finds_nothing_when_all_is_done(filled: Engine) -> None:
    for name in NAMES[:3]:
        for _ in range(2):
            rate(filled, name)
    assert [take(filled, name) for name in NAMES] == [None] * len(NAMES)
