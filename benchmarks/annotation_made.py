"""The tasks and the people of the benchmarks of the annotation site, and a database that holds them.

Texts are random words as Markdown, about as long as HelpSteer2's: a prompt of some hundred letters, responses of some
1,500 with paragraphs, a list and at times a program. The same seed gives the same texts.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from argon2 import PasswordHasher

from steersman.config.annotating import ProjectSettings
from steersman.store.database.audit import Act
from steersman.store.database.connection import Database, create_database, writing
from steersman.store.database.people import add_member, add_user, set_password_hash
from steersman.store.database.projects import add_project, mark_guideline_seen
from steersman.store.database.tasks import NewResponse, NewTask, add_tasks
from steersman.store.database.tokens import add_token

PROJECT = "benchmark"
PASSWORD = "correct horse battery staple"  # of people who live as long as a run
_WORDS = ("the", "river", "asks", "for", "a", "small", "answer", "with", "numbers", "and", "reasons", "before", "noon")


@dataclass(frozen=True, slots=True)
class MadeTask:
    """A prompt and two responses to it, in Markdown."""

    task_id: str
    prompt: str
    responses: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who rates: by name and password on pages, by token in the API."""

    name: str
    token: str


def made_tasks(number: int, *, seed: int = 0) -> list[MadeTask]:
    """Return so many tasks."""
    rng = random.Random(seed)
    return [MadeTask(f"task-{index}", _sentence(rng, 30), (_response(rng), _response(rng))) for index in range(number)]


def make_site(
    place: str | Path,
    tasks: Sequence[MadeTask],
    *,
    people: int,
    settings: Mapping[str, object] | None = None,
) -> list[Person]:
    """Make a database with a project of these tasks and so many annotators at work in it, and return them."""
    now = datetime.now(UTC)
    by = Act(None, now)
    hashed = PasswordHasher().hash(PASSWORD)
    with _made_database(place) as engine, writing(engine) as connection:
        wanted = {"qualification": {"responses": 0}, **(settings or {})}
        project = ProjectSettings.model_validate(wanted)
        add_project(
            connection,
            PROJECT,
            title="A benchmark",
            settings=project.model_dump(mode="json"),
            guideline="Rate both responses.",
            by=by,
        )
        add_tasks(connection, PROJECT, [_new_task(task) for task in tasks], need=project.overlap.first, by=by)
        made = []
        for index in range(people):
            name = f"annotator-{index}"
            add_user(connection, name, role="annotator", by=by)
            set_password_hash(connection, name, hashed, by=by)
            add_member(connection, PROJECT, name, stage="working", by=by)
            mark_guideline_seen(connection, PROJECT, name, version=1, now=now)
            _, token = add_token(connection, name, label="benchmark", scopes=["annotate"], by=by)
            made.append(Person(name, token))
    return made


@contextmanager
def _made_database(place: str | Path) -> Iterator[Database]:
    engine = create_database(place)
    try:
        yield engine
    finally:
        engine.dispose()


def _new_task(task: MadeTask) -> NewTask:
    left, right = (
        NewResponse(f"{task.task_id}-{index}", text, f"model-{index}", None)
        for index, text in enumerate(task.responses)
    )
    return NewTask(task.task_id, task.prompt, (left, right))


def _response(rng: random.Random) -> str:
    parts = [f"**{_sentence(rng, 4)}** {_sentence(rng, 60)}"]
    parts.append("\n".join(f"{number}. {_sentence(rng, 14)} `{rng.choice(_WORDS)}`" for number in range(1, 6)))
    if rng.random() < 1 / 4:
        parts.append(f"```python\nfor word in {rng.choice(_WORDS)!r}:\n    print(word)\n```")
    parts.append(_sentence(rng, 90))
    return "\n\n".join(parts)


def _sentence(rng: random.Random, words: int) -> str:
    text = " ".join(rng.choice(_WORDS) for _ in range(rng.randint(words // 2, words + words // 2)))
    return f"{text.capitalize()}."
