"""Put the headers on every answer that tell browsers what pages of this site may do."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ALL = {
    # no inline script or style: what slips into a page as text cannot run
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    # not "no-referrer": browsers would then send `Origin: null` with our own forms
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_SECURE = {"Strict-Transport-Security": "max-age=31536000"}
# files of ours change with a new version only; a browser asks whether they did
_STATIC_PATH = "/static/"
_STATIC = {"Cache-Control": "no-cache"}
_PRIVATE = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class SiteHeaders:
    """An ASGI middleware that adds `site_headers` to the answers of `app`; what a route has set stays."""

    app: ASGIApp
    is_secure: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        ours = _encoded(scope["path"].startswith(_STATIC_PATH), self.is_secure)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.setdefault("headers", [])
                names = {name for name, _ in headers}
                message["headers"] = [*headers, *(each for each in ours if each[0] not in names)]
            await send(message)

        await self.app(scope, receive, send_with_headers)


def site_headers(path: str, *, is_secure: bool) -> Mapping[str, str]:
    """Return the headers of an answer by name."""
    kept = _STATIC if path.startswith(_STATIC_PATH) else _PRIVATE
    return {**_ALL, **(_SECURE if is_secure else {}), **kept}


@cache
def _encoded(is_static: bool, is_secure: bool) -> list[tuple[bytes, bytes]]:
    headers = site_headers(_STATIC_PATH if is_static else "/", is_secure=is_secure)
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
