"""Let in who may: each route states its permission through one of these, and a test walks all routes.

    router.get("/manage")(..., caller: Annotated[Caller, site.page_guard(Permission.READ)])

Pages know people by the session in their cookie; a form must also carry the session's anti-forgery text, which another
site cannot read. The API knows programs by their bearer token.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Request, params

from steersman.store.database.doors import Holder
from steersman.web.faults import AccessError, ForeignOriginError, PermissionDeniedError
from steersman.web.permissions import WORDS, Permission, allowed
from steersman.web.requests import bearer_token

CSRF_FIELD = "csrf"
CSRF_HEADER = "X-CSRF-Token"

# Return whose session, or whose token, a text is; None for nobody's.
FindHolder = Callable[[str], Holder | None]
ReadSecret = Callable[[Request], str | None]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request, for what; `csrf` is what their forms must carry, empty for a token."""

    user_id: str
    role: str
    permissions: frozenset[Permission]
    csrf: str
    path: str = ""

    def check_form(self, sent: str | None) -> None:
        """Raise ForeignOriginError unless a form carries this session's anti-forgery text."""
        if not self.csrf or not hmac.compare_digest(self.csrf.encode(), (sent or "").encode(errors="replace")):
            raise ForeignOriginError("this form is too old or was not made by this site; reload the page and try again")


@dataclass(frozen=True, slots=True)
class Guard:
    """A dependency of FastAPI that returns the caller, or raises AccessError or PermissionDeniedError."""

    permission: Permission
    find: FindHolder
    secret: ReadSecret
    has_csrf: bool

    def __call__(self, request: Request) -> Caller:
        """Return who sent a request that asks for the guard's permission."""
        secret = self.secret(request)
        holder = self.find(secret) if secret else None
        if holder is None or secret is None:
            raise AccessError("please log in first" if self.has_csrf else "no access with this token")
        csrf = csrf_text(secret) if self.has_csrf else ""
        caller = Caller(holder.user_id, holder.role, allowed(holder.role, holder.scopes), csrf, request.url.path)
        # a page that tells of an error shows who is logged in
        request.state.caller = caller
        if self.permission not in caller.permissions:
            who = "you" if self.has_csrf else "this token"
            raise PermissionDeniedError(f"{who} may not {WORDS[self.permission]}; ask whoever manages this site")
        return caller


@dataclass(frozen=True, slots=True)
class Open:
    """The guard of a route that everybody may use."""

    permission: Permission = Permission.PUBLIC

    async def __call__(self) -> None:
        """Let everybody in."""


def csrf_text(secret: str) -> str:
    """Return the anti-forgery text of a session: known to its pages, of no use without the cookie."""
    return hashlib.sha256(b"csrf:" + secret.encode()).hexdigest()


def page_guard(find_session: FindHolder, permission: Permission, *, secret: ReadSecret) -> params.Depends:
    """Return the dependency of a page; `secret` reads the text of the session that a browser sent."""
    return params.Depends(Guard(permission, find_session, secret, has_csrf=True))


def api_guard(find_token: FindHolder, permission: Permission) -> params.Depends:
    """Return the dependency of an API route."""
    return params.Depends(Guard(permission, find_token, bearer_token, has_csrf=False))


def open_to_all() -> params.Depends:
    """Return the dependency of a route without a caller."""
    return params.Depends(Open())
