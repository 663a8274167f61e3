"""Refuse values that one kind of database could not keep, with the same words on every kind."""

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, Engine, event

from steersman.errors import DataError

# what a column of type Integer holds on PostgreSQL
_MAX_INTEGER = 2**31 - 1


def refuse_unkeepable(engine: Engine) -> None:
    """Let every statement of `engine` raise DataError for a text or number that a database cannot keep."""
    event.listen(engine, "before_cursor_execute", _check)


def _check(
    _connection: Connection, _cursor: object, _statement: str, parameters: object, _context: object, is_many: bool
) -> None:
    rows = parameters if is_many and isinstance(parameters, list) else [parameters]
    for row in rows:
        for value in _values(row):
            if isinstance(value, str):
                _check_text(value)
            elif isinstance(value, int) and not -_MAX_INTEGER <= value <= _MAX_INTEGER:
                raise DataError(f"the number {str(value)[:20]} is too large to be kept; give a smaller one")


def _values(row: object) -> Iterable[object]:
    return row.values() if isinstance(row, Mapping) else row if isinstance(row, tuple) else ()


def _check_text(text: str) -> None:
    if "\0" in text or not (text.isascii() or _is_unicode(text)):
        raise DataError(f"the text {text[:40]!r} holds a character that is no text (NUL or half a pair); remove it")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
