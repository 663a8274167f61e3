"""Keep the answers of a project in memory as arrays, and read what has come since."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

import numpy as np
import numpy.typing as npt

from steersman.config.annotating import ProjectSettings
from steersman.store.database.connection import Database, reading
from steersman.store.database.people import Member, read_members
from steersman.store.database.statistics import (
    AnswerRows,
    Mark,
    newest_event,
    read_answers,
    read_mark,
    read_withdrawn,
)
from steersman.store.database.task_statistics import (
    TaskCount,
    count_tasks_alike,
    known_kinds,
)
from steersman.web.service import project_settings

BoolArray = npt.NDArray[np.bool_]
# the kinds of tasks, by the numbers that answers have
KINDS = ("rating", "gold", "training", "qualification")


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A project as it was in one transaction at `as_of`.

    `names` are the users by number; `kind` (N,) is the place in KINDS of each answer's task. `event` is the number of
    the newest event, `mark` where reading goes on.
    """

    as_of: datetime
    event: int
    mark: Mark
    settings: ProjectSettings
    members: Sequence[Member]
    counts: Sequence[TaskCount]
    names: Sequence[str]
    answers: AnswerRows
    kind: npt.NDArray[np.int8]
    is_undone: BoolArray
    is_rejected: BoolArray

    @property
    def counts_now(self) -> BoolArray:
        """Return which answers count towards the need of a rating task, (N,)."""
        is_gone: BoolArray = self.answers.is_surplus | self.is_undone | self.is_rejected
        counts: BoolArray = (self.kind == KINDS.index("rating")) & ~is_gone
        return counts


def load(engine: Database, project_id: str, *, before: Loaded | None, now: datetime) -> Loaded:
    """Return the project as it is, reading only answers that `before` may lack.

    Raises UnknownError when there is no such project.
    """
    mark = before.mark if before is not None else _first_mark(engine)
    numbers = {} if before is None else {name: number for number, name in enumerate(before.names)}
    after = 0 if before is None else before.mark.settled
    with reading(engine) as connection:
        settings = project_settings(connection, project_id)
        event, found = newest_event(connection), read_mark(connection, before=mark)
        new = read_answers(connection, project_id, after=after, numbers=numbers)
        withdrawn = read_withdrawn(connection)
        kinds = known_kinds(connection, project_id)
        answers = new if before is None else _with_new(before.answers, new, after=after)
        return Loaded(
            as_of=now,
            event=event,
            mark=found,
            settings=settings,
            members=read_members(connection, project_id),
            counts=count_tasks_alike(connection, project_id, first=settings.overlap.first),
            names=tuple(numbers),
            answers=answers,
            kind=_kinds(answers, kinds),
            is_undone=np.isin(answers.answer, withdrawn["undone"]),
            is_rejected=np.isin(answers.answer, withdrawn["rejected"]),
        )


def has_changed(engine: Database, since: Loaded) -> bool:
    """Tell whether anything was done since, or could still appear that was done before."""
    with reading(engine) as connection:
        return newest_event(connection) != since.event or since.mark.settled < since.mark.newest


def _first_mark(engine: Database) -> Mark:
    # taken in a transaction of its own: what was being written then is there when the long reading begins
    with reading(engine) as connection:
        return read_mark(connection, before=None)


def _with_new(known: AnswerRows, new: AnswerRows, *, after: int) -> AnswerRows:
    """Return the known answers and the new ones, of which some above `after` may be known already."""
    seen = known.answer[np.searchsorted(known.answer, after, side="right") :]
    is_new = ~np.isin(new.answer, seen)
    if not is_new.any():
        return known
    joined = {
        each.name: np.concatenate([getattr(known, each.name), getattr(new, each.name)[is_new]])
        for each in fields(AnswerRows)
    }
    ids = joined["answer"]
    if (ids[1:] < ids[:-1]).any():
        order = np.argsort(ids, kind="stable")
        joined = {name: values[order] for name, values in joined.items()}
    return AnswerRows(**joined)


def _kinds(answers: AnswerRows, kinds: Mapping[int, str]) -> npt.NDArray[np.int8]:
    found = np.zeros(answers.task.size, dtype=np.int8)
    for number, kind in enumerate(KINDS[1:], start=1):
        keys = np.array([key for key, each in kinds.items() if each == kind], dtype=np.int32)
        found[np.isin(answers.task, keys)] = number
    return found
