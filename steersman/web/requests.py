"""Read what a browser or client sent: bounded bodies, forms, tokens, and where a form came from."""

from urllib.parse import parse_qs, urlsplit

from fastapi import Request

from steersman.errors import DataError
from steersman.web.faults import BodyTooLargeError, ForeignOriginError

# an honest answer is under 2 kB
MAX_BODY_BYTES = 16_384
_MAX_FIELDS = 64
COOKIE = "steersman_token"


async def read_body(request: Request) -> bytes:
    """Return the body; raises BodyTooLargeError as soon as it passes 16 kB."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLargeError(f"the request is longer than {MAX_BODY_BYTES} bytes; send one answer at a time")
    return bytes(body)


async def read_form(request: Request) -> dict[str, list[str]]:
    """Return the fields of an URL-encoded form; raises ForeignOriginError when another site sent it."""
    check_origin(request)
    body = await read_body(request)
    try:
        return parse_qs(body.decode("utf-8"), max_num_fields=_MAX_FIELDS)
    except ValueError as error:
        raise DataError(f"the form cannot be read ({error})") from error


def check_origin(request: Request) -> None:
    """Raise ForeignOriginError unless the browser says that the form came from this site.

    Together with the cookie's SameSite=Strict this keeps other sites from acting in an annotator's name.
    """
    if not _is_origin_of(request.headers.get("origin", ""), host=request.headers.get("host")):
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


def cookie_token(request: Request) -> str | None:
    """Return the token kept in the browser at login, or None."""
    return request.cookies.get(COOKIE)
