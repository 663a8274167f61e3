import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, delete, select, text, update
from sqlalchemy.exc import IntegrityError

from steersman.annotation.escalation import ratings_needed
from steersman.errors import DataError, RunError
from steersman.store.database.answers import Answer, Receipt, ResponseScores, submit
from steersman.store.database.connection import create_database, open_database, reading, writing
from steersman.store.database.content import (
    NewResponse,
    NewTask,
    add_annotator,
    add_tasks,
    find_annotator,
    read_progress,
    read_ratings,
)
from steersman.store.database.faults import AlreadyAnsweredError, UnknownLeaseError
from steersman.store.database.leases import LeasedTask, claim, timestamp
from steersman.store.database.origin import Origin, add_origin, read_origin
from steersman.store.database.schema import METADATA, RATINGS, TASKS
from steersman.store.lineage import Ancestor

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
NAMES = ("ann", "ben", "cay", "dee", "eli", "fay")


def new_task(name: str) -> NewTask:
    first = NewResponse(f"{name}-0", f"first answer to {name}", "model-one", "Apache-2.0")
    second = NewResponse(f"{name}-1", f"second answer to {name}", "model-two", None)
    return NewTask(name, f"prompt {name}", (first, second))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = create_database(tmp_path / "site.sqlite")
    with writing(made) as connection:
        add_tasks(connection, [new_task("t1"), new_task("t2")], need=3)
        for name in NAMES:
            add_annotator(connection, name, now=NOON)
    yield made
    made.dispose()


def take(engine: Engine, annotator: str, *, now: datetime = NOON, seed: int = 0) -> LeasedTask | None:
    with writing(engine) as connection:
        return claim(connection, annotator, now=now, lease_length=HOUR, rng=Random(seed))


def taken(engine: Engine, annotator: str, *, now: datetime = NOON) -> LeasedTask:
    task = take(engine, annotator, now=now)
    assert task is not None
    return task


def said(helpfulness: int) -> ResponseScores:
    return ResponseScores((helpfulness, 3, 4, 1, 2), confidence=2, safe=True)


def give(
    engine: Engine, annotator: str, lease: str, *, helpfulness: tuple[int, int] = (3, 3), now: datetime = NOON
) -> Receipt:
    answer = Answer(lease, (said(helpfulness[0]), said(helpfulness[1])))
    with writing(engine) as connection:
        return submit(
            connection, answer, annotator=annotator, now=now, guideline_version="1", ratings_needed=ratings_needed
        )


def counters(engine: Engine, task_id: str) -> tuple[int, int, int]:
    with reading(engine) as connection:
        row = connection.execute(select(TASKS).where(TASKS.c.task_id == task_id)).one()
    return row.need, row.num_active, row.num_done


def ratings(engine: Engine) -> list[dict[str, object]]:
    with reading(engine) as connection:
        return list(read_ratings(connection))


def test_the_migrations_make_exactly_the_tables_of_the_schema(engine: Engine) -> None:
    with reading(engine) as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_an_answer_waits_for_the_disk_and_readers_do_not_wait(engine: Engine) -> None:
    with reading(engine) as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_a_database_is_never_made_over_another(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="already exists"):
        create_database(tmp_path / "site.sqlite")


def test_the_log_of_a_deleted_database_is_not_replayed_into_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "new.sqlite-wal").write_bytes(b"left over")
    with pytest.raises(RunError, match=r"new\.sqlite-wal: already exists"):
        create_database(tmp_path / "new.sqlite")


def test_opening_a_missing_database_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="annotate init"):
        open_database(tmp_path / "none.sqlite")


def test_opening_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are notes, not a database; " * 50, encoding="utf-8")
    with pytest.raises(DataError, match="cannot be read as an annotation database"):
        open_database(path)


def test_opening_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.sqlite"
    path.touch()
    with pytest.raises(DataError, match="not an annotation database"):
        open_database(path)


def test_opening_a_database_of_another_version_is_refused(engine: Engine, tmp_path: Path) -> None:
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(RunError, match="version 9999"):
        open_database(tmp_path / "site.sqlite")


