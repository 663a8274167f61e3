"""What all routes of one site share: its database and clock, its templates, and who may come in."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from fastapi import Request, params
from fastapi.responses import HTMLResponse
from jinja2 import Environment

from steersman.store.database.connection import Database
from steersman.web.guard import Caller, api_guard, page_guard, secure_page_guard
from steersman.web.live.statistics import LiveStatistics
from steersman.web.permissions import Permission
from steersman.web.service import Service


@dataclass(frozen=True, slots=True)
class Site:
    """One running site; `is_secure` says that people reach it by HTTPS, so that cookies travel by it only."""

    service: Service
    templates: Environment
    is_secure: bool
    live: LiveStatistics

    @property
    def engine(self) -> Database:
        """Return the database."""
        return self.service.engine

    @property
    def now(self) -> Callable[[], datetime]:
        """Return the clock, which gives aware times."""
        return self.service.now

    def page_guard(self, permission: Permission) -> params.Depends:
        """Return the dependency that gives a page its caller."""
        guard = secure_page_guard if self.is_secure else page_guard
        return guard(self.service.session_holder, permission)

    def api_guard(self, permission: Permission) -> params.Depends:
        """Return the dependency that gives an API route its caller."""
        return api_guard(self.service.token_holder, permission)

    def page(self, name: str, *, caller: Caller | None, status: int = 200, **context: object) -> HTMLResponse:
        """Return a template as a page; `caller` None is for people who have not logged in."""
        text = self.templates.get_template(name).render(caller=caller, **context)
        return HTMLResponse(text, status)


def client_address(request: Request) -> str:
    """Return where a request came from, for limits on tries to log in."""
    return request.client.host if request.client is not None else "unknown"
