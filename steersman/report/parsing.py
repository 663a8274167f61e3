"""Turn the JSON a run left behind into the records of the page.

Runs of older or newer versions may lack a key: what is absent, of another type or not finite becomes None, and the
page says "not recorded".
"""

import math
from collections.abc import Mapping, Sequence

from steersman.records import ATTRIBUTES, NUM_LEVELS
from steersman.report.data import (
    AGREEMENT_STAGES,
    Agreement,
    AgreementFigure,
    AncestorVerdict,
    CurvePoint,
    DatasetStatistics,
    Estimate,
    Evaluation,
    LabelStatistics,
    Licences,
    Sample,
    StageTime,
    Training,
)

Json = Mapping[str, object]


def as_mapping(value: object) -> Json:
    """Return a JSON object as it is, anything else as an empty one."""
    return value if isinstance(value, Mapping) else {}


def as_number(value: object) -> float | None:
    """Return a finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def as_whole(value: object) -> int | None:
    """Return a whole number, else None."""
    number = as_number(value)
    return int(number) if number is not None and number.is_integer() else None


def as_text(value: object) -> str | None:
    """Return a text that is not empty, else None."""
    return value if isinstance(value, str) and value else None


def as_estimate(value: object) -> Estimate | None:
    """Return `{"estimate", "low", "high", "count"}` as an Estimate, None without an estimate."""
    fields = as_mapping(value)
    estimate = as_number(fields.get("estimate"))
    if estimate is None:
        return None
    low, high = as_number(fields.get("low")), as_number(fields.get("high"))
    return Estimate(estimate, low, high, as_whole(fields.get("count")))


def _attributes_in(values: Json) -> list[str]:
    return [name for name in ATTRIBUTES if isinstance(values.get(name), Mapping)]


def parse_statistics(value: object) -> DatasetStatistics:
    """Return the contents of statistics.json."""
    fields = as_mapping(value)
    characters = as_mapping(fields.get("characters"))
    return DatasetStatistics(
        rows=as_whole(fields.get("rows")),
        tasks=as_whole(fields.get("tasks")),
        multi_turn_share=as_number(fields.get("multi_turn_share")),
        turns=as_number(as_mapping(fields.get("turns_in_prompt")).get("mean")),
        prompt_characters=as_number(characters.get("prompt")),
        response_characters=as_number(characters.get("response")),
        labels=tuple(_labels(name, as_mapping(fields[name])) for name in _attributes_in(fields)),
    )


def _labels(attribute: str, fields: Json) -> LabelStatistics:
    return LabelStatistics(
        attribute=attribute,
        mean=as_number(fields.get("mean")),
        std=as_number(fields.get("std")),
        pearson_helpfulness=as_number(fields.get("pearson_helpfulness")),
        histogram=_histogram(fields.get("histogram")),
    )


def _histogram(value: object) -> tuple[int, ...]:
    counts = [as_whole(each) for each in value] if isinstance(value, list) else []
    whole = tuple(each for each in counts if each is not None)
    return whole if len(whole) == len(counts) == NUM_LEVELS else ()


def parse_agreement(value: object) -> Agreement:
    """Return the contents of agreement.json; it may hold a note alone."""
    fields = as_mapping(value)
    figures = [
        _agreement_figure(attribute, stage, as_mapping(as_mapping(fields[attribute])[stage]))
        for attribute in _attributes_in(fields)
        for stage in AGREEMENT_STAGES
        if stage in as_mapping(fields[attribute])
    ]
    return Agreement(tuple(figures), as_text(fields.get("note")))


def _agreement_figure(attribute: str, stage: str, fields: Json) -> AgreementFigure:
    kappa = as_number(fields.get("kappa_quadratic"))
    ends = fields.get("kappa_ci95")
    low, high = (as_number(end) for end in ends) if isinstance(ends, list) and len(ends) == 2 else (None, None)
    tasks = as_whole(fields.get("tasks"))
    return AgreementFigure(
        attribute=attribute,
        stage=stage,
        kappa=None if kappa is None else Estimate(kappa, low, high, tasks),
        alpha=as_number(fields.get("alpha_ordinal")),
        random_raters=as_number(fields.get("random_raters")),
        tasks=tasks,
        ratings=as_whole(fields.get("ratings")),
    )


def parse_training(result: object, *, log: Sequence[Json], prefix: str) -> Training:
    """Return a training stage from its result.json and the lines of its metrics.jsonl, named `prefix/what`."""
    fields = as_mapping(result)
    accuracy = as_mapping(fields.get("accuracy"))
    found = ((name, as_estimate(accuracy[name])) for name in _attributes_in(accuracy))
    return Training(
        curve=tuple(_curve_point(row, prefix=prefix) for row in log if as_whole(row.get("step")) is not None),
        steps=as_whole(fields.get("steps")),
        seconds=as_number(fields.get("seconds")),
        tokens=as_whole(fields.get("tokens")),
        best_step=as_whole(fields.get("best_step")),
        constant_predictor_mse=as_number(fields.get("constant_predictor_mse")),
        train_pairs=as_whole(fields.get("train_pairs")),
        validation_pairs=as_whole(fields.get("validation_pairs")),
        dropped_long=as_whole(fields.get("dropped_long")),
        dropped_equal=as_whole(fields.get("dropped_equal")),
        accuracy=tuple((name, estimate) for name, estimate in found if estimate is not None),
    )


def _curve_point(row: Json, *, prefix: str) -> CurvePoint:
    return CurvePoint(
        step=as_whole(row.get("step")) or 0,
        train_loss=as_number(row.get(f"{prefix}/train_loss")),
        validation_loss=as_number(row.get(f"{prefix}/validation_loss")),
        validation_accuracy=as_number(row.get(f"{prefix}/validation_accuracy")),
        margin=as_number(row.get(f"{prefix}/margin")),
    )


def parse_evaluation(result: object, *, samples: Sequence[Json]) -> Evaluation:
    """Return the comparison from its result.json and the rows of samples.jsonl."""
    fields = as_mapping(result)
    return Evaluation(
        prompts=as_whole(fields.get("prompts")),
        reward_before=as_estimate(fields.get("reward_before")),
        reward_after=as_estimate(fields.get("reward_after")),
        reward_difference=as_estimate(fields.get("reward_difference")),
        win_share=as_estimate(fields.get("win_share")),
        length_before=as_estimate(fields.get("length_before")),
        length_after=as_estimate(fields.get("length_after")),
        scorer_note=as_text(fields.get("scorer_note")),
        samples=tuple(_sample(row) for row in samples),
    )


def _sample(row: Json) -> Sample:
    return Sample(
        prompt_id=as_text(row.get("prompt_id")) or "",
        prompt=as_text(row.get("prompt")) or "",
        before=as_text(row.get("before")) or "",
        after=as_text(row.get("after")) or "",
        reward_before=as_number(row.get("reward_before")),
        reward_after=as_number(row.get("reward_after")),
    )


def parse_licences(value: Json) -> Licences:
    """Return the result of the licences verb; an unknown verdict counts as unclear."""
    verdict = value.get("commercial_use")
    reasons, ancestors = value.get("reasons"), value.get("ancestors")
    return Licences(
        commercial_use=verdict if verdict in ("clear", "forbidden") else "unclear",
        reasons=tuple(str(reason) for reason in reasons) if isinstance(reasons, list | tuple) else (),
        ancestors=tuple(_ancestor(as_mapping(each)) for each in ancestors)
        if isinstance(ancestors, list | tuple)
        else (),
    )


def _ancestor(fields: Json) -> AncestorVerdict:
    return AncestorVerdict(
        work=as_text(fields.get("work")) or "not recorded",
        kind=as_text(fields.get("kind")) or "not recorded",
        role=as_text(fields.get("role")) or "not recorded",
        licence=as_text(fields.get("licence")),
        verdict=as_text(fields.get("verdict")) or "unclear",
        reason=as_text(fields.get("reason")) or "",
        simulated=fields.get("simulated") is True,
    )


def parse_times(log: Sequence[Json]) -> tuple[StageTime, ...]:
    """Return one entry per stage of a run's metrics.jsonl, in order of first mention.

    A stage that was reused keeps the time and memory of the run that made it where the log still holds them; else its
    memory is unknown, for what the log says of it is that of a process that did nothing.
    """
    entries: dict[str, StageTime] = {}
    for row in log:
        stage, seconds = as_text(row.get("stage")), as_number(row.get("seconds"))
        if stage is None or seconds is None:
            continue
        reused, peak = row.get("reused") is True, as_number(row.get("peak_rss_bytes"))
        earlier = entries.get(stage)
        if reused:
            seconds, peak = (earlier.seconds, earlier.peak_rss_bytes) if earlier else (seconds, None)
        entries[stage] = StageTime(stage, seconds, peak, reused)
    return tuple(entries.values())
