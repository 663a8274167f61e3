"""What the report page shows, as frozen records. None means that the run did not record it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

CommercialUse = Literal["clear", "unclear", "forbidden"]
STAGES: tuple[str, ...] = ("prompts", "responses", "ratings", "clean", "reward", "align", "evaluate")
AGREEMENT_STAGES: tuple[str, ...] = ("first_three", "all", "selected", "final")
NUM_SAMPLES = 6


@dataclass(frozen=True, slots=True)
class Missing:
    """A section without content; `reason` is a whole sentence for the reader."""

    reason: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval; `count` is the number of units behind it."""

    value: float
    low: float | None = None
    high: float | None = None
    count: int | None = None


@dataclass(frozen=True, slots=True)
class LoopCounts:
    """How much flowed along each arrow of the loop."""

    prompts: int | None = None
    responses: int | None = None
    ratings: int | None = None
    kept_tasks: int | None = None
    pairs: int | None = None
    rewards: int | None = None


@dataclass(frozen=True, slots=True)
class LabelStatistics:
    """One attribute's labels; `histogram` counts the levels 0, 1, 2, 3, 4 in that order, or is empty."""

    attribute: str
    mean: float | None
    std: float | None
    pearson_helpfulness: float | None
    histogram: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DatasetStatistics:
    """The cleaned dataset. Turns and characters are means per prompt or response; the share is between 0 and 1."""

    rows: int | None
    tasks: int | None
    multi_turn_share: float | None
    turns: float | None
    prompt_characters: float | None
    response_characters: float | None
    labels: tuple[LabelStatistics, ...]


@dataclass(frozen=True, slots=True)
class AgreementFigure:
    """Agreement on one attribute at one stage of cleaning; `random_raters` is the figure chance reaches there."""

    attribute: str
    stage: str
    kappa: Estimate | None
    alpha: float | None
    random_raters: float | None
    tasks: int | None
    ratings: int | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """All figures, attribute by attribute; `note` says why there are none, or how they were made."""

    figures: tuple[AgreementFigure, ...]
    note: str | None = None


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One logged step of a training; accuracy is a share between 0 and 1."""

    step: int
    train_loss: float | None
    validation_loss: float | None
    validation_accuracy: float | None
    margin: float | None


@dataclass(frozen=True, slots=True)
class Training:
    """A training stage. `accuracy` is that on validation pairs by attribute, ties left out."""

    curve: tuple[CurvePoint, ...]
    steps: int | None
    seconds: float | None
    tokens: int | None
    best_step: int | None
    constant_predictor_mse: float | None
    train_pairs: int | None
    validation_pairs: int | None
    dropped_long: int | None
    accuracy: tuple[tuple[str, Estimate], ...] = ()
    dropped_equal: int | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One held-out prompt in HelpSteer2's text form, answered before and after alignment."""

    prompt_id: str
    prompt: str
    before: str
    after: str
    reward_before: float | None
    reward_after: float | None

    @property
    def change(self) -> float | None:
        """Reward after minus reward before."""
        if self.reward_before is None or self.reward_after is None:
            return None
        return self.reward_after - self.reward_before


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The policy before and after alignment on held-out prompts."""

    prompts: int | None
    reward_before: Estimate | None
    reward_after: Estimate | None
    reward_difference: Estimate | None
    win_share: Estimate | None
    length_before: Estimate | None
    length_after: Estimate | None
    scorer_note: str | None
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class AncestorVerdict:
    """One work the run was made from, and what its licence says about commercial use."""

    work: str
    kind: str
    role: str
    licence: str | None
    verdict: str
    reason: str
    simulated: bool


@dataclass(frozen=True, slots=True)
class Licences:
    """The verdict on the whole chain."""

    commercial_use: CommercialUse
    reasons: tuple[str, ...]
    ancestors: tuple[AncestorVerdict, ...]


@dataclass(frozen=True, slots=True)
class StageTime:
    """How long a stage took, and the most memory its process had held by its end, in this stage or an earlier one.

    `reused` means it was not repeated.
    """

    stage: str
    seconds: float
    peak_rss_bytes: float | None
    reused: bool


@dataclass(frozen=True, slots=True)
class Provenance:
    """What is needed to make the run again."""

    command: str | None
    seed: int | None
    commit: str | None
    versions: tuple[tuple[str, str], ...]
    inputs: tuple[tuple[str, str], ...]
    config: str | None
    config_sha256: str | None
    notes: tuple[str, ...]


def spread_samples(samples: Sequence[Sample], *, count: int = NUM_SAMPLES) -> list[Sample]:
    """Return up to `count` samples at even distances from the worst to the best change of reward.

    Samples whose change is unknown come last; prompt ids break ties.
    """
    known = [sample for sample in samples if sample.change is not None]
    unknown = [sample for sample in samples if sample.change is None]
    ordered = sorted(known, key=lambda sample: (sample.change or 0.0, sample.prompt_id)) + unknown
    if len(ordered) <= count:
        return ordered
    last = (len(known) or len(ordered)) - 1
    if last + 1 < count:
        return ordered[:count]
    return [ordered[round(i * last / (count - 1))] for i in range(count)]
