"""The table of docs/results.md that `helpsteer2_reward.py` fills: its figures as records, and as text."""

from collections.abc import Sequence
from dataclasses import dataclass

from steersman.evaluate.pairwise import PairwiseAccuracy
from steersman.evaluate.regression import RegressionFit
from steersman.stats.bootstrap import Interval

NAME = "benchmarks/helpsteer2_reward.py"
SECTION = """
## Reward model on HelpSteer2

How often does a scorer prefer the response that people rated as more helpful?
"""


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """One reward model, trained with `seed`; seconds are wall time."""

    seed: int
    accuracy: PairwiseAccuracy
    gain_on_best: Interval
    fit: RegressionFit
    training_pairs: int
    development_pairs: int
    dropped_long: int
    best_step: int | None
    steps: int
    train_seconds: float
    score_seconds: float


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the figures rest on: how they were made, where, and from how many pairs."""

    command: str
    commit: str
    machine: str
    versions: str
    backbone: str
    all_pairs: int
    shared_prompts: int
    rounds: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything in the table; `best_baseline` names the baseline with the highest accuracy."""

    baselines: dict[str, PairwiseAccuracy]
    best_baseline: str
    models: tuple[ModelFigures, ...]
    circumstances: Circumstances


def table_text(figures: Figures) -> str:
    """Return the figures as Markdown."""
    some = next(iter(figures.baselines.values()))
    return "\n".join(
        [
            f"Pairs of `validation.jsonl` that count: {some.accuracy.count}; left out because their helpfulness ties: "
            f"{some.tied_labels}. Equal scores count as wrong.",
            "",
            "| scorer | accuracy, % | 95 % interval | equal scores |",
            "|---|---|---|---|",
            *_accuracy_lines(figures),
            "",
            f"Difference from the best baseline here ({figures.best_baseline}, chosen after the fact), on the "
            "same pairs, and errors in squared levels of helpfulness:",
            "",
            "| reward model | points above best baseline | squared error | of the training mean | gain | Spearman |",
            "|---|---|---|---|---|---|",
            *(_fit_line(model) for model in figures.models),
            "",
            *_circumstance_lines(figures.circumstances, models=figures.models),
        ]
    )


def _accuracy_lines(figures: Figures) -> list[str]:
    rows = [(name, accuracy) for name, accuracy in figures.baselines.items()]
    rows += [(f"**Steersman reward model, seed {model.seed}**", model.accuracy) for model in figures.models]
    return [
        f"| {name} | {100 * found.accuracy.estimate:.1f} | {_span(found.accuracy, 100, digits=1)} "
        f"| {found.tied_scores} |"
        for name, found in rows
    ]


def _fit_line(model: ModelFigures) -> str:
    fit, gain = model.fit, model.gain_on_best
    spearman = "-" if fit.spearman is None else f"{fit.spearman:.3f}"
    return (
        f"| seed {model.seed} | {100 * gain.estimate:+.1f} ({_span(gain, 100, digits=1)}) "
        f"| {fit.mean_squared_error.estimate:.3f} | {fit.constant_mean_squared_error.estimate:.3f} "
        f"| {fit.gain.estimate:+.3f} ({_span(fit.gain, 1, digits=3)}) | {spearman} |"
    )


def _circumstance_lines(facts: Circumstances, *, models: Sequence[ModelFigures]) -> list[str]:
    runs = "; ".join(
        f"seed {model.seed}: {model.train_seconds:.0f} s training, {model.steps} steps"
        f"{'' if model.best_step is None else f', best step {model.best_step}'}, {model.score_seconds:.0f} s scoring"
        for model in models
    )
    return [
        f"- Command: `{facts.command}`",
        f"- Reward model: {facts.backbone}; {models[0].training_pairs} training pairs and "
        f"{models[0].development_pairs} pairs to choose the step by, both from `train.jsonl`; the other "
        f"{models[0].dropped_long} of its {facts.all_pairs} pairs are too long. The ridge on frozen features is fitted "
        f"on the same pairs, the other baselines on all. The model is scored on the whole of `validation.jsonl`. "
        f"Prompts that `train.jsonl` and `validation.jsonl` share: {facts.shared_prompts}.",
        f"- Wall time: {runs}; this command with what it reused: {facts.seconds:.0f} s.",
        f"- Intervals: {facts.rounds} bootstrap resamples of pairs. Commit: {facts.commit}.",
        f"- Machine: {facts.machine}. {facts.versions}.",
    ]


def _span(found: Interval, scale: float, *, digits: int) -> str:
    return f"{scale * found.low:.{digits}f} to {scale * found.high:.{digits}f}"
