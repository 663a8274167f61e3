"""Make the first tables: tasks, responses, annotators, assignments and append-only ratings."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ATTRIBUTES = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")


def upgrade() -> None:
    """Make the tables, their indexes and the triggers that keep ratings append-only."""
    _create_tasks()
    _create_annotators()
    _create_ratings()
    for event in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER ratings_no_{event.lower()} BEFORE {event} ON ratings "
            "BEGIN SELECT RAISE(ABORT, 'ratings are append-only'); END"
        )


def _create_tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("task_id", sa.Text, primary_key=True),
        sa.Column("ordinal", sa.Integer, nullable=False, unique=True),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("need", sa.Integer, nullable=False),
        sa.Column("num_active", sa.Integer, nullable=False),
        sa.Column("num_done", sa.Integer, nullable=False),
        sa.CheckConstraint(
            "num_active >= 0 AND num_done >= 0 AND num_active + num_done <= need", name="tasks_never_over_assigned"
        ),
    )
    op.create_index("tasks_open", "tasks", ["ordinal"], sqlite_where=sa.text("num_active + num_done < need"))
    op.create_table(
        "responses",
        sa.Column("task_id", sa.Text, sa.ForeignKey("tasks.task_id"), primary_key=True),
        sa.Column("slot", sa.Integer, primary_key=True),
        sa.Column("response_id", sa.Text, nullable=False),
        sa.Column("response", sa.Text, nullable=False),
        sa.Column("generator", sa.Text, nullable=False),
        sa.Column("generator_licence", sa.Text),
        sa.UniqueConstraint("task_id", "response_id", name="responses_named_once"),
        sa.CheckConstraint("slot IN (0, 1)", name="responses_two_slots"),
    )


def _create_annotators() -> None:
    op.create_table(
        "annotators",
        sa.Column("annotator", sa.Text, primary_key=True),
        sa.Column("token_sha256", sa.Text, nullable=False, unique=True),
        sa.Column("created_at", sa.Text, nullable=False),
    )
    op.create_table(
        "assignments",
        sa.Column("lease", sa.Text, primary_key=True),
        sa.Column("task_id", sa.Text, sa.ForeignKey("tasks.task_id"), nullable=False),
        sa.Column("annotator", sa.Text, sa.ForeignKey("annotators.annotator"), nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("left_slot", sa.Integer, nullable=False),
        sa.Column("claimed_at", sa.Text, nullable=False),
        sa.Column("expires_at", sa.Text, nullable=False),
        sa.Column("answered_at", sa.Text),
        sa.Column("answer_sha256", sa.Text),
        sa.UniqueConstraint("task_id", "annotator", name="assignments_once_per_annotator"),
        sa.CheckConstraint("state IN ('active', 'expired', 'done', 'surplus')", name="assignments_state"),
        sa.CheckConstraint("left_slot IN (0, 1)", name="assignments_left_slot"),
    )
    active = sa.text("state = 'active'")
    op.create_index("assignments_one_active", "assignments", ["annotator"], unique=True, sqlite_where=active)
    op.create_index("assignments_expiry", "assignments", ["expires_at"], sqlite_where=active)


def _create_ratings() -> None:
    op.create_table(
        "ratings",
        sa.Column("rating_id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("lease", sa.Text, sa.ForeignKey("assignments.lease"), nullable=False),
        sa.Column("task_id", sa.Text, nullable=False),
        sa.Column("response_id", sa.Text, nullable=False),
        sa.Column("annotator", sa.Text, sa.ForeignKey("annotators.annotator"), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        *(sa.Column(attribute, sa.Integer) for attribute in _ATTRIBUTES),
        sa.Column("confidence", sa.Integer),
        sa.Column("safe", sa.Boolean),
        sa.Column("flags", sa.Text, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("guideline_version", sa.Text, nullable=False),
        sa.Column("surplus", sa.Boolean, nullable=False),
        sa.Column("simulated", sa.Boolean),
        sa.ForeignKeyConstraint(["task_id", "response_id"], ["responses.task_id", "responses.response_id"]),
        sa.UniqueConstraint("lease", "position", name="ratings_once_per_lease"),
        *(sa.CheckConstraint(f"{name} BETWEEN 0 AND 4", name=f"ratings_{name}") for name in _ATTRIBUTES),
        sa.CheckConstraint("confidence BETWEEN 0 AND 2", name="ratings_confidence"),
        sa.CheckConstraint("position IN (0, 1)", name="ratings_position"),
        sqlite_autoincrement=True,
    )
    op.create_index("ratings_of_task", "ratings", ["task_id"])
