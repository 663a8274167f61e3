"""Style sheets, scripts and pictures of the pages, under an address that changes with what is in them.

A browser keeps such a file for good and never asks again; a new version of the site has new addresses. The plain
addresses below /static work too, and are asked for each time. Scripts name each other by relative addresses, so that
those of one version stay together.
"""

import hashlib
from functools import cache
from importlib.resources import files

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC = "/static"
_FOR_GOOD = "public, max-age=31536000, immutable"
_DIGEST_LENGTH = 12


@cache
def version() -> str:
    """Return what names the contents of all static files."""
    digest = hashlib.sha256()
    for each in sorted((files("steersman.web") / "static").iterdir(), key=lambda each: each.name):
        digest.update(each.name.encode() + b"\0" + each.read_bytes())
    return digest.hexdigest()[:_DIGEST_LENGTH]


def static_path() -> str:
    """Return the address below which pages name their static files."""
    return f"{STATIC}/{version()}"


class Assets(StaticFiles):
    """The static files of the package, with and without the version in their address."""

    def __init__(self) -> None:
        super().__init__(packages=[("steersman.web", "static")])

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file; a browser may keep it where the address names its version."""
        name = path.removeprefix(f"{version()}/")
        response = await super().get_response(name, scope)
        if name != path:
            response.headers["Cache-Control"] = _FOR_GOOD
        return response
