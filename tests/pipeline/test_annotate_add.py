"""More tasks for a site: to rate, with known scores, or with the answers of an export."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from site_tables import SCORES, SETTINGS, Fields, annotators_of, new_site, rate, tables, write

from steersman.errors import ConfigError, DataError
from steersman.pipeline.annotate import NewProject, init
from steersman.pipeline.annotate_add import add
from steersman.pipeline.annotate_export import export
from steersman.pipeline.annotate_ratings import add_ratings
from steersman.pipeline.annotate_tasks import Placing
from steersman.records import ATTRIBUTES
from steersman.store.database.connection import open_database, reading
from steersman.store.database.faults import TakenError
from steersman.store.database.people import read_member, read_user
from steersman.store.database.stored_tasks import stored_tasks
from steersman.store.database.tasks import count_tasks
from steersman.store.files import read_rows
from steersman.web.app import create_app

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
KNOWN = {**SCORES, "complexity": None}


def known_table(folder: Path, *names: str) -> Path:
    rows: list[Fields] = [{"response_id": name, **KNOWN, "explanation": f"why {name}"} for name in names]
    return write(folder / "known.jsonl", rows)


def test_more_tasks_come_behind_those_that_are_there(tmp_path: Path) -> None:
    people = annotators_of(new_site(tmp_path))
    placing = Placing(delivery="second")
    assert add(tmp_path / "site.sqlite", *tables(tmp_path / "more", "p3"), placing=placing)["tasks"] == 1
    with TestClient(create_app(tmp_path / "site.sqlite", now=lambda: NOON)) as client:
        assert [rate(client, people[0]["token"])["task_id"] for _ in range(3)] == ["p1", "p2", "p3"]


def test_tasks_of_a_higher_priority_come_first(tmp_path: Path) -> None:
    people = annotators_of(new_site(tmp_path))
    add(tmp_path / "site.sqlite", *tables(tmp_path / "more", "p3"), placing=Placing(priority=1))
    with TestClient(create_app(tmp_path / "site.sqlite", now=lambda: NOON)) as client:
        assert rate(client, people[0]["token"])["task_id"] == "p3"


def test_training_tasks_keep_their_known_scores_and_come_before_work(tmp_path: Path) -> None:
    people = annotators_of(new_site(tmp_path))
    known = known_table(tmp_path, "t-0", "t-1")
    add(tmp_path / "site.sqlite", *tables(tmp_path / "more", "t"), placing=Placing("training"), known=known)
    engine = open_database(tmp_path / "site.sqlite")
    with reading(engine) as connection:
        stored = stored_tasks(connection, "site", ["t"])["t"]
    engine.dispose()
    assert stored.known is not None
    assert [(each.scores, each.explanation) for each in stored.known] == [
        (tuple(KNOWN[name] for name in ATTRIBUTES), f"why t-{slot}") for slot in (0, 1)
    ]
    with TestClient(create_app(tmp_path / "site.sqlite", now=lambda: NOON)) as client:
        assert [rate(client, people[0]["token"])["kind"] for _ in range(2)] == ["training", "rating"]


@pytest.mark.parametrize("kind", ["gold", "training", "qualification"])
def test_tasks_with_a_right_answer_need_it(tmp_path: Path, kind: str) -> None:
    new_site(tmp_path)
    with pytest.raises(ConfigError, match="give --known FILE"):
        add(tmp_path / "site.sqlite", *tables(tmp_path / "more", "p3"), placing=Placing(kind))


def test_all_faults_of_known_scores_are_told_and_nothing_is_added(tmp_path: Path) -> None:
    new_site(tmp_path)
    known = known_table(tmp_path, "t-0", "t-0", "x")
    with pytest.raises(DataError) as caught:
        add(tmp_path / "site.sqlite", *tables(tmp_path / "more", "t"), placing=Placing("gold"), known=known)
    told = str(caught.value)
    assert "'t-0': 2 rows have this id" in told
    assert "'t-1': no known scores" in told
    assert "'x': no task has it" in told
    engine = open_database(tmp_path / "site.sqlite")
    with reading(engine) as connection:
        assert count_tasks(connection, "site").tasks == 2
    engine.dispose()


def test_a_task_that_is_there_is_not_added_again(tmp_path: Path) -> None:
    new_site(tmp_path)
    with pytest.raises(TakenError, match="has a task 'p2' already; nothing was added"):
        add(tmp_path / "site.sqlite", *tables(tmp_path / "more", "p3", "p2"), placing=Placing())


def worked_site(folder: Path) -> None:
    """Make a site with everything that an export can hold: flags, comparisons, gold, deliveries, surplus, disputes."""
    people = annotators_of(new_site(folder))
    more = tables(folder / "more", "g")
    known = known_table(folder, "g-0", "g-1")
    add(folder / "site.sqlite", *more, placing=Placing("gold"), known=known)
    add(folder / "site.sqlite", *tables(folder / "third", "p3"), placing=Placing(delivery="d3"))
    seconds = 0.0

    def clock() -> datetime:
        nonlocal seconds
        seconds += 7.0
        return datetime.fromtimestamp(NOON.timestamp() + seconds, tz=UTC)

    with TestClient(create_app(folder / "site.sqlite", now=clock)) as client:
        for number, person in enumerate(people):
            levels = [{**SCORES, "helpfulness": (0, 4)[number % 2], "confidence": 1, "safe": False}, SCORES]
            why = {"strength": (-3, 2, None)[number % 3], "justification": f"reason {number} is enough"}
            rate(client, person["token"], responses=levels, comparison=why, simulated=number == 1)
        rate(client, people[0]["token"], flags=["pii"], active_seconds=3.25)
        rate(client, people[1]["token"])


def rows_of(path: Path) -> list[Fields]:
    return [dict(row) for row in read_rows(path)]


def test_an_export_comes_in_again_and_goes_out_the_same(tmp_path: Path) -> None:
    worked_site(tmp_path)
    first = tmp_path / "first" / "ratings.jsonl"
    export(tmp_path / "site.sqlite", out=first)
    other = tmp_path / "other.sqlite"
    project = NewProject(SETTINGS, "# Rate", "other")
    init(*tables(tmp_path / "empty", "unasked"), out=other, annotators=1, project=project)
    preferences = first.with_name("ratings-preferences.jsonl")
    result = add_ratings(other, first, preferences=preferences)
    second = tmp_path / "second" / "ratings.jsonl"
    export(other, out=second)
    assert len(rows_of(first)) > 10
    assert rows_of(second) == rows_of(first)
    assert rows_of(second.with_name("ratings-preferences.jsonl")) == rows_of(preferences)
    assert result["new_users"] == [f"annotator-{number}" for number in range(2, 6)]


def test_imported_answers_count_as_if_given_here(tmp_path: Path) -> None:
    """Helpfulness of p1 is 0, 4, 0, ...: the first three differ by four, so it needs five, and has them."""
    worked_site(tmp_path)
    export(tmp_path / "site.sqlite", out=tmp_path / "first" / "ratings.jsonl")
    other = tmp_path / "other.sqlite"
    made = init(*tables(tmp_path / "empty", "u"), out=other, annotators=1, project=NewProject(SETTINGS, "# Rate", "o"))
    add_ratings(other, tmp_path / "first" / "ratings.jsonl", preferences=None)
    engine = open_database(other)
    with reading(engine) as connection:
        assert count_tasks(connection, "o").finished == 1
        assert read_member(connection, "o", "annotator-1").num_answered == 2
        assert not read_user(connection, "annotator-2").has_password
    engine.dispose()
    with TestClient(create_app(other, now=lambda: NOON)) as client:
        # p1 and p2 are answered by this annotator already
        assert rate(client, annotators_of(made)[0]["token"])["task_id"] == "u"


def test_all_that_cannot_have_been_said_is_told_and_nothing_comes_in(tmp_path: Path) -> None:
    worked_site(tmp_path)
    out = tmp_path / "first" / "ratings.jsonl"
    export(tmp_path / "site.sqlite", out=out)
    rows = rows_of(out)
    rows[0]["response"] = "another text"
    rows[3]["seconds"] = 1.5
    rows[5]["position"] = 0
    rows[6]["created_at"] = rows[7]["created_at"] = "yesterday"
    out.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    other = tmp_path / "other.sqlite"
    init(*tables(tmp_path / "empty", "u"), out=other, annotators=1, project=NewProject(SETTINGS, "# Rate"))
    before = other.read_bytes()
    with pytest.raises(DataError) as caught:
        add_ratings(other, out, preferences=None)
    told = str(caught.value)
    for words in (
        "its rows must be of two responses, each with one text",
        "its two rows differ in seconds",
        "needs one row for each response, at position 0 and 1",
        "created_at must be a time with its zone, got 'yesterday'",
    ):
        assert words in told
    assert other.read_bytes() == before
