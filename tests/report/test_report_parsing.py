"""What the page makes of complete, partial and wrong JSON."""

import math

from steersman.report.data import Estimate, StageTime
from steersman.report.parsing import (
    as_estimate,
    as_number,
    as_whole,
    parse_agreement,
    parse_evaluation,
    parse_licences,
    parse_statistics,
    parse_times,
    parse_training,
)


def test_only_finite_numbers_are_numbers() -> None:
    assert [as_number(value) for value in (2, 0.5, math.nan, math.inf, True, "3", None)] == [2.0, 0.5] + [None] * 5


def test_a_fraction_is_no_whole_number() -> None:
    assert (as_whole(3.0), as_whole(3.5)) == (3, None)


def test_an_estimate_without_an_interval_is_kept() -> None:
    assert as_estimate({"estimate": 1.5}) == Estimate(1.5)
    assert as_estimate({"low": 1, "high": 2}) is None


def test_empty_objects_give_records_without_figures() -> None:
    assert parse_statistics({}).labels == ()
    assert parse_agreement([]).figures == ()
    assert parse_training({}, log=[], prefix="reward").accuracy == ()
    assert parse_evaluation(None, samples=[{}]).samples[0].change is None


def test_a_histogram_of_another_length_is_not_shown() -> None:
    assert parse_statistics({"helpfulness": {"histogram": [1, 2, 3]}}).labels[0].histogram == ()


def test_turns_are_read_from_the_statistics_of_the_prompts() -> None:
    assert parse_statistics({"turns_in_prompt": {"mean": 1.6}, "rows": 4}).turns == 1.6


def test_agreement_comes_in_the_order_of_attributes_and_stages() -> None:
    value: dict[str, object] = {name: {"final": {}, "first_three": None} for name in ("verbosity", "helpfulness")}
    assert [(each.attribute, each.stage) for each in parse_agreement(value).figures] == [
        ("helpfulness", "first_three"),
        ("helpfulness", "final"),
        ("verbosity", "first_three"),
        ("verbosity", "final"),
    ]


def test_kappa_carries_its_interval_and_its_tasks() -> None:
    value = {"helpfulness": {"all": {"kappa_quadratic": 0.5, "kappa_ci95": [0.4, 0.6], "tasks": 9}}}
    assert parse_agreement(value).figures[0].kappa == Estimate(0.5, 0.4, 0.6, 9)


def test_metrics_are_read_under_the_prefix_of_their_stage() -> None:
    log = [{"step": 3, "align/train_loss": 0.5, "reward/train_loss": 9.0}, {"align/train_loss": 1.0}]
    curve = parse_training({}, log=log, prefix="align").curve
    assert [(point.step, point.train_loss) for point in curve] == [(3, 0.5)]


def test_an_unknown_verdict_counts_as_unclear() -> None:
    assert parse_licences({"commercial_use": "surely fine"}).commercial_use == "unclear"


def test_a_reused_stage_keeps_the_time_of_the_run_that_made_it() -> None:
    log = [{"stage": "clean", "seconds": 8.0, "peak_rss_bytes": 5}, {"stage": "clean", "seconds": 0.01, "reused": True}]
    assert parse_times(log) == (StageTime("clean", 8.0, 5.0, True),)
