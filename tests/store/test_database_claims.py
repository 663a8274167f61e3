"""Who gets which task, and for how long."""

from dataclasses import replace
from datetime import datetime
from random import Random

import pytest
from database_work import (
    HOUR,
    NAMES,
    NOON,
    RULES,
    counters,
    events,
    fill,
    give,
    looked_at,
    new_task,
    rate,
    ratings,
    scored,
    state,
    take,
    taken,
    wrote,
)
from sqlalchemy import Engine, update
from sqlalchemy.exc import IntegrityError

from steersman.store.database.audit import timestamp
from steersman.store.database.connection import writing
from steersman.store.database.faults import UnknownError, UnknownLeaseError
from steersman.store.database.holding import heartbeat, save_draft, skip
from steersman.store.database.leases import LeasedTask
from steersman.store.database.task_tables import TASKS

pytest_plugins = ("database_fixtures",)


def beat(engine: Engine, name: str, lease: str, *, now: datetime = NOON) -> LeasedTask:
    return wrote(engine, lambda connection: heartbeat(connection, lease, user_id=name, now=now, rules=RULES))


def put_back(engine: Engine, name: str, lease: str) -> None:
    wrote(engine, lambda connection: skip(connection, lease, user_id=name, reason="too long", now=NOON))


def test_a_task_goes_to_three_annotators_and_the_fourth_gets_the_next(filled: Engine) -> None:
    assert [taken(filled, name).task_id for name in NAMES[:4]] == ["t1", "t1", "t1", "t2"]


def test_claiming_again_gives_the_same_lease_and_a_later_expiry(filled: Engine) -> None:
    first = taken(filled, "ann")
    again = taken(filled, "ann", now=NOON + HOUR / 2)
    assert again.lease == first.lease
    assert again.expires_at == timestamp(NOON + HOUR / 2 + HOUR)
    assert counters(filled, "t1") == (3, 1, 0)


def test_an_annotator_never_gets_a_task_twice(filled: Engine) -> None:
    assert [rate(filled, "ann").task_id for _ in range(2)] == ["t1", "t2"]
    assert take(filled, "ann") is None


def test_somebody_who_takes_no_part_gets_nothing(filled: Engine) -> None:
    with pytest.raises(UnknownError, match="do not take part"):
        take(filled, "zoe")


def test_tasks_go_by_priority_then_in_their_order(engine: Engine) -> None:
    fill(engine, tasks=[new_task("a"), new_task("b", priority=1), new_task("c", priority=1)])
    assert [rate(engine, "ann").task_id for _ in range(3)] == ["b", "c", "a"]


def test_a_paused_delivery_gets_no_new_annotators(engine: Engine) -> None:
    fill(engine, tasks=[new_task("a", delivery="may"), new_task("b", delivery="june"), new_task("c")])
    rules = replace(RULES, paused_deliveries=("may",))
    given = []
    while (task := take(engine, "ann", rules=rules)) is not None:
        given.append(task.task_id)
        give(engine, "ann", scored(task.lease))
    assert given == ["b", "c"]


def test_an_ended_task_is_given_to_nobody(filled: Engine) -> None:
    wrote(
        filled,
        lambda connection: connection.execute(update(TASKS).where(TASKS.c.task_id == "t1").values(state="ended")),
    )
    assert taken(filled, "ann").task_id == "t2"
    assert state(filled, "t1") == "ended"


def test_a_task_with_known_scores_goes_to_everybody(engine: Engine) -> None:
    fill(engine, tasks=[new_task("t1"), new_task("g1", kind="gold")])
    assert [taken(engine, name, kind="gold").task_id for name in NAMES] == ["g1"] * len(NAMES)
    assert counters(engine, "g1") == (0, len(NAMES), 0)


def test_left_and_right_are_drawn_for_each_annotator_and_recorded(filled: Engine) -> None:
    rules = replace(RULES, rng=Random(0))
    for name in NAMES:
        task = take(filled, name, rules=rules)
        assert task is not None
        give(filled, name, scored(task.lease, (4, 2)))
    rows = ratings(filled)
    # the left response was always given 4, whichever it was
    assert all(row["helpfulness"] == (4 if row["position"] == 0 else 2) for row in rows)
    left = {str(row["response_id"])[-1] for row in rows if row["position"] == 0}
    assert left == {"0", "1"}


