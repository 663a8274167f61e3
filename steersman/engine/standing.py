"""Where a training stands between two steps: all that decides what comes next, besides weights and the optimiser."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from steersman.engine.best import BestWeights


@dataclass(slots=True)
class Standing:
    """Where a training stands after `step` steps.

    `kept` are the weights of the best step, in the optimiser's order. `losses` are of the steps since the last
    evaluation, `stale` counts evaluations since the best one, and `rows` are all metrics that were reported.
    """

    best: Mapping[str, float]
    kept: BestWeights
    rows: list[Mapping[str, float]]
    step: int = 0
    best_step: int = 0
    tokens: int = 0
    stale: int = 0
    seconds: float = 0.0
    rate: float = 0.0
    norm: float = 0.0
    losses: list[float] = field(default_factory=list)

    def numbers(self) -> dict[str, object]:
        """Return everything but the weights, as JSON can hold it without losing a bit."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "kept"}
