"""A hub and a GitHub on 127.0.0.1 that hand out files as the real ones do, and count what they are asked."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest


@dataclass
class DownloadHub:
    """`files` are held by repository/revision/name; `requests` are the paths that were asked for."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def hold(self, repository: str, revision: str, files: dict[str, bytes]) -> None:
        """Hold `files` of a repository at a revision."""
        self.files.update({f"{repository}/{revision}/{name}": data for name, data in files.items()})


class _Handler(BaseHTTPRequestHandler):
    hub: DownloadHub

    def do_HEAD(self) -> None:
        self._answer_file(with_body=False)

    def do_GET(self) -> None:
        if self.path.startswith("/api/datasets/"):
            self._answer_listing()
        else:
            self._answer_file(with_body=True)

    def _answer_file(self, *, with_body: bool) -> None:
        self.hub.requests.append(f"{self.command} {self.path}")
        # the hub: /datasets/owner/name/resolve/revision/file; GitHub: /owner/name/revision/file
        key = self.path.removeprefix("/datasets/").removeprefix("/").replace("/resolve/", "/")
        data = self.hub.files.get(key)
        if data is None:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        revision = key.split("/")[2]
        headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": revision}
        self._send(200, data, headers, with_body=with_body)

    def _answer_listing(self) -> None:
        self.hub.requests.append(f"{self.command} {self.path.partition('?')[0]}")
        _, _, _, owner, name, _, revision = self.path.partition("?")[0].split("/")
        start = f"{owner}/{name}/{revision}/"
        names = [key.removeprefix(start) for key in self.hub.files if key.startswith(start)]
        if not names:
            self._send(404, b"", {"X-Error-Code": "RevisionNotFound"})
            return
        entries = [{"type": "file", "path": each, "size": 1, "oid": "0" * 40} for each in names]
        self._send(200, json.dumps(entries).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: dict[str, str], *, with_body: bool = True) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: pytest shows what matters."""


@contextmanager
def download_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[DownloadHub]:
    """Serve both for the block; huggingface_hub and our GitHub address lead here."""
    hub = DownloadHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
    template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    # Xet is a storage service of its own
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("steersman.sources.releases.GITHUB", hub.url)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
