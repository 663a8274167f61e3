"""Make the tables of the work: tasks with their responses, and leases."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Make the tables with their indexes, in the order of their references."""
    _create_origins()
    _create_tasks()
    _create_responses()
    _create_known_scores()
    _create_assignments()


def _create_origins() -> None:
    op.create_table(
        "origins",
        sa.Column("origin_id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("project_id", sa.Text, nullable=False),
        sa.Column("ancestors", sa.Text, nullable=False),
        sa.Column("inputs", sa.Text, nullable=False),
        sa.Column("simulated", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.project_id"],
        ),
        sa.PrimaryKeyConstraint("origin_id"),
        sqlite_autoincrement=True,
    )


def _create_tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("task_key", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("project_id", sa.Text, nullable=False),
        sa.Column("task_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("delivery", sa.Text, nullable=True),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("need", sa.Integer, nullable=False),
        sa.Column("num_active", sa.Integer, nullable=False),
        sa.Column("num_done", sa.Integer, nullable=False),
        sa.CheckConstraint("kind <> 'rating' OR num_active + num_done <= need", name="tasks_never_over_assigned"),
        sa.CheckConstraint("kind IN ('rating', 'gold', 'training', 'qualification')", name="tasks_kind"),
        sa.CheckConstraint("state IN ('open', 'ended')", name="tasks_state"),
        sa.CheckConstraint("num_active >= 0 AND num_done >= 0", name="tasks_counters"),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.project_id"],
        ),
        sa.PrimaryKeyConstraint("task_key"),
        sa.UniqueConstraint("project_id", "ordinal", name="tasks_in_one_order"),
        sa.UniqueConstraint("project_id", "task_id", name="tasks_named_once"),
        sqlite_autoincrement=True,
    )
    op.create_index("tasks_by_kind", "tasks", ["project_id", "kind", "ordinal"])
    op.create_index(
        "tasks_open",
        "tasks",
        ["project_id", sa.literal_column("priority DESC"), "ordinal"],
        sqlite_where=sa.text("kind = 'rating' AND state = 'open' AND need > num_active + num_done"),
        postgresql_where=sa.text("kind = 'rating' AND state = 'open' AND need > num_active + num_done"),
    )


def _create_responses() -> None:
    op.create_table(
        "responses",
        sa.Column("task_key", sa.Integer, nullable=False),
        sa.Column("slot", sa.Integer, nullable=False),
        sa.Column("response_id", sa.Text, nullable=False),
        sa.Column("response", sa.Text, nullable=False),
        sa.Column("generator", sa.Text, nullable=False),
        sa.Column("generator_licence", sa.Text, nullable=True),
        sa.CheckConstraint("slot IN (0, 1)", name="responses_two_slots"),
        sa.ForeignKeyConstraint(
            ["task_key"],
            ["tasks.task_key"],
        ),
        sa.PrimaryKeyConstraint("task_key", "slot"),
        sa.UniqueConstraint("task_key", "response_id", name="responses_named_once"),
    )


def _create_known_scores() -> None:
    op.create_table(
        "known_scores",
        sa.Column("task_key", sa.Integer, nullable=False),
        sa.Column("slot", sa.Integer, nullable=False),
        sa.Column("helpfulness", sa.Integer, nullable=True),
        sa.Column("correctness", sa.Integer, nullable=True),
        sa.Column("coherence", sa.Integer, nullable=True),
        sa.Column("complexity", sa.Integer, nullable=True),
        sa.Column("verbosity", sa.Integer, nullable=True),
        sa.Column("explanation", sa.Text, nullable=True),
        sa.CheckConstraint("coherence BETWEEN 0 AND 4", name="known_scores_coherence"),
        sa.CheckConstraint("complexity BETWEEN 0 AND 4", name="known_scores_complexity"),
        sa.CheckConstraint("correctness BETWEEN 0 AND 4", name="known_scores_correctness"),
        sa.CheckConstraint("helpfulness BETWEEN 0 AND 4", name="known_scores_helpfulness"),
        sa.CheckConstraint("slot IN (0, 1)", name="known_scores_two_slots"),
        sa.CheckConstraint("verbosity BETWEEN 0 AND 4", name="known_scores_verbosity"),
        sa.ForeignKeyConstraint(
            ["task_key"],
            ["tasks.task_key"],
        ),
        sa.PrimaryKeyConstraint("task_key", "slot"),
    )


def _create_assignments() -> None:
    op.create_table(
        "assignments",
        sa.Column("assignment_id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("lease", sa.Text, nullable=False),
        sa.Column("project_id", sa.Text, nullable=False),
        sa.Column("task_key", sa.Integer, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("left_slot", sa.Integer, nullable=False),
        sa.Column("claimed_at", sa.Text, nullable=False),
        sa.Column("expires_at", sa.Text, nullable=False),
        sa.CheckConstraint(
            "state IN ('active', 'expired', 'skipped', 'done', 'surplus', 'withdrawn')", name="assignments_state"
        ),
        sa.CheckConstraint("left_slot IN (0, 1)", name="assignments_left_slot"),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.project_id"],
        ),
        sa.ForeignKeyConstraint(
            ["task_key"],
            ["tasks.task_key"],
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.user_id"],
        ),
        sa.PrimaryKeyConstraint("assignment_id"),
        sa.UniqueConstraint("lease"),
        sa.UniqueConstraint("task_key", "user_id", name="assignments_once_per_annotator"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "assignments_expiry",
        "assignments",
        ["expires_at"],
        sqlite_where=sa.text("state = 'active'"),
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_index("assignments_of_user", "assignments", ["user_id", "project_id"])
    op.create_index(
        "assignments_one_active",
        "assignments",
        ["project_id", "user_id"],
        unique=True,
        sqlite_where=sa.text("state = 'active'"),
        postgresql_where=sa.text("state = 'active'"),
    )
