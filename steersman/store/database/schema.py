"""The tables of an annotation database, as the newest migration leaves them.

Times are ISO 8601 texts in UTC with microseconds, so that they sort as they read. A task's `num_active` counts its
leases in state `active`, `num_done` its answers that count; the check on their sum is the last guard against
giving a task to too many annotators. `ratings` is append-only: triggers of the first migration refuse the rest.
`origin` has one row, or none in a database that was made before there was such a table: its `ancestors` and `inputs`
are JSON texts.
"""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from steersman.records import ATTRIBUTES

METADATA = MetaData()

TASKS = Table(
    "tasks",
    METADATA,
    Column("task_id", Text, primary_key=True),
    Column("ordinal", Integer, nullable=False, unique=True),
    Column("prompt", Text, nullable=False),
    Column("need", Integer, nullable=False),
    Column("num_active", Integer, nullable=False),
    Column("num_done", Integer, nullable=False),
    CheckConstraint(
        "num_active >= 0 AND num_done >= 0 AND num_active + num_done <= need", name="tasks_never_over_assigned"
    ),
)
Index("tasks_open", TASKS.c.ordinal, sqlite_where=text("num_active + num_done < need"))
HAS_FREE_PLACE = TASKS.c.num_active + TASKS.c.num_done < TASKS.c.need

RESPONSES = Table(
    "responses",
    METADATA,
    Column("task_id", Text, ForeignKey("tasks.task_id"), primary_key=True),
    Column("slot", Integer, primary_key=True),
    Column("response_id", Text, nullable=False),
    Column("response", Text, nullable=False),
    Column("generator", Text, nullable=False),
    Column("generator_licence", Text),
    UniqueConstraint("task_id", "response_id", name="responses_named_once"),
    CheckConstraint("slot IN (0, 1)", name="responses_two_slots"),
)

ANNOTATORS = Table(
    "annotators",
    METADATA,
    Column("annotator", Text, primary_key=True),
    Column("token_sha256", Text, nullable=False, unique=True),
    Column("created_at", Text, nullable=False),
)

ASSIGNMENTS = Table(
    "assignments",
    METADATA,
    Column("lease", Text, primary_key=True),
    Column("task_id", Text, ForeignKey("tasks.task_id"), nullable=False),
    Column("annotator", Text, ForeignKey("annotators.annotator"), nullable=False),
    Column("state", Text, nullable=False),
    Column("left_slot", Integer, nullable=False),
    Column("claimed_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
    Column("answered_at", Text),
    Column("answer_sha256", Text),
    UniqueConstraint("task_id", "annotator", name="assignments_once_per_annotator"),
    CheckConstraint("state IN ('active', 'expired', 'done', 'surplus')", name="assignments_state"),
    CheckConstraint("left_slot IN (0, 1)", name="assignments_left_slot"),
)
Index(
    "assignments_one_active",
    ASSIGNMENTS.c.annotator,
    unique=True,
    sqlite_where=text("state = 'active'"),
)
Index("assignments_expiry", ASSIGNMENTS.c.expires_at, sqlite_where=text("state = 'active'"))

RATINGS = Table(
    "ratings",
    METADATA,
    Column("rating_id", Integer, primary_key=True, autoincrement=True),
    Column("lease", Text, ForeignKey("assignments.lease"), nullable=False),
    Column("task_id", Text, nullable=False),
    Column("response_id", Text, nullable=False),
    Column("annotator", Text, ForeignKey("annotators.annotator"), nullable=False),
    Column("position", Integer, nullable=False),
    *(Column(attribute, Integer) for attribute in ATTRIBUTES),
    Column("confidence", Integer),
    Column("safe", Boolean),
    Column("flags", Text, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("guideline_version", Text, nullable=False),
    Column("surplus", Boolean, nullable=False),
    Column("simulated", Boolean),
    ForeignKeyConstraint(["task_id", "response_id"], ["responses.task_id", "responses.response_id"]),
    UniqueConstraint("lease", "position", name="ratings_once_per_lease"),
    *(CheckConstraint(f"{attribute} BETWEEN 0 AND 4", name=f"ratings_{attribute}") for attribute in ATTRIBUTES),
    CheckConstraint("confidence BETWEEN 0 AND 2", name="ratings_confidence"),
    CheckConstraint("position IN (0, 1)", name="ratings_position"),
    sqlite_autoincrement=True,
)
Index("ratings_of_task", RATINGS.c.task_id)

ORIGIN = Table(
    "origin",
    METADATA,
    Column("origin_id", Integer, primary_key=True),
    Column("ancestors", Text, nullable=False),
    Column("inputs", Text, nullable=False),
    Column("simulated", Boolean, nullable=False),
    CheckConstraint("origin_id = 1", name="origin_one_row"),
)
