"""What the benchmark of reward-model training hands from process to process: ways to train, terms, measurements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Literal, cast

from steersman.modeling.chat import Group, ResponseTokens
from steersman.modeling.precision import Precision
from steersman.store.files import read_json, write_json

Trainer = Literal["trl", "plain", "ours"]

MODEL_FOLDER = "model"
PAIRS_FILE = "pairs.json"


@dataclass(frozen=True, slots=True)
class Row:
    """One way to train.

    `pairs` are those of a micro-batch of TRL and of the plain loop, `row_tokens` the budget of one of ours; `shares`
    is whether both responses of a pair share their prompt's tokens.
    """

    name: str
    trainer: Trainer
    precision: Precision = "bfloat16"
    pairs: int = 1
    row_tokens: int = 2048
    shares: bool = True
    checkpointing: bool = False
    compile: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """What is the same for every row; `folder` holds the model and the pairs, in the order of training."""

    folder: Path
    device: str
    warm_up_steps: int
    steps: int
    batch_pairs: int
    learning_rate: float
    threads: int | None

    @property
    def all_steps(self) -> int:
        """Optimiser steps, the warm-up among them."""
        return self.warm_up_steps + self.steps


@dataclass(frozen=True, slots=True)
class Measured:
    """One training: seconds of each measured step, the loss of every step, and bytes.

    `peak_bytes` is the most memory during the measured steps, `before_bytes` that of the process before it had a model.
    """

    row: str
    seconds: tuple[float, ...]
    losses: tuple[float, ...]
    peak_bytes: int
    before_bytes: int
    weight_bytes: int

    @property
    def seconds_per_step(self) -> float:
        """Their mean."""
        return mean(self.seconds)

    @property
    def beyond_optimiser_bytes(self) -> int:
        """The peak without the process itself, the weights and AdamW's two moments, which are as large each."""
        return self.peak_bytes - self.before_bytes - 3 * self.weight_bytes

    @property
    def beyond_gradient_bytes(self) -> int:
        """The same without the gradients."""
        return self.beyond_optimiser_bytes - self.weight_bytes


def measured_from(found: Mapping[str, object]) -> Measured:
    """Return the measurement that `asdict` made `found` of."""
    values = dict(found) | {name: tuple(cast("list[float]", found[name])) for name in ("seconds", "losses")}
    return Measured(**values)  # type: ignore[arg-type]  # the constructor names what does not fit


def write_pairs(folder: Path, groups: Sequence[Group]) -> None:
    """Keep pairs, the chosen response of each first, for `read_groups`."""
    rows = [[list(group.prefix), *(list(response.ids) for response in group.responses)] for group in groups]
    write_json(folder / PAIRS_FILE, rows)


def read_groups(folder: Path) -> list[Group]:
    """Return the pairs in order; a response is scored at its last token."""
    rows = cast("list[tuple[list[int], list[int], list[int]]]", read_json(folder / PAIRS_FILE))
    return [
        Group(tuple(prefix), tuple(ResponseTokens(tuple(ids), len(ids)) for ids in responses))
        for prefix, *responses in rows
    ]


def conversations(group: Group) -> list[list[int]]:
    """Return the tokens of the prompt with each of its responses."""
    return [[*group.prefix, *response.ids] for response in group.responses]
