"""The site's own errors, and the HTTP status of every error a user can cause."""

from steersman.errors import DataError, SteersmanError
from steersman.store.database.faults import AlreadyAnsweredError, DatabaseBusyError, UnknownLeaseError


class AccessError(SteersmanError):
    """No token, or one that nobody holds."""


class ForeignOriginError(SteersmanError):
    """A form that another site sent in an annotator's name."""


class BodyTooLargeError(DataError):
    """A request that is longer than any honest answer."""


# the first class that fits decides, so kinds stand before what they inherit from
_STATUSES: tuple[tuple[type[SteersmanError], int], ...] = (
    (AccessError, 401),
    (ForeignOriginError, 403),
    (UnknownLeaseError, 404),
    (AlreadyAnsweredError, 409),
    (BodyTooLargeError, 413),
    (DataError, 422),
    (DatabaseBusyError, 503),
)


def http_status(error: SteersmanError) -> int:
    """Return the HTTP status of an error's kind; 400 where there is no closer one."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 400)
