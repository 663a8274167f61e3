"""An annotation database with a million ratings: a modelled crowd, written straight into the tables of the store.

Tasks are given out by the rule of the site: three annotators, five when helpfulness differs by more than two levels.
The last tasks are still in work; a few answers are surplus or flagged. Texts are random words, about as long as
HelpSteer2's. The audit log holds nothing of the answers. The same seed gives the same ratings and texts.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from annotation_dashboard_rows import (
    PROJECT,
    MadeAnswers,
    Rows,
    annotator_name,
    answer_rows,
    assignment_rows,
    random_texts,
    rating_rows,
    response_rows,
    task_rows,
)
from sqlalchemy import Table, insert

from steersman.annotation.planning import raters_needed, simulate_project
from steersman.annotation.quality import fit_quality
from steersman.config.annotating import ProjectSettings
from steersman.config.planning import DesignSettings, QualitySettings
from steersman.config.sections import CrowdSettings
from steersman.store.database.answer_tables import ANSWERS, RATINGS
from steersman.store.database.audit import Act, timestamp
from steersman.store.database.connection import Transaction, create_database, open_database, writing
from steersman.store.database.people import add_member, add_user
from steersman.store.database.projects import add_project, mark_guideline_seen
from steersman.store.database.sessions import start_session
from steersman.store.database.task_tables import ASSIGNMENTS, RESPONSES, TASKS
from steersman.store.database.tokens import add_token

MANAGER = "manager"
_WORKERS = 8
_DAYS = 60
_FLAGGED, _SURPLUS = 0.01, 0.01
_IN_WORK = 0.02
_RATINGS_PER_TASK = 6.5
_ROWS_AT_ONCE = 20_000


def make_database(place: Path, *, ratings: int, annotators: int, seed: int) -> None:
    """Make a database with about so many ratings that count."""
    rng = np.random.default_rng(seed)
    now = datetime.now(UTC)
    engine = create_database(place)
    try:
        answers = _answers(round(ratings / _RATINGS_PER_TASK), annotators=annotators, rng=rng)
        with writing(engine) as connection:
            _people(connection, annotators=annotators, now=now)
            _fill(connection, answers, now=now, rng=rng)
    finally:
        engine.dispose()


def new_doors(place: Path) -> tuple[str, list[str]]:
    """Return the text of a new session of the manager, and new tokens of annotators who go on rating."""
    now = datetime.now(UTC)
    engine = open_database(place)
    try:
        with writing(engine) as connection:
            session = start_session(connection, MANAGER, now=now, lasts=timedelta(days=1))
            tokens = [
                add_token(connection, f"worker-{number}", label="run", scopes=["annotate"], by=Act(None, now))[1]
                for number in range(_WORKERS)
            ]
    finally:
        engine.dispose()
    return session, tokens


def _answers(num_tasks: int, *, annotators: int, rng: np.random.Generator) -> MadeAnswers:
    quality = fit_quality(QualitySettings.model_validate({}))
    crowd = CrowdSettings.model_validate({"annotators": annotators})
    made = simulate_project(quality, crowd=crowd, num_tasks=num_tasks, raters=6, rng=rng)
    need = raters_needed(made.scores, design=DesignSettings.model_validate({}))
    given = need.copy()
    in_work = slice(num_tasks - round(num_tasks * _IN_WORK), num_tasks)
    given[in_work] = rng.integers(0, 3, size=given[in_work].size)
    need[in_work] = 3
    # one annotator too many, now and then
    given += (given == need) & (rng.random(num_tasks) < _SURPLUS)
    task, place = np.nonzero(np.arange(made.annotators.shape[1]) < given[:, None])
    # neighbours are in work at the same time; the answers of one task keep their order
    order = np.argsort(task + 40.0 * (place + rng.random(task.size)), kind="stable")
    task, place = task[order], place[order]
    return MadeAnswers(
        task=task,
        annotator=made.annotators[task, place],
        scores=made.scores[task, :, place],
        is_surplus=place >= need[task],
        need=need,
    )


def _people(connection: Transaction, *, annotators: int, now: datetime) -> None:
    by = Act(None, now)
    settings = ProjectSettings.model_validate({"qualification": {"responses": 0}, "pay": {"per_hour": 20.0}})
    stored = settings.model_dump(mode="json")
    add_project(connection, PROJECT, title="A dashboard", settings=stored, guideline="Rate both.", by=by)
    add_user(connection, MANAGER, role="manager", by=by)
    workers = [f"worker-{number}" for number in range(_WORKERS)]
    for name in (*workers, *(annotator_name(number) for number in range(annotators))):
        add_user(connection, name, role="annotator", by=by)
        add_member(connection, PROJECT, name, stage="working", by=by)
        mark_guideline_seen(connection, PROJECT, name, version=1, now=now)


def _fill(connection: Transaction, answers: MadeAnswers, *, now: datetime, rng: np.random.Generator) -> None:
    num_tasks, number = answers.need.size, answers.task.size
    prompts, responses = random_texts(rng, words=100), random_texts(rng, words=240)
    done = np.bincount(answers.task[~answers.is_surplus], minlength=num_tasks)
    _insert(connection, TASKS, task_rows(answers, done=done, prompts=prompts))
    _insert(connection, RESPONSES, response_rows(num_tasks, responses))
    is_flagged = rng.random(number) < _FLAGGED
    left = rng.integers(0, 2, size=number)
    seconds = rng.gamma(4.0, 60.0, size=number)
    times = [timestamp(now - timedelta(days=_DAYS * (1 - place / number))) for place in range(number)]
    _insert(connection, ASSIGNMENTS, assignment_rows(answers, left=left, times=times))
    _insert(connection, ANSWERS, answer_rows(answers, is_flagged=is_flagged, seconds=seconds, times=times))
    _insert(connection, RATINGS, rating_rows(answers, is_flagged=is_flagged, left=left))


def _insert(connection: Transaction, table: Table, rows: Rows) -> None:
    part: list[dict[str, object]] = []
    for row in rows:
        part.append(row)
        if len(part) == _ROWS_AT_ONCE:
            connection.execute(insert(table), part)
            part = []
    if part:
        connection.execute(insert(table), part)
