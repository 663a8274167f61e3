"""All tables of an annotation database, as the newest migration leaves them."""

from steersman.store.database import answer_tables, people_tables, task_tables
from steersman.store.database.columns import METADATA

TABLE_MODULES = (task_tables, answer_tables, people_tables)
# Tables that are only ever added to: triggers of the first migration refuse the rest.
APPEND_ONLY = (
    "settings",
    "guidelines",
    "origins",
    "known_scores",
    "answers",
    "ratings",
    "withdrawals",
    "reviews",
    "adjudications",
    "audit",
    "guidelines_seen",
)

__all__ = ["APPEND_ONLY", "METADATA", "TABLE_MODULES"]
