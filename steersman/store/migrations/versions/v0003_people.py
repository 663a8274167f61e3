"""Make the first tables: projects with their settings, and people."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Make the tables with their indexes, in the order of their references."""
    _create_logins()
    _create_projects()
    _create_users()
    _create_guidelines()
    _create_guidelines_seen()
    _create_invitations()
    _create_members()
    _create_sessions()
    _create_settings()
    _create_tokens()


def _create_logins() -> None:
    op.create_table(
        "logins",
        sa.Column("login_id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("succeeded", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("login_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("logins_of_account", "logins", ["account", "at"])
    op.create_index("logins_of_address", "logins", ["address", "at"])


def _create_projects() -> None:
    op.create_table(
        "projects",
        sa.Column("project_id", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("project_id"),
    )


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=True),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.CheckConstraint("role IN ('owner', 'manager', 'reviewer', 'annotator')", name="users_role"),
        sa.PrimaryKeyConstraint("user_id"),
    )


def _create_guidelines() -> None:
    op.create_table(
        "guidelines",
        sa.Column("project_id", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("markdown", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("created_by", sa.Text, nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.project_id"],
        ),
        sa.PrimaryKeyConstraint("project_id", "version"),
    )


def _create_guidelines_seen() -> None:
    op.create_table(
        "guidelines_seen",
        sa.Column("project_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("seen_at", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.project_id"],
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.user_id"],
        ),
        sa.PrimaryKeyConstraint("project_id", "user_id", "version"),
    )


def _create_invitations() -> None:
    op.create_table(
        "invitations",
        sa.Column("invitation_id", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("project_id", sa.Text, nullable=True),
        sa.Column("user_id", sa.Text, nullable=True),
        sa.Column("max_uses", sa.Integer, nullable=False),
        sa.Column("num_uses", sa.Integer, nullable=False),
        sa.Column("created_by", sa.Text, nullable=True),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("expires_at", sa.Text, nullable=False),
        sa.Column("revoked_at", sa.Text, nullable=True),
        sa.CheckConstraint("role IN ('owner', 'manager', 'reviewer', 'annotator')", name="invitations_role"),
        sa.CheckConstraint("num_uses BETWEEN 0 AND max_uses", name="invitations_uses"),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.project_id"],
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.user_id"],
        ),
        sa.PrimaryKeyConstraint("invitation_id"),
        sa.UniqueConstraint("sha256"),
    )


def _create_members() -> None:
    op.create_table(
        "members",
        sa.Column("project_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=True),
        sa.Column("num_answered", sa.Integer, nullable=False),
        sa.Column("joined_at", sa.Text, nullable=False),
        sa.Column("changed_at", sa.Text, nullable=False),
        sa.CheckConstraint(
            "stage IN ('training', 'qualifying', 'working', 'paused', 'failed', 'left')", name="members_stage"
        ),
        sa.CheckConstraint("num_answered >= 0", name="members_num_answered"),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.project_id"],
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.user_id"],
        ),
        sa.PrimaryKeyConstraint("project_id", "user_id"),
    )


def _create_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("expires_at", sa.Text, nullable=False),
        sa.Column("ended_at", sa.Text, nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.user_id"],
        ),
        sa.PrimaryKeyConstraint("sha256"),
    )
    op.create_index("sessions_of_user", "sessions", ["user_id"])


def _create_settings() -> None:
    op.create_table(
        "settings",
        sa.Column("project_id", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("created_by", sa.Text, nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.project_id"],
        ),
        sa.PrimaryKeyConstraint("project_id", "version"),
    )


def _create_tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("token_id", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("expires_at", sa.Text, nullable=True),
        sa.Column("revoked_at", sa.Text, nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.user_id"],
        ),
        sa.PrimaryKeyConstraint("token_id"),
        sa.UniqueConstraint("sha256"),
    )
    op.create_index("tokens_of_user", "tokens", ["user_id"])
