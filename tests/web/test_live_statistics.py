from collections.abc import Iterator
from pathlib import Path

import pytest
from busy_project import BY, PROJECT, BusyProject, start_project
from sqlalchemy import Engine

from steersman.config.cleaning import CleanSettings
from steersman.pipeline import agreement
from steersman.records import ATTRIBUTES
from steersman.store.database.connection import reading, writing
from steersman.store.database.exporting import read_ratings
from steersman.store.database.faults import UnknownError
from steersman.store.database.projects import add_project
from steersman.store.files import write_table
from steersman.tables import RATINGS, table_from_rows
from steersman.web.live.counting import snapshot_of
from steersman.web.live.loading import load
from steersman.web.live.snapshot import Snapshot
from steersman.web.live.statistics import LiveStatistics

pytest_plugins = ("database_fixtures",)
LONG = 60.0


@pytest.fixture
def project(engine: Engine) -> BusyProject:
    made = start_project(engine)
    made.work(220)
    made.reject(5)
    return made


@pytest.fixture
def live(project: BusyProject) -> Iterator[LiveStatistics]:
    statistics = LiveStatistics(project.engine, project.now)
    yield statistics
    statistics.close()


def looked(live: LiveStatistics) -> Snapshot:
    found = live.look(PROJECT, patience_seconds=LONG)
    assert found is not None
    return found


def counted(project: BusyProject) -> Snapshot:
    loaded = load(project.engine, PROJECT, before=None, now=project.now())
    return snapshot_of(project.engine, loaded, project_id=PROJECT)


def exported_agreement(engine: Engine, path: Path) -> agreement.Agreement:
    with reading(engine) as connection:
        rows = [row for _, row in read_ratings(connection, PROJECT)]
    write_table(path, table_from_rows(rows, table=RATINGS, source="the test"))
    return agreement.run(path, rules=CleanSettings.model_validate({}), seed=0, rounds=1000)


def test_agreement_is_what_the_verb_says_of_the_export(project: BusyProject, tmp_path: Path) -> None:
    snapshot = counted(project)
    said = exported_agreement(project.engine, tmp_path / "ratings.jsonl")
    assert list(snapshot.agreement) == list(ATTRIBUTES)
    for attribute, stages in said.items():
        for stage, figures in stages.items():
            live, expected = snapshot.agreement[attribute][stage], dict(figures or {})
            assert live.kappa == expected["kappa_quadratic"]
            assert live.kappa is not None
            assert [live.low, live.high] == expected["kappa_ci95"]
            assert live.alpha == expected["alpha_ordinal"]
            assert live.random_raters == expected["random_raters"]
            assert (live.tasks, live.ratings) == (expected["tasks"], expected["ratings"])


def test_answers_read_later_give_what_reading_all_gives(project: BusyProject) -> None:
    before = load(project.engine, PROJECT, before=None, now=project.now())
    project.work(60)
    project.reject(3)
    later = load(project.engine, PROJECT, before=before, now=project.now())
    assert later.answers.answer.size > before.answers.answer.size
    assert snapshot_of(project.engine, later, project_id=PROJECT) == counted(project)


def test_a_first_look_without_patience_says_that_answers_are_being_counted(live: LiveStatistics) -> None:
    assert live.look(PROJECT, patience_seconds=0.0) is None
    assert looked(live).progress.tasks == 40


def test_a_look_gives_what_counting_gives(project: BusyProject, live: LiveStatistics) -> None:
    assert looked(live) == counted(project)


def test_a_project_that_is_not_there_is_told(live: LiveStatistics) -> None:
    with pytest.raises(UnknownError, match="no project 'elsewhere'"):
        live.look("elsewhere")


def test_after_closing_the_last_snapshot_stays(live: LiveStatistics) -> None:
    before = looked(live)
    live.close()
    assert live.look(PROJECT) is before


def test_a_project_without_answers_has_no_figures(engine: Engine) -> None:
    with writing(engine) as connection:
        add_project(connection, "empty", title="Empty", settings={}, guideline="Rate.", by=BY)
    loaded = load(engine, "empty", before=None, now=BY.now)
    snapshot = snapshot_of(engine, loaded, project_id="empty")
    assert (snapshot.progress.tasks, snapshot.deliveries, snapshot.annotators) == (0, (), ())
    assert {each.kappa for stages in snapshot.agreement.values() for each in stages.values()} == {None}
    assert (snapshot.forecast.answers_per_day, sum(number for _, number in snapshot.throughput.days)) == (None, 0)
