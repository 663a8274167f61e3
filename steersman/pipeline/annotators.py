"""`steersman agreement --annotators`: what can be said of each annotator, and of each two of them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from steersman.config.cleaning import CleanSettings
from steersman.dataset.grid import RatingGrid
from steersman.dataset.reading import RatedTable, read_ratings_table
from steersman.dataset.trust import judge_annotators
from steersman.errors import DataError
from steersman.pipeline.ratings_file import named_in_faults, open_ratings
from steersman.records import ATTRIBUTES, NUM_LEVELS
from steersman.stats.pairs import PairAgreement, pair_agreement, pair_tables

Pair = dict[str, object]


def run(path: Path, *, rules: CleanSettings, min_overlap: int) -> dict[str, object]:
    """Return the figures of every annotator in `path` and the kappa of every two who share enough responses.

    `annotators` are rows of annotators.jsonl (docs/cleaning.md). `pairs` has the quadratic kappa on each attribute of
    two annotators who both rated at least `min_overlap` responses; `pairs_summary` has, by attribute, their mean kappa
    weighted by overlap and how many pairs had too few responses or no defined kappa. Raises DataError for a file that
    cannot be read, and for lists, which do not name annotators.
    """
    given = open_ratings(path, keep=rules.keep)
    if given.is_list:
        raise DataError(f"{path}: lists of scores do not say who gave them; give a table with one row per rating")
    with named_in_faults(path):
        rated = read_ratings_table(given.ratings)
    found = {name: _agreement(rated.grid, index, min_overlap=min_overlap) for index, name in enumerate(ATTRIBUTES)}
    return {
        "annotators": judge_annotators(rated, rules=rules.trust).figures.to_dicts(),
        "pairs": _pairs(rated, found, min_overlap=min_overlap),
        "pairs_summary": {name: _summary(each) for name, each in found.items()},
    }


def _agreement(grid: RatingGrid, attribute: int, *, min_overlap: int) -> PairAgreement:
    given = grid.given[:, attribute]
    tables = pair_tables(
        grid.scores[given, attribute],
        unit=grid.response[given],
        rater=grid.annotator[given],
        num_levels=NUM_LEVELS,
    )
    return pair_agreement(tables, weights="quadratic", min_overlap=min_overlap)


def _pairs(rated: RatedTable, found: Mapping[str, PairAgreement], *, min_overlap: int) -> list[Pair]:
    pairs: dict[tuple[int, int], Pair] = {}
    for name, agreement in found.items():
        enough = agreement.overlap >= min_overlap
        rows = zip(
            agreement.raters[enough].tolist(),
            agreement.overlap[enough].tolist(),
            agreement.kappas[enough].tolist(),
            strict=True,
        )
        for (one, other), overlap, kappa in rows:
            people = [rated.annotators[one], rated.annotators[other]]
            pair = pairs.setdefault((one, other), {"annotators": people, "responses": overlap})
            pair[name] = None if np.isnan(kappa) else kappa
    return list(pairs.values())


def _summary(agreement: PairAgreement) -> dict[str, object]:
    mean = agreement.mean
    figures: dict[str, object] = {
        "mean_kappa": mean.value,
        "too_few": agreement.too_few,
        "undefined": agreement.undefined,
    }
    return figures if mean.reason is None else {**figures, "reason": mean.reason}
