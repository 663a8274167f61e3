"""A process that notes its number, waits for the others, and is killed when it is the second: run by tests."""

import os
import signal
import sys
from pathlib import Path

from steersman.engine.group import joined
from steersman.engine.processes import of_all, rank

if __name__ == "__main__":
    with joined():
        (Path(sys.argv[1]) / str(os.getpid())).touch()
        of_all(None)
        if rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        of_all(None)
