"""A clock that is set back by an hour or forward by a day between two steps loses nothing and over-assigns nothing."""

from collections import Counter
from datetime import timedelta
from itertools import product
from random import Random

import pytest
from database_work import (
    NAMES,
    NOON,
    RULES,
    SITE,
    counters,
    fill,
    give,
    new_task,
    ratings,
    saw,
    scored,
    take,
    taken,
    undo,
    wrote,
)
from sqlalchemy import Engine, select

from steersman.config.annotating import ProjectSettings
from steersman.store.database.answer_tables import ANSWERS
from steersman.store.database.answers import Answer, ResponseScores
from steersman.store.database.audit import Act, timestamp
from steersman.store.database.connection import writing
from steersman.store.database.faults import NothingToUndoError
from steersman.store.database.holding import heartbeat
from steersman.store.database.people import add_member, add_user, change_stage, read_member
from steersman.store.database.projects import add_project
from steersman.store.database.task_tables import ASSIGNMENTS, TASKS
from steersman.store.database.tasks import add_tasks
from steersman.web.service import Service

pytest_plugins = ("database_fixtures",)

HOUR_BACK = timedelta(hours=-1)
DAY_ON = timedelta(days=1)
JUMPS = (timedelta(0), HOUR_BACK, DAY_ON)
# each two of the three in every combination
THREE_JUMPS = [(JUMPS[one], JUMPS[two], JUMPS[(one + two) % 3]) for one, two in product(range(3), repeat=2)]
MINUTE = timedelta(minutes=1)


def over_assigned(engine: Engine) -> list[str]:
    """Return tasks whose counters are not what their leases say, or exceed their need."""
    query = select(ASSIGNMENTS.c.task_key, ASSIGNMENTS.c.state)
    counts = Counter(saw(engine, lambda connection: [tuple(row) for row in connection.execute(query)]))
    tasks = saw(engine, lambda connection: connection.execute(select(TASKS)).all())
    return [
        task.task_id
        for task in tasks
        if (task.num_active, task.num_done) != (counts[task.task_key, "active"], counts[task.task_key, "done"])
        or task.num_active + task.num_done > task.need
    ]


@pytest.mark.parametrize(("before_beat", "before_submit", "before_undo"), THREE_JUMPS)
def test_jumps_between_the_steps_of_an_annotator_lose_nothing(
    filled: Engine, before_beat: timedelta, before_submit: timedelta, before_undo: timedelta
) -> None:
    now = NOON
    lease = taken(filled, "ann", now=now).lease
    now += before_beat + MINUTE
    others = [taken(filled, name, now=now).lease for name in ("ben", "cay", "dee")]
    wrote(filled, lambda connection: heartbeat(connection, lease, user_id="ann", now=now, rules=RULES))
    now += before_submit + MINUTE
    taken(filled, "eli", now=now)
    receipt = give(filled, "ann", scored(lease), now=now)
    for name, other in zip(("ben", "cay", "dee"), others, strict=True):
        give(filled, name, scored(other), now=now)
    assert len(ratings(filled)) == 8
    assert over_assigned(filled) == []
    now += before_undo + MINUTE
    try:
        again = undo(filled, "ann", now=now)
    except NothingToUndoError:
        assert before_undo == DAY_ON
        again = None
    if again is not None:
        assert give(filled, "ann", scored(lease, (2, 2), revision=1), now=now).revision == 1
    assert give(filled, "ann", scored(lease), now=now) == receipt
    assert len(ratings(filled)) == 8
    assert over_assigned(filled) == []


def test_an_answer_is_never_dated_before_its_claim(filled: Engine) -> None:
    lease = taken(filled, "ann", now=NOON + MINUTE).lease
    assert give(filled, "ann", scored(lease), now=NOON + HOUR_BACK).created_at == timestamp(NOON + MINUTE)
    assert [row["seconds"] for row in ratings(filled)] == [0.0, 0.0]


def test_a_clock_set_back_takes_no_time_from_a_lease(filled: Engine) -> None:
    lease = taken(filled, "ann")
    again = taken(filled, "ann", now=NOON + HOUR_BACK)
    assert (again.lease, again.expires_at) == (lease.lease, lease.expires_at)


def test_a_clock_that_was_a_day_ahead_frees_everything_a_day_later(engine: Engine) -> None:
    fill(engine, tasks=[new_task("t1")])
    for name in NAMES[:3]:
        taken(engine, name, now=NOON + DAY_ON)
    assert take(engine, "dee", now=NOON) is None
    assert taken(engine, "dee", now=NOON + DAY_ON + RULES.lease_length).task_id == "t1"
    assert counters(engine, "t1") == (3, 1, 0)


def test_an_answer_given_with_the_clock_ahead_can_be_undone_when_it_is_right_again(filled: Engine) -> None:
    lease = taken(filled, "ann").lease
    give(filled, "ann", scored(lease), now=NOON + DAY_ON)
    assert undo(filled, "ann", now=NOON).lease == lease


def test_answers_of_an_earlier_stage_stay_in_it(filled: Engine) -> None:
    give(filled, "ann", scored(taken(filled, "ann").lease), now=NOON)
    member = saw(filled, lambda connection: read_member(connection, "p", "ann"))
    by = Act(None, NOON + HOUR_BACK)
    wrote(filled, lambda connection: change_stage(connection, member, stage="working", reason=None, by=by))
    give(filled, "ann", scored(taken(filled, "ann", now=by.now).lease), now=by.now)
    changed_at = saw(filled, lambda connection: read_member(connection, "p", "ann")).changed_at
    query = select(ANSWERS.c.created_at).order_by(ANSWERS.c.answer_id)
    times = saw(filled, lambda connection: list(connection.execute(query).scalars()))
    assert [each >= changed_at for each in times] == [False, True]


@pytest.mark.parametrize("jump", [HOUR_BACK, DAY_ON])
def test_a_test_is_judged_although_the_clock_jumped_in_its_middle(engine: Engine, jump: timedelta) -> None:
    settings = ProjectSettings.model_validate({"qualification": {"responses": 4}, "form": {"preference": "off"}})
    clock = [NOON]
    with writing(engine) as connection:
        add_project(connection, "p", title="P", settings=settings.model_dump(mode="json"), guideline="", by=SITE)
        tasks = [new_task("a", kind="training"), *(new_task(name, kind="qualification") for name in "bc")]
        add_tasks(connection, "p", [*tasks, new_task("t1")], need=3, by=SITE)
        add_user(connection, "ann", role="annotator", by=SITE)
        add_member(connection, "p", "ann", stage="training", by=SITE)
    service = Service(engine, lambda: clock[0], Random(0))
    seen = []
    for moment in (NOON, NOON + MINUTE, NOON + MINUTE + jump, NOON + 2 * MINUTE + jump):
        clock[0] = moment
        task = service.claim("p", "ann")
        assert task is not None
        seen.append(task.kind)
        right = ResponseScores((4, 4, 4, 2, 2)), ResponseScores((0, 0, 3, 1, 1))
        pair = right if task.left.startswith("first") else right[::-1]
        service.submit("ann", answer=Answer(task.lease, pair))
    assert seen == ["training", "qualification", "qualification", "rating"]
    assert saw(engine, lambda connection: read_member(connection, "p", "ann")).stage == "working"
