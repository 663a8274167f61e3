"""What the page makes of a reward stage's result.json, complete, of an older run, and damaged."""

import math

import pytest

from steersman.report.data import Estimate
from steersman.report.reward_data import Bin, RewardFigures, joined
from steersman.report.reward_parsing import parse_reward

Json = dict[str, object]


def share(estimate: float, count: int, *, tied: int = 0) -> Json:
    ends = {"low": estimate - 0.1, "high": estimate + 0.1}
    return {"estimate": estimate, "count": count, "tied_labels": tied, "tied_scores": 1, **ends}


def bins(*parts: tuple[float, float, int]) -> list[Json]:
    return [{"predicted": said, "observed": seen, "count": count} for said, seen, count in parts]


def result(**others: object) -> Json:
    """Return a result with two attributes and a reward of both."""
    by = share(0.6, 20, tied=5)
    turns = {"single_turn": share(0.7, 15, tied=4), "multi_turn": share(0.3, 5, tied=1)}
    calibration = {"expected_error": 0.2, "error_when_calibrated": 0.1, "brier": 0.25, "bins": bins((0.6, 0.5, 20))}
    whole: Json = {"accuracy": by, "calibration": calibration, **turns}
    return {
        "accuracy": {"charm": share(0.5, 9), "helpfulness": by},
        "attributes": {"charm": {"labels": 0}, "helpfulness": {"labels": 50, **turns}},
        "ranked_by": "helpfulness",
        "ranking": whole,
        "reward": whole,
        **others,
    }


def test_attributes_come_first_in_their_order_and_the_reward_last_each_by_turns() -> None:
    ranked = parse_reward(result()).ranked
    assert [(each.output, each.turns, each.right.count) for each in ranked] == [
        ("helpfulness", "all", 20),
        ("helpfulness", "single turn", 15),
        ("helpfulness", "multi-turn", 5),
        ("charm", "all", 9),
        ("the reward", "all", 20),
        ("the reward", "single turn", 15),
        ("the reward", "multi-turn", 5),
    ]
    assert [(each.tied_labels, each.tied_scores) for each in ranked[:3]] == [(5, 1), (4, 1), (1, 1)]


def test_preferences_that_no_label_gives_have_rows_of_their_own() -> None:
    stated = result(accuracy={"preference": None}, attributes={}, ranked_by="preference")
    assert {each.output for each in parse_reward(stated).ranked} == {"preferences, by preference"}


def test_a_reward_of_one_output_is_judged_once() -> None:
    figures = parse_reward(result(accuracy={"helpfulness": share(0.6, 20, tied=5)}))
    assert [each.output for each in figures.reliability] == ["helpfulness"]
    assert {each.output for each in figures.ranked} == {"helpfulness"}


def test_what_ranks_by_the_reward_is_judged_once() -> None:
    assert [each.output for each in parse_reward(result(ranked_by="reward")).reliability] == ["the reward"]


def test_calibration_stands_beside_what_chance_makes() -> None:
    found = parse_reward(result()).reliability[0]
    assert (found.expected_error, found.by_chance, found.brier) == (0.2, 0.1, 0.25)
    assert found.bins == (Bin(0.6, 0.5, 20),)


def test_bins_are_joined_until_each_holds_enough_and_keep_the_means_of_their_pairs() -> None:
    few = [Bin(0.5, 0.0, 1), Bin(0.6, 1.0, 3), Bin(0.7, 0.5, 4), Bin(0.9, 1.0, 2)]
    first, second = joined(few, at_least=4)
    assert (first.seen, first.count) == (0.75, 4)
    assert first.said == pytest.approx((0.5 + 3 * 0.6) / 4)
    # the last two pairs are too few for a bin
    assert [second.said, second.seen] == pytest.approx([(4 * 0.7 + 2 * 0.9) / 6, 4 / 6])
    assert second.count == 6
    assert sum(each.count for each in joined(few, at_least=100)) == 10


def test_the_curve_ends_with_the_training_on_all_pairs() -> None:
    points = [{"pairs": 10, "loss": 2.0, "accuracy": 0.5}, {"pairs": 20, "loss": 1.5, "accuracy": 0.75}]
    metrics = {"reward/validation_loss": 1.0, "reward/validation_accuracy": 1.0}
    given = {"learning_curve": points, "metrics": metrics, "preferences": {"validation": {"untied": 4}}}
    curve = parse_reward(result(train_pairs=50, **given)).trained_on
    assert [(each.pairs, each.loss) for each in curve] == [(10, 2.0), (20, 1.5), (50, 1.0)]
    # 4 of 4 right: the interval of Wilson begins at 4 / (4 + 1.96^2)
    last = curve[2].accuracy
    assert last is not None
    assert last.low == pytest.approx(4 / (4 + 1.959964**2))
    assert (last.value, last.high, last.count) == (1.0, 1.0, 4)
    assert [each.pairs for each in parse_reward(result(train_pairs=20, **given)).trained_on] == [10, 20]
    assert parse_reward(result(train_pairs=20, metrics=metrics)).trained_on == ()


def test_pairs_are_counted_by_what_people_said() -> None:
    given = {"validation": {"untied": 28, "tied": 15, "not_compared": 2}, "train": {"untied": 200}}
    found = parse_reward({"preferences": given}).preferences
    assert [(each.part, each.untied, each.tied, each.not_compared) for each in found] == [
        ("train", 200, None, None),
        ("validation", 28, 15, 2),
    ]


def test_errors_stand_beside_those_of_the_constant() -> None:
    gain = {"estimate": 0.3, "low": 0.1, "high": 0.5, "count": 9}
    errors = {"mean_squared_error": 0.9, "constant_mean_squared_error": 1.2, "error_gain": gain}
    slope = {"labels": 18, "spearman": 0.4, "calibration": {"slope": 0.8}}
    (found,) = parse_reward({"attributes": {"helpfulness": errors | slope, "charm": {}}}).label_errors
    assert (found.error, found.constant_error, found.spearman, found.slope) == (0.9, 1.2, 0.4, 0.8)
    assert found.gain == Estimate(0.3, 0.1, 0.5, 9)


@pytest.mark.parametrize("value", [{}, [], None, {"accuracy": 3, "reward": [], "learning_curve": 1, "weights": "x"}])
def test_nothing_recorded_is_nothing_shown(value: object) -> None:
    none = RewardFigures((), None, None, (), (), (), None, (), (), (), None)
    assert parse_reward(value) == none


@pytest.mark.parametrize("bad", [(0.5, 1.2, 3), (math.nan, 0.5, 3), (0.5, 0.5, 0)])
def test_a_bin_that_cannot_be_is_left_out(bad: tuple[float, float, int]) -> None:
    ranking = {"calibration": {"bins": bins(bad, (0.6, 0.5, 20))}}
    (found,) = parse_reward({"ranked_by": "helpfulness", "ranking": ranking}).reliability
    assert found.bins == (Bin(0.6, 0.5, 20),)


@pytest.mark.parametrize(
    ("objectives", "expected"),
    [({}, True), ({"regression": 1.0}, True), ({"regression": 0.5}, False), ({"scaled": 1.0}, False)],
)
def test_the_constant_is_a_line_only_beside_the_squared_error(objectives: Json, expected: bool) -> None:
    assert parse_reward({"objectives": objectives}).loss_is_squared_error is expected
