"""Take typed values out of foreign rows; whatever is not in the published shape is a ShapeError that names the key."""

from collections.abc import Mapping
from typing import cast

from steersman.sources.items import ShapeError
from steersman.tables import Column, cell_fault

Row = Mapping[str, object]

_SHOWN = 40


def text_at(row: Row, name: str) -> str:
    """Return the text in `name`."""
    return str(_checked(row, name, Column("text")))


def optional_text_at(row: Row, name: str) -> str | None:
    """Return the text in `name`, None where the key is missing or null."""
    return None if row.get(name) is None else text_at(row, name)


def whole_at(row: Row, name: str, *, low: float | None = None, high: float | None = None) -> int:
    """Return the whole number in `name`, from `low` to `high`; 3.0 is one."""
    return int(cast("float", _checked(row, name, Column("integer", low=low, high=high))))


def optional_whole_at(row: Row, name: str) -> int | None:
    """Return the whole number in `name`, None where the key is missing or null."""
    return None if row.get(name) is None else whole_at(row, name)


def number_at(row: Row, name: str, *, low: float | None = None, high: float | None = None) -> float:
    """Return the number in `name`, from `low` to `high`."""
    return float(cast("float", _checked(row, name, Column("number", low=low, high=high))))


def optional_flag_at(row: Row, name: str) -> bool | None:
    """Return the flag in `name`, None where the key is missing or null."""
    return None if row.get(name) is None else bool(_checked(row, name, Column("flag")))


def list_at(row: Row, name: str) -> list[object]:
    """Return the list in `name`."""
    value = _present(row, name)
    if not isinstance(value, list):
        raise ShapeError(f"'{name}' must be a list, got {str(value)[:_SHOWN]!r}")
    return value


def objects_at(row: Row, name: str) -> list[Row]:
    """Return the list of objects in `name`."""
    found = list_at(row, name)
    if not all(isinstance(each, dict) for each in found):
        raise ShapeError(f"'{name}' must be a list of objects, got {str(found)[:_SHOWN]!r}")
    return cast("list[Row]", found)


def object_at(row: Row, name: str) -> Row:
    """Return the object in `name`."""
    value = _present(row, name)
    if not isinstance(value, dict):
        raise ShapeError(f"'{name}' must be an object, got {str(value)[:_SHOWN]!r}")
    return value


def _present(row: Row, name: str) -> object:
    if row.get(name) is None:
        raise ShapeError(f"'{name}' is empty" if name in row else f"no '{name}'")
    return row[name]


def _checked(row: Row, name: str, column: Column) -> object:
    fault = cell_fault(row, name=name, column=column)
    if fault is not None:
        raise ShapeError(fault)
    return row[name]
