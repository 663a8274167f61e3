"""The columns of every bulk table and the check at the door.

A table is a Polars frame whose columns, types and ranges are one of the schemas here. Whoever reads a table from
outside passes it through `table_from_rows` (JSON rows) or `check_table` (a frame); inside, tables are trusted.
"""

from steersman.tables.cells import INT64_LIMIT, cell_fault, frame_from_columns, row_faults, table_from_rows
from steersman.tables.faults import Faults, faults_of, joined, raise_if_any
from steersman.tables.frames import check_table, conformed, frame_faults
from steersman.tables.imported import CONVERSATIONS, PREFERENCE_TASKS, UNIT_SCORES, UNITS
from steersman.tables.schemas import (
    DISAGREEMENTS,
    EXAMPLES,
    PAIRS,
    PREFERENCE_RATINGS,
    PROMPTED_RESPONSES,
    PROMPTS,
    RATINGS,
    RESPONSES,
    Column,
    Kind,
    Table,
)

__all__ = [
    "CONVERSATIONS",
    "DISAGREEMENTS",
    "EXAMPLES",
    "INT64_LIMIT",
    "PAIRS",
    "PREFERENCE_RATINGS",
    "PREFERENCE_TASKS",
    "PROMPTED_RESPONSES",
    "PROMPTS",
    "RATINGS",
    "RESPONSES",
    "UNITS",
    "UNIT_SCORES",
    "Column",
    "Faults",
    "Kind",
    "Table",
    "cell_fault",
    "check_table",
    "conformed",
    "faults_of",
    "frame_faults",
    "frame_from_columns",
    "joined",
    "raise_if_any",
    "row_faults",
    "table_from_rows",
]
