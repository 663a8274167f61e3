"""A hub on 127.0.0.1 that speaks the hub's own protocol as far as uploading needs it, and records what it is asked.

It keeps repositories in memory: their visibility and, commit after commit, the files they hold. Compressed files and
weights go by Git LFS, as the real hub wants it (https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md), all
others inside the commit.
"""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

TOKEN = "hf_of_a_test"
_LFS_SUFFIXES = (".gz", ".safetensors")
_REVISION = "0123456789" * 4


@dataclass
class Repository:
    visibility: str
    files: dict[str, bytes] = field(default_factory=dict)


@dataclass
class FakeHub:
    """What the hub holds, by kind/owner/name, what was asked of it, and the status it answers with where one is set."""

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    blobs: dict[str, bytes] = field(default_factory=dict)
    refuse_with: int | None = None


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub

    def do_GET(self) -> None:
        self._record()
        _, _, kinds, *name = self.path.split("/")
        found = self.hub.repositories.get("/".join([kinds.removesuffix("s"), *name[:2]]))
        if found is None:
            self._answer(404, {"error": "Repository not found"})
            return
        self._answer(200, {"id": "/".join(name[:2]), "private": found.visibility == "private", "sha": _REVISION})

    def do_POST(self) -> None:
        body = self._record()
        if self.hub.refuse_with is not None:
            self._answer(self.hub.refuse_with, {"error": "no"})
        elif self.path == "/api/repos/create":
            self._create(json.loads(body))
        elif self.path == "/api/validate-yaml":
            self._answer(200, {"errors": [], "warnings": []})
        elif self.path.endswith("/preupload/main"):
            files = json.loads(body)["files"]
            self._answer(200, {"files": [_mode(each["path"]) for each in files]})
        elif self.path.endswith(".git/info/lfs/objects/batch"):
            objects = json.loads(body)["objects"]
            self._answer(200, {"transfer": "basic", "objects": [self._place(each) for each in objects]})
        else:
            self._commit([json.loads(line) for line in body.splitlines()])

    def do_PUT(self) -> None:
        body = self._record()
        assert self.path == f"/blob/{sha256(body).hexdigest()}"
        self.hub.blobs[sha256(body).hexdigest()] = body
        self._answer(200, {})

    def _create(self, wanted: dict[str, str]) -> None:
        key = f"{wanted.get('type', 'model')}/{wanted['organization']}/{wanted['name']}"
        is_new = key not in self.hub.repositories
        if is_new:
            self.hub.repositories[key] = Repository(wanted.get("visibility", "public"))
        place = key.replace("dataset/", "datasets/").removeprefix("model/")
        self._answer(200 if is_new else 409, {"url": f"{self.hub.url}/{place}"})

    def _place(self, wanted: dict[str, object]) -> dict[str, object]:
        return {**wanted, "actions": {"upload": {"href": f"{self.hub.url}/blob/{wanted['oid']}"}}}

    def _commit(self, lines: list[dict[str, object]]) -> None:
        _, _, kinds, owner, name, *_ = self.path.split("/")
        repository = self.hub.repositories[f"{kinds.removesuffix('s')}/{owner}/{name}"]
        for line in lines:
            value = line["value"]
            assert isinstance(value, dict)
            if line["key"] == "header":
                self.hub.messages.append(value["summary"])
            elif line["key"] == "file":
                repository.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                repository.files[value["path"]] = self.hub.blobs[value["oid"]]
            else:
                del repository.files[value["path"]]
        url = f"{self.hub.url}/{'' if kinds == 'models' else kinds + '/'}{owner}/{name}/commit/{_REVISION}"
        self._answer(200, {"commitUrl": url, "commitOid": _REVISION})

    def _record(self) -> bytes:
        is_signed = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        assert is_signed or self.path.startswith("/blob/")
        self.hub.requests.append(f"{self.command} {self.path.partition('?')[0]}")
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _answer(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: pytest shows what matters."""


def _mode(path: str) -> dict[str, object]:
    mode = "lfs" if path.endswith(_LFS_SUFFIXES) else "regular"
    return {"path": path, "uploadMode": mode, "shouldIgnore": False}


@contextmanager
def fake_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """Serve a hub for the block; huggingface_hub finds it instead of the real one, and somebody is logged in."""
    hub = FakeHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
    # Xet is a storage service of its own; without it the library falls back to Git LFS
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
