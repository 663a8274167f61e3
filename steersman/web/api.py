"""The JSON API for programs: claim, submit and status, with the annotator's token as bearer.

Bodies and results are plain JSON; an error is `{"error": message}` with a status of its kind.
"""

from dataclasses import asdict

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from steersman.records import text_to_messages
from steersman.store.database.leases import LeasedTask
from steersman.web.answers import answer_from_json
from steersman.web.guideline import GUIDELINE_VERSION
from steersman.web.requests import bearer_token, read_body
from steersman.web.service import Service


def api_router(service: Service) -> APIRouter:
    """Return the routes below /api."""
    router = APIRouter(prefix="/api")

    @router.post("/claim")
    def claim(request: Request) -> JSONResponse:
        task = service.claim(service.annotator(bearer_token(request)))
        return JSONResponse({"task": None if task is None else _task_json(task)})

    @router.post("/submit")
    async def submit(request: Request) -> JSONResponse:
        annotator = await run_in_threadpool(service.annotator, bearer_token(request))
        answer = answer_from_json(await read_body(request))
        receipt = await run_in_threadpool(service.submit, annotator, answer=answer)
        return JSONResponse(asdict(receipt))

    @router.get("/status")
    def status(request: Request) -> JSONResponse:
        annotator = service.annotator(bearer_token(request))
        progress = service.progress(annotator)
        return JSONResponse({"annotator": annotator, "guideline_version": GUIDELINE_VERSION, **asdict(progress)})

    return router


def _task_json(task: LeasedTask) -> dict[str, object]:
    # no response ids: they may name the generator
    return {
        "lease": task.lease,
        "task_id": task.task_id,
        "messages": [{"role": turn.role, "content": turn.content} for turn in text_to_messages(task.prompt)],
        "responses": [task.left, task.right],
        "expires_at": task.expires_at,
    }
