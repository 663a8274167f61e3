"""Read what a browser or client sent: bounded bodies, forms, secrets, and where a form came from."""

from urllib.parse import parse_qs, urlsplit

from fastapi import Request

from steersman.errors import DataError
from steersman.web.faults import BodyTooLargeError, ForeignOriginError

# an answer with a long justification, many times over
MAX_BODY_BYTES = 65_536
_MAX_FIELDS = 200
COOKIE = "steersman_session"
SECURE_COOKIE = "__Host-steersman_session"


async def read_body(request: Request, *, max_bytes: int = MAX_BODY_BYTES) -> bytes:
    """Return the body; raises BodyTooLargeError as soon as it passes `max_bytes`."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise BodyTooLargeError(f"the request is longer than {max_bytes} bytes; send less at a time")
    return bytes(body)


async def read_form(request: Request, *, max_bytes: int = MAX_BODY_BYTES) -> dict[str, list[str]]:
    """Return the fields of an URL-encoded form; raises ForeignOriginError when another site sent it."""
    check_origin(request)
    body = await read_body(request, max_bytes=max_bytes)
    try:
        return parse_qs(body.decode("utf-8"), max_num_fields=_MAX_FIELDS)
    except ValueError as error:
        raise DataError(f"the form cannot be read ({error})") from error


def check_origin(request: Request) -> None:
    """Raise ForeignOriginError unless the browser says that the form came from this site.

    `Sec-Fetch-Site` says it in any browser of today, also where a proxy hides the site's own name; an older browser,
    or one that speaks plain HTTP, says from where the form came.
    """
    relation = request.headers.get("sec-fetch-site")
    if relation is None:
        is_ours = _is_origin_of(request.headers.get("origin", ""), host=request.headers.get("host"))
    else:
        is_ours = relation in ("same-origin", "none")
    if not is_ours:
        raise ForeignOriginError("this form was not sent from this site; open the site itself and try again")


def _is_origin_of(text: str, *, host: str | None) -> bool:
    try:
        origin = urlsplit(text)
    except ValueError:
        return False
    return origin.scheme in ("http", "https") and origin.netloc == host


def bearer_token(request: Request) -> str | None:
    """Return the token of an `Authorization: Bearer` header, or None."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
