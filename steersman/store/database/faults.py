"""What can go wrong between people and the database."""

from steersman.errors import DataError, RunError


class UnknownLeaseError(DataError):
    """A lease that was never given to this annotator."""


class AlreadyAnsweredError(DataError):
    """A second, different answer under a lease that has been answered."""


class NothingToUndoError(DataError):
    """No answer that may still be taken back."""


class UnknownError(DataError):
    """A project, user, task or invitation that does not exist, or is not this person's to see."""


class TakenError(DataError):
    """A name that somebody has already."""


class DatabaseBusyError(RunError):
    """Another writer held the database for too long; nothing was saved, and trying again is safe."""


class ConflictError(DatabaseBusyError):
    """A transaction that the database gave up so that another could end; doing all of it again will work."""
