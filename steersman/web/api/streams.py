"""The routes that stream what annotators said, one JSON object a line; whoever reads on later loses nothing."""

from collections.abc import Callable, Iterator
from enum import Enum
from itertools import chain
from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse

from steersman.store.database.connection import Database, Transaction, reading_in_order
from steersman.store.database.exporting import NUMBERED, Cursor, read_preferences, read_ratings
from steersman.store.database.projects import read_project
from steersman.web.api.faults import faults
from steersman.web.api.project_shapes import Format
from steersman.web.api.shapes import ProjectId
from steersman.web.guard import Caller
from steersman.web.permissions import Permission
from steersman.web.site import Site

_TAGS: list[str | Enum] = ["projects"]
_FAULTS = faults(401, 403, 404, 422, 503)
# what a database holds as a number of a row
_HIGHEST = 2**31 - 1
_MAX_ROWS = 1_000_000
_ROWS_PER_BLOCK = 500
_After = Annotated[int, Query(ge=0, le=_HIGHEST, description="go on behind the row of this number")]
_Limit = Annotated[int | None, Query(ge=1, le=_MAX_ROWS, description="at most so many rows; all when left out")]

# Yields number and row; `read_ratings` or `read_preferences`.
_Read = Callable[..., Iterator[tuple[int, dict[str, object]]]]
_encode = msgspec.json.Encoder().encode


class Lines(StreamingResponse):
    """One JSON object a line."""

    media_type = "application/x-ndjson"


def add_streams(router: APIRouter, site: Site) -> None:
    """Add the routes that stream ratings and preferences."""

    @router.get("/projects/{project_id}/ratings", tags=_TAGS, responses=_FAULTS, response_class=Lines)
    def stream_ratings(
        project_id: Annotated[ProjectId, Path()],
        caller: Annotated[Caller, site.api_guard(Permission.READ)],
        after: _After = 0,
        limit: _Limit = None,
        format: Annotated[Format, Query()] = "jsonl",
    ) -> Lines:
        """Stream ratings in order of submission: the columns of the ratings table, and their number `rating_id`."""
        del caller, format
        blocks = _lines(site.engine, read_ratings, project_id, cursor=Cursor(after, limit), number="rating_id")
        return _begun(blocks)

    @router.get("/projects/{project_id}/preferences", tags=_TAGS, responses=_FAULTS, response_class=Lines)
    def stream_preferences(
        project_id: Annotated[ProjectId, Path()],
        caller: Annotated[Caller, site.api_guard(Permission.READ)],
        after: _After = 0,
        limit: _Limit = None,
    ) -> Lines:
        """Stream preferences in order of submission: the columns of preference ratings, and their `answer_id`."""
        del caller
        blocks = _lines(site.engine, read_preferences, project_id, cursor=Cursor(after, limit), number="answer_id")
        return _begun(blocks)


def _begun(blocks: Iterator[bytes]) -> Lines:
    """Return a stream whose first part was read: what is wrong is told before an answer that says that all is well."""
    return Lines(chain([next(blocks, b"")], blocks))


def _lines(engine: Database, read: _Read, project_id: str, *, cursor: Cursor, number: str) -> Iterator[bytes]:
    with reading_in_order(engine, *NUMBERED) as connection:
        read_project(connection, project_id)
        yield from _blocks(connection, read, project_id, cursor=cursor, number=number)


def _blocks(connection: Transaction, read: _Read, project_id: str, *, cursor: Cursor, number: str) -> Iterator[bytes]:
    lines: list[bytes] = []
    for found, row in read(connection, project_id, cursor=cursor):
        lines.append(_encode({number: found, **row}))
        if len(lines) == _ROWS_PER_BLOCK:
            yield b"\n".join([*lines, b""])
            lines = []
    if lines:
        yield b"\n".join([*lines, b""])
