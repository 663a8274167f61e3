"""Let one transaction meet another that is still open, in an order that does not depend on how busy the machine is."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import sleep

from database_work import saw, wrote
from sqlalchemy import Connection, Engine, text

from steersman.errors import SteersmanError
from steersman.store.database.connection import writing

Work = Callable[[Connection], object]
_LOCKS = text(
    "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()"
)


@dataclass(slots=True)
class Outcome:
    """What became of the second transaction: what its work gave, or the error a user would see.

    `has_waited` tells on a server whether it had to wait for the first one.
    """

    value: object = None
    error: SteersmanError | None = None
    has_waited: bool = False


def meet(engine: Engine, first: Work, second: Work) -> Outcome:
    """Begin `second` while the transaction of `first` is open, which ends when `second` waits or is over."""
    outcome = Outcome()

    def work() -> None:
        try:
            outcome.value = wrote(engine, second)
        except SteersmanError as error:
            outcome.error = error

    thread = threading.Thread(target=work)
    with writing(engine) as connection:
        first(connection)
        thread.start()
        # SQLite's one writer is this thread; the other waits for its turn or is about to
        if engine.dialect.name == "postgresql":
            outcome.has_waited = wait_until_waiting(engine, thread)
    thread.join()
    return outcome


def wait_until_waiting(engine: Engine, thread: threading.Thread) -> bool:
    """Return when a transaction on a server waits for another (True), or when `thread` is over (False)."""
    while thread.is_alive():
        if saw(engine, lambda connection: connection.execute(_LOCKS).scalar()) != 0:
            return True
        sleep(0.01)
    return False
