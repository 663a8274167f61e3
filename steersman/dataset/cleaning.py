"""Turn several ratings of each response into one label per attribute, and record what became of every rating."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from steersman.config.cleaning import CleanSettings
from steersman.dataset.aggregation import aggregate
from steersman.dataset.grid import BoolArray, IntArray, RatingGrid, chosen_ratings, level_counts
from steersman.dataset.rating_times import GOLD, SURPLUS, UNRATED
from steersman.dataset.reading import RatedTable, read_ratings_table
from steersman.dataset.selection import check_numbers, select_ratings
from steersman.dataset.trust import TRUST_REASONS, Trust, judge_annotators
from steersman.records import ATTRIBUTES, NUM_LEVELS
from steersman.tables import DISAGREEMENTS, EXAMPLES

OUTVOTED = "outvoted"
NOT_TWO_RESPONSES = "not_two_responses"
TOO_FEW_RATINGS = "too_few_ratings"
UNRATED_ATTRIBUTE = "unrated_attribute"
SPREAD = "spread"
TASK_REASONS = (GOLD, NOT_TWO_RESPONSES, TOO_FEW_RATINGS, UNRATED_ATTRIBUTE, SPREAD)
REASONS = (*TASK_REASONS, SURPLUS, UNRATED, *TRUST_REASONS, OUTVOTED)

FIRST_RATINGS = 3
RESPONSES_PER_TASK = 2
_HELPFULNESS = ATTRIBUTES.index("helpfulness")
_REASON_TYPE = pl.Enum(REASONS)
# aggregations that learn how each annotator errs use every trusted rating, the others only the selected ones
_MODELS = ("dawid_skene", "rater_bias")


@dataclass(frozen=True, slots=True)
class Stages:
    """Which scores (R, A) count at each stage of cleaning, and why each task (T,) was dropped, or None."""

    first_three: BoolArray
    all: BoolArray
    trusted: BoolArray
    selected: BoolArray
    final: BoolArray
    task_reasons: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class CleanResult:
    """Labels and the story of every rating.

    `labels` has two rows per task that is left, in order: `row`, the place in the ratings table of a row with its
    texts, then the attributes. `selected` has the selected scores of every response of a task with enough of them,
    also of tasks dropped for their spread: `row`, then a list per attribute. `decisions` has one row per rating:
    task_id, response_id, annotator, kept, reason; when attributes are selected each for itself, also `kept_on`. `tasks`
    has one row per task: task_id, kept, reason.
    `dropped` counts tasks, `ratings_left_out` ratings; tasks_in = tasks_out + sum of `dropped`, and the same for
    ratings.
    """

    labels: pl.DataFrame
    selected: pl.DataFrame
    decisions: pl.DataFrame
    tasks: pl.DataFrame
    rated: RatedTable
    trust: Trust
    stages: Stages
    tasks_in: int
    tasks_out: int
    ratings_in: int
    ratings_kept: int
    dropped: dict[str, int]
    ratings_left_out: dict[str, int]


def clean(ratings: pl.DataFrame, *, rules: CleanSettings, is_named: bool = True) -> CleanResult:
    """Return the labels of a RATINGS table under `rules`; the result depends on no order of rows within a task.

    Texts are only compared: the columns `prompt` and `response` may hold hashes. `is_named` false says that places in
    lists stand in for annotators, of whom nothing is then judged. A task goes as a whole, for the first of
    TASK_REASONS that holds. Raises DataError as `read_ratings_table` and `check_numbers` do.
    """
    rated = read_ratings_table(ratings, is_named=is_named)
    trust = judge_annotators(rated, rules=rules.trust)
    trusted = trust.is_trusted[rated.grid.annotator]
    check_numbers(chosen_ratings(rated.grid, where=trusted), responses=rated.responses, keep=rules.keep)
    stages = cleaning_stages(rated.grid, rules=rules, trusted=trusted, reliability=trust.reliability)
    task_reasons = _with_gold(stages.task_reasons, rated)
    dropped = pl.Series("reason", task_reasons, dtype=_REASON_TYPE)
    reasons = _rating_reasons(rated, trust, stages, task_reasons)
    return CleanResult(
        labels=_labels(rated, stages, rules=rules),
        selected=_selected(rated, stages),
        decisions=_decisions(ratings, rated, reasons, stages=stages, rules=rules),
        rated=rated,
        trust=trust,
        stages=stages,
        tasks=rated.responses.select(pl.col("task_id").unique(maintain_order=True)).with_columns(
            dropped.is_null().alias("kept"), dropped
        ),
        tasks_in=len(task_reasons),
        tasks_out=task_reasons.count(None),
        ratings_in=reasons.len(),
        ratings_kept=reasons.null_count(),
        dropped=_counted(dropped),
        ratings_left_out=_counted(reasons),
    )


def with_texts(frame: pl.DataFrame, *, texts: pl.DataFrame) -> pl.DataFrame:
    """Return `labels` as EXAMPLES or `selected` as DISAGREEMENTS; `texts` gives row, prompt and response."""
    table = DISAGREEMENTS if frame["helpfulness"].dtype == pl.List else EXAMPLES
    joined = frame.join(texts.with_columns(pl.col("row").cast(pl.Int64)), on="row", how="left", maintain_order="left")
    return joined.select(list(table.columns)).cast(dict(table.schema))  # type: ignore[arg-type]


def _counted(reasons: pl.Series) -> dict[str, int]:
    found = reasons.drop_nulls().cast(pl.String).rename("reason").value_counts().sort("reason")
    return dict(found.rows())


def cleaning_stages(
    grid: RatingGrid, *, rules: CleanSettings, trusted: BoolArray | None = None, reliability: IntArray | None = None
) -> Stages:
    """Return which scores count at each stage under `rules`.

    `trusted` (R,) says whose ratings may count after the first two stages, all without it; `reliability` (P,) orders
    annotators where distances tie.
    """
    is_trusted = np.ones(grid.response.size, dtype=np.bool_) if trusted is None else trusted
    shape = grid.scores.shape
    selected = np.repeat(is_trusted[:, None], shape[1], axis=1)
    # of a response with few ratings all are kept: only the others are looked at
    sizes = np.bincount(grid.response[is_trusted], minlength=grid.task.size)
    is_open = is_trusted & (sizes > rules.keep)[grid.response]
    selected[is_open] = select_ratings(chosen_ratings(grid, where=is_open), rules=rules, reliability=reliability)
    reasons = _task_reasons(grid, selected, rules=rules)
    is_kept = np.array([reason is None for reason in reasons], dtype=np.bool_)
    return Stages(
        # views: what is the same for all attributes is held once
        first_three=np.broadcast_to((grid.rank < FIRST_RATINGS)[:, None], shape),
        all=np.broadcast_to(np.True_, shape),
        trusted=np.broadcast_to(is_trusted[:, None], shape),
        selected=selected,
        final=selected & is_kept[grid.task[grid.response]][:, None],
        task_reasons=reasons,
    )


def labels_of(grid: RatingGrid, stages: Stages, *, rules: CleanSettings) -> IntArray:
    """Return a label per response and attribute, (S, A); those of tasks that were dropped mean nothing."""
    used = stages.trusted if rules.aggregation in _MODELS else stages.final
    return aggregate(grid, used=used, method=rules.aggregation, rounding=rules.rounding)


def _task_reasons(grid: RatingGrid, selected: BoolArray, *, rules: CleanSettings) -> tuple[str | None, ...]:
    counts = level_counts(grid, used=selected, attribute=_HELPFULNESS)
    # one attribute at a time: the counts of all would be the largest arrays of cleaning
    rated = [level_counts(grid, used=selected, attribute=index).sum(axis=1) for index in range(len(ATTRIBUTES))]
    responses = np.bincount(grid.task, minlength=grid.num_tasks)
    faults = [
        (NOT_TWO_RESPONSES, responses != RESPONSES_PER_TASK),
        (TOO_FEW_RATINGS, _any_response(grid, rated[_HELPFULNESS] < rules.min_ratings)),
        (UNRATED_ATTRIBUTE, _any_response(grid, np.minimum.reduce(rated) == 0)),
        (SPREAD, _any_response(grid, level_spreads(counts) > rules.max_spread)),
    ]
    codes = np.select([where for _, where in faults], range(len(faults)), default=len(faults))
    names: list[str | None] = [*(name for name, _ in faults), None]
    return tuple(names[code] for code in codes.tolist())


def _any_response(grid: RatingGrid, is_faulty: BoolArray) -> BoolArray:
    return np.bincount(grid.task, weights=is_faulty, minlength=grid.num_tasks) > 0


def level_spreads(counts: IntArray) -> IntArray:
    """Return the highest less the lowest level that occurs, (S,), of counts (S, K); 0 where there is none."""
    is_used = counts > 0
    lowest = is_used.argmax(axis=1)
    highest = NUM_LEVELS - 1 - is_used[:, ::-1].argmax(axis=1)
    return np.asarray(np.where(is_used.any(axis=1), highest - lowest, 0), dtype=np.int64)


def _with_gold(task_reasons: tuple[str | None, ...], rated: RatedTable) -> tuple[str | None, ...]:
    """Return the reasons, with GOLD for tasks of which every row of the table is a test question."""
    grid, gold = rated.grid, rated.gold
    rows = np.bincount(rated.row_tasks, minlength=grid.num_tasks)
    of_gold = np.bincount(gold.task[gold.response], minlength=grid.num_tasks)
    is_gold = (rows == of_gold).tolist()
    return tuple(GOLD if all_gold else reason for all_gold, reason in zip(is_gold, task_reasons, strict=True))


def _rating_reasons(rated: RatedTable, trust: Trust, stages: Stages, task_reasons: tuple[str | None, ...]) -> pl.Series:
    """Return why each row of the table does not count, as an enum of REASONS, null where it does."""
    grid = rated.grid
    code = {name: number for number, name in enumerate(REASONS)}
    kept = -1
    of_task = np.array([kept if reason is None else code[reason] for reason in task_reasons], dtype=np.int8)
    of_person = np.array([kept if reason is None else code[reason] for reason in trust.reasons], dtype=np.int8)
    codes = rated.reasons.cast(_REASON_TYPE).to_physical().cast(pl.Int8).fill_null(kept).to_numpy().copy()
    is_selected = (stages.selected & grid.given).any(axis=1)
    found = np.where(is_selected, of_task[grid.task[grid.response]], code[OUTVOTED])
    untrusted = of_person[grid.annotator]
    codes[grid.rows] = np.where(untrusted == kept, found, untrusted)
    return _enum(codes)


def _enum(codes: npt.NDArray[np.int8]) -> pl.Series:
    found = pl.Series(codes).cast(pl.Int32)
    names = pl.Series(REASONS, dtype=_REASON_TYPE)
    return names.gather(found.replace(-1, None)).rename("")


def _decisions(
    ratings: pl.DataFrame, rated: RatedTable, reasons: pl.Series, *, stages: Stages, rules: CleanSettings
) -> pl.DataFrame:
    decided = ratings.select("task_id", "response_id", "annotator").with_columns(
        reasons.is_null().alias("kept"), reasons.alias("reason")
    )
    if rules.select_on != "each":
        return decided
    kept = np.zeros((ratings.height, len(ATTRIBUTES)), dtype=np.bool_)
    kept[rated.grid.rows] = stages.final & rated.grid.given
    named = [pl.when(pl.Series(kept[:, index])).then(pl.lit(name)) for index, name in enumerate(ATTRIBUTES)]
    return decided.with_columns(pl.concat_list(named).list.drop_nulls().alias("kept_on"))


def _labels(rated: RatedTable, stages: Stages, *, rules: CleanSettings) -> pl.DataFrame:
    values = labels_of(rated.grid, stages, rules=rules)
    is_kept = np.array([reason is None for reason in stages.task_reasons], dtype=np.bool_)[rated.grid.task]
    columns = {name: values[is_kept, index] for index, name in enumerate(ATTRIBUTES)}
    return pl.DataFrame({"row": rated.responses["row"].to_numpy()[is_kept], **columns})


def _selected(rated: RatedTable, stages: Stages) -> pl.DataFrame:
    grid = rated.grid
    has_enough = np.array([reason in (None, SPREAD) for reason in stages.task_reasons], dtype=np.bool_)
    used = stages.selected & has_enough[grid.task[grid.response]][:, None]
    order = np.flatnonzero(used.any(axis=1))
    order = order[np.lexsort((grid.rank[order], grid.response[order]))]
    shown = used[order] & grid.given[order]
    columns = {
        name: pl.Series(grid.scores[order, index]).set(pl.Series(~shown[:, index]), None)
        for index, name in enumerate(ATTRIBUTES)
    }
    lists = (
        pl.DataFrame({"number": grid.response[order], **columns})
        .group_by("number", maintain_order=True)
        .agg(pl.col(name).drop_nulls() for name in ATTRIBUTES)
    )
    rows = rated.responses["row"].gather(lists["number"])
    return lists.select(rows.alias("row"), *ATTRIBUTES)
