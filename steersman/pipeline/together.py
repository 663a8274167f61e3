"""Run a training verb in several processes as if it were one: the first decides and writes, the others help."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from steersman.engine.group import is_member, joined, leave
from steersman.engine.launch import launch
from steersman.engine.processes import is_first, num_processes, of_first
from steersman.errors import ConfigError
from steersman.pipeline.stage import Outcome, Product, Stage, run_stage

# what a process returns that only helped: the first one's product is the stage's
HELPED = Product({}, (), simulated=False)


@contextmanager
def one_of_several() -> Iterator[bool]:
    """Join the processes that a launcher started with this one, if any, and say whether this is the first of them."""
    with joined():
        yield is_first()


def end_one_of_several(code: int) -> None:
    """End this process with `code` when a launcher started it with others; once all is said, nothing may change it."""
    if is_member():
        leave(code)


def start_several(arguments: Sequence[str], *, num_processes: int) -> int:
    """Run `steersman ARGUMENTS` in so many processes on this machine, and return their exit code.

    Raises ConfigError in a process that a launcher started itself.
    """
    if is_member():
        raise ConfigError(
            "--nproc starts processes, but a launcher such as torchrun has started this one; leave it out"
        )
    return launch("steersman.cli.main", arguments, num_processes=num_processes)


def run_stage_together(stage: Stage, make: Callable[[Path], Product]) -> Outcome:
    """Run `stage` by all processes: the first as `run_stage` does, the others by the same `make`, as long as it asks.

    `make` writes in the first process only, and returns `HELPED` in the others. All get the first one's outcome.
    """
    if num_processes() == 1:
        return run_stage(stage, make)
    if not is_first():
        found: Outcome | None = of_first(None)
        if found is None:
            make(stage.folder)
            found = of_first(None)
        assert found is not None  # noqa: S101 -- after its call for help the first one gives its outcome
        return found

    def make_with_help(folder: Path) -> Product:
        of_first(None)
        return make(folder)

    return of_first(run_stage(stage, make_with_help))
