"""What the tables of an annotation database refuse: changes of what was said, and values that cannot be kept."""

import pytest
from database_work import NOON, SITE, events, fill, give, new_task, saw, scored, taken, wrote
from postgres_server import PostgresServer
from sqlalchemy import Engine, Table, delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from steersman.errors import DataError
from steersman.store.database.answer_tables import ADJUDICATIONS, REVIEWS
from steersman.store.database.audit import Act, record, timestamp
from steersman.store.database.connection import create_database, writing
from steersman.store.database.origin import Origin, add_origin
from steersman.store.database.projects import mark_guideline_seen
from steersman.store.database.schema import APPEND_ONLY, METADATA
from steersman.store.database.withdrawing import Withdrawal, withdraw

pytest_plugins = ("database_fixtures",)


def fill_each_table(engine: Engine) -> None:
    """Put a row at least into every table that is only ever added to."""
    fill(engine, tasks=[new_task("t1"), new_task("g1", kind="gold")])
    give(engine, "ann", scored(taken(engine, "ann").lease))
    with writing(engine) as connection:
        mark_guideline_seen(connection, "p", "ann", version=1, now=NOON)
        add_origin(connection, "p", Origin((), {}, simulated=False), now=NOON)
        withdraw(connection, 1, Withdrawal("rejected"), by=Act("ben", NOON))
        review = {"task_key": 1, "user_id": "ben", "verdict": "adjudicated", "created_at": timestamp(NOON)}
        connection.execute(insert(REVIEWS).values(review_id=1, **review))
        connection.execute(insert(ADJUDICATIONS).values(review_id=1, slot=0, helpfulness=3))


def rows_of(engine: Engine, table: Table) -> list[tuple[object, ...]]:
    return saw(engine, lambda connection: [tuple(row) for row in connection.execute(select(table))])


def test_tables_that_are_only_added_to_refuse_every_change(engine: Engine) -> None:
    fill_each_table(engine)
    for name in APPEND_ONLY:
        table = METADATA.tables[name]
        before = rows_of(engine, table)
        column = next(iter(table.columns))
        for change in (update(table).values({column: column}), delete(table)):
            with pytest.raises(IntegrityError, match=f"{name} are append-only"), writing(engine) as connection:
                connection.execute(change)
        assert before
        assert rows_of(engine, table) == before


def test_rows_of_a_server_cannot_be_dropped_all_at_once_either(server: PostgresServer) -> None:
    engine = create_database(server.make_database("truncated"))
    with pytest.raises(IntegrityError, match="append-only"):
        wrote(engine, lambda connection: connection.execute(text("TRUNCATE audit")))
    engine.dispose()


@pytest.mark.parametrize("unkeepable", ["a\0b", "half a pair: \ud83d"])
def test_a_text_that_one_kind_cannot_keep_is_refused_by_both(engine: Engine, unkeepable: str) -> None:
    with pytest.raises(DataError, match="is no text"):
        wrote(engine, lambda connection: record(connection, "noted", by=SITE, subject=unkeepable))
    assert events(engine, "noted") == []


def test_letters_of_every_script_are_kept(engine: Engine) -> None:
    subject = "naïve 日本語 🎈 \x7f\u2028"
    wrote(engine, lambda connection: record(connection, "noted", by=SITE, subject=subject))
    assert [each.subject for each in events(engine, "noted")] == [subject]


@pytest.mark.parametrize("number", [2**31, -(2**63) - 1, 10**40])
def test_a_number_that_one_kind_cannot_keep_is_refused_by_both(engine: Engine, number: int) -> None:
    with pytest.raises(DataError, match="too large"):
        fill(engine, tasks=[new_task("t1", priority=number)])
