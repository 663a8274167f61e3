"""The pages for people: log in, rate one task after the other."""

from collections.abc import Mapping

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment
from starlette.concurrency import run_in_threadpool

from steersman.errors import DataError
from steersman.records import text_to_messages
from steersman.store.database.answers import Answer
from steersman.store.database.faults import AlreadyAnsweredError, UnknownLeaseError
from steersman.store.database.leases import LeasedTask
from steersman.web.answers import answer_from_form, flagged_answer
from steersman.web.faults import AccessError, http_status
from steersman.web.guideline import CONFIDENCE_LEVELS, FLAGS, SCALES
from steersman.web.requests import COOKIE, cookie_token, read_form
from steersman.web.service import Service

_SEE_OTHER = 303
_NOTICES = {
    "saved": "Saved. Thank you.",
    "surplus": "Saved. Others had finished this task meanwhile, so your answer is kept as an extra one.",
}


def pages_router(service: Service, *, templates: Environment) -> APIRouter:
    """Return the routes of all pages."""
    router = APIRouter()
    router.include_router(_login_router(service, templates=templates))
    router.include_router(_task_router(service, templates=templates))
    return router


def _login_router(service: Service, *, templates: Environment) -> APIRouter:
    router = APIRouter()

    @router.get("/login")
    def login_page(token: str = "") -> Response:
        # opening a link must not log anyone in: previews open links, and so can other sites
        return _login(templates, token=token, error=None, status=200)

    @router.post("/login")
    async def login(request: Request) -> Response:
        form = await read_form(request)
        token = form.get("token", [""])[0].strip()
        try:
            await run_in_threadpool(service.annotator, token)
        except AccessError as error:
            return _login(templates, token="", error=str(error), status=http_status(error))
        response = RedirectResponse("/task", _SEE_OTHER)
        secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=secure)
        return response

    @router.post("/logout")
    async def logout(request: Request) -> Response:
        await read_form(request)
        response = RedirectResponse("/login", _SEE_OTHER)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response

    return router


def _task_router(service: Service, *, templates: Environment) -> APIRouter:
    router = APIRouter()

    @router.get("/")
    def home() -> Response:
        return RedirectResponse("/task", _SEE_OTHER)

    @router.get("/task")
    def task_page(request: Request, done: str = "") -> Response:
        token = cookie_token(request)
        if token is None:
            return RedirectResponse("/login", _SEE_OTHER)
        annotator = service.annotator(token)
        task = service.claim(annotator)
        notice = _NOTICES.get(done)
        context = {"annotator": annotator, "progress": service.progress(annotator), "notice": notice}
        if task is None:
            return HTMLResponse(templates.get_template("finished.html").render(context))
        return HTMLResponse(_task_page(templates, task, chosen={}, error=None, context=context))

    @router.post("/task/submit")
    async def submit(request: Request) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(_submit, service, templates, token=cookie_token(request), form=form)

    return router


def _submit(service: Service, templates: Environment, *, token: str | None, form: Mapping[str, list[str]]) -> Response:
    annotator = service.annotator(token)
    lease = form.get("lease", [""])[0]
    try:
        receipt = service.submit(annotator, answer=_answer(lease, form))
    except (AlreadyAnsweredError, UnknownLeaseError):
        raise
    except DataError as error:
        task = service.task(annotator, lease=lease)
        context = {"annotator": annotator, "progress": service.progress(annotator), "notice": None}
        page = _task_page(templates, task, chosen=form, error=str(error), context=context)
        return HTMLResponse(page, http_status(error))
    return RedirectResponse(f"/task?done={'surplus' if receipt.surplus else 'saved'}", _SEE_OTHER)


def _answer(lease: str, form: Mapping[str, list[str]]) -> Answer:
    if form.get("action") == ["flag"]:
        return flagged_answer(lease, form.get("flag", []))
    return answer_from_form({name: values[0] for name, values in form.items()})


def _login(templates: Environment, *, token: str, error: str | None, status: int) -> Response:
    page = templates.get_template("login.html").render(token=token, error=error)
    return HTMLResponse(page, status)


def _task_page(
    templates: Environment,
    task: LeasedTask,
    *,
    chosen: Mapping[str, list[str]],
    error: str | None,
    context: Mapping[str, object],
) -> str:
    return templates.get_template("task.html").render(
        task=task,
        messages=text_to_messages(task.prompt),
        sides=(("left", "A", task.left), ("right", "B", task.right)),
        scales=SCALES,
        confidence_levels=CONFIDENCE_LEVELS,
        flags=FLAGS,
        chosen=chosen,
        error=error,
        **context,
    )
