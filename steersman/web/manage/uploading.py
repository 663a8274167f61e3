"""Read the files that a manager uploads to import tasks: JSON lines, checked line by line by the API's own rules.

Either one file of whole tasks, as the API takes them, or the tables of prompts and of responses that `steersman
prompts` and `steersman respond` write. Rows of responses may hold known scores and an explanation.
"""

import json
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from steersman.errors import DataError, join_faults
from steersman.records import ATTRIBUTES
from steersman.web.api.task_shapes import BatchBody, NewTaskBody
from steersman.web.manage.shell import Form
from steersman.web.requests import check_origin, read_body

MAX_UPLOAD_BYTES = 16 * 1024 * 1024
MAX_TASKS = 10_000
_MAX_FIELDS = 20
_TASK_KEYS = ("task_id", "kind", "priority", "delivery")
_RESPONSE_KEYS = ("response_id", "response", "generator", "generator_licence")

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Upload:
    """A posted form with files; `files` holds the text of each by field, those left empty are not there."""

    form: Form
    files: Mapping[str, bytes]


async def read_upload(request: Request) -> Upload:
    """Return a multipart form; raises ForeignOriginError, BodyTooLargeError or DataError when it cannot be taken."""
    check_origin(request)
    body = await read_body(request, max_bytes=MAX_UPLOAD_BYTES)

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        parser = MultiPartParser(request.headers, stream(), max_files=_MAX_FIELDS, max_fields=_MAX_FIELDS)
        sent = await parser.parse()
    except (MultiPartException, KeyError, UnicodeDecodeError) as error:
        raise DataError("the form cannot be read; open the page anew and choose the files again") from error
    fields: dict[str, list[str]] = {}
    files: dict[str, bytes] = {}
    for name, value in sent.multi_items():
        if isinstance(value, UploadFile):
            content = await value.read()
            await value.close()
            files |= {name: content} if content else {}
        else:
            fields.setdefault(name, []).append(value)
    return Upload(Form(fields), files)


Uploaded = Annotated[Upload, Depends(read_upload)]


def uploaded_batch(upload: Upload) -> BatchBody:
    """Return the tasks of an upload; raises DataError that names every fault with its file and line."""
    overrides = _overrides(upload.form)
    if "tasks" in upload.files:
        rows = [(f"tasks, line {line}", row) for line, row in _rows(upload.files["tasks"], name="tasks")]
    elif {"prompts", "responses"} <= upload.files.keys():
        rows = list(_joined(upload.files["prompts"], upload.files["responses"]))
    else:
        raise DataError("choose a file of tasks, or one of prompts and one of responses")
    if not 1 <= len(rows) <= MAX_TASKS:
        raise DataError(f"an upload holds 1 to {MAX_TASKS} tasks, this one {len(rows)}; send more by the API")
    faults: list[str] = []
    tasks = []
    for place, row in rows:
        try:
            tasks.append(NewTaskBody.model_validate({**row, **overrides}))
        except ValidationError as error:
            faults += [f"{place}: {_words(each['loc'])}{each['msg']}" for each in error.errors(include_url=False)]
    if faults:
        raise DataError(f"{join_faults(faults)}; nothing was imported")
    # each task is checked already; an upload may hold more of them than one call of the API
    return BatchBody.model_construct(tasks=tasks, simulated=upload.form.text("simulated") == "yes")


def _overrides(form: Form) -> dict[str, object]:
    """Return what the form says of all tasks; what it leaves empty is up to each row."""
    said: dict[str, object] = {name: form.text(name) for name in ("kind", "delivery") if form.text(name)}
    return said | ({"priority": form.number("priority", lowest=0, highest=1000)} if form.text("priority") else {})


def _rows(content: bytes, *, name: str) -> Iterator[tuple[int, Row]]:
    faults: list[str] = []
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict):
            yield number, row
        else:
            faults.append(f"{name}, line {number}: not a JSON object")
    if faults:
        raise DataError(f"{join_faults(faults)}; nothing was imported")


def _joined(prompts: bytes, responses: bytes) -> Iterator[tuple[str, Row]]:
    """Yield place and row of one task per kept prompt, with its responses in their order."""
    answers: dict[object, list[tuple[int, Row]]] = {}
    for line, row in _rows(responses, name="responses"):
        answers.setdefault(str(row.get("prompt_id")), []).append((line, row))
    known: set[str] = set()
    for line, row in _rows(prompts, name="prompts"):
        name = str(row.get("prompt_id"))
        known.add(name)
        if row.get("kept") is not False:
            yield f"prompts, line {line}", _task_row(name, row, answers=[each for _, each in answers.get(name, [])])
    lost = [
        f"responses, line {rows[0][0]}: there is no prompt {name!r}"
        for name, rows in answers.items()
        if name not in known
    ]
    if lost:
        raise DataError(f"{join_faults(lost)}; nothing was imported")


def _task_row(name: str, prompt: Row, *, answers: Sequence[Row]) -> Row:
    task: dict[str, object] = {key: prompt[key] for key in _TASK_KEYS if prompt.get(key) is not None}
    task |= {"task_id": name, "messages": prompt.get("messages"), "source": prompt.get("source")}
    task |= {"licence": prompt.get("licence"), "responses": [_kept(each, _RESPONSE_KEYS) for each in answers]}
    scores = [_kept(each, (*ATTRIBUTES, "explanation")) for each in answers]
    return task | ({"known": scores} if any(scores) else {})


def _kept(row: Row, keys: Sequence[str]) -> Row:
    return {key: row[key] for key in keys if row.get(key) is not None}


def _words(location: Sequence[int | str]) -> str:
    return f"{'.'.join(str(part) for part in location)}: " if location else ""
