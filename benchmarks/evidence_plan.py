"""Which fits the evidence is made of."""

from evidence_folds import FOLDS, Reading, readings
from evidence_heads import Objective
from evidence_runs import CORPORA, Task

SEEDS = (1, 2, 3, 4, 5)
COMPARED_PAIRS = 400
CURVE_PAIRS = (50, 100, 200, 400)
CURVE_OBJECTIVES: tuple[Objective, ...] = ("regression", "scaled")


def head_tasks(reading: Reading) -> list[Task]:
    """Return a task per seed and fold, in order."""
    return [
        Task("heads", seed, fold, layers=reading.layers, pooling=reading.pooling)
        for seed in SEEDS
        for fold in range(FOLDS)
    ]


def baseline_tasks() -> list[Task]:
    """Return a task per seed and fold, in order; attributes beside helpfulness are predicted with the first seed."""
    return [
        Task("baselines", seed, fold, attributes=5 if seed == SEEDS[0] else 1)
        for seed in SEEDS
        for fold in range(FOLDS)
    ]


def curve_tasks(reading: Reading) -> dict[tuple[str, int], list[Task]]:
    """Return, by objective or 'baselines' and number of pairs, a task per fold of the first three seeds."""
    places = [(seed, fold) for seed in SEEDS[:3] for fold in range(FOLDS)]
    found: dict[tuple[str, int], list[Task]] = {}
    for pairs in CURVE_PAIRS:
        found["baselines", pairs] = [Task("baselines", *place, pairs=pairs, attributes=1) for place in places]
        for objective in CURVE_OBJECTIVES:
            found[objective, pairs] = [
                Task("curve", *place, pairs, reading.layers, reading.pooling, objective=objective) for place in places
            ]
    return found


def ablation_tasks(num_layers: int) -> dict[Reading, list[Task]]:
    """Return, by what is read, a task per fold of the first seed, all training pairs."""
    return {
        each: [Task("curve", SEEDS[0], fold, 0, each.layers, each.pooling) for fold in range(FOLDS)]
        for each in readings(num_layers)
    }


def transfer_tasks(reading: Reading) -> dict[str, list[Task]]:
    """Return, by corpus that is trained on, a task per seed."""
    return {
        name: [
            Task("transfer", seed, 0, COMPARED_PAIRS, reading.layers, reading.pooling, name, "bradley-terry")
            for seed in SEEDS
        ]
        for name in CORPORA[:3]
    }
