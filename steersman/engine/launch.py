"""Start the processes of a training on this machine, through the launcher of torch.distributed, and end with them."""

import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from steersman.errors import EXIT_DONE, EXIT_OUR_FAULT, RunError

# the launcher gives each process the name of the run in this variable
_RUN_VARIABLE = "TORCHELASTIC_RUN_ID"
_RUN_NAME = "steersman-on-one-machine"
_THIS_MACHINE = "127.0.0.1"
_SHUTDOWN_SECONDS = 30


def is_launched_by_us() -> bool:
    """Return whether `launch` started this process, which then speaks of processes that were killed."""
    return os.environ.get(_RUN_VARIABLE) == _RUN_NAME


def launch(module: str, arguments: Sequence[str], *, num_processes: int) -> int:
    """Run `python -m module arguments` in so many processes that train together, and return their exit code.

    When one fails, the others are ended, and its exit code counts; it has said why. Raises RunError when one was
    killed, and KeyboardInterrupt, once all have ended, when this process is told to end.
    """
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=num_processes,
        run_id=_RUN_NAME,
        rdzv_backend="c10d",
        rdzv_endpoint=f"{_THIS_MACHINE}:0",
        local_addr=_THIS_MACHINE,
        max_restarts=0,
        shutdown_timeout=_SHUTDOWN_SECONDS,
    )
    with _quiet_launcher(), _signals_as_before():
        try:
            elastic_launch(config, sys.executable)("-m", module, *arguments)
        except ChildFailedError as error:
            return _exit_code(error)
        except SignalException as error:
            raise KeyboardInterrupt from error
    return EXIT_DONE


def _exit_code(error: ChildFailedError) -> int:
    rank, failure = error.get_first_failure()
    if failure.exitcode < 0:
        raise RunError(
            f"training process {rank} was ended by {signal.Signals(-failure.exitcode).name} (out of memory?); the same"
            " command goes on from the last checkpoint"
        ) from error
    return failure.exitcode or EXIT_OUR_FAULT


@contextmanager
def _quiet_launcher() -> Iterator[None]:
    """Keep the launcher's log off the terminal: the processes speak for themselves."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(level)


@contextmanager
def _signals_as_before() -> Iterator[None]:
    """Undo what the launcher makes of signals."""
    names = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
    before = {name: signal.getsignal(name) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
