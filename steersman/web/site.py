"""What all routes of one site share: its database and clock, its templates, and who may come in."""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from fastapi import Request, params
from fastapi.responses import HTMLResponse
from jinja2 import Environment

from steersman.store.database.connection import Database
from steersman.web.guard import Caller, api_guard, page_guard
from steersman.web.live.statistics import LiveStatistics
from steersman.web.navigation import navigation
from steersman.web.permissions import Permission
from steersman.web.requests import COOKIE, SECURE_COOKIE
from steersman.web.service import Service

_HOUSEHOLD_BITS = 64
_MAX_HOST_LENGTH = 64


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

    @property
    def cookie(self) -> str:
        """Return the name of the session's cookie; whoever sits on the network cannot plant that of a secure site."""
        return SECURE_COOKIE if self.is_secure else COOKIE

    def session_secret(self, request: Request) -> str | None:
        """Return the text of the session kept in the browser at login, or None."""
        return request.cookies.get(self.cookie) or None

    def page_guard(self, permission: Permission) -> params.Depends:
        """Return the dependency that gives a page its caller."""
        return page_guard(self.service.session_holder, permission, secret=self.session_secret)

    def api_guard(self, permission: Permission) -> params.Depends:
        """Return the dependency that gives an API route its caller."""
        return api_guard(self.service.token_holder, permission)

    def page(self, template: str, /, *, caller: Caller | None, status: int = 200, **context: object) -> HTMLResponse:
        """Return a template as a page; `caller` None is for people who have not logged in."""
        links = [] if caller is None else navigation(caller.role, caller.permissions, path=caller.path)
        text = self.templates.get_template(template).render(caller=caller, navigation=links, status=status, **context)
        return HTMLResponse(text, status)


def client_address(request: Request) -> str:
    """Return where a request came from, for limits on tries to log in; of IPv6 the part that one household has."""
    host = request.client.host if request.client is not None else "unknown"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host[:_MAX_HOST_LENGTH]
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address), _HOUSEHOLD_BITS), strict=False))
