"""Turn the result of a reward training into the records of the page; what is absent or malformed becomes None."""

from collections.abc import Iterator

from steersman.records import ATTRIBUTES
from steersman.report.data import Estimate
from steersman.report.parsing import Json, as_estimate, as_mapping, as_number, as_text, as_whole
from steersman.report.reward_data import (
    Bin,
    LabelError,
    Preferences,
    RankedPairs,
    Reliability,
    RewardFigures,
    TrainedOn,
    Turns,
    joined,
)
from steersman.stats.shares import wilson_interval

_TURNS: tuple[tuple[str, Turns], ...] = (("single_turn", "single turn"), ("multi_turn", "multi-turn"))
THE_REWARD = "the reward"


def parse_reward(result: object) -> RewardFigures:
    """Return the figures in a reward stage's result.json."""
    fields = as_mapping(result)
    preferences = _preferences(as_mapping(fields.get("preferences")))
    return RewardFigures(
        objectives=_numbers(fields.get("objectives")),
        tune_mode=as_text(fields.get("tune_mode")),
        head_start=as_text(fields.get("head_start")),
        ranked=tuple(_ranked(fields)),
        reliability=tuple(_reliability(fields)),
        label_errors=tuple(_label_errors(as_mapping(fields.get("attributes")))),
        mean_squared_error=as_number(fields.get("mean_squared_error")),
        trained_on=tuple(_trained_on(fields, judged=_judged(preferences))),
        preferences=preferences,
        weights=_numbers(fields.get("weights")),
        weights_source=as_text(fields.get("weights_source")),
    )


def in_order(names: Json) -> list[str]:
    """Return the five attributes in their order, then all other names."""
    return [*(name for name in ATTRIBUTES if name in names), *(name for name in names if name not in ATTRIBUTES)]


def _numbers(value: object) -> tuple[tuple[str, float], ...]:
    fields = as_mapping(value)
    found = ((name, as_number(fields[name])) for name in in_order(fields))
    return tuple((name, number) for name, number in found if number is not None)


def _ranked(fields: Json) -> Iterator[RankedPairs]:
    """Yield the shares of each attribute, of stated preferences and of a reward of several attributes.

    Preferences that are differences of the very labels of an attribute are told once.
    """
    accuracy, attributes = as_mapping(fields.get("accuracy")), as_mapping(fields.get("attributes"))
    for name in in_order(accuracy):
        yield from _by_turns(name, accuracy[name], as_mapping(attributes.get(name)))
    ranking, reward = as_mapping(fields.get("ranking")), as_mapping(fields.get("reward"))
    by = as_text(fields.get("ranked_by"))
    if by is not None and by != "reward" and not _are_one(accuracy.get(by), ranking.get("accuracy")):
        yield from _by_turns(f"preferences, by {by}", ranking.get("accuracy"), ranking)
    if _has_own_reward(fields):
        yield from _by_turns(THE_REWARD, reward.get("accuracy"), reward)


def _are_one(first: object, second: object) -> bool:
    keys = ("estimate", "count", "tied_labels", "tied_scores")
    return all(as_mapping(first).get(key) == as_mapping(second).get(key) for key in keys)


def _has_own_reward(fields: Json) -> bool:
    """Whether the reward is more than one output under another name."""
    return len(as_mapping(fields.get("accuracy"))) > 1


def _by_turns(output: str, overall: object, split: Json) -> Iterator[RankedPairs]:
    parts: list[tuple[Turns, object]] = [("all", overall)]
    parts += [(turns, split.get(key)) for key, turns in _TURNS]
    for turns, value in parts:
        right, fields = as_estimate(value), as_mapping(value)
        if right is not None:
            ties = as_whole(fields.get("tied_labels")), as_whole(fields.get("tied_scores"))
            yield RankedPairs(output, turns, right, *ties)


def _reliability(fields: Json) -> Iterator[Reliability]:
    ranked_by = as_text(fields.get("ranked_by"))
    outputs = [("ranking", ranked_by or "the ranking output")] if ranked_by != "reward" else []
    outputs += [("reward", THE_REWARD)] if _has_own_reward(fields) or not outputs else []
    for key, output in outputs:
        found = as_mapping(as_mapping(fields.get(key)).get("calibration"))
        bins = joined(list(_bins(found.get("bins"))))
        if bins:
            yield Reliability(
                output=output,
                expected_error=as_number(found.get("expected_error")),
                by_chance=as_number(found.get("error_when_calibrated")),
                brier=as_number(found.get("brier")),
                bins=bins,
            )


def _bins(value: object) -> Iterator[Bin]:
    for each in value if isinstance(value, list | tuple) else ():
        fields = as_mapping(each)
        said, seen = as_number(fields.get("predicted")), as_number(fields.get("observed"))
        count = as_whole(fields.get("count"))
        if said is not None and seen is not None and count and 0 <= seen <= 1:
            yield Bin(said, seen, count)


def _label_errors(attributes: Json) -> Iterator[LabelError]:
    for name in in_order(attributes):
        fields = as_mapping(attributes[name])
        error = LabelError(
            attribute=name,
            error=as_number(fields.get("mean_squared_error")),
            constant_error=as_number(fields.get("constant_mean_squared_error")),
            gain=as_estimate(fields.get("error_gain")),
            spearman=as_number(fields.get("spearman")),
            slope=as_number(as_mapping(fields.get("calibration")).get("slope")),
            labels=as_whole(fields.get("labels")),
        )
        if error.labels:
            yield error


def _trained_on(fields: Json, *, judged: int | None) -> Iterator[TrainedOn]:
    """Yield the learning curve and, where it stops short of them, the training on all pairs; none without a curve."""
    points = fields.get("learning_curve")
    found = [as_mapping(each) for each in points] if isinstance(points, list | tuple) else []
    sizes = {as_whole(each.get("pairs")) for each in found}
    if found and as_whole(fields.get("train_pairs")) not in sizes:
        metrics = as_mapping(fields.get("metrics"))
        everything = {name: metrics.get(f"reward/validation_{name}") for name in ("loss", "accuracy")}
        found.append({"pairs": fields.get("train_pairs"), **everything})
    for each in found:
        pairs = as_whole(each.get("pairs"))
        if pairs:
            yield TrainedOn(pairs, as_number(each.get("loss")), _share(as_number(each.get("accuracy")), judged))


def _share(value: float | None, count: int | None) -> Estimate | None:
    """Return a share of `count` pairs with its interval."""
    if value is None or not 0 <= value <= 1:
        return None
    return Estimate(value, *wilson_interval(value, count), count) if count else Estimate(value)


def _judged(preferences: tuple[Preferences, ...]) -> int | None:
    return next((each.untied for each in preferences if each.part == "validation"), None)


def _preferences(parts: Json) -> tuple[Preferences, ...]:
    found = ((name, as_mapping(parts[name])) for name in ("train", "validation") if name in parts)
    return tuple(
        Preferences(name, *(as_whole(fields.get(key)) for key in ("untied", "tied", "not_compared")))
        for name, fields in found
    )
