"""What the site does for an annotator, one transaction per call; pages and API are thin shells around it."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from steersman.annotation.escalation import ratings_needed
from steersman.store.database.answers import Answer, Receipt, submit
from steersman.store.database.connection import Database, reading, writing
from steersman.store.database.content import Progress, find_annotator, read_progress
from steersman.store.database.leases import LeasedTask, claim, leased_task
from steersman.web.faults import AccessError
from steersman.web.guideline import GUIDELINE_VERSION

# long enough for a hard task of two long responses, short enough that an abandoned one is done the same day
LEASE_LENGTH = timedelta(minutes=45)


@dataclass(frozen=True, slots=True)
class Service:
    """The site's work on one database; `now` gives aware times, `rng` draws which response stands left."""

    engine: Database
    now: Callable[[], datetime]
    rng: random.Random

    def annotator(self, token: str | None) -> str:
        """Return who holds `token`; raises AccessError for none or an unknown one."""
        with reading(self.engine) as connection:
            name = find_annotator(connection, token) if token else None
        if name is None:
            raise AccessError("no access with this token; use the link or token you were given")
        return name

    def claim(self, annotator: str) -> LeasedTask | None:
        """Return the task the annotator holds or now gets, None when there is nothing for them."""
        with writing(self.engine) as connection:
            return claim(connection, annotator, now=self.now(), lease_length=LEASE_LENGTH, rng=self.rng)

    def task(self, annotator: str, *, lease: str) -> LeasedTask:
        """Return the task under a lease of the annotator, whatever has become of it."""
        with reading(self.engine) as connection:
            return leased_task(connection, lease, annotator=annotator)

    def submit(self, annotator: str, *, answer: Answer) -> Receipt:
        """Keep an answer; safe to repeat."""
        with writing(self.engine) as connection:
            return submit(
                connection,
                answer,
                annotator=annotator,
                now=self.now(),
                guideline_version=GUIDELINE_VERSION,
                ratings_needed=ratings_needed,
            )

    def progress(self, annotator: str) -> Progress:
        """Return how far the work is."""
        with reading(self.engine) as connection:
            return read_progress(connection, annotator)
