"""What cleaning would make of the answers so far: agreement, disputed tasks, and a report of each annotator."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from steersman.annotation.escalation import ratings_needed
from steersman.config.cleaning import CleanSettings
from steersman.dataset.agreement import STAGES, Bootstrap, StageFigures, chance_of_ratings, stage_figures
from steersman.dataset.answered import Answered, AnsweredTable, TaskOrder, answered_table, task_order
from steersman.dataset.cleaning import Stages, cleaning_stages
from steersman.dataset.trust import Trust, judge_annotators
from steersman.records import ATTRIBUTES
from steersman.stats.coefficients import krippendorff_alpha
from steersman.web.live.loading import KINDS, Loaded
from steersman.web.live.memory import give_memory_back
from steersman.web.live.snapshot import StageAgreement

Agreement = Mapping[str, Mapping[str, StageAgreement]]
# the first slots, by key, of tasks whose responses were seen as often on either side
FirstSlots = Callable[[Sequence[int]], Mapping[int, int]]
RULES = CleanSettings.model_validate({})
BOOTSTRAP = Bootstrap()
_NOTHING = StageAgreement(None, None, None, None, None, 0, 0, "no rating counts yet")


@dataclass(frozen=True, slots=True, eq=False)
class Cleaned:
    """The ratings of an export as cleaning reads them, and what it makes of them."""

    order: TaskOrder
    rated: AnsweredTable
    trust: Trust
    stages: Stages


def clean_loaded(loaded: Loaded, *, first_slots: FirstSlots) -> Cleaned:
    """Return what cleaning makes of what an export would hold now."""
    order, rated = _read(loaded, first_slots=first_slots)
    give_memory_back()
    trust = judge_annotators(rated, rules=RULES.trust)
    give_memory_back()
    stages = cleaning_stages(
        rated.grid,
        rules=RULES,
        trusted=trust.is_trusted[rated.grid.annotator],
        reliability=trust.reliability,
    )
    return Cleaned(order, rated, trust, stages)


def _read(loaded: Loaded, *, first_slots: FirstSlots) -> tuple[TaskOrder, AnsweredTable]:
    answered = _answered(loaded)
    order = task_order(answered)
    unknown = np.flatnonzero(order.first_slot < 0)
    found = first_slots(order.tasks[unknown].tolist())
    order.first_slot[unknown] = [found[key] for key in order.tasks[unknown].tolist()]
    return order, answered_table(answered, order=order)


def agreement_of(cleaned: Cleaned) -> Agreement:
    """Return agreement by attribute and stage, as `steersman agreement` would of the export."""
    grid = cleaned.rated.grid
    if grid.response.size == 0:
        return {attribute: dict.fromkeys(STAGES, _NOTHING) for attribute in ATTRIBUTES}
    everybody = np.ones(grid.response.size, dtype=np.bool_)
    by_chance = chance_of_ratings(
        grid, chosen=everybody, is_trusted=cleaned.trust.is_trusted, rules=RULES, needed=ratings_needed
    )
    found = stage_figures(grid, cleaned.stages, by_chance=by_chance, chosen=everybody, bootstrap=BOOTSTRAP)
    return {
        attribute: {stage: _told(figures) for stage, figures in stages.items()} for attribute, stages in found.items()
    }


def _told(figures: StageFigures) -> StageAgreement:
    low, high = figures.interval or (None, None)
    return StageAgreement(
        kappa=figures.kappa.value,
        low=low,
        high=high,
        alpha=krippendorff_alpha(figures.tables, metric="ordinal").value,
        random_raters=figures.random_raters,
        tasks=figures.tasks,
        ratings=figures.ratings,
        reason=figures.kappa.reason,
    )


def _answered(loaded: Loaded) -> Answered:
    """Return the answers of an export, in its order."""
    answers = loaded.answers
    is_out = (loaded.kind <= KINDS.index("gold")) & ~loaded.is_undone & ~loaded.is_rejected
    chosen = np.flatnonzero(is_out)
    chosen = chosen[np.argsort(answers.rating[chosen], kind="stable")]
    return Answered(
        task=answers.task[chosen],
        annotator=answers.annotator[chosen],
        left_slot=answers.left_slot[chosen],
        scores=answers.scores[chosen],
        seconds=answers.seconds[chosen],
        time=answers.time[chosen],
        is_gold=loaded.kind[chosen] == KINDS.index("gold"),
        is_surplus=answers.is_surplus[chosen],
        names=loaded.names,
    )
