"""Answers that are taken back: by their annotator for a short time, or by a reviewer."""

from datetime import timedelta

import pytest
from database_work import (
    HOUR,
    NOON,
    compared,
    counters,
    events,
    fill,
    flagged,
    give,
    looked_at,
    new_task,
    rate,
    ratings,
    saw,
    scored,
    state,
    take,
    taken,
    undo,
    wrote,
)
from sqlalchemy import Engine, select

from steersman.store.database.answer_tables import ANSWERS
from steersman.store.database.audit import Act
from steersman.store.database.faults import AlreadyAnsweredError, NothingToUndoError
from steersman.store.database.people import read_member
from steersman.store.database.reviewing import end_task, reopen_task
from steersman.store.database.withdrawing import Withdrawal, withdraw

pytest_plugins = ("database_fixtures",)
LATER = NOON + timedelta(minutes=5)


def reject(engine: Engine, number: int = 1) -> None:
    """Let a reviewer take an answer out."""
    by = Act("fay", LATER)
    wrote(engine, lambda connection: withdraw(connection, number, Withdrawal("rejected", "too quick"), by=by))


def test_an_answer_taken_back_counts_no_longer_and_its_task_is_held_again(filled: Engine) -> None:
    lease = rate(filled, "ann").lease
    again = undo(filled, "ann", now=LATER)
    assert (again.lease, again.state, again.revision) == (lease, "active", 1)
    assert counters(filled, "t1") == (3, 1, 0)
    assert ratings(filled) == []
    assert saw(filled, lambda connection: read_member(connection, "p", "ann")).num_answered == 0


def test_the_next_answer_is_the_next_revision_and_both_are_kept(filled: Engine) -> None:
    lease = rate(filled, "ann", helpfulness=(1, 1)).lease
    undo(filled, "ann", now=LATER)
    give(filled, "ann", scored(lease, (4, 4), revision=1), now=LATER)
    assert [row["helpfulness"] for row in ratings(filled)] == [4, 4]
    kept = saw(filled, lambda connection: connection.execute(select(ANSWERS.c.revision)).scalars().all())
    assert sorted(kept) == [0, 1]


def test_a_replay_of_the_answer_taken_back_does_not_bring_it_back(filled: Engine) -> None:
    first = rate(filled, "ann")
    undo(filled, "ann", now=LATER)
    assert give(filled, "ann", scored(first.lease), now=LATER) == first
    assert ratings(filled) == []
    assert counters(filled, "t1") == (3, 1, 0)


def test_only_the_last_answer_can_be_taken_back_and_only_once(filled: Engine) -> None:
    for _ in range(2):
        rate(filled, "ann")
    assert undo(filled, "ann", now=LATER).task_id == "t2"
    with pytest.raises(NothingToUndoError):
        undo(filled, "ann", now=LATER)


def test_after_a_while_an_answer_stays(filled: Engine) -> None:
    rate(filled, "ann")
    undo(filled, "ann", now=NOON + timedelta(minutes=10))
    rate(filled, "ben")
    with pytest.raises(NothingToUndoError):
        undo(filled, "ben", now=NOON + timedelta(minutes=10, microseconds=1))


def test_there_is_nothing_to_take_back_before_the_first_answer(filled: Engine) -> None:
    taken(filled, "ann")
    with pytest.raises(NothingToUndoError):
        undo(filled, "ann")


def test_answers_of_a_test_stay(engine: Engine) -> None:
    fill(engine, tasks=[new_task("q1", kind="qualification")])
    give(engine, "ann", scored(taken(engine, "ann", kind="qualification").lease))
    with pytest.raises(NothingToUndoError, match="tests"):
        undo(engine, "ann")


@pytest.mark.parametrize("held_first", [True, False])
def test_a_task_held_meanwhile_is_put_away_for_others(engine: Engine, held_first: bool) -> None:
    # the task that is put away has the lower or the higher number
    priority = 1 if held_first else 0
    fill(engine, tasks=[new_task("a", priority=-priority), new_task("b")])
    answered = rate(engine, "ann")
    held = taken(engine, "ann")
    assert undo(engine, "ann").lease == answered.lease
    assert looked_at(engine, "ann", held.lease).state == "expired"
    assert counters(engine, held.task_id) == (3, 0, 0)
    assert [each.subject for each in events(engine, "lease.expired")] == [held.lease]


def test_a_surplus_answer_taken_back_holds_no_place(filled: Engine) -> None:
    late = taken(filled, "ann")
    for name in ("ben", "cay", "dee"):
        rate(filled, name, now=NOON + HOUR)
    give(filled, "ann", scored(late.lease), now=NOON + HOUR)
    assert undo(filled, "ann", now=NOON + HOUR).state == "expired"
    assert counters(filled, "t1") == (3, 0, 3)
    assert give(filled, "ann", scored(late.lease, revision=1), now=NOON + HOUR).surplus


def test_a_task_keeps_the_need_that_an_answer_taken_back_brought(filled: Engine) -> None:
    for name, score in (("ann", 0), ("ben", 0), ("cay", 4)):
        rate(filled, name, helpfulness=(score, score))
    undo(filled, "cay")
    assert counters(filled, "t1") == (5, 1, 2)


def test_a_task_that_flags_had_ended_opens_when_one_is_taken_back(filled: Engine) -> None:
    for name in ("ann", "ben"):
        give(filled, name, flagged(taken(filled, name).lease))
    assert state(filled, "t1") == "ended"
    undo(filled, "ben")
    assert state(filled, "t1") == "open"


def test_a_task_that_a_reviewer_ended_stays_so_when_a_flag_is_taken_back(filled: Engine) -> None:
    by = Act("fay", NOON)
    give(filled, "ann", flagged(taken(filled, "ann").lease))
    wrote(filled, lambda connection: end_task(connection, "p", "t1", note=None, by=by))
    undo(filled, "ann")
    assert state(filled, "t1") == "ended"
    wrote(filled, lambda connection: reopen_task(connection, "p", "t1", note=None, by=by))
    assert state(filled, "t1") == "open"


def test_a_comparison_taken_back_can_be_said_otherwise(filled: Engine) -> None:
    lease = taken(filled, "ann").lease
    give(filled, "ann", compared(lease, 2))
    assert undo(filled, "ann").revision == 1


def test_an_answer_that_a_reviewer_rejects_frees_its_place_for_others_only(filled: Engine) -> None:
    receipt = rate(filled, "ann")
    reject(filled)
    assert counters(filled, "t1") == (3, 0, 0)
    assert ratings(filled) == []
    assert taken(filled, "ann").task_id == "t2"
    with pytest.raises(AlreadyAnsweredError):
        give(filled, "ann", scored(receipt.lease, revision=1))
    assert [taken(filled, name).task_id for name in ("ben", "cay", "dee", "eli")] == ["t1", "t1", "t1", "t2"]


def test_an_answer_is_taken_back_once(filled: Engine) -> None:
    rate(filled, "ann")
    reject(filled)
    with pytest.raises(NothingToUndoError, match="already"):
        reject(filled)
    with pytest.raises(NothingToUndoError):
        undo(filled, "ann", now=LATER)
    assert counters(filled, "t1") == (3, 0, 0)


def test_what_was_taken_back_is_in_the_audit_log_with_who_did_it(filled: Engine) -> None:
    rate(filled, "ann")
    reject(filled)
    rate(filled, "ben")
    undo(filled, "ben")
    found = events(filled, "answer.rejected", "answer.undone")
    assert [(each.action, each.actor) for each in found] == [("answer.rejected", "fay"), ("answer.undone", "ben")]
    assert take(filled, "ben") is not None
