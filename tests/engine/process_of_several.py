"""One of the processes of a training on noise: run by tests through the launcher.

python -m process_of_several BASE STRATEGY trains by STRATEGY into `two`, and then again until it is stopped.
python -m process_of_several BASE goes on, by each strategy, where it was stopped, into `gone-on`.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from noise_training import Network, noise_schedule, objective_of, trained

from steersman.config.engine import Strategy
from steersman.engine.group import joined, leave
from steersman.engine.objective import Objective
from steersman.engine.processes import is_first
from steersman.engine.sharding import laid_out
from steersman.errors import EXIT_DONE

STRATEGIES: tuple[Strategy, ...] = ("ddp", "fsdp")
STOPPED = 9
ROWS_BEFORE_THE_STOP = 9


def stopping(objective: Objective, *, after: int) -> Objective:
    """Return `objective`, which ends the process in the middle of a step once it has given `after` losses."""
    calls = [0]

    def loss_of(indices: Sequence[int]) -> torch.Tensor:
        calls[0] += 1
        if calls[0] > after:
            raise SystemExit(STOPPED)
        return objective.loss_of(indices)

    return replace(objective, loss_of=loss_of)


def train_together(out: Path, *, strategy: Strategy, resume: Path | None, after: int | None) -> None:
    """Train and let the first process write the weights and the metrics to `out`."""
    model = Network()
    gather = laid_out(model, layers=model.layers, within=model, strategy=strategy)
    objective = objective_of(model)
    if after is not None:
        objective = stopping(objective, after=after)
    save_every = None if resume is None else 2
    _, recorder = trained(model, objective, noise_schedule(resume=resume, save_every=save_every, strategy=strategy))
    whole, _ = gather()
    if is_first():
        torch.save({"weights": whole.state_dict(), "rows": recorder.rows, "counts": recorder.counts}, out)


def place(base: Path, *, what: str, strategy: Strategy) -> Path:
    """Return the path of what a training by `strategy` left: `two`, `stopped`, `gone-on`, or its `resume` folder."""
    return base / f"{strategy}-{what}"


def train_until_stopped(base: Path, *, strategy: Strategy) -> None:
    """Train without a stop, and once more with one, which ends the process."""
    train_together(place(base, what="two", strategy=strategy), strategy=strategy, resume=None, after=None)
    resume, out = (place(base, what=what, strategy=strategy) for what in ("resume", "stopped"))
    train_together(out, strategy=strategy, resume=resume, after=ROWS_BEFORE_THE_STOP)


def go_on(base: Path) -> None:
    """Go on with the trainings that were stopped."""
    for strategy in STRATEGIES:
        resume, out = (place(base, what=what, strategy=strategy) for what in ("resume", "gone-on"))
        train_together(out, strategy=strategy, resume=resume, after=None)


def main(arguments: Sequence[str]) -> None:
    """Read the command line."""
    base, *rest = arguments
    with joined():
        if rest:
            train_until_stopped(Path(base), strategy="fsdp" if rest == ["fsdp"] else "ddp")
        else:
            go_on(Path(base))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except SystemExit:
        leave(STOPPED)
    leave(EXIT_DONE)
