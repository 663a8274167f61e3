"""Read what an annotator said under a lease before, as they saw the two responses."""

import json

from sqlalchemy import Connection, select

from steersman.records import ATTRIBUTES
from steersman.store.database.answer_tables import ANSWERS, RATINGS
from steersman.store.database.answers import Answer, Comparison, ResponseScores
from steersman.store.database.task_tables import ASSIGNMENTS


def former_answer(connection: Connection, lease: str) -> Answer | None:
    """Return the last answer given under a lease, taken back or not; None when there is none."""
    query = (
        select(ANSWERS, ASSIGNMENTS.c.left_slot)
        .join(ASSIGNMENTS, ASSIGNMENTS.c.assignment_id == ANSWERS.c.assignment_id)
        .where(ASSIGNMENTS.c.lease == lease)
        .order_by(ANSWERS.c.revision.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    rated = select(RATINGS).where(RATINGS.c.answer_id == row.answer_id).order_by(RATINGS.c.position)
    left, right = (
        ResponseScores(
            tuple(getattr(each, attribute) for attribute in ATTRIBUTES),
            each.confidence,
            each.safe,
            tuple(json.loads(each.unsafe_reasons)),
        )
        for each in connection.execute(rated)
    )
    # strengths are kept for the order in which the responses came, not in which they were seen
    flips = -1 if row.left_slot == 1 else 1
    strength = None if row.strength is None else flips * row.strength
    return Answer(
        lease,
        (left, right),
        tuple(json.loads(row.flags)),
        comparison=Comparison(strength, row.justification) if row.compared else None,
        revision=row.revision,
        active_seconds=row.active_seconds,
        simulated=row.simulated,
    )
