"""Claims, answers and undoing at the same moment: one waits, and then decides on what is true."""

from dataclasses import replace
from datetime import timedelta

from database_work import (
    ANSWER_RULES,
    HOUR,
    NOON,
    RULES,
    UNDO_RULES,
    counters,
    events,
    fill,
    give,
    looked_at,
    new_task,
    rate,
    scored,
    take,
    taken,
)
from meeting_transactions import Work, meet
from sqlalchemy import Connection, Engine, select

from steersman.store.database.answers import submit
from steersman.store.database.audit import Act
from steersman.store.database.faults import NothingToUndoError
from steersman.store.database.holding import heartbeat, save_draft
from steersman.store.database.leases import claim, held_task, lock_member, take_back_expired
from steersman.store.database.task_tables import TASKS
from steersman.store.database.undoing import undo_last
from steersman.store.database.withdrawing import Withdrawal, withdraw

pytest_plugins = ("database_fixtures",)
MINUTE = timedelta(minutes=1)
SHORT = replace(RULES, lease_length=MINUTE)


def claiming(name: str, kind: str = "rating") -> Work:
    def work(connection: Connection) -> object:
        lock_member(connection, "p", name)
        held = held_task(connection, "p", name, now=NOON, rules=RULES)
        return held or claim(connection, "p", name, kind=kind, now=NOON, rules=RULES)

    return work


def test_two_first_claims_of_one_annotator_give_one_lease(filled: Engine) -> None:
    outcome = meet(filled, claiming("ann"), claiming("ann"))
    assert outcome.value == take(filled, "ann")
    assert counters(filled, "t1") == (3, 1, 0)


def test_a_claim_passes_over_a_task_that_another_holds(engine: Engine) -> None:
    fill(engine, tasks=[new_task("t1"), new_task("t2")])
    passed = meet(engine, claiming("ann"), claiming("ben"))
    assert getattr(passed.value, "task_id", None) == ("t2" if engine.dialect.name == "postgresql" else "t1")
    assert not passed.has_waited


def test_the_last_place_goes_to_one_of_two(engine: Engine) -> None:
    fill(engine, tasks=[new_task("t1")])
    for name in ("ann", "ben"):
        taken(engine, name)
    assert meet(engine, claiming("cay"), claiming("dee")).value is None
    assert counters(engine, "t1") == (3, 3, 0)


def test_no_place_is_missed_while_another_transaction_holds_the_last_task(engine: Engine) -> None:
    fill(engine, tasks=[new_task("t1")])
    assert meet(engine, claiming("ann"), claiming("ben")).value is not None
    assert counters(engine, "t1") == (3, 2, 0)


def test_an_answer_does_not_wait_for_those_who_refer_to_its_task(filled: Engine) -> None:
    # two claims that refer to a task and an answer that locks it for good would wait for each other in a ring
    lease = taken(filled, "ann").lease
    referring = select(TASKS.c.task_key).with_for_update(read=True, key_share=True)
    outcome = meet(
        filled,
        lambda connection: connection.execute(referring).all(),
        lambda connection: submit(connection, scored(lease), user_id="ann", now=NOON, rules=ANSWER_RULES),
    )
    assert (outcome.error, outcome.has_waited) == (None, False)
    assert counters(filled, "t1") == (3, 0, 1)


def test_two_first_drafts_of_one_task_are_no_fault(filled: Engine) -> None:
    lease = taken(filled, "ann").lease

    def saving(draft: str) -> Work:
        return lambda connection: save_draft(connection, lease, user_id="ann", draft=draft, now=NOON)

    assert meet(filled, saving("1"), saving("2")).error is None
    assert looked_at(filled, "ann", lease).draft == "2"


def test_a_lease_that_is_being_taken_back_is_taken_again_by_its_heartbeat(filled: Engine) -> None:
    lease = taken(filled, "ann").lease
    late = NOON + HOUR
    outcome = meet(
        filled,
        lambda connection: take_back_expired(connection, now=late),
        lambda connection: heartbeat(connection, lease, user_id="ann", now=late, rules=RULES),
    )
    assert getattr(outcome.value, "state", None) == "active"
    assert counters(filled, "t1") == (3, 1, 0)
    assert len(events(filled, "lease.expired", "lease.renewed")) == 2


def test_a_lease_that_is_being_taken_back_is_not_given_as_held(filled: Engine) -> None:
    taken(filled, "ann")
    outcome = meet(filled, lambda connection: take_back_expired(connection, now=NOON + HOUR), claiming("ann"))
    assert getattr(outcome.value, "state", None) == "active"
    assert counters(filled, "t1") == (3, 1, 0)


def test_an_expired_lease_is_taken_back_by_one_of_two(filled: Engine) -> None:
    taken(filled, "ann")

    def work(connection: Connection) -> int:
        return take_back_expired(connection, now=NOON + HOUR)

    meet(filled, work, work)
    assert counters(filled, "t1") == (3, 0, 0)
    assert len(events(filled, "lease.expired")) == 1


def test_a_lease_whose_heartbeat_is_under_way_is_neither_taken_back_nor_waited_for(filled: Engine) -> None:
    lease = taken(filled, "ann").lease
    late = NOON + HOUR
    outcome = meet(
        filled,
        lambda connection: heartbeat(connection, lease, user_id="ann", now=late, rules=RULES),
        lambda connection: take_back_expired(connection, now=late),
    )
    assert (outcome.value, outcome.has_waited) == (0, False)
    assert looked_at(filled, "ann", lease).state == "active"


def test_a_task_put_away_by_an_undo_while_it_expires_frees_one_place(filled: Engine) -> None:
    rate(filled, "ann", now=NOON)
    take(filled, "ben", rules=RULES)
    held = take(filled, "ann", rules=SHORT)
    assert held is not None
    late = NOON + MINUTE
    meet(
        filled,
        lambda connection: take_back_expired(connection, now=late),
        lambda connection: undo_last(connection, "p", "ann", now=late, rules=UNDO_RULES),
    )
    assert counters(filled, "t2") == (3, 0, 0)
    assert len(events(filled, "lease.expired")) == 1


def test_an_answer_that_is_being_rejected_cannot_be_undone(filled: Engine) -> None:
    rate(filled, "ann")
    outcome = meet(
        filled,
        lambda connection: withdraw(connection, 1, Withdrawal("rejected"), by=Act("ben", NOON)),
        lambda connection: undo_last(connection, "p", "ann", now=NOON, rules=UNDO_RULES),
    )
    assert isinstance(outcome.error, NothingToUndoError)
    assert counters(filled, "t1") == (3, 0, 0)


def test_a_submit_in_two_windows_is_kept_once(filled: Engine) -> None:
    lease = taken(filled, "ann").lease

    def work(connection: Connection) -> object:
        return submit(connection, scored(lease), user_id="ann", now=NOON, rules=ANSWER_RULES)

    assert meet(filled, work, work).value == give(filled, "ann", scored(lease))
    assert counters(filled, "t1") == (3, 0, 1)
