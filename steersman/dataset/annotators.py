"""What can be said of each annotator: agreement with the others, bias, spread, speed, constant answers, gold.

P annotators, A = 5 attributes. Frames have one row per annotator, in order of their ids; null is not known.
"""

import numpy as np
import polars as pl

from steersman.dataset.grid import BoolArray, FloatArray, IntArray, RatingGrid, level_counts
from steersman.dataset.reading import Rated
from steersman.records import ATTRIBUTES, NUM_LEVELS
from steersman.stats.arrays import tallied
from steersman.stats.raters import rater_figures, rater_tables

_HELPFULNESS = ATTRIBUTES.index("helpfulness")
_FEWEST_TO_EXPECT_FROM = 3
_SHORTEST_SECONDS = 0.1


def figures_among(rated: Rated, *, among: BoolArray) -> pl.DataFrame:
    """Return what depends on the others: those of `among` (P,) count, on both sides.

    `responses` is how many responses are shared with others, `agreement` the quadratic kappa with them, mean of the
    attributes, each of which weighs as many responses as were shared on it; of each attribute `bias_` is the mean of
    own less the others' score, in levels, and `spread_` the standard deviation of own scores; `seconds` is the
    geometric mean of the time taken and `speed_ratio` that over the others' for the same responses, of which
    `timed_responses` have both times.
    """
    met, kappa, bias, spread = _beside_others(rated.grid, among=among)
    seconds, ratio, timed = _speed(rated.grid, rated.seconds[rated.grid.rows], among=among)
    responses = np.where(among, np.fmax.reduce(met, axis=0), np.nan)
    figures = {
        "responses": pl.Series(responses, nan_to_null=True).cast(pl.Int64),
        "agreement": _known(_mean_of_known(kappa, weights=met)),
        **{f"bias_{name}": _known(bias[index]) for index, name in enumerate(ATTRIBUTES)},
        **{f"spread_{name}": _known(spread[index]) for index, name in enumerate(ATTRIBUTES)},
        "seconds": _known(seconds),
        "speed_ratio": _known(ratio),
        "timed_responses": timed,
    }
    return pl.DataFrame(figures)


def lasting_figures(rated: Rated, *, gold_key: str, gold_tolerance: int) -> pl.DataFrame:
    """Return what does not depend on who else counts.

    `ratings` counts responses rated; `constant_share` is the share of them given the same five scores;
    `gold_answers` counts answered gold responses, and `gold_failure_share` is the share of them whose helpfulness is
    off by more than `gold_tolerance` levels from what the annotator `gold_key` gave, or, without that, from the median
    of everybody where at least three answered.
    """
    people = len(rated.annotators)
    ratings = np.bincount(rated.grid.annotator, minlength=people)
    answers, failures = _gold(rated, key=gold_key, tolerance=gold_tolerance)
    return pl.DataFrame(
        {
            "ratings": ratings,
            "constant_share": _known(_shares(_commonest(rated.grid, people=people), ratings)),
            "gold_answers": answers,
            "gold_failure_share": _known(_shares(failures, answers)),
        }
    )


def _known(values: FloatArray) -> pl.Series:
    return pl.Series(values, dtype=pl.Float64, nan_to_null=True)


def _shares(parts: IntArray, wholes: IntArray) -> FloatArray:
    return np.where(wholes > 0, parts / np.maximum(wholes, 1), np.nan)


def _mean_of_known(values: FloatArray, *, weights: FloatArray) -> FloatArray:
    """Return the mean over the first axis of what is not NaN, NaN where nothing is."""
    known = ~np.isnan(values)
    weight = np.where(known, weights, 0.0)
    total = weight.sum(axis=0)
    return np.where(total > 0, (np.where(known, values, 0.0) * weight).sum(axis=0) / np.maximum(total, 1), np.nan)


def _beside_others(grid: RatingGrid, *, among: BoolArray) -> FloatArray:
    """Return shared responses, kappa, bias and spread by attribute and annotator, (4, A, P); NaN where not known."""
    found = np.full((4, len(ATTRIBUTES), among.size), np.nan)
    counts = among[grid.annotator]
    for index in range(len(ATTRIBUTES)):
        where = counts & grid.given[:, index]
        levels = grid.scores[where, index]
        tables = rater_tables(levels, unit=grid.response[where], rater=grid.annotator[where], num_levels=NUM_LEVELS)
        for each in rater_figures(tables, weights="quadratic"):
            values = (each.units_met, each.agreement.value, each.bias, each.spread)
            found[:, index, each.rater] = [np.nan if value is None else value for value in values]
    return found


