"""Projects, the versions of their settings and guidelines, their tasks, and where those came from."""

import pytest
from database_work import NOON, SITE, events, fill, new_task, rate, saw, wrote
from sqlalchemy import Engine

from steersman.errors import ConfigError
from steersman.store.database.connection import writing
from steersman.store.database.faults import TakenError, UnknownError
from steersman.store.database.origin import Origin, add_origin, read_origin
from steersman.store.database.projects import (
    add_project,
    change_guideline,
    change_settings,
    mark_guideline_seen,
    project_ids,
    read_guideline,
    read_project,
    seen_guideline,
)
from steersman.store.database.tasks import add_tasks, count_kind, count_tasks
from steersman.store.lineage import Ancestor

pytest_plugins = ("database_fixtures",)


def new_project(engine: Engine, project_id: str) -> None:
    wrote(
        engine,
        lambda connection: add_project(connection, project_id, title="T", settings={"a": 1}, guideline="# G", by=SITE),
    )


def test_a_project_starts_with_the_first_versions(engine: Engine) -> None:
    new_project(engine, "summer")
    found = saw(engine, lambda connection: read_project(connection, "summer"))
    guideline = saw(engine, lambda connection: read_guideline(connection, "summer"))
    assert (found.title, found.settings, found.settings_version) == ("T", {"a": 1}, 1)
    assert (guideline.version, guideline.markdown) == (1, "# G")


def test_the_newest_version_holds_and_the_older_ones_stay(engine: Engine) -> None:
    new_project(engine, "summer")
    assert wrote(engine, lambda connection: change_settings(connection, "summer", {"a": 2}, by=SITE)) == 2
    assert wrote(engine, lambda connection: change_guideline(connection, "summer", "# New", by=SITE)) == 2
    assert saw(engine, lambda connection: read_project(connection, "summer")).settings == {"a": 2}
    assert saw(engine, lambda connection: read_guideline(connection, "summer")).markdown == "# New"
    assert saw(engine, lambda connection: read_guideline(connection, "summer", version=1)).markdown == "# G"


def test_an_id_is_given_once_and_must_fit_an_address(engine: Engine) -> None:
    new_project(engine, "summer")
    with pytest.raises(TakenError, match="summer already"):
        new_project(engine, "summer")
    with pytest.raises(ConfigError, match="project id"):
        new_project(engine, "Summer")
    assert saw(engine, project_ids) == ["summer"]


def test_a_project_that_is_not_there_is_named(engine: Engine) -> None:
    with pytest.raises(UnknownError, match="winter"):
        saw(engine, lambda connection: read_project(connection, "winter"))


def test_reading_a_guideline_again_is_noted_once(filled: Engine) -> None:
    assert saw(filled, lambda connection: seen_guideline(connection, "p", "ann")) is None
    for _ in range(2):
        wrote(filled, lambda connection: mark_guideline_seen(connection, "p", "ann", version=1, now=NOON))
    assert saw(filled, lambda connection: seen_guideline(connection, "p", "ann")) == 1
    assert len(events(filled, "guideline.seen")) == 1


def test_tasks_of_a_second_import_stand_behind_the_first(filled: Engine) -> None:
    wrote(filled, lambda connection: add_tasks(connection, "p", [new_task("t0")], need=3, by=SITE))
    assert [rate(filled, "ann").task_id for _ in range(3)] == ["t1", "t2", "t0"]


def test_an_import_with_a_task_id_that_is_taken_adds_nothing(filled: Engine) -> None:
    with pytest.raises(TakenError, match="'t2' already"):
        wrote(filled, lambda connection: add_tasks(connection, "p", [new_task("t3"), new_task("t2")], need=3, by=SITE))
    assert saw(filled, lambda connection: count_tasks(connection, "p")).tasks == 2


def test_more_tasks_than_one_statement_takes_are_added_in_order(engine: Engine) -> None:
    fill(engine, tasks=[new_task(f"t{number}") for number in range(1001)], names=())
    counts = saw(engine, lambda connection: count_tasks(connection, "p"))
    assert (counts.tasks, counts.finished, counts.ended) == (1001, 0, 0)


def test_finished_tasks_are_counted(filled: Engine) -> None:
    for name in ("ann", "ben", "cay"):
        rate(filled, name)
    counts = saw(filled, lambda connection: count_tasks(connection, "p"))
    assert (counts.tasks, counts.finished, counts.ended) == (2, 1, 0)


def test_tasks_with_known_scores_are_counted_by_kind(engine: Engine) -> None:
    fill(engine, tasks=[new_task("t1"), new_task("g1", kind="gold"), new_task("g2", kind="gold")])
    assert saw(engine, lambda connection: count_kind(connection, "p", kind="gold")) == 2
    assert saw(engine, lambda connection: count_tasks(connection, "p")).tasks == 1


def test_the_origin_of_the_tasks_comes_out_as_it_went_in(filled: Engine) -> None:
    ancestors = (Ancestor("a", "data", "prompts", None, revision="r"), Ancestor("é", "model", "responses", "MIT"))
    origin = Origin(ancestors, {"prompts": "0"}, simulated=True)
    wrote(filled, lambda connection: add_origin(connection, "p", origin, now=NOON))
    found = saw(filled, lambda connection: read_origin(connection, "p"))
    assert (tuple(found.ancestors), found.inputs, found.simulated) == (ancestors, {"prompts": "0"}, True)


def test_the_inputs_of_a_second_import_get_a_number(filled: Engine) -> None:
    for sha256 in ("0", "1"):
        with writing(filled) as connection:
            add_origin(connection, "p", Origin((), {"prompts": sha256}, simulated=False), now=NOON)
    assert saw(filled, lambda connection: read_origin(connection, "p")).inputs == {"prompts": "0", "prompts-2": "1"}
