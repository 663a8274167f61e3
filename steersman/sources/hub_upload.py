"""Send files to a repository on the hub: made where it is not there yet, one commit, nothing ever deleted.

Who sends is the hub's own login (`hf auth login`, or $HF_TOKEN); no token passes through here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from huggingface_hub import CommitOperationAdd, HfApi, get_token
from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError: of httpx in 1.x, of httpx2 in 2.x
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
)
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # public, but not in its __all__

from steersman.errors import RunError

Kind = Literal["dataset", "model"]
Visibility = Literal["private", "public"]

_LOGIN = "log in with `hf auth login`"
_NOT_LOGGED_IN, _FORBIDDEN = 401, 403
# ValueError is what a faulty card raises, RuntimeError what the hub's native transfer library does
_SEND_ERRORS = (OSError, HTTPError, ValueError, RuntimeError)
_MAX_REASON = 300


@dataclass(frozen=True, slots=True)
class FileToSend:
    """A file and the name it gets in the repository; `content` is a local file, or what is to stand in it."""

    name: str
    content: Path | bytes


@dataclass(frozen=True, slots=True)
class SentCommit:
    """Where to look at what was sent, and its revision."""

    url: str
    revision: str


def check_repository_name(name: str) -> None:
    """Raise RunError when `name` is not OWNER/NAME as the hub allows it."""
    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise RunError(f"'{name}' is no name for a repository on the hub ({error}); give OWNER/NAME") from error
    if "/" not in name:
        raise RunError(f"'{name}' is no name for a repository on the hub; give OWNER/NAME")


def send(
    files: Sequence[FileToSend], *, repository: str, kind: Kind, visibility: Visibility, message: str
) -> SentCommit:
    """Send `files` to `repository` in one commit; files it holds under other names stay as they are.

    A new repository gets `visibility`; one that is there must have it already, so that nothing meant to be private
    becomes public. Raises RunError when nobody is logged in, the hub refuses, or it cannot be reached.
    """
    check_repository_name(repository)
    if get_token() is None:
        raise RunError(f"{repository}: nobody is logged in to the hub; {_LOGIN}")
    hub = HfApi()
    try:
        hub.create_repo(repository, repo_type=kind, private=visibility == "private", exist_ok=True)
        found: Visibility = "private" if hub.repo_info(repository, repo_type=kind).private else "public"
        if found == visibility:
            additions = [CommitOperationAdd(file.name, file.content) for file in files]
            commit = hub.create_commit(repository, additions, commit_message=message, repo_type=kind)
            return SentCommit(str(commit.commit_url), commit.oid)
    except _SEND_ERRORS as error:
        raise RunError(f"{repository}: {_reason(error)}") from error
    raise RunError(f"{repository}: is {found} on the hub already, not {visibility}; nothing was sent to it")


def _reason(error: Exception) -> str:
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if status == _NOT_LOGGED_IN:
        return f"the hub does not accept this login; {_LOGIN}"
    if status == _FORBIDDEN:
        return "this login may not write there; check the owner's name, and that the token has write access"
    words = " ".join(str(error).split())[:_MAX_REASON]
    return f"cannot be sent to the hub ({type(error).__name__}: {words}); nothing is half sent, so try again"
