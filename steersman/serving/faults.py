"""What can go wrong with a request, each with its HTTP status, and the body that tells it."""

from steersman.backends.limits import ConversationTooLongError
from steersman.errors import DataError, RunError, SteersmanError

# What nginx logs for a client that left before it was answered; nobody reads the body.
CLIENT_CLOSED_REQUEST = 499


class RequestTooLargeError(DataError):
    """More rows, characters or bytes than one request may hold."""


class MediaTypeError(DataError):
    """A body that is not declared as JSON."""


class ForeignHostError(DataError):
    """A request to a name that is not this server's."""


class UnknownModelError(DataError):
    """A request for a model that is not served here."""


class QueueFullError(RunError):
    """More rows wait than the server keeps; `retry_after_seconds` is when some will have been scored."""

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class StoppingError(RunError):
    """A request that came, or still waited, when the server was stopped."""


class ModelFaultError(RunError):
    """The model broke on rows that look right: a fault of ours, or a device out of memory."""


class ClientGoneError(RunError):
    """A client that left before it was answered."""


_STATUSES: dict[type[SteersmanError], int] = {
    UnknownModelError: 404,
    RequestTooLargeError: 413,
    ConversationTooLongError: 413,
    MediaTypeError: 415,
    ForeignHostError: 421,
    QueueFullError: 429,
    ClientGoneError: CLIENT_CLOSED_REQUEST,
    ModelFaultError: 500,
    StoppingError: 503,
}
_INVALID_REQUEST = 422
_FIRST_SERVER_ERROR = 500


def http_status(error: SteersmanError) -> int:
    """Return the HTTP status of an error; 422 where there is no closer one."""
    return _STATUSES.get(type(error), _INVALID_REQUEST)


def headers_of(error: SteersmanError) -> dict[str, str]:
    """Return the headers that go with an error: when to come back."""
    return {"Retry-After": str(error.retry_after_seconds)} if isinstance(error, QueueFullError) else {}


def plain_body(error: SteersmanError) -> dict[str, object]:
    """Return `{"error": message}`, the body of our own routes."""
    return {"error": str(error)}


def openai_body(error: SteersmanError) -> dict[str, object]:
    """Return the error object of OpenAI's API, which its clients read: message, type, param and code."""
    status = http_status(error)
    kind = "server_error" if status >= _FIRST_SERVER_ERROR else "invalid_request_error"
    return {"error": {"message": str(error), "type": kind, "param": None, "code": status}}
