from collections.abc import Iterator
from pathlib import Path

import pytest
from busy_project import PROJECT, BusyProject, start_project
from sqlalchemy import Engine

from steersman.config.cleaning import CleanSettings
from steersman.pipeline import agreement
from steersman.records import ATTRIBUTES
from steersman.store.database.connection import reading
from steersman.store.database.exporting import read_ratings
from steersman.store.files import write_table
from steersman.tables import RATINGS, table_from_rows
from steersman.web.live.loading import load
from steersman.web.live.snapshot import Snapshot
from steersman.web.live.statistics import LiveStatistics, snapshot_of

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


def looked(live: LiveStatistics, *, project_id: str = PROJECT) -> Snapshot:
    found = live.look(project_id, patience_seconds=LONG)
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
