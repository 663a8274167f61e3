"""What can go wrong between an annotator and the database."""

from steersman.errors import DataError, RunError


class UnknownLeaseError(DataError):
    """A lease that was never given to this annotator."""


class AlreadyAnsweredError(DataError):
    """A second, different answer under a lease that has been answered."""


class DatabaseBusyError(RunError):
    """Another writer held the database for too long; nothing was saved, and trying again is safe."""