@pytest.mark.parametrize("journal_mode", ["delete", "wal"])
@pytest.mark.parametrize("tables", ["places (name)", "alembic_version (version_num)"])
def test_a_database_of_another_program_is_left_as_it_is(tmp_path: Path, tables: str, journal_mode: str) -> None:
    path = tmp_path / "places.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode={journal_mode}")
        connection.execute(f"CREATE TABLE {tables}")
        connection.execute(f"INSERT INTO {tables.split()[0]} VALUES ('0001')")
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(DataError, match="not an annotation database"):
        open_database(path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["places.sqlite"]


def new_database_of_the_first_version(path: Path) -> None:
    made = create_database(path)
    with writing(made) as connection:
        add_tasks(connection, [new_task("t1")], need=3)
        add_annotator(connection, "ann", now=NOON)
        connection.execute(text("DROP TABLE origin"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    give(made, "ann", taken(made, "ann").lease)
    made.dispose()


def test_a_database_of_an_older_version_is_brought_up_to_date_with_its_answers(tmp_path: Path) -> None:
    path = tmp_path / "site.sqlite"
    new_database_of_the_first_version(path)
    found = open_database(path)
    with reading(found) as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
        origin = read_origin(connection, name="site")
    assert len(ratings(found)) == 2
    found.dispose()
    assert [(each.work, each.role, each.licence) for each in origin.ancestors] == [
        ("site", "prompts", None),
        ("model-one", "responses", "Apache-2.0"),
        ("model-two", "responses", None),
    ]


def test_the_origin_of_the_tasks_comes_out_as_it_went_in(engine: Engine) -> None:
    ancestors = (Ancestor("a", "data", "prompts", None, revision="r"), Ancestor("é", "model", "responses", "MIT"))
    with writing(engine) as connection:
        add_origin(connection, Origin(ancestors, {"prompts": "0"}, simulated=True))
    with reading(engine) as connection:
        assert read_origin(connection, name="other") == Origin(ancestors, {"prompts": "0"}, simulated=True)


def test_a_token_finds_its_annotator_and_is_not_kept(engine: Engine, tmp_path: Path) -> None:
    with writing(engine) as connection:
        token = add_annotator(connection, "gus", now=NOON)
    with reading(engine) as connection:
        assert find_annotator(connection, token) == "gus"
        assert find_annotator(connection, token + "x") is None
    engine.dispose()
    assert token.encode() not in (tmp_path / "site.sqlite").read_bytes()


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        timestamp(datetime(2026, 1, 2, 12))  # noqa: DTZ001 - the fault under test


def test_a_task_goes_to_three_annotators_and_the_fourth_gets_the_next(engine: Engine) -> None:
    assert [taken(engine, name).task_id for name in NAMES[:4]] == ["t1", "t1", "t1", "t2"]


def test_claiming_again_gives_the_same_lease_and_a_later_expiry(engine: Engine) -> None:
    first = taken(engine, "ann")
    again = taken(engine, "ann", now=NOON + HOUR / 2)
    assert again.lease == first.lease
    assert again.expires_at == timestamp(NOON + HOUR / 2 + HOUR)
    assert counters(engine, "t1") == (3, 1, 0)


def test_an_annotator_never_gets_a_task_twice(engine: Engine) -> None:
    for _ in range(2):
        give(engine, "ann", taken(engine, "ann").lease)
    assert take(engine, "ann") is None


def test_left_and_right_are_drawn_for_each_annotator_and_recorded(engine: Engine) -> None:
    for seed, name in enumerate(NAMES):
        task = take(engine, name, seed=seed)
        assert task is not None
        give(engine, name, task.lease, helpfulness=(4, 2))
    rows = ratings(engine)
    # the left response was always given 4, whichever it was
    assert all(row["helpfulness"] == (4 if row["position"] == 0 else 2) for row in rows)
    left = {str(row["response_id"])[-1] for row in rows if row["position"] == 0}
    assert left == {"0", "1"}


def test_a_replayed_answer_returns_the_same_receipt_and_adds_nothing(engine: Engine) -> None:
    task = taken(engine, "ann")
    first = give(engine, "ann", task.lease)
    assert give(engine, "ann", task.lease, now=NOON + HOUR) == first
    assert len(ratings(engine)) == 2
    assert counters(engine, "t1") == (3, 0, 1)


def test_a_replay_with_other_scores_is_refused_and_the_first_answer_kept(engine: Engine) -> None:
    task = taken(engine, "ann")
    give(engine, "ann", task.lease, helpfulness=(3, 3))
    with pytest.raises(AlreadyAnsweredError):
        give(engine, "ann", task.lease, helpfulness=(3, 2))
    assert [row["helpfulness"] for row in ratings(engine)] == [3, 3]


def test_the_lease_of_another_annotator_cannot_be_answered(engine: Engine) -> None:
    task = taken(engine, "ann")
    with pytest.raises(UnknownLeaseError):
        give(engine, "ben", task.lease)


def test_an_expired_lease_goes_to_the_next_annotator(engine: Engine) -> None:
    for name in NAMES[:3]:
        taken(engine, name)
    assert taken(engine, "dee", now=NOON + HOUR).task_id == "t1"
    assert counters(engine, "t1") == (3, 1, 0)


def test_a_late_answer_counts_while_a_place_is_free(engine: Engine) -> None:
    late = taken(engine, "ann")
    taken(engine, "ben", now=NOON + HOUR)
    receipt = give(engine, "ann", late.lease, now=NOON + 2 * HOUR)
    assert not receipt.surplus
    assert counters(engine, "t1") == (3, 1, 1)


def test_a_late_answer_without_a_place_is_kept_as_surplus(engine: Engine) -> None:
    late = taken(engine, "ann")
    for name in ("ben", "cay", "dee"):
        give(engine, name, taken(engine, name, now=NOON + HOUR).lease, now=NOON + HOUR)
    receipt = give(engine, "ann", late.lease, now=NOON + HOUR)
    assert receipt.surplus
    assert give(engine, "ann", late.lease, now=NOON + 2 * HOUR) == receipt
    assert counters(engine, "t1") == (3, 0, 3)
    assert [row["surplus"] for row in ratings(engine)] == [False] * 6 + [True] * 2


def test_an_annotator_who_comes_back_after_expiry_keeps_lease_and_order(engine: Engine) -> None:
    first = taken(engine, "ann")
    taken(engine, "ben", now=NOON + HOUR)
    again = taken(engine, "ann", now=NOON + HOUR)
    assert (again.lease, again.left, again.right) == (first.lease, first.left, first.right)
    assert counters(engine, "t1") == (3, 2, 0)


def test_three_that_disagree_on_one_response_bring_two_more_and_no_third(engine: Engine) -> None:
    tasks = [taken(engine, name) for name in NAMES[:3]]
    for name, task, score in zip(NAMES[:3], tasks, (0, 1, 3), strict=True):
        # one and the same response is given 0, 1 and 3, on whichever side it stands
        pair = (score, 3) if task.left.startswith("first") else (3, score)
        give(engine, name, task.lease, helpfulness=pair)
    assert counters(engine, "t1") == (5, 0, 3)
    assert [taken(engine, name).task_id for name in NAMES[3:]] == ["t1", "t1", "t2"]


def test_a_difference_of_two_brings_nobody(engine: Engine) -> None:
    for name, score in zip(NAMES[:3], (1, 2, 3), strict=True):
        give(engine, name, taken(engine, name).lease, helpfulness=(score, score))
    assert counters(engine, "t1") == (3, 0, 3)


def test_the_tables_refuse_one_annotator_too_many(engine: Engine) -> None:
    with pytest.raises(IntegrityError, match="tasks_never_over_assigned"), writing(engine) as connection:
        connection.execute(update(TASKS).values(num_active=4))


@pytest.mark.parametrize("change", [update(RATINGS).values(helpfulness=0), delete(RATINGS)])
def test_ratings_can_only_be_added(engine: Engine, change: object) -> None:
    give(engine, "ann", taken(engine, "ann").lease)
    with pytest.raises(IntegrityError, match="append-only"), writing(engine) as connection:
        connection.execute(change)  # type: ignore[call-overload]


def test_progress_counts_tasks_ratings_and_answers(engine: Engine) -> None:
    for name in NAMES[:3]:
        give(engine, name, taken(engine, name).lease)
    with reading(engine) as connection:
        progress = read_progress(connection, "ann")
    assert (progress.tasks, progress.finished, progress.ratings, progress.surplus, progress.answered) == (2, 1, 6, 0, 1)


def test_seconds_run_from_the_claim_to_the_answer(engine: Engine) -> None:
    task = taken(engine, "ann")
    give(engine, "ann", task.lease, now=NOON + timedelta(seconds=90))
    assert [row["seconds"] for row in ratings(engine)] == [90.0, 90.0]
