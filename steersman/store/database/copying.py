"""Copy all rows from one annotation database into another of the same version, and tell whether both hold the same.

Rows go one by one at constant memory, tables in the order of their references.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice

from sqlalchemy import Connection, Integer, Row, Table, func, insert, select

from steersman.store.database.schema import METADATA

_ROWS_AT_ONCE = 1000
_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Contents:
    """How many rows a table holds, and a checksum of them that does not depend on their order."""

    rows: int
    checksum: int


def contents(connection: Connection) -> dict[str, Contents]:
    """Return what each table holds."""
    return {table.name: _contents(_rows(connection, table)) for table in METADATA.sorted_tables}


def copy_rows(source: Connection, target: Connection) -> dict[str, Contents]:
    """Copy all rows into the empty tables of `target` and return what was read, by table."""
    copied = {}
    for table in METADATA.sorted_tables:
        names = [column.name for column in table.columns]
        rows, seen = _rows(source, table), Contents(0, 0)
        while part := list(islice(rows, _ROWS_AT_ONCE)):
            target.execute(insert(table), [dict(zip(names, row, strict=True)) for row in part])
            seen = _contents(iter(part), before=seen)
        copied[table.name] = seen
    if target.dialect.name == "postgresql":
        _number_on(target)
    return copied


def differing(first: Mapping[str, Contents], second: Mapping[str, Contents]) -> list[str]:
    """Return the tables that do not hold the same, by name."""
    return [name for name in first if first[name] != second.get(name)]


def _rows(connection: Connection, table: Table) -> Iterator[Row[tuple[object, ...]]]:
    # the columns by name: the order in which a database has them does not matter
    return iter(connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(select(*table.columns)))


def _contents(rows: Iterator[Row[tuple[object, ...]]], *, before: Contents = Contents(0, 0)) -> Contents:
    number, checksum = before.rows, before.checksum
    for row in rows:
        number += 1
        checksum += int.from_bytes(blake2b(repr(tuple(row)).encode(), digest_size=_DIGEST_BYTES).digest())
    return Contents(number, checksum % 2 ** (8 * _DIGEST_BYTES))


def _number_on(connection: Connection) -> None:
    """Let the numbers that the server gives go on behind the highest ones that were copied."""
    for table in METADATA.sorted_tables:
        keys = [*table.primary_key.columns]
        if len(keys) != 1 or not isinstance(keys[0].type, Integer):
            continue
        sequence = connection.execute(select(func.pg_get_serial_sequence(table.name, keys[0].name))).scalar()
        highest = connection.execute(select(func.max(keys[0]))).scalar()
        if sequence is not None and highest is not None:
            connection.execute(select(func.setval(sequence, highest)))
