"""The tables of what was said: answers with their ratings, what was taken back, drafts, reviews and the audit log.

What was said and is taken back keeps its rows and gets a row in `withdrawals`.
"""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
)

from steersman.store.database.columns import METADATA, one_of, score_checks, score_columns

# One row per answer; `revision` 0 is the first under its lease, an answer after an undo is the next. `strength` is how
# much better the response in slot 1 is, -3 to 3 without 0; null with `compared` means that neither is valid.
ANSWERS = Table(
    "answers",
    METADATA,
    Column("answer_id", Integer, primary_key=True, autoincrement=True),
    Column("assignment_id", Integer, ForeignKey("assignments.assignment_id"), nullable=False),
    Column("task_key", Integer, ForeignKey("tasks.task_key"), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("flags", Text, nullable=False),
    Column("compared", Boolean, nullable=False),
    Column("strength", Integer),
    Column("justification", Text),
    Column("seconds", Float, nullable=False),
    Column("active_seconds", Float),
    Column("created_at", Text, nullable=False),
    Column("guideline_version", Text, nullable=False),
    Column("surplus", Boolean, nullable=False),
    Column("simulated", Boolean),
    Column("sha256", Text, nullable=False),
    UniqueConstraint("assignment_id", "revision", name="answers_numbered"),
    CheckConstraint("strength IN (-3, -2, -1, 1, 2, 3)", name="answers_strength"),
    sqlite_autoincrement=True,
)
Index("answers_of_task", ANSWERS.c.task_key)
Index("answers_by_time", ANSWERS.c.created_at)
# written out, and not as a parameter: SQLite uses an index of some rows only where it sees the condition
IS_FLAGGED = ANSWERS.c.flags != literal_column("'[]'")
Index("answers_flagged", ANSWERS.c.answer_id, sqlite_where=IS_FLAGGED, postgresql_where=IS_FLAGGED)

RATINGS = Table(
    "ratings",
    METADATA,
    Column("rating_id", Integer, primary_key=True, autoincrement=True),
    Column("answer_id", Integer, ForeignKey("answers.answer_id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("slot", Integer, nullable=False),
    *score_columns(),
    Column("confidence", Integer),
    Column("safe", Boolean),
    Column("unsafe_reasons", Text, nullable=False),
    UniqueConstraint("answer_id", "position", name="ratings_once_per_answer"),
    *score_checks("ratings"),
    CheckConstraint("confidence BETWEEN 0 AND 2", name="ratings_confidence"),
    CheckConstraint("position IN (0, 1) AND slot IN (0, 1)", name="ratings_two_sides"),
    sqlite_autoincrement=True,
)

# Answers taken back, by their annotator (`undone`) or by a reviewer (`rejected`).
WITHDRAWALS = Table(
    "withdrawals",
    METADATA,
    Column("answer_id", Integer, ForeignKey("answers.answer_id"), primary_key=True),
    Column("user_id", Text, ForeignKey("users.user_id"), nullable=False),
    Column("reason", Text, nullable=False),
    Column("note", Text),
    Column("created_at", Text, nullable=False),
    one_of("reason", ("undone", "rejected"), name="withdrawals_reason"),
)

# What is half filled in; the one table whose rows are written over: an answer, not a draft, is what was said.
DRAFTS = Table(
    "drafts",
    METADATA,
    Column("assignment_id", Integer, ForeignKey("assignments.assignment_id"), primary_key=True),
    Column("draft", Text, nullable=False),
    Column("saved_at", Text, nullable=False),
)

# What a reviewer settled: an answer looked at and accepted, or final scores for a task (`adjudicated`).
REVIEWS = Table(
    "reviews",
    METADATA,
    Column("review_id", Integer, primary_key=True, autoincrement=True),
    Column("task_key", Integer, ForeignKey("tasks.task_key"), nullable=False),
    Column("answer_id", Integer, ForeignKey("answers.answer_id")),
    Column("user_id", Text, ForeignKey("users.user_id"), nullable=False),
    Column("verdict", Text, nullable=False),
    Column("note", Text),
    Column("created_at", Text, nullable=False),
    one_of("verdict", ("accepted", "rejected", "adjudicated", "ended", "reopened"), name="reviews_verdict"),
    sqlite_autoincrement=True,
)
Index("reviews_of_task", REVIEWS.c.task_key)

ADJUDICATIONS = Table(
    "adjudications",
    METADATA,
    Column("review_id", Integer, ForeignKey("reviews.review_id"), primary_key=True),
    Column("slot", Integer, primary_key=True),
    *score_columns(),
    CheckConstraint("slot IN (0, 1)", name="adjudications_two_slots"),
    *score_checks("adjudications"),
)

# Everything that changed something: who did what to what, in one transaction with the change; `detail` is JSON text.
AUDIT = Table(
    "audit",
    METADATA,
    Column("event_id", Integer, primary_key=True, autoincrement=True),
    Column("at", Text, nullable=False),
    Column("actor", Text),
    Column("action", Text, nullable=False),
    Column("project_id", Text),
    Column("subject", Text),
    Column("detail", Text, nullable=False),
    sqlite_autoincrement=True,
)
Index("audit_of_subject", AUDIT.c.subject)
