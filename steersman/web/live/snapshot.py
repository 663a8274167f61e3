"""What the manager's pages show of a project at one moment: records only, safe to read from any thread.

Agreement and everything that hangs on cleaning is what `steersman agreement` and `steersman clean` say, with their
defaults, of the export of the same database. It takes longer than the rest and may be older: it has a time of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # both load scipy or numpy at their import, which a server that starts has no time for
    from steersman.annotation.forecast import Forecast
    from steersman.annotation.reports import Estimate


@dataclass(frozen=True, slots=True)
class Progress:
    """Rating tasks and answers of a project, or of one delivery.

    `tasks` = `finished` + `ended` + `open`. An ended task was taken out before it had all its answers; an open one is
    `in_work` when somebody holds it or has answered it. `grown` tasks need more annotators than the first ones, because
    those disagreed. `answers` count towards the need of their task, each is one annotator's on one task.
    """

    tasks: int
    finished: int
    ended: int
    open: int
    in_work: int
    grown: int
    answers: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery of tasks, None for tasks without one."""

    name: str | None
    progress: Progress


@dataclass(frozen=True, slots=True)
class Answers:
    """What annotators have sent in, all kinds of tasks.

    `ratings` are rated responses that count; `flagged`, `surplus`, `undone` and `rejected` are answers on rating tasks;
    `gold`, `training` and `qualification` answers on tasks with known scores.
    """

    ratings: int
    flagged: int
    surplus: int
    undone: int
    rejected: int
    gold: int
    training: int
    qualification: int


@dataclass(frozen=True, slots=True)
class StageAgreement:
    """Agreement on one attribute at one stage of cleaning.

    `kappa` is quadratic and `low` to `high` its 95 % interval (bootstrap over tasks); `alpha` is ordinal;
    `random_raters` is the kappa that raters who know nothing would reach. None is undefined, `reason` then says why.
    """

    kappa: float | None
    low: float | None
    high: float | None
    alpha: float | None
    random_raters: float | None
    tasks: int
    ratings: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class DisputedTask:
    """A task on which annotators differ.

    `helpfulness` has the counted ratings of each response, in order of submission, `spread` is the larger difference
    among those of one response. `dropped` is why cleaning would leave the task out, None when it would not; `flags`
    counts flagged answers. `is_ended` says that the task was taken out, `is_settled` that a reviewer has decided on it.
    """

    task_id: str
    spread: int
    helpfulness: tuple[tuple[int, ...], ...]
    dropped: str | None
    flags: int
    is_ended: bool
    is_settled: bool


@dataclass(frozen=True, slots=True)
class Queue:
    """Tasks without open places that annotators differ on, that are flagged, or that cleaning would leave out.

    `tasks` are the first of `total`: those nobody has settled, then the largest spread, then the most flags. `disputed`
    counts tasks whose helpfulness differs by more than cleaning allows, before it chooses ratings; `dropped` those that
    cleaning would leave out, by reason.
    """

    tasks: tuple[DisputedTask, ...]
    total: int
    disputed: int
    dropped: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Throughput:
    """Answers on rating tasks that count, by UTC: of the last 14 days, and of each hour of those; oldest first."""

    days: tuple[tuple[date, int], ...]
    hours: tuple[tuple[datetime, int], ...]


@dataclass(frozen=True, slots=True)
class AnnotatorReport:
    """One member of the project.

    `answers` count towards their task, `responses` are rated ones among those. `median_seconds` is of the time the page
    saw the annotator at work on an answer. `agreement` is the weighted kappa with the others on `shared` responses,
    mean of the attributes. `bias` says by attribute how much higher than the others' the ratings are, in levels.
    `constant_share` is the share of responses given the same five scores. `gold_right` is the share of `gold` responses
    whose helpfulness is within the project's tolerance. `untrusted` is why cleaning would leave out all the ratings.
    """

    user_id: str
    stage: str
    stage_reason: str | None
    answers: int
    responses: int
    surplus: int
    undone: int
    rejected: int
    flags: int
    skips: int
    median_seconds: float | None
    last_answer_at: datetime | None
    agreement: float | None
    shared: int
    bias: Mapping[str, "Estimate"]
    constant_share: float | None
    gold: int
    gold_right: float | None
    untrusted: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A project at the time `as_of`; `agreement`, `queue` and `annotators` are as of `cleaned_as_of`.

    `agreement` is by attribute and stage, in the order of ATTRIBUTES and of
    dataset.agreement.STAGES; `annotators` by name.
    """

    project_id: str
    as_of: datetime
    cleaned_as_of: datetime
    progress: Progress
    deliveries: tuple[Delivery, ...]
    answers: Answers
    throughput: Throughput
    forecast: "Forecast"
    agreement: Mapping[str, Mapping[str, StageAgreement]]
    queue: Queue
    annotators: tuple[AnnotatorReport, ...]