def test_the_lease_of_another_annotator_cannot_be_seen(filled: Engine) -> None:
    task = taken(filled, "ann")
    with pytest.raises(UnknownLeaseError):
        looked_at(filled, "ben", task.lease)


def test_an_expired_lease_goes_to_the_next_annotator(filled: Engine) -> None:
    for name in NAMES[:3]:
        taken(filled, name)
    assert taken(filled, "dee", now=NOON + HOUR).task_id == "t1"
    assert counters(filled, "t1") == (3, 1, 0)


def test_a_heartbeat_keeps_a_task_from_expiring(filled: Engine) -> None:
    task = taken(filled, "ann")
    beat(filled, "ann", task.lease, now=NOON + HOUR / 2)
    taken(filled, "ben", now=NOON + HOUR)
    assert looked_at(filled, "ann", task.lease).state == "active"


def test_a_heartbeat_takes_an_expired_task_again_while_a_place_is_free(filled: Engine) -> None:
    task = taken(filled, "ann")
    taken(filled, "ben", now=NOON + HOUR)
    assert looked_at(filled, "ann", task.lease).state == "expired"
    assert beat(filled, "ann", task.lease, now=NOON + HOUR).state == "active"
    assert counters(filled, "t1") == (3, 2, 0)


def test_a_heartbeat_takes_nothing_again_when_all_places_are_gone(filled: Engine) -> None:
    task = taken(filled, "ann")
    for name in ("ben", "cay", "dee"):
        taken(filled, name, now=NOON + HOUR)
    assert beat(filled, "ann", task.lease, now=NOON + HOUR).state == "expired"
    assert counters(filled, "t1") == (3, 3, 0)


def test_a_heartbeat_of_an_old_page_takes_no_second_task(filled: Engine) -> None:
    old = taken(filled, "ann")
    for name in ("ben", "cay", "dee"):
        taken(filled, name, now=NOON + HOUR)
    new = taken(filled, "ann", now=NOON + HOUR)
    put_back(filled, "ben", taken(filled, "ben", now=NOON + HOUR).lease)
    assert beat(filled, "ann", old.lease, now=NOON + HOUR).state == "expired"
    assert looked_at(filled, "ann", new.lease).state == "active"


def test_an_annotator_who_comes_back_after_expiry_keeps_lease_and_order(filled: Engine) -> None:
    first = taken(filled, "ann")
    taken(filled, "ben", now=NOON + HOUR)
    again = taken(filled, "ann", now=NOON + HOUR)
    assert (again.lease, again.left, again.right) == (first.lease, first.left, first.right)
    assert counters(filled, "t1") == (3, 2, 0)


def test_a_skipped_task_goes_to_someone_else_and_not_to_its_annotator_again(filled: Engine) -> None:
    put_back(filled, "ann", taken(filled, "ann").lease)
    assert [taken(filled, name).task_id for name in NAMES[:4]] == ["t2", "t1", "t1", "t1"]


def test_skipping_twice_frees_one_place(filled: Engine) -> None:
    lease = taken(filled, "ann").lease
    taken(filled, "ben")
    put_back(filled, "ann", lease)
    put_back(filled, "ann", lease)
    assert counters(filled, "t1") == (3, 1, 0)
    assert len(events(filled, "task.skipped")) == 1


def test_the_last_draft_comes_with_the_task(filled: Engine) -> None:
    lease = taken(filled, "ann").lease
    for draft in ("{}", '{"helpfulness": 3}'):
        with writing(filled) as connection:
            save_draft(connection, lease, user_id="ann", draft=draft, now=NOON)
    assert looked_at(filled, "ann", lease).draft == '{"helpfulness": 3}'


def test_the_tables_refuse_one_annotator_too_many(filled: Engine) -> None:
    with pytest.raises(IntegrityError, match="tasks_never_over_assigned"), writing(filled) as connection:
        connection.execute(update(TASKS).values(num_active=4))
