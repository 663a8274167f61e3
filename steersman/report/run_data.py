"""A run as the page shows it, and the page: all records together."""

from dataclasses import dataclass, field

from steersman.report.data import (
    STAGES,
    Agreement,
    DatasetStatistics,
    Evaluation,
    Licences,
    LoopCounts,
    Missing,
    Provenance,
    StageTime,
    Training,
)
from steersman.report.reward_data import RewardFigures


@dataclass(frozen=True, slots=True)
class RunReport:
    """Everything the page says about one run. `created_at` is the time in the run's lineage.

    `judged` is missing where `reward` is.
    """

    name: str
    created_at: str | None
    simulated: bool
    counts: LoopCounts
    statistics: DatasetStatistics | Missing
    agreement: Agreement | Missing
    reward: Training | Missing
    judged: RewardFigures | Missing
    align: Training | Missing
    evaluation: Evaluation | Missing
    licences: Licences
    times: tuple[StageTime, ...]
    provenance: Provenance
    stages: frozenset[str] = field(default=frozenset(STAGES))


@dataclass(frozen=True, slots=True)
class ReportData:
    """The page: one run or several, in the order they are shown."""

    runs: tuple[RunReport, ...]
