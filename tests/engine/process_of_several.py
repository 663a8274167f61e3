"""One of the processes of a training on noise: run by tests through the launcher.

python -m process_of_several OUT STRATEGY [RESUME_FOLDER [ROWS_BEFORE_THE_STOP]]
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

STOPPED = 9


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
    with joined():
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


def main(arguments: Sequence[str]) -> None:
    """Read the command line."""
    out, strategy, *rest = arguments
    train_together(
        Path(out),
        strategy="fsdp" if strategy == "fsdp" else "ddp",
        resume=Path(rest[0]) if rest else None,
        after=int(rest[1]) if len(rest) > 1 else None,
    )


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except SystemExit:
        leave(STOPPED)
    leave(EXIT_DONE)
