"""Join the group of processes that torchrun's variables describe, and end with it: all of them, with one message.

Whoever fails first says why; the others, whose connections break by it, keep quiet. A process that was killed says
nothing, so the launcher says it, or, under a launcher of somebody else, the first to notice.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import NoReturn

import torch
import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from steersman.engine.launch import is_launched_by_us
from steersman.errors import EXIT_OUR_FAULT, RunError

# the shared counter of a name: adds to it and returns the sum
_Add = Callable[[str, int], int]

_VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
# the first process reads, scores and writes alone while the others wait; a dead one is noticed by its launcher
_PATIENCE = timedelta(hours=12)
_LINGER_SECONDS = 30.0
_WATCH_SECONDS = 1.0


def is_member() -> bool:
    """Return whether a launcher started this process as one of several."""
    return all(name in os.environ for name in _VARIABLES)


@contextmanager
def joined() -> Iterator[None]:
    """Take part in the group for as long as the block lasts; a process that no launcher started stays alone.

    Raises RunError when another process of the group was lost.
    """
    if not is_member():
        yield
        return
    with _ending_with_launcher():
        yield from _joined()


def leave(code: int) -> NoReturn:
    """End this process, which has been in a group and has said everything, with `code` and at once.

    A thread of gloo holds on for a moment to the tensor that it exchanged last. When it lets go of it while the
    interpreter is taken down, the whole process aborts, and when the group is broken, its end may wait for ever.
    """
    with suppress(OSError):
        # whoever read what was said may be gone
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _joined() -> Iterator[None]:
    _choose_device()
    store, rank, size = next(iter(rendezvous("env://", timeout=_PATIENCE)))
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=_PATIENCE)
    try:
        yield
    except BaseException as error:
        _speak_or_leave(error, add=store.add)
        raise
    dist.destroy_process_group()


def _choose_device() -> None:
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    if "OMP_NUM_THREADS" not in os.environ:
        # the processes of a machine share its cores
        torch.set_num_threads(max(1, torch.get_num_threads() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))


def _speak_or_leave(error: BaseException, *, add: _Add) -> None:
    """Return when this process is the one that tells the user of the end, else end it without a word."""
    is_lost = _is_lost_connection(error)
    if is_launched_by_us() and (is_lost or isinstance(error, KeyboardInterrupt)):
        _wait_for_the_end()
    if not _is_first_to_fail(add):
        _wait_for_the_end()
    if is_lost:
        raise RunError(
            "another process of this training was lost (killed, or out of memory?); the same command goes on from the"
            " last checkpoint"
        ) from error


def _is_lost_connection(error: BaseException) -> bool:
    if isinstance(error, dist.DistError):
        return True
    words = str(error).lower()
    return isinstance(error, RuntimeError) and ("gloo" in words or "nccl" in words)


def _is_first_to_fail(add: _Add) -> bool:
    try:
        return add("steersman/failed", 1) == 1
    except RuntimeError:
        # the store is in the first process, or in its launcher: it has ended, and so has not failed silently
        return False


def _wait_for_the_end() -> NoReturn:
    """Wait to be ended by the launcher, which looks for the process that failed first; then end."""
    time.sleep(_LINGER_SECONDS)
    leave(EXIT_OUR_FAULT)


@contextmanager
def _ending_with_launcher() -> Iterator[None]:
    """End this process when its launcher is gone, however that ended, as long as the block lasts."""
    is_over = threading.Event()
    watch = threading.Thread(target=_watch, args=(os.getppid(),), kwargs={"is_over": is_over}, daemon=True)
    watch.start()
    try:
        yield
    finally:
        # a thread that is still there when the interpreter is taken down can abort the process
        is_over.set()
        watch.join()


def _watch(parent: int, *, is_over: threading.Event) -> None:
    while not is_over.wait(_WATCH_SECONDS):
        if os.getppid() != parent:
            os._exit(EXIT_OUR_FAULT)
