"""Read the ratings of a project as lists: one row per response, each attribute a list in order of submission."""

from collections.abc import Iterator
from itertools import groupby

from sqlalchemy import Connection, and_, select

from steersman.records import ATTRIBUTES
from steersman.store.database.answer_tables import ANSWERS, RATINGS
from steersman.store.database.task_tables import RESPONSES, TASKS
from steersman.store.database.withdrawing import is_withdrawn

_ROWS_AT_ONCE = 2000


def read_rating_lists(connection: Connection, project_id: str) -> Iterator[dict[str, object]]:
    """Yield two rows per rated task, in the order of tasks and their responses, as HelpSteer2 released disagreements.

    Ratings that count are in them: no surplus answers, no flagged ones, nothing that was taken back. Rows come one by
    one at constant memory.
    """
    query = (
        select(
            TASKS.c.task_key,
            TASKS.c.prompt,
            RESPONSES.c.slot,
            RESPONSES.c.response,
            *(RATINGS.c[name] for name in ATTRIBUTES),
        )
        .join(ANSWERS, ANSWERS.c.task_key == TASKS.c.task_key)
        .join(RATINGS, RATINGS.c.answer_id == ANSWERS.c.answer_id)
        .join(RESPONSES, and_(RESPONSES.c.task_key == TASKS.c.task_key, RESPONSES.c.slot == RATINGS.c.slot))
        .where(
            TASKS.c.project_id == project_id,
            TASKS.c.kind == "rating",
            ANSWERS.c.surplus.is_(False),
            ANSWERS.c.flags == "[]",
            ~is_withdrawn(),
        )
        .order_by(TASKS.c.ordinal, RESPONSES.c.slot, RATINGS.c.rating_id)
    )
    rows = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(query)
    for _, group in groupby(rows, key=lambda row: (row.task_key, row.slot)):
        given = list(group)
        lists = {name: [getattr(row, name) for row in given] for name in ATTRIBUTES}
        yield {"prompt": given[0].prompt, "response": given[0].response, **lists}
