"""Download what a project holds, one JSON object a line, at constant memory."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated

import msgspec
from fastapi import APIRouter
from fastapi.responses import HTMLResponse, StreamingResponse

from steersman.store.database.audit import read_events
from steersman.store.database.connection import Database, Transaction, reading
from steersman.store.database.exporting import read_preferences, read_ratings
from steersman.store.database.faults import UnknownError
from steersman.store.database.rating_lists import read_rating_lists
from steersman.store.database.reviewed import read_adjudications
from steersman.web.guard import Caller
from steersman.web.manage.shell import manage_page, needed_project
from steersman.web.permissions import Permission
from steersman.web.site import Site

_ROWS_PER_BLOCK = 500
_encode = msgspec.json.Encoder().encode

# Yields the rows of a project.
_Rows = Callable[[Transaction, str], Iterator[Mapping[str, object]]]


@dataclass(frozen=True, slots=True)
class Download:
    """One file: what is in it, and where its rows come from."""

    words: str
    rows: _Rows


def _ratings(connection: Transaction, project_id: str) -> Iterator[Mapping[str, object]]:
    return (row for _, row in read_ratings(connection, project_id))


def _preferences(connection: Transaction, project_id: str) -> Iterator[Mapping[str, object]]:
    return (row for _, row in read_preferences(connection, project_id))


def _events(connection: Transaction, _project_id: str) -> Iterator[Mapping[str, object]]:
    return (asdict(event) for event in read_events(connection))


DOWNLOADS: Mapping[str, Download] = {
    "ratings": Download("Every rating with its annotator: the file that `steersman clean` reads.", _ratings),
    "preferences": Download("Which response annotators prefer, how much, and why.", _preferences),
    "disagreements": Download(
        "One row per response with all ratings that count as lists, in the shape of HelpSteer2's disagreements.",
        read_rating_lists,
    ),
    "adjudications": Download("Final scores by reviewers; the last of a response holds.", read_adjudications),
}


def export_router(site: Site) -> APIRouter:
    """Return the routes of downloads."""
    router = APIRouter(prefix="/manage/export")

    @router.get("")
    def export(caller: Annotated[Caller, site.page_guard(Permission.READ)], project: str = "") -> HTMLResponse:
        shown = needed_project(site, project)
        return manage_page(site, "export.html", caller=caller, project=shown, context={"downloads": DOWNLOADS})

    @router.get("/audit.jsonl")
    def audit(caller: Annotated[Caller, site.page_guard(Permission.MANAGE)]) -> StreamingResponse:
        del caller
        return _download(site.engine, "", name="audit", rows=_events)

    @router.get("/{name}.jsonl")
    def download(
        name: str, caller: Annotated[Caller, site.page_guard(Permission.READ)], project: str = ""
    ) -> StreamingResponse:
        del caller
        if name not in DOWNLOADS:
            raise UnknownError(f"there is no file {name[:40]!r} to download")
        project_id = needed_project(site, project).project_id
        return _download(site.engine, project_id, name=f"{project_id}-{name}", rows=DOWNLOADS[name].rows)

    return router


def _download(engine: Database, project_id: str, *, name: str, rows: _Rows) -> StreamingResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}.jsonl"'}
    blocks = _blocks(engine, project_id, rows=rows)
    return StreamingResponse(blocks, media_type="application/x-ndjson", headers=headers)


def _blocks(engine: Database, project_id: str, *, rows: _Rows) -> Iterator[bytes]:
    lines: list[bytes] = []
    with reading(engine) as connection:
        for row in rows(connection, project_id):
            lines.append(_encode(row))
            if len(lines) == _ROWS_PER_BLOCK:
                yield b"\n".join([*lines, b""])
                lines = []
    if lines:
        yield b"\n".join([*lines, b""])
