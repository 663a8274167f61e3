"""The columns of every bulk table and the check at the door.

A table is a Polars frame whose columns, types and ranges are one of the schemas here. Whoever reads a table from
outside passes it through `table_from_rows` (JSON rows) or `check_table` (a frame); inside, tables are trusted.
"""

from steersman.tables.cells import cell_fault, row_faults, table_from_rows
from steersman.tables.frames import check_table
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
    "DISAGREEMENTS",
    "EXAMPLES",
    "PAIRS",
    "PREFERENCE_RATINGS",
    "PROMPTED_RESPONSES",
    "PROMPTS",
    "RATINGS",
    "RESPONSES",
    "Column",
    "Kind",
    "Table",
    "cell_fault",
    "check_table",
    "row_faults",
    "table_from_rows",
]
