from collections import Counter
from datetime import timedelta
from statistics import median

import pytest
from busy_project import BOSS, KNOWN, PROJECT, BusyProject, start_project
from sqlalchemy import Engine, select

from steersman.records import ATTRIBUTES
from steersman.store.database.answer_tables import ANSWERS, RATINGS, WITHDRAWALS
from steersman.store.database.connection import reading, writing
from steersman.store.database.reviewing import adjudicate, end_task
from steersman.store.database.task_tables import ASSIGNMENTS, TASKS
from steersman.web.live.counting import snapshot_of
from steersman.web.live.loading import load
from steersman.web.live.snapshot import AnnotatorReport, Snapshot

pytest_plugins = ("database_fixtures",)


@pytest.fixture
def project(engine: Engine) -> BusyProject:
    made = start_project(engine)
    made.work(200)
    made.reject(4)
    return made


def counted(project: BusyProject) -> Snapshot:
    loaded = load(project.engine, PROJECT, before=None, now=project.now())
    return snapshot_of(project.engine, loaded, project_id=PROJECT)


def answers(engine: Engine) -> list[dict[str, object]]:
    """Every answer with what the tables say of it; `gone` is why it was taken back."""
    query = (
        select(ANSWERS, TASKS.c.task_id, TASKS.c.kind, ASSIGNMENTS.c.user_id, WITHDRAWALS.c.reason.label("gone"))
        .join(TASKS, TASKS.c.task_key == ANSWERS.c.task_key)
        .join(ASSIGNMENTS, ASSIGNMENTS.c.assignment_id == ANSWERS.c.assignment_id)
        .outerjoin(WITHDRAWALS, WITHDRAWALS.c.answer_id == ANSWERS.c.answer_id)
    )
    with reading(engine) as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def is_counting(answer: dict[str, object]) -> bool:
    return answer["kind"] == "rating" and not answer["surplus"] and answer["gone"] is None


def report(snapshot: Snapshot, name: str) -> AnnotatorReport:
    return next(each for each in snapshot.annotators if each.user_id == name)


def test_tasks_are_finished_ended_or_open(project: BusyProject) -> None:
    with writing(project.engine) as connection:
        end_task(connection, PROJECT, "t39", note=None, by=BOSS)
    progress = counted(project).progress
    with reading(project.engine) as connection:
        tasks = connection.execute(select(TASKS).where(TASKS.c.kind == "rating")).mappings().all()
    ended = [task for task in tasks if task["state"] == "ended"]
    finished = [task for task in tasks if task["state"] == "open" and task["num_done"] >= task["need"]]
    assert (progress.tasks, progress.ended, progress.finished) == (40, len(ended), len(finished))
    assert progress.open == 40 - len(ended) - len(finished)
    assert progress.grown == sum(task["need"] == 5 for task in tasks)
    assert progress.answers == sum(is_counting(each) for each in answers(project.engine))


def test_deliveries_add_up_to_the_whole(project: BusyProject) -> None:
    snapshot = counted(project)
    assert [(each.name, each.progress.tasks) for each in snapshot.deliveries] == [("first", 20), (None, 20)]
    assert sum(each.progress.answers for each in snapshot.deliveries) == snapshot.progress.answers


def test_every_sort_of_answer_is_counted(project: BusyProject) -> None:
    found, rows = counted(project).answers, answers(project.engine)
    kept = Counter(each["kind"] for each in rows if each["gone"] is None)
    gone = Counter(each["gone"] for each in rows if each["kind"] == "rating")
    counting = [each for each in rows if is_counting(each)]
    assert (found.gold, found.training, found.qualification) == (kept["gold"], 0, 0)
    assert (found.undone, found.rejected) == (gone["undone"], gone["rejected"])
    assert found.flagged == sum(each["flags"] != "[]" for each in counting)
    assert found.ratings == 2 * sum(each["flags"] == "[]" for each in counting)
    assert min(found.gold, found.undone, found.rejected, found.flagged) > 0


def test_throughput_tells_the_answers_of_each_day(project: BusyProject) -> None:
    throughput = counted(project).throughput
    since = (project.moment - timedelta(days=13)).date()
    days = Counter(str(each["created_at"])[:10] for each in answers(project.engine) if is_counting(each))
    assert throughput.days[0][0] == since
    assert [number for day, number in throughput.days] == [days[day.isoformat()] for day, _ in throughput.days]
    hours = [number for hour, number in throughput.hours if hour.date() == throughput.days[-1][0]]
    assert sum(hours) == throughput.days[-1][1]
    assert len(throughput.hours) == 14 * 24


