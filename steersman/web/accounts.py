"""Pages to log in, join by an invitation, change the password and log out."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from steersman.errors import ConfigError, DataError
from steersman.store.database.connection import writing
from steersman.store.database.faults import UnknownError
from steersman.store.database.sessions import end_session
from steersman.web.entering import SESSION_LENGTH, Attempt, Entry, change_password, join, log_in, welcome
from steersman.web.explaining import LOGIN_PATH
from steersman.web.faults import http_status
from steersman.web.guard import CSRF_FIELD, Caller, open_to_all
from steersman.web.permissions import Permission
from steersman.web.requests import read_form
from steersman.web.site import Site, client_address
from steersman.web.throttle import Throttle

# each takes 19 MiB; those who wait hold no thread, so that the others go on working
_HASHES_AT_ONCE = 2
_ANNOTATOR_HOME = "/task"
_MANAGER_HOME = "/manage"
_WRONG = "this name and password do not go together; look at both and try again"

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Door:
    """What the routes share: the site, the tries that run, and the turns to hash."""

    site: Site
    throttle: Throttle
    turns: CapacityLimiter

    async def hashed(self, work: Callable[[], Result]) -> Result:
        """Do what hashes passwords, in a thread, when it has its turn."""
        return await to_thread.run_sync(work, limiter=self.turns)


def accounts_router(site: Site) -> APIRouter:
    """Return the routes of accounts."""
    router = APIRouter()
    door = _Door(site, Throttle(), CapacityLimiter(_HASHES_AT_ONCE))
    for add_routes in (_add_login, _add_leaving, _add_joining, _add_password):
        add_routes(router, door)
    return router


def _add_login(router: APIRouter, door: _Door) -> None:
    site = door.site

    @router.get(LOGIN_PATH, dependencies=[open_to_all()])
    def login_page(request: Request) -> Response:
        session = site.session_secret(request)
        holder = site.service.session_holder(session) if session else None
        if holder is not None:
            return RedirectResponse(home_of(holder.role), HTTPStatus.SEE_OTHER)
        return site.page("login.html", caller=None, name="", error=None)

    @router.post(LOGIN_PATH, dependencies=[open_to_all()])
    async def login(request: Request) -> Response:
        form = await read_form(request)
        attempt = Attempt(_field(form, "name").strip(), _field(form, "password"), client_address(request))
        entry = await door.hashed(partial(log_in, site, attempt, throttle=door.throttle))
        if entry is None:
            status = HTTPStatus.UNAUTHORIZED
            return site.page("login.html", caller=None, status=status, name=attempt.name, error=_WRONG)
        return _entered(site, entry, to=home_of(entry.role))


def _add_leaving(router: APIRouter, door: _Door) -> None:
    site = door.site

    @router.get("/")
    def home(caller: Annotated[Caller, site.page_guard(Permission.SIGNED_IN)]) -> Response:
        return RedirectResponse(home_of(caller.role), HTTPStatus.SEE_OTHER)

    @router.post("/logout")
    async def logout(request: Request, caller: Annotated[Caller, site.page_guard(Permission.SIGNED_IN)]) -> Response:
        form = await read_form(request)
        caller.check_form(_field(form, CSRF_FIELD))
        await to_thread.run_sync(_end, site, site.session_secret(request) or "")
        response = RedirectResponse(LOGIN_PATH, HTTPStatus.SEE_OTHER)
        response.delete_cookie(site.cookie, secure=site.is_secure, httponly=True, samesite="lax")
        return response


def _add_joining(router: APIRouter, door: _Door) -> None:
    site = door.site

    @router.get("/join", dependencies=[open_to_all()])
    def join_page(code: str = "") -> Response:
        return _join_page(site, code)

    @router.post("/join", dependencies=[open_to_all()])
    async def use_invitation(request: Request) -> Response:
        form = await read_form(request)
        code, name, password = (_field(form, field) for field in ("code", "name", "password"))
        try:
            entry = await door.hashed(partial(join, site, code, name=name.strip(), password=password))
        except UnknownError:
            raise
        except (ConfigError, DataError) as error:
            page = partial(_join_page, site, code, name=name, error=str(error), status=http_status(error))
            return await to_thread.run_sync(page)
        return _entered(site, entry, to=home_of(entry.role))


def _add_password(router: APIRouter, door: _Door) -> None:
    site = door.site

    @router.get("/password")
    def password_page(
        caller: Annotated[Caller, site.page_guard(Permission.SIGNED_IN)], *, changed: bool = False
    ) -> Response:
        return site.page("password.html", caller=caller, changed=changed, error=None)

    @router.post("/password")
    async def new_password(
        request: Request, caller: Annotated[Caller, site.page_guard(Permission.SIGNED_IN)]
    ) -> Response:
        form = await read_form(request)
        caller.check_form(_field(form, CSRF_FIELD))
        attempt = Attempt(caller.user_id, _field(form, "password"), client_address(request))
        change = partial(change_password, site, attempt, new=_field(form, "new_password"), throttle=door.throttle)
        try:
            entry = await door.hashed(change)
        except DataError as error:
            status = http_status(error)
            return site.page("password.html", caller=caller, status=status, changed=False, error=str(error))
        return _entered(site, entry, to="/password?changed=true")


def home_of(role: str) -> str:
    """Return where people of a role begin."""
    return _ANNOTATOR_HOME if role == "annotator" else _MANAGER_HOME


def _join_page(site: Site, code: str, *, name: str = "", error: str | None = None, status: int = 200) -> Response:
    found = welcome(site, code)
    return site.page(
        "join.html", caller=None, status=status, code=code, invitation=found, name=found.user_id or name, error=error
    )


def _entered(site: Site, entry: Entry, *, to: str) -> Response:
    response = RedirectResponse(to, HTTPStatus.SEE_OTHER)
    response.set_cookie(
        site.cookie,
        entry.session,
        max_age=int(SESSION_LENGTH.total_seconds()),
        secure=site.is_secure,
        httponly=True,
        samesite="lax",
    )
    return response


def _end(site: Site, session: str) -> None:
    with writing(site.engine) as connection:
        end_session(connection, session, now=site.now())


def _field(form: dict[str, list[str]], name: str) -> str:
    return form.get(name, [""])[0]
