"""The columns of tables that only data from elsewhere comes in.

Nothing in them is forced into a scale of ours: a score keeps its own scale, which stands beside it.
"""

from steersman.tables.schemas import Column, Table

_TEXT = Column("text")

PREFERENCE_TASKS = Table(
    "preference tasks",
    {"task_id": _TEXT, "split": _TEXT, "prompt": _TEXT, "response_1": _TEXT, "response_2": _TEXT},
)
CONVERSATIONS = Table(
    "conversations",
    {"messages": Column("messages"), "source": _TEXT, "licence": Column("text", nullable=True)},
)
UNITS = Table("units", {"unit": _TEXT, "prompt": Column("text", nullable=True), "response": _TEXT})
UNIT_SCORES = Table(
    "unit scores",
    {
        "unit": _TEXT,
        "rater": Column("text", nullable=True),
        "attribute": _TEXT,
        "score": Column("number"),
        "low": Column("number"),
        "high": Column("number"),
        "count": Column("integer", required=False, nullable=True, low=1),
    },
)
