"""The tables of the work: projects, tasks with their responses, and leases.

A task's `num_active` counts its leases in state `active`, `num_done` its answers that count; the check on their sum is
the last guard against giving a task to too many annotators.
"""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    and_,
    literal_column,
    text,
)

from steersman.store.database.columns import METADATA, one_of, score_checks, score_columns

# What a task is for: `rating` makes the data set; the others have known answers, and every annotator may get them.
TASK_KINDS = ("rating", "gold", "training", "qualification")
# What became of a lease. `surplus` answers came when the task was finished, `withdrawn` ones were taken back.
LEASE_STATES = ("active", "expired", "skipped", "done", "surplus", "withdrawn")

PROJECTS = Table(
    "projects",
    METADATA,
    Column("project_id", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("created_at", Text, nullable=False),
)

# Settings and guideline of a project; a change is a new version, and the highest one holds.
SETTINGS = Table(
    "settings",
    METADATA,
    Column("project_id", Text, ForeignKey("projects.project_id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("settings", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("created_by", Text),
)

GUIDELINES = Table(
    "guidelines",
    METADATA,
    Column("project_id", Text, ForeignKey("projects.project_id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("markdown", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("created_by", Text),
)

# Where the tasks of an import came from; `ancestors` and `inputs` are JSON texts.
ORIGINS = Table(
    "origins",
    METADATA,
    Column("origin_id", Integer, primary_key=True, autoincrement=True),
    Column("project_id", Text, ForeignKey("projects.project_id"), nullable=False),
    Column("ancestors", Text, nullable=False),
    Column("inputs", Text, nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("created_at", Text, nullable=False),
    sqlite_autoincrement=True,
)

TASKS = Table(
    "tasks",
    METADATA,
    Column("task_key", Integer, primary_key=True, autoincrement=True),
    Column("project_id", Text, ForeignKey("projects.project_id"), nullable=False),
    Column("task_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("delivery", Text),
    Column("prompt", Text, nullable=False),
    Column("need", Integer, nullable=False),
    Column("num_active", Integer, nullable=False),
    Column("num_done", Integer, nullable=False),
    UniqueConstraint("project_id", "task_id", name="tasks_named_once"),
    UniqueConstraint("project_id", "ordinal", name="tasks_in_one_order"),
    one_of("kind", TASK_KINDS, name="tasks_kind"),
    # `ended`: enough annotators said that it cannot be rated, or a manager took it out
    one_of("state", ("open", "ended"), name="tasks_state"),
    CheckConstraint("num_active >= 0 AND num_done >= 0", name="tasks_counters"),
    CheckConstraint("kind <> 'rating' OR num_active + num_done <= need", name="tasks_never_over_assigned"),
    sqlite_autoincrement=True,
)
# the column first: SQLite turns a condition so, and then compares it with this one word by word
_OPEN = text("kind = 'rating' AND state = 'open' AND need > num_active + num_done")
Index(
    "tasks_open",
    TASKS.c.project_id,
    TASKS.c.priority.desc(),
    TASKS.c.ordinal,
    sqlite_where=_OPEN,
    postgresql_where=_OPEN,
)
Index("tasks_by_kind", TASKS.c.project_id, TASKS.c.kind, TASKS.c.ordinal)
# written out, and not as parameters: SQLite uses an index of some rows only where it sees the condition
HAS_FREE_PLACE = and_(TASKS.c.state == literal_column("'open'"), TASKS.c.need > TASKS.c.num_active + TASKS.c.num_done)
IS_FINISHED = TASKS.c.num_done >= TASKS.c.need

RESPONSES = Table(
    "responses",
    METADATA,
    Column("task_key", Integer, ForeignKey("tasks.task_key"), primary_key=True),
    Column("slot", Integer, primary_key=True),
    Column("response_id", Text, nullable=False),
    Column("response", Text, nullable=False),
    Column("generator", Text, nullable=False),
    Column("generator_licence", Text),
    UniqueConstraint("task_key", "response_id", name="responses_named_once"),
    CheckConstraint("slot IN (0, 1)", name="responses_two_slots"),
)

# The answers known for a gold, training or qualification task, and why they are right.
KNOWN_SCORES = Table(
    "known_scores",
    METADATA,
    Column("task_key", Integer, ForeignKey("tasks.task_key"), primary_key=True),
    Column("slot", Integer, primary_key=True),
    *score_columns(),
    Column("explanation", Text),
    CheckConstraint("slot IN (0, 1)", name="known_scores_two_slots"),
    *score_checks("known_scores"),
)

ASSIGNMENTS = Table(
    "assignments",
    METADATA,
    Column("assignment_id", Integer, primary_key=True, autoincrement=True),
    Column("lease", Text, nullable=False, unique=True),
    Column("project_id", Text, ForeignKey("projects.project_id"), nullable=False),
    Column("task_key", Integer, ForeignKey("tasks.task_key"), nullable=False),
    Column("user_id", Text, ForeignKey("users.user_id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("left_slot", Integer, nullable=False),
    Column("claimed_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
    UniqueConstraint("task_key", "user_id", name="assignments_once_per_annotator"),
    one_of("state", LEASE_STATES, name="assignments_state"),
    CheckConstraint("left_slot IN (0, 1)", name="assignments_left_slot"),
    sqlite_autoincrement=True,
)
_ACTIVE = text("state = 'active'")
Index(
    "assignments_one_active",
    ASSIGNMENTS.c.project_id,
    ASSIGNMENTS.c.user_id,
    unique=True,
    sqlite_where=_ACTIVE,
    postgresql_where=_ACTIVE,
)
Index("assignments_expiry", ASSIGNMENTS.c.expires_at, sqlite_where=_ACTIVE, postgresql_where=_ACTIVE)
Index("assignments_of_user", ASSIGNMENTS.c.user_id, ASSIGNMENTS.c.project_id)
