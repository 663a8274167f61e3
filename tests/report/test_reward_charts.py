"""Charts of a judged reward model: they say what they show, and nothing is drawn from nothing."""

import re

from steersman.report.data import Estimate
from steersman.report.reward_charts import (
    accuracy_by_pairs,
    errors_chart,
    loss_by_pairs,
    overall,
    reliability_chart,
    turns_chart,
    weights_chart,
)
from steersman.report.reward_data import Bin, LabelError, RankedPairs, Reliability, TrainedOn

SINGLE = RankedPairs("helpfulness", "single turn", Estimate(0.75, 0.5, 0.9, 20), 3, 0)
MULTI = RankedPairs("helpfulness", "multi-turn", Estimate(0.5, 0.2, 0.8, 6), 1, 0)
ALL = RankedPairs("helpfulness", "all", Estimate(0.69, 0.5, 0.8, 26), 4, 0)


def error(attribute: str, own: float | None, other: float | None) -> LabelError:
    return LabelError(attribute, own, other, None, None, None, 10)


def sizes(*pairs: int) -> list[TrainedOn]:
    return [TrainedOn(each, 1 / each, Estimate(0.5, 0.4, 0.6, 20)) for each in pairs]


def test_turns_are_told_apart_only_where_there_are_both() -> None:
    svg = str(turns_chart([ALL, SINGLE, MULTI], name="a"))
    assert "helpfulness, single turn, 75.0%; helpfulness, multi-turn, 50.0%; chance is 50%" in svg
    assert turns_chart([ALL, SINGLE], name="a") is None


def test_the_shares_of_all_turns_are_one_a_row() -> None:
    assert overall([ALL, SINGLE, MULTI]) == [("helpfulness", ALL.right)]


def test_reliability_says_each_bin() -> None:
    svg = str(reliability_chart(Reliability("charm", 0.1, 0.1, 0.2, (Bin(0.6, 0.5, 10), Bin(0.9, 1.0, 12))), name="a"))
    assert "by charm: said 60%, seen 50% of 10 pairs; said 90%, seen 100% of 12 pairs" in svg


def test_an_error_is_drawn_beside_the_constant_or_not_at_all() -> None:
    svg = str(errors_chart([error("helpfulness", 0.9, 1.2), error("charm", None, 1.0)], name="a"))
    assert "Squared error by attribute: helpfulness 0.900, constant 1.200." in svg
    assert errors_chart([error("charm", None, 1.0)], name="a") is None


def test_a_curve_over_pairs_needs_two_sizes() -> None:
    assert loss_by_pairs(sizes(10), name="a", line=None) is None
    assert accuracy_by_pairs(sizes(10), name="a") is None
    assert "0.100 after 10 pairs; 0.050 after 20 pairs" in str(loss_by_pairs(sizes(10, 20), name="a", line=None))
    assert "50.0% after 10 pairs; 50.0% after 20 pairs" in str(accuracy_by_pairs(sizes(10, 20), name="a"))


def test_sizes_too_near_to_name_leave_the_larger_name() -> None:
    svg = str(loss_by_pairs(sizes(100, 200, 1400, 1500), name="a", line=1.0))
    assert set(re.findall(r">([\d,]+)</text>", svg)) == {"100", "200", "1,500"}


def test_a_weight_against_a_response_has_the_other_colour() -> None:
    svg = str(weights_chart([("helpfulness", 0.65), ("verbosity", -0.4)], name="a"))
    assert "Weights of the reward: helpfulness +0.65; verbosity -0.40." in svg
    assert len(re.findall(r"fill: var\(--second\)", svg)) == len(re.findall(r"fill: var\(--accent\)", svg)) == 1
    assert weights_chart([], name="a") is None
