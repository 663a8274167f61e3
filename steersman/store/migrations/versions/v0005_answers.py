"""Make the tables of what was said, and keep what must only be added to from being changed."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_APPEND_ONLY = (
    "settings",
    "guidelines",
    "guidelines_seen",
    "origins",
    "known_scores",
    "answers",
    "ratings",
    "withdrawals",
    "reviews",
    "adjudications",
    "audit",
)


def upgrade() -> None:
    """Make the tables with their indexes, then the triggers."""
    _create_answers()
    _create_ratings()
    _create_withdrawals()
    _create_drafts()
    _create_reviews()
    _create_adjudications()
    _create_audit()
    if op.get_bind().dialect.name == "postgresql":
        _refuse_changes_in_postgresql()
    else:
        _refuse_changes_in_sqlite()


def _refuse_changes_in_sqlite() -> None:
    for table in _APPEND_ONLY:
        for event in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} are append-only'); END"
            )


def _refuse_changes_in_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% are append-only', TG_TABLE_NAME "
        "USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    for table in _APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def _create_answers() -> None:
    op.create_table(
        "answers",
        sa.Column("answer_id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("assignment_id", sa.Integer, nullable=False),
        sa.Column("task_key", sa.Integer, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("flags", sa.Text, nullable=False),
        sa.Column("compared", sa.Boolean, nullable=False),
        sa.Column("strength", sa.Integer, nullable=True),
        sa.Column("justification", sa.Text, nullable=True),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("active_seconds", sa.Float, nullable=True),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("guideline_version", sa.Text, nullable=False),
        sa.Column("surplus", sa.Boolean, nullable=False),
        sa.Column("simulated", sa.Boolean, nullable=True),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.CheckConstraint("strength IN (-3, -2, -1, 1, 2, 3)", name="answers_strength"),
        sa.ForeignKeyConstraint(
            ["assignment_id"],
            ["assignments.assignment_id"],
        ),
        sa.ForeignKeyConstraint(
            ["task_key"],
            ["tasks.task_key"],
        ),
        sa.PrimaryKeyConstraint("answer_id"),
        sa.UniqueConstraint("assignment_id", "revision", name="answers_numbered"),
        sqlite_autoincrement=True,
    )
    op.create_index("answers_by_time", "answers", ["created_at"])
    is_flagged = sa.text("flags != '[]'")
    op.create_index("answers_flagged", "answers", ["answer_id"], sqlite_where=is_flagged, postgresql_where=is_flagged)
    op.create_index("answers_of_task", "answers", ["task_key"])


def _create_ratings() -> None:
    op.create_table(
        "ratings",
        sa.Column("rating_id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("answer_id", sa.Integer, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("slot", sa.Integer, nullable=False),
        sa.Column("helpfulness", sa.Integer, nullable=True),
        sa.Column("correctness", sa.Integer, nullable=True),
        sa.Column("coherence", sa.Integer, nullable=True),
        sa.Column("complexity", sa.Integer, nullable=True),
        sa.Column("verbosity", sa.Integer, nullable=True),
        sa.Column("confidence", sa.Integer, nullable=True),
        sa.Column("safe", sa.Boolean, nullable=True),
        sa.Column("unsafe_reasons", sa.Text, nullable=False),
        sa.CheckConstraint("coherence BETWEEN 0 AND 4", name="ratings_coherence"),
        sa.CheckConstraint("complexity BETWEEN 0 AND 4", name="ratings_complexity"),
        sa.CheckConstraint("confidence BETWEEN 0 AND 2", name="ratings_confidence"),
        sa.CheckConstraint("correctness BETWEEN 0 AND 4", name="ratings_correctness"),
        sa.CheckConstraint("helpfulness BETWEEN 0 AND 4", name="ratings_helpfulness"),
        sa.CheckConstraint("position IN (0, 1) AND slot IN (0, 1)", name="ratings_two_sides"),
        sa.CheckConstraint("verbosity BETWEEN 0 AND 4", name="ratings_verbosity"),
        sa.ForeignKeyConstraint(
            ["answer_id"],
            ["answers.answer_id"],
        ),
        sa.PrimaryKeyConstraint("rating_id"),
        sa.UniqueConstraint("answer_id", "position", name="ratings_once_per_answer"),
        sqlite_autoincrement=True,
    )


def _create_withdrawals() -> None:
    op.create_table(
        "withdrawals",
        sa.Column("answer_id", sa.Integer, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=True),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.CheckConstraint("reason IN ('undone', 'rejected')", name="withdrawals_reason"),
        sa.ForeignKeyConstraint(
            ["answer_id"],
            ["answers.answer_id"],
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.user_id"],
        ),
        sa.PrimaryKeyConstraint("answer_id"),
    )


def _create_drafts() -> None:
    op.create_table(
        "drafts",
        sa.Column("assignment_id", sa.Integer, nullable=False),
        sa.Column("draft", sa.Text, nullable=False),
        sa.Column("saved_at", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["assignment_id"],
            ["assignments.assignment_id"],
        ),
        sa.PrimaryKeyConstraint("assignment_id"),
    )


def _create_reviews() -> None:
    op.create_table(
        "reviews",
        sa.Column("review_id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("task_key", sa.Integer, nullable=False),
        sa.Column("answer_id", sa.Integer, nullable=True),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=True),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.CheckConstraint(
            "verdict IN ('accepted', 'rejected', 'adjudicated', 'ended', 'reopened')", name="reviews_verdict"
        ),
        sa.ForeignKeyConstraint(
            ["answer_id"],
            ["answers.answer_id"],
        ),
        sa.ForeignKeyConstraint(
            ["task_key"],
            ["tasks.task_key"],
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.user_id"],
        ),
        sa.PrimaryKeyConstraint("review_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("reviews_of_task", "reviews", ["task_key"])


def _create_adjudications() -> None:
    op.create_table(
        "adjudications",
        sa.Column("review_id", sa.Integer, nullable=False),
        sa.Column("slot", sa.Integer, nullable=False),
        sa.Column("helpfulness", sa.Integer, nullable=True),
        sa.Column("correctness", sa.Integer, nullable=True),
        sa.Column("coherence", sa.Integer, nullable=True),
        sa.Column("complexity", sa.Integer, nullable=True),
        sa.Column("verbosity", sa.Integer, nullable=True),
        sa.CheckConstraint("coherence BETWEEN 0 AND 4", name="adjudications_coherence"),
        sa.CheckConstraint("complexity BETWEEN 0 AND 4", name="adjudications_complexity"),
        sa.CheckConstraint("correctness BETWEEN 0 AND 4", name="adjudications_correctness"),
        sa.CheckConstraint("helpfulness BETWEEN 0 AND 4", name="adjudications_helpfulness"),
        sa.CheckConstraint("slot IN (0, 1)", name="adjudications_two_slots"),
        sa.CheckConstraint("verbosity BETWEEN 0 AND 4", name="adjudications_verbosity"),
        sa.ForeignKeyConstraint(
            ["review_id"],
            ["reviews.review_id"],
        ),
        sa.PrimaryKeyConstraint("review_id", "slot"),
    )


def _create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("event_id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=True),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("project_id", sa.Text, nullable=True),
        sa.Column("subject", sa.Text, nullable=True),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("event_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("audit_of_subject", "audit", ["subject"])
