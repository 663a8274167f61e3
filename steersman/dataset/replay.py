"""Compare our cleaning of HelpSteer2's rating lists with the labels it was released with, and with its paper.

R ratings, T tasks, A = 5 attributes. Lists that the release left out of its labels are what its last rule removed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from steersman.dataset.cleaning import CleanResult, with_texts
from steersman.dataset.grid import BoolArray, level_counts
from steersman.dataset.statistics import Column, describe, measure
from steersman.errors import DataError
from steersman.records import ATTRIBUTES
from steersman.stats.coefficients import pooled_kappa
from steersman.stats.counts import count_tables

_RELEASED = "_released"
_KEY = ("prompt", "response", "copy")


@dataclass(frozen=True, slots=True)
class LabelMatch:
    """How one attribute's labels compare: rows in both, and how many there are of each difference, ours less theirs."""

    rows: int
    by_difference: Mapping[int, int]

    @property
    def identical(self) -> int:
        """Rows with the same label."""
        return self.by_difference.get(0, 0)


@dataclass(frozen=True, slots=True)
class TaskDecisions:
    """Tasks of the lists by who kept them."""

    both: int
    ours_only: int
    theirs_only: int
    neither: int


@dataclass(frozen=True, slots=True)
class KappaPair:
    """Pooled quadratic kappa of an attribute: of the lists as they came, and of what our selection leaves of them."""

    lists: float | None
    selected: float | None


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay found. Kappas are by attribute, on all lists and on those of tasks that the release kept.

    `list_lengths` counts rows by the length of their helpfulness list. `left_out` counts rows whose lists differ in
    length where selection would have to know which scores belong together. `only_released` counts released rows that
    no list belongs to.
    """

    list_lengths: Mapping[int, int]
    left_out: int
    only_released: int
    labels: Mapping[str, LabelMatch]
    tasks: TaskDecisions
    dropped: Mapping[str, int]
    kappa_all: Mapping[str, KappaPair]
    kappa_released: Mapping[str, KappaPair]
    columns: Mapping[str, Column]


def comparable_lists(lists: pl.DataFrame, *, keep: int) -> pl.DataFrame:
    """Return the DISAGREEMENTS rows that can be cleaned, without prompts of which a row cannot.

    Where the lists of a row differ in length and one has more than `keep` scores, nobody can tell which scores are one
    annotator's. Raises DataError when no row is left.
    """
    lengths = [pl.col(name).list.len() for name in ATTRIBUTES]
    is_ragged = (pl.max_horizontal(lengths) != pl.min_horizontal(lengths)) & (pl.max_horizontal(lengths) > keep)
    prompts = lists.filter(is_ragged)["prompt"].unique()
    found = lists.filter(~pl.col("prompt").is_in(prompts.implode()))
    if found.is_empty():
        raise DataError("no row of the disagreements can be cleaned: the lists of each differ in length")
    return found


def compare(
    result: CleanResult, *, texts: pl.DataFrame, lists: pl.DataFrame, released: pl.DataFrame, left_out: int
) -> Replay:
    """Return how the cleaned `lists` compare with the `released` EXAMPLES.

    `texts` gives row, prompt and response of the ratings that were cleaned. Rows are matched by prompt and response;
    of exact duplicates the first matches the first. `left_out` is passed on.
    """
    ours = with_texts(result.labels, texts=texts)
    is_theirs = _released_tasks(result, texts=texts, released=released)
    is_ours = np.array([reason is None for reason in result.stages.task_reasons], dtype=np.bool_)
    everything = np.ones_like(is_ours)
    return Replay(
        list_lengths=_list_lengths(lists),
        left_out=left_out,
        only_released=_numbered(released).join(_numbered(lists), on=list(_KEY), how="anti").height,
        labels=_label_matches(ours, released),
        tasks=TaskDecisions(
            both=int((is_ours & is_theirs).sum()),
            ours_only=int((is_ours & ~is_theirs).sum()),
            theirs_only=int((~is_ours & is_theirs).sum()),
            neither=int((~is_ours & ~is_theirs).sum()),
        ),
        dropped=result.dropped,
        kappa_all=_kappas(result, tasks=everything),
        kappa_released=_kappas(result, tasks=is_theirs),
        columns=describe(measure(ours)),
    )


def _list_lengths(lists: pl.DataFrame) -> dict[int, int]:
    counted = lists.select(pl.col("helpfulness").list.len().alias("length")).group_by("length").len().sort("length")
    return dict(counted.rows())


def _numbered(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with a column `copy`, which tells those with the same texts apart."""
    return rows.with_columns(copy=pl.int_range(pl.len()).over("prompt", "response"))


def _label_matches(ours: pl.DataFrame, released: pl.DataFrame) -> dict[str, LabelMatch]:
    matched = _numbered(ours).join(_numbered(released), on=list(_KEY), how="inner", suffix=_RELEASED)
    found = {}
    for name in ATTRIBUTES:
        differences = (matched[name] - matched[name + _RELEASED]).alias("difference").value_counts().sort("difference")
        found[name] = LabelMatch(matched.height, dict(differences.rows()))
    return found


def _released_tasks(result: CleanResult, *, texts: pl.DataFrame, released: pl.DataFrame) -> BoolArray:
    """Return which tasks the release kept, both responses of them, (T,)."""
    responses = result.rated.responses.select("task", "row").join(
        texts.with_columns(pl.col("row").cast(pl.Int64)), on="row", how="left", maintain_order="left"
    )
    there = _numbered(released).select(*_KEY, is_released=pl.lit(value=True))
    found = _numbered(responses).join(there, on=list(_KEY), how="left", maintain_order="left")
    kept = found.group_by("task").agg(pl.col("is_released").is_not_null().all()).sort("task")
    return kept["is_released"].to_numpy()


def _kappas(result: CleanResult, *, tasks: BoolArray) -> dict[str, KappaPair]:
    grid, stages = result.rated.grid, result.stages
    here = tasks[grid.task[grid.response]][:, None]
    return {
        name: KappaPair(
            *(
                pooled_kappa(
                    count_tables(level_counts(grid, used=used & here, attribute=index)), weights="quadratic"
                ).value
                for used in (stages.all, stages.selected)
            )
        )
        for index, name in enumerate(ATTRIBUTES)
    }
