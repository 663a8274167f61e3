"""Find annotators whose ratings cannot be trusted, with minimum evidence and shrinkage, until nobody more is found.

Each figure of an annotator is drawn towards the crowd's, as if `prior_responses` more responses had been rated the
crowd's way: (n * own + prior * crowd) / (n + prior). Whoever falls short is removed, and the figures of the others are
taken anew without them: spammers must not make each other look usual. P annotators.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from steersman.config.cleaning import TrustSettings
from steersman.dataset.annotators import figures_among, lasting_figures
from steersman.dataset.grid import BoolArray, FloatArray, IntArray
from steersman.dataset.reading import Rated

FAILED_GOLD = "annotator_failed_gold"
TOO_FAST = "annotator_too_fast"
CONSTANT = "annotator_constant"
LOW_AGREEMENT = "annotator_low_agreement"
TRUST_REASONS = (FAILED_GOLD, TOO_FAST, CONSTANT, LOW_AGREEMENT)

RELIABILITY_UNIT = 1e-4


@dataclass(frozen=True, slots=True)
class Trust:
    """Who is trusted. `is_trusted`, `reasons` and `reliability` are by annotator number, (P,).

    `reliability` is the agreement with the others in units of RELIABILITY_UNIT, after shrinkage; 0 where it is not
    known. `figures` has a row per annotator: annotator, is_trusted, reason, round (in which they were removed, or
    null), and the figures of `annotators`, before shrinkage and as they were when the annotator was last judged.
    """

    is_trusted: BoolArray
    reasons: tuple[str | None, ...]
    reliability: IntArray
    figures: pl.DataFrame


def judge_annotators(rated: Rated, *, rules: TrustSettings) -> Trust:
    """Return who may be trusted under `rules`; everybody where they are not enabled or annotators are not named."""
    people = len(rated.annotators)
    if not rated.is_named:
        nobody = pl.DataFrame(schema={"annotator": pl.String})
        return Trust(np.ones(people, dtype=np.bool_), (None,) * people, np.zeros(people, dtype=np.int64), nobody)
    lasting = lasting_figures(rated, gold_key=rules.gold_annotator, gold_tolerance=rules.gold_tolerance)
    reasons: list[str | None] = [None] * people
    rounds: list[int | None] = [None] * people
    trusted = np.ones(people, dtype=np.bool_)
    figures = _measured(rated, lasting, among=trusted)
    while True:
        found = _failing(figures, trusted=trusted, rules=rules) if rules.enabled else {}
        number = max((each for each in rounds if each is not None), default=0) + 1
        for person, reason in found.items():
            reasons[person], rounds[person], trusted[person] = reason, number, False
        if not found:
            break
        stays = pl.Series(trusted)
        latest = _measured(rated, lasting, among=trusted)
        figures = latest.with_columns(
            pl.when(stays).then(latest[name]).otherwise(figures[name]) for name in figures.columns
        )
    said = pl.DataFrame(
        {
            "annotator": pl.Series(rated.annotators, dtype=pl.String),
            "is_trusted": trusted,
            "reason": pl.Series(reasons, dtype=pl.String),
            "round": pl.Series(rounds, dtype=pl.Int64),
        }
    )
    return Trust(trusted, tuple(reasons), _reliability(figures, trusted=trusted, rules=rules), said.hstack(figures))


def _measured(rated: Rated, lasting: pl.DataFrame, *, among: BoolArray) -> pl.DataFrame:
    return lasting.hstack(figures_among(rated, among=among))


def _failing(figures: pl.DataFrame, *, trusted: BoolArray, rules: TrustSettings) -> dict[int, str]:
    """Return which of the trusted fail, by the first reason that holds and for which there is enough evidence."""
    shared, answers, timed = (_numbers(figures, name) for name in ("responses", "gold_answers", "timed_responses"))
    enough = trusted & (shared >= rules.min_responses)

    def shrunk(name: str, number: FloatArray) -> FloatArray:
        return _shrunk(_numbers(figures, name), number, trusted=trusted, prior=rules.prior_responses)

    # ratios are averaged as logarithms; the crowd's own ratio is 1
    log_speed = np.log(_numbers(figures, "speed_ratio")) * timed / np.maximum(timed + rules.prior_responses, 1.0)
    verdicts = [
        (
            FAILED_GOLD,
            trusted & (answers >= rules.min_gold),
            shrunk("gold_failure_share", answers) > rules.max_gold_failures,
        ),
        (TOO_FAST, trusted & (timed >= rules.min_responses), np.exp(log_speed) < rules.min_speed_ratio),
        (CONSTANT, enough, shrunk("constant_share", shared) > rules.max_constant),
        (LOW_AGREEMENT, enough, shrunk("agreement", shared) < rules.min_agreement),
    ]
    found: dict[int, str] = {}
    for reason, is_judged, is_failing in verdicts:
        for person in np.flatnonzero(is_judged & is_failing).tolist():
            found.setdefault(person, reason)
    return found


def _numbers(figures: pl.DataFrame, name: str) -> FloatArray:
    return figures[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _shrunk(own: FloatArray, number: FloatArray, *, trusted: BoolArray, prior: float) -> FloatArray:
    """Return each annotator's figure drawn towards the crowd's mean, which weighs annotators by `number`."""
    known = trusted & ~np.isnan(own) & (number > 0)
    if not known.any():
        return np.full(own.size, np.nan)
    crowd = float(own[known] @ number[known]) / float(number[known].sum())
    return (number * own + prior * crowd) / np.maximum(number + prior, 1.0)


def _reliability(figures: pl.DataFrame, *, trusted: BoolArray, rules: TrustSettings) -> IntArray:
    agreement, shared = _numbers(figures, "agreement"), _numbers(figures, "responses")
    shrunk = _shrunk(agreement, shared, trusted=trusted, prior=rules.prior_responses)
    return np.rint(np.nan_to_num(shrunk) / RELIABILITY_UNIT).astype(np.int64)
