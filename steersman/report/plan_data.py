"""What a plan says, as frozen records: the page, the charts and the JSON of `steersman annotate plan` are made of them.

Shares are between 0 and 1. None stands where a figure is not defined.
"""

from collections.abc import Mapping
from dataclasses import dataclass

PLAN_STAGES: tuple[str, ...] = ("first_three", "all", "selected", "final")
# all but the hours are those of helpfulness
CONTRASTS: tuple[str, ...] = ("rmse", "off_by_one", "pairs_right", "tasks_dropped", "hours")


@dataclass(frozen=True, slots=True)
class Expected:
    """A figure of one project: its mean over simulated ones, and the ends between which 95 of 100 would lie."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ExpectedKappa:
    """Quadratic kappa at one stage of cleaning, and what raters who know nothing reach there."""

    kappa: Expected | None
    random_raters: float | None


@dataclass(frozen=True, slots=True)
class LabelError:
    """How far labels of kept tasks are from what the responses are worth, in levels; a share for `off_by_one`."""

    mean_absolute: Expected | None
    rmse: Expected | None
    off_by_one: Expected | None


@dataclass(frozen=True, slots=True)
class PairOrder:
    """Shares of kept tasks whose helpfulness labels put the better response first, second, or level."""

    right: Expected | None
    wrong: Expected | None
    tied: Expected | None


@dataclass(frozen=True, slots=True)
class DesignFigures:
    """What to expect of one design.

    `ratings` counts annotator and response. `kappa` is by attribute and stage, `label_error` by attribute,
    `dropped_for` by reason. Costs are None without a pay. `against_asked` is what this design has more than the one
    asked for in the same project, by CONTRASTS; empty for that one itself.
    """

    name: str
    first: int
    most: int
    max_spread: int
    asked: bool
    ratings: Expected
    ratings_per_response: Expected
    tasks_extended: Expected
    annotators_removed: Expected
    tasks_dropped: Expected
    dropped_for: Mapping[str, Expected]
    kappa: Mapping[str, Mapping[str, ExpectedKappa]]
    label_error: Mapping[str, LabelError]
    preference_order: PairOrder
    hours: Expected
    hours_per_kept_task: Expected | None
    cost: Expected | None
    cost_per_kept_task: Expected | None
    against_asked: Mapping[str, Expected | None]


@dataclass(frozen=True, slots=True)
class HalfWidths:
    """Half of the 95 % interval of kappa, and of a difference of two kappas, with so many tasks (each)."""

    tasks: int
    kappa: float
    difference: float


@dataclass(frozen=True, slots=True)
class TasksNeeded:
    """Tasks per version of the guidelines at which a difference in kappa is seen; None where no number suffices."""

    difference: float
    same_annotators: int | None
    new_annotators: int | None


@dataclass(frozen=True, slots=True)
class PowerFigures:
    """How exactly kappa of the first ratings of one attribute is known.

    `task_sd` and `crowd_sd` are the parts of its standard error that shrink and do not shrink with the number of tasks.
    `smallest_difference` is what the planned tasks show when half of them are rated by each version.
    """

    task_sd: float
    crowd_sd: float
    half_widths: tuple[HalfWidths, ...]
    tasks_needed: tuple[TasksNeeded, ...]
    smallest_difference: float


@dataclass(frozen=True, slots=True)
class FirstRatingsSummary:
    """The first three ratings of one attribute: kappa, mean and standard deviation of single ratings."""

    kappa: float | None
    mean: float
    sd: float


@dataclass(frozen=True, slots=True)
class PilotMatch:
    """A pilot, and the crowd fitted to it; `first` and `first_simulated` are by attribute."""

    tasks: int
    annotators: int
    kappa_ci95: tuple[float, float]
    noise_sd: float
    noise_sd_ci95: tuple[float | None, float | None]
    bias_sd: float
    bias_fitted: bool
    first: Mapping[str, FirstRatingsSummary]
    first_simulated: Mapping[str, FirstRatingsSummary]


@dataclass(frozen=True, slots=True)
class PublishedPlan:
    """What HelpSteer2 reports of its own project; `kappa` is by attribute and the stage of ours that comes nearest."""

    ratings_per_response: float
    kappa: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class PlanFigures:
    """A whole plan; `power` is by attribute, without those of which kappa is not defined or does not vary."""

    simulated: bool
    assumptions: tuple[str, ...]
    tasks: int
    replicates: int
    power_wanted: float
    currency: str | None
    designs: tuple[DesignFigures, ...]
    published: PublishedPlan
    power: Mapping[str, PowerFigures]
    pilot: PilotMatch | None
