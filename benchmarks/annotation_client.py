"""A small browser for benchmarks: HTTP/1.1 on asyncio, one connection that stays open, cookies and forms.

It costs a tenth of a millisecond or two per request, so that what is measured is the server. It does not follow
redirects, load pictures or run scripts.
"""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from urllib.parse import urlencode, urlsplit

_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"
_TIMEOUT_SECONDS = 60.0
_MAX_HEAD_BYTES = 1 << 16
_WITHOUT_BODY = (204, 304)
_INPUT = re.compile(r"<input\b[^>]*>")
_ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """Return the body as text."""
        return self.body.decode("utf-8")

    def json(self) -> object:
        """Return what the JSON body holds."""
        return json.loads(self.body)


class Browser:
    """One person or program at one server. Not for several tasks at once: requests share a connection."""

    def __init__(self, url: str, *, headers: Mapping[str, str] | None = None) -> None:
        parts = urlsplit(url)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.cookies: dict[str, str] = {}
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        self._fixed = f"Host: {parts.netloc}\r\n" + "".join(f"{n}: {v}\r\n" for n, v in (headers or {}).items())
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def get(self, target: str) -> Reply:
        """Return what is at a target, a path with its query."""
        return await self.send("GET", target)

    async def post_form(self, target: str, fields: Mapping[str, str] | Sequence[tuple[str, str]]) -> Reply:
        """Send a form as a page of this server would."""
        return await self.send("POST", target, body=urlencode(fields).encode(), kind=_FORM)

    async def post_json(self, target: str, value: object, *, headers: Mapping[str, str] | None = None) -> Reply:
        """Send JSON as a script of this server's pages would."""
        return await self.send("POST", target, body=json.dumps(value).encode(), kind=_JSON, headers=headers)

    async def send(
        self,
        method: str,
        target: str,
        *,
        body: bytes | None = None,
        kind: str = _JSON,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Return the reply to a request; raises ConnectionError or TimeoutError when there is none.

        A connection that the server closed while it was idle is opened anew, as browsers do.
        """
        request = self._request(method, target, body=body, kind=kind, headers=headers or {})
        was_open = self._writer is not None
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                return await self._exchange(request, may_repeat=was_open)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    def _request(self, method: str, target: str, *, body: bytes | None, kind: str, headers: Mapping[str, str]) -> bytes:
        lines = [f"{method} {target} HTTP/1.1\r\n{self._fixed}"]
        if self.cookies:
            lines.append(f"Cookie: {'; '.join(f'{name}={value}' for name, value in self.cookies.items())}\r\n")
        if method != "GET":
            lines.append(f"Origin: {self.origin}\r\nReferer: {self.origin}/\r\n")
        lines += [f"{name}: {value}\r\n" for name, value in headers.items()]
        if body is not None:
            lines.append(f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n")
        return "".join([*lines, "\r\n"]).encode() + (body or b"")

    async def _exchange(self, request: bytes, *, may_repeat: bool) -> Reply:
        reader, writer = await self._connection()
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
        except (OSError, asyncio.IncompleteReadError) as error:
            self.close()
            is_silent = not isinstance(error, asyncio.IncompleteReadError) or not error.partial
            if may_repeat and is_silent:
                return await self._exchange(request, may_repeat=False)
            raise ConnectionError("the connection broke before an answer") from error
        try:
            return await self._reply(reader, head)
        except asyncio.IncompleteReadError as error:
            raise ConnectionError("the connection broke inside an answer") from error

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port, limit=_MAX_HEAD_BYTES)
        return self._reader, self._writer

    async def _reply(self, reader: asyncio.StreamReader, head: bytes) -> Reply:
        first, *lines = head.decode("latin-1").split("\r\n")
        headers: dict[str, str] = {}
        for name, _, value in (line.partition(":") for line in lines if line):
            if name.lower() == "set-cookie":
                self._keep_cookie(value)
            headers[name.lower()] = value.strip()
        status = int(first.split(" ", 2)[1])
        body = await _body(reader, status=status, headers=headers)
        if headers.get("connection", "").lower() == "close" or not _says_length(headers):
            self.close()
        return Reply(status, headers, body)

    def _keep_cookie(self, text: str) -> None:
        name, _, value = text.partition(";")[0].strip().partition("=")
        if value.strip('"'):
            self.cookies[name] = value
        else:
            self.cookies.pop(name, None)


def form_fields(page: str) -> dict[str, str]:
    """Return the hidden fields of a page, the last of each name."""
    tags = (dict(_ATTRIBUTE.findall(tag)) for tag in _INPUT.findall(page))
    hidden = (tag for tag in tags if tag.get("type") == "hidden" and "name" in tag)
    return {tag["name"]: unescape(tag.get("value", "")) for tag in hidden}


def _says_length(headers: Mapping[str, str]) -> bool:
    return "content-length" in headers or headers.get("transfer-encoding") == "chunked"


async def _body(reader: asyncio.StreamReader, *, status: int, headers: Mapping[str, str]) -> bytes:
    if status in _WITHOUT_BODY:
        return b""
    if headers.get("transfer-encoding") == "chunked":
        return await _chunks(reader)
    if "content-length" in headers:
        return await reader.readexactly(int(headers["content-length"]))
    return await reader.read()


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = bytearray()
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        parts += await reader.readexactly(size)
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass
    return bytes(parts)
