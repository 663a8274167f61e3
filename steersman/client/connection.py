"""One program's connection to an annotation site: calls that are tried again where that is safe, and streams."""

import json
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Self, cast

import httpx

from steersman.errors import RunError, SteersmanError

API = "/api/v1"
# between the four attempts of a call
_PAUSES_SECONDS = (0.2, 0.5, 1.0)
_BUSY = 503


class Connection:
    """Calls of one token.

    Raises SteersmanError with the site's message when it refuses, RunError when it stays unreachable.
    """

    def __init__(self, url: str, token: str, *, timeout_seconds: float = 60.0) -> None:
        """Connect to the site at `url` (such as http://127.0.0.1:8000) as the holder of `token`."""
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def repeat(self, method: str, path: str, *, body: Mapping[str, object] | None = None) -> dict[str, object]:
        """Return the answer to a call that is harmless to repeat, tried up to four times."""
        return self._called(method, path, body=body, passing=httpx.TransportError)

    def once(self, method: str, path: str, *, body: Mapping[str, object] | None = None) -> dict[str, object]:
        """Return the answer to a call that makes something; it is tried again only where nothing can have happened."""
        return self._called(method, path, body=body, passing=httpx.ConnectError)

    def rows(self, path: str, *, query: Mapping[str, int]) -> Iterator[dict[str, object]]:
        """Yield the rows of a stream; raises httpx.TransportError when it breaks off."""
        with self._http.stream("GET", f"{API}{path}", params=dict(query)) as answer:
            if not answer.is_success:
                answer.read()
                self._content(answer, path=path)
            for line in answer.iter_lines():
                yield cast("dict[str, object]", json.loads(line))

    def unreachable(self, error: httpx.TransportError) -> RunError:
        """Return what is told of a site that cannot be reached."""
        return RunError(f"{self.url}: cannot be reached ({error}); is the site running?")

    def _called(
        self, method: str, path: str, *, body: Mapping[str, object] | None, passing: type[httpx.TransportError]
    ) -> dict[str, object]:
        for pause_seconds in (*_PAUSES_SECONDS, None):
            try:
                answer = self._http.request(method, f"{API}{path}", json=body)
            except passing as error:
                if pause_seconds is None:
                    raise self.unreachable(error) from error
            except httpx.TransportError as error:
                raise RunError(f"{self.url}: broke off ({error}); look there whether it was done") from error
            else:
                if answer.status_code != _BUSY or pause_seconds is None:
                    return self._content(answer, path=path)
            time.sleep(pause_seconds)
        raise AssertionError("the last attempt returns or raises")

    def _content(self, answer: httpx.Response, *, path: str) -> dict[str, object]:
        try:
            content = answer.json()
        except ValueError as error:
            raise RunError(
                f"{self.url}: answers {answer.status_code} without JSON; is it an annotation site?"
            ) from error
        if answer.is_success and isinstance(content, dict):
            return content
        message = content.get("error") if isinstance(content, dict) else None
        raise SteersmanError(f"{self.url}{API}{path}: {message or f'answered with status {answer.status_code}'}")
