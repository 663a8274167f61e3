"""The tables of those who work: users, their projects, sessions, tokens and invitations.

Only hashes of secrets are kept: argon2id of passwords, SHA-256 of the random texts of sessions, tokens and invitations.
"""

from sqlalchemy import Boolean, CheckConstraint, Column, ForeignKey, Index, Integer, Table, Text

from steersman.store.database.columns import METADATA, one_of

# From the most to the least powerful. An owner may do everything; docs/annotation.md has the table of permissions.
ROLES = ("owner", "manager", "reviewer", "annotator")
# How far an annotator has come in a project. Only `working` ones get rating tasks.
STAGES = ("training", "qualifying", "working", "paused", "failed", "left")

USERS = Table(
    "users",
    METADATA,
    Column("user_id", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("password_hash", Text),
    Column("is_active", Boolean, nullable=False),
    Column("created_at", Text, nullable=False),
    one_of("role", ROLES, name="users_role"),
)

MEMBERS = Table(
    "members",
    METADATA,
    Column("project_id", Text, ForeignKey("projects.project_id"), primary_key=True),
    Column("user_id", Text, ForeignKey("users.user_id"), primary_key=True),
    Column("stage", Text, nullable=False),
    # why the stage is what it is, in words for the annotator and the manager; null where it needs none
    Column("reason", Text),
    Column("num_answered", Integer, nullable=False),
    Column("joined_at", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
    one_of("stage", STAGES, name="members_stage"),
    CheckConstraint("num_answered >= 0", name="members_num_answered"),
)

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("sha256", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.user_id"), nullable=False),
    Column("created_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
    Column("ended_at", Text),
)
Index("sessions_of_user", SESSIONS.c.user_id)

# `scopes` is a text of words from web.access.SCOPES, parted by spaces.
TOKENS = Table(
    "tokens",
    METADATA,
    Column("token_id", Text, primary_key=True),
    Column("sha256", Text, nullable=False, unique=True),
    Column("user_id", Text, ForeignKey("users.user_id"), nullable=False),
    Column("label", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("expires_at", Text),
    Column("revoked_at", Text),
)
Index("tokens_of_user", TOKENS.c.user_id)

# A link by which people join. `user_id` names whose password it sets; null lets the person choose a name.
INVITATIONS = Table(
    "invitations",
    METADATA,
    Column("invitation_id", Text, primary_key=True),
    Column("sha256", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("project_id", Text, ForeignKey("projects.project_id")),
    Column("user_id", Text, ForeignKey("users.user_id")),
    Column("max_uses", Integer, nullable=False),
    Column("num_uses", Integer, nullable=False),
    Column("created_by", Text),
    Column("created_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
    Column("revoked_at", Text),
    one_of("role", ROLES, name="invitations_role"),
    CheckConstraint("num_uses BETWEEN 0 AND max_uses", name="invitations_uses"),
)

# Every try to log in, by account and by address, for the lock-out.
LOGINS = Table(
    "logins",
    METADATA,
    Column("login_id", Integer, primary_key=True, autoincrement=True),
    Column("account", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("succeeded", Boolean, nullable=False),
    sqlite_autoincrement=True,
)
Index("logins_of_account", LOGINS.c.account, LOGINS.c.at)
Index("logins_of_address", LOGINS.c.address, LOGINS.c.at)

GUIDELINES_SEEN = Table(
    "guidelines_seen",
    METADATA,
    Column("project_id", Text, ForeignKey("projects.project_id"), primary_key=True),
    Column("user_id", Text, ForeignKey("users.user_id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("seen_at", Text, nullable=False),
)
