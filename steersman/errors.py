"""The errors a user can cause, each with the exit code of its kind.

Every message says what is wrong, where, and what to do. Faults of ours are not wrapped: they keep their traceback.
"""

from collections.abc import Sequence

EXIT_DONE = 0
EXIT_CHECK_FELL_SHORT = 1
EXIT_USER_INPUT = 2
EXIT_OUR_FAULT = 3

MAX_FAULTS_SHOWN = 20


class SteersmanError(Exception):
    """Something the user can mend; `cli.main` prints it in one line and exits with `exit_code`."""

    exit_code = EXIT_USER_INPUT


class ConfigError(SteersmanError):
    """A config key, value or combination that cannot be used."""


class DataError(SteersmanError):
    """Rows that are missing, malformed or outside their scale."""


class RunError(SteersmanError):
    """A run folder, device, port or disk that cannot be used."""


class PluginError(SteersmanError):
    """A generator, scorer or source that cannot be found or loaded."""


class LicenceError(SteersmanError):
    """A use that the licence of an ancestor forbids."""


class CheckFailedError(SteersmanError):
    """A check the user asked for fell short; nothing is broken."""

    exit_code = EXIT_CHECK_FELL_SHORT


def join_faults(faults: Sequence[str], *, count: int | None = None) -> str:
    """Return `faults` as one message, the first 20 of them and the number of the rest.

    There are `count` of them, where `faults` are only the first.
    """
    shown = faults[:MAX_FAULTS_SHOWN]
    rest = (len(faults) if count is None else count) - len(shown)
    return "; ".join(shown) + (f"; and {rest} more" if rest > 0 else "")
