"""Random texts that open a door, of which only hashes are kept."""

import hashlib
import secrets
from dataclasses import dataclass

_SECRET_BYTES = 24
_ID_BYTES = 6


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose session or token it is; `scopes` None means a session, which may do all that the role may."""

    user_id: str
    role: str
    scopes: tuple[str, ...] | None


def new_secret() -> str:
    """Return a text that cannot be guessed."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def new_id() -> str:
    """Return a short text that names a secret and does not tell it."""
    return secrets.token_hex(_ID_BYTES)


def secret_sha256(secret: str) -> str:
    """Return the hash under which a random text is kept."""
    return hashlib.sha256(secret.encode()).hexdigest()
