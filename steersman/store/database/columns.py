"""What the tables of an annotation database share: their metadata, and columns and checks that several have.

Times are ISO 8601 texts in UTC with microseconds, so that they sort as they read. Slots are the order in which the two
responses of a task came, positions how an annotator saw them (0 left).
"""

from sqlalchemy import CheckConstraint, Column, Integer, MetaData

from steersman.records import ATTRIBUTES

METADATA = MetaData()


def score_columns() -> list[Column[int]]:
    """Return one column per attribute, null where a response was not rated."""
    return [Column(attribute, Integer) for attribute in ATTRIBUTES]


def score_checks(table: str) -> list[CheckConstraint]:
    """Return the checks that keep scores on their scale."""
    return [CheckConstraint(f"{name} BETWEEN 0 AND 4", name=f"{table}_{name}") for name in ATTRIBUTES]


def one_of(column: str, values: tuple[str, ...], *, name: str) -> CheckConstraint:
    """Return the check that a text column holds one of `values`."""
    return CheckConstraint(f"{column} IN ({', '.join(repr(each) for each in values)})", name=name)
