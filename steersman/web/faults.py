"""The site's own errors, and the HTTP status of every error a user can cause."""

from steersman.errors import DataError, RunError, SteersmanError
from steersman.store.database.faults import (
    AlreadyAnsweredError,
    DatabaseBusyError,
    NothingToUndoError,
    TakenError,
    UnknownError,
    UnknownLeaseError,
)


class AccessError(SteersmanError):
    """No session or token, or one that nobody holds."""


class PermissionDeniedError(SteersmanError):
    """Something that this person or token may not do."""


class ForeignOriginError(SteersmanError):
    """A form that another site sent in somebody's name."""


class BodyTooLargeError(DataError):
    """A request that is longer than any honest one."""


class TooManyTriesError(SteersmanError):
    """Too many tries to log in; `retry_after_seconds` says when the next one is heard."""

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


# the first class that fits decides, so kinds stand before what they inherit from
_STATUSES: tuple[tuple[type[SteersmanError], int], ...] = (
    (AccessError, 401),
    (PermissionDeniedError, 403),
    (ForeignOriginError, 403),
    (UnknownLeaseError, 404),
    (UnknownError, 404),
    (AlreadyAnsweredError, 409),
    (NothingToUndoError, 409),
    (TakenError, 409),
    (BodyTooLargeError, 413),
    (TooManyTriesError, 429),
    (DataError, 422),
    (DatabaseBusyError, 503),
    (RunError, 503),
)


def http_status(error: SteersmanError) -> int:
    """Return the HTTP status of an error's kind; 400 where there is no closer one."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 400)