def _speed(grid: RatingGrid, seconds: FloatArray, *, among: BoolArray) -> tuple[FloatArray, FloatArray, IntArray]:
    """Return each annotator's time, that over the others' of the same responses, and how many these are, (P,) each.

    Times are geometric means.
    """
    where = among[grid.annotator] & ~np.isnan(seconds)
    response, person, logs = grid.response[where], grid.annotator[where], seconds[where]
    # in place: these are the largest arrays that judging annotators needs
    np.log(np.maximum(logs, _SHORTEST_SECONDS, out=logs), out=logs)
    number = np.bincount(response, minlength=grid.task.size)
    # of no ratings bincount makes whole numbers, whatever the weights
    gaps = np.bincount(response, weights=logs, minlength=grid.task.size).astype(np.float64, copy=False)[response]
    gaps -= logs
    gaps /= np.maximum(number - 1, 1)[response]
    np.subtract(logs, gaps, out=gaps)
    is_met = (number > 1)[response]
    own = _mean_by(person, logs, people=among.size)
    ratio = _mean_by(person[is_met], gaps[is_met], people=among.size)
    return np.exp(own), np.exp(ratio), np.bincount(person[is_met], minlength=among.size)


def _mean_by(person: IntArray, values: FloatArray, *, people: int) -> FloatArray:
    number = np.bincount(person, minlength=people)
    total = np.bincount(person, weights=values, minlength=people)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def _commonest(grid: RatingGrid, *, people: int) -> IntArray:
    """Return how often each annotator gave the five scores they gave most, (P,)."""
    # a score that was not given counts as a sixth level
    base = NUM_LEVELS + 1
    answer = np.zeros(grid.response.size, dtype=np.int64)
    for index in range(len(ATTRIBUTES)):
        answer = answer * base + np.where(grid.given[:, index], grid.scores[:, index], NUM_LEVELS)
    kinds = base ** len(ATTRIBUTES)
    # a table of all answers of all people would need 62 KB for each of them
    answers, times = tallied([grid.annotator * kinds + answer], bound=people * kinds, num_codes=answer.size)
    commonest = np.zeros(people, dtype=np.int64)
    np.maximum.at(commonest, answers // kinds, times)
    return commonest


def _gold(rated: Rated, *, key: str, tolerance: int) -> tuple[IntArray, IntArray]:
    """Return how many gold responses each annotator answered and failed, (P,) each."""
    gold, people = rated.gold, len(rated.annotators)
    given = gold.given[:, _HELPFULNESS]
    is_key = np.array([name == key for name in rated.annotators], dtype=np.bool_)[gold.annotator]
    keyed = _doubled_medians(gold, where=given & is_key, fewest=1)
    everybody = _doubled_medians(gold, where=given & ~is_key, fewest=_FEWEST_TO_EXPECT_FROM)
    expected = np.where(keyed >= 0, keyed, everybody)[gold.response]
    apart = np.abs(2 * gold.scores[:, _HELPFULNESS].astype(np.int64) - expected)
    is_judged = given & ~is_key & (expected >= 0)
    is_failed = is_judged & (apart > 2 * tolerance)
    return (
        np.bincount(gold.annotator[is_judged], minlength=people),
        np.bincount(gold.annotator[is_failed], minlength=people),
    )


def _doubled_medians(gold: RatingGrid, *, where: BoolArray, fewest: int) -> IntArray:
    """Return twice the median helpfulness of each response among the ratings `where`, -1 with too few of them, (S,)."""
    used = np.zeros(gold.given.shape, dtype=np.bool_)
    used[:, _HELPFULNESS] = where
    below = level_counts(gold, used=used, attribute=_HELPFULNESS).cumsum(axis=1)
    number = below[:, -1]
    lower = (below >= ((number + 1) // 2)[:, None]).argmax(axis=1)
    upper = (below >= (number // 2 + 1)[:, None]).argmax(axis=1)
    return np.where(number >= fewest, lower + upper, -1)