def test_a_report_counts_what_the_annotator_did(project: BusyProject) -> None:
    found = report(counted(project), "a")
    mine = [each for each in answers(project.engine) if each["user_id"] == "a" and each["kind"] == "rating"]
    counting = [each for each in mine if is_counting(each)]
    timed = [each["active_seconds"] for each in mine if each["active_seconds"] is not None]
    assert (found.answers, found.responses) == (len(counting), 2 * sum(each["flags"] == "[]" for each in counting))
    assert found.undone == sum(each["gone"] == "undone" for each in mine)
    assert found.flags == sum(each["flags"] != "[]" for each in mine if each["gone"] is None)
    assert found.median_seconds == median(float(str(seconds)) for seconds in timed)
    assert found.agreement is not None
    assert set(found.bias) == set(ATTRIBUTES)


def test_gold_is_right_within_the_tolerance_of_the_project(project: BusyProject) -> None:
    """Derived from the rows: helpfulness off by at most one level from what is known of the response's slot."""
    query = (
        select(RATINGS.c.slot, RATINGS.c.helpfulness)
        .join(ANSWERS, ANSWERS.c.answer_id == RATINGS.c.answer_id)
        .join(TASKS, TASKS.c.task_key == ANSWERS.c.task_key)
        .join(ASSIGNMENTS, ASSIGNMENTS.c.assignment_id == ANSWERS.c.assignment_id)
        .outerjoin(WITHDRAWALS, WITHDRAWALS.c.answer_id == ANSWERS.c.answer_id)
        .where(TASKS.c.kind == "gold", ASSIGNMENTS.c.user_id == "b", WITHDRAWALS.c.answer_id.is_(None))
    )
    with reading(project.engine) as connection:
        rows = connection.execute(query).all()
    right = [
        given is not None and abs(given - int(KNOWN[slot].scores[0] or 0)) <= 1 for slot, given in map(tuple, rows)
    ]
    found = report(counted(project), "b")
    assert (found.gold, found.gold_right) == (len(rows), sum(right) / len(rows))


def test_the_queue_begins_with_the_largest_spread(project: BusyProject) -> None:
    queue = counted(project).queue
    spreads = [max(max(each, default=0) - min(each, default=0) for each in task.helpfulness) for task in queue.tasks]
    assert [task.spread for task in queue.tasks] == spreads
    assert spreads == sorted(spreads, reverse=True)
    assert queue.disputed == sum(spread > 2 for spread in spreads) > 0


def test_what_a_reviewer_settled_goes_to_the_end_of_the_queue(project: BusyProject) -> None:
    first = counted(project).queue.tasks[0].task_id
    with writing(project.engine) as connection:
        adjudicate(connection, PROJECT, first, scores=((3,) * 5, (2,) * 5), note=None, by=BOSS)
    queue = counted(project).queue
    assert (queue.tasks[-1].task_id, queue.tasks[-1].is_settled) == (first, True)


def test_helpfulness_is_told_in_the_order_of_slots_and_of_time(project: BusyProject) -> None:
    query = (
        select(TASKS.c.task_id, RATINGS.c.slot, RATINGS.c.helpfulness)
        .join(ANSWERS, ANSWERS.c.answer_id == RATINGS.c.answer_id)
        .join(TASKS, TASKS.c.task_key == ANSWERS.c.task_key)
        .outerjoin(WITHDRAWALS, WITHDRAWALS.c.answer_id == ANSWERS.c.answer_id)
        .where(WITHDRAWALS.c.answer_id.is_(None), ANSWERS.c.surplus.is_(False), RATINGS.c.helpfulness.is_not(None))
        .order_by(RATINGS.c.rating_id)
    )
    with reading(project.engine) as connection:
        rows = [tuple(row) for row in connection.execute(query)]
    queue = counted(project).queue
    assert queue.tasks
    for task in queue.tasks:
        given = [tuple(level for name, at, level in rows if (name, at) == (task.task_id, slot)) for slot in (0, 1)]
        assert task.helpfulness == tuple(given)
