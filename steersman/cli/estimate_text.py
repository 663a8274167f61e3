"""The estimate of a training as lines for people."""

from collections.abc import Iterator, Mapping
from typing import cast

Section = Mapping[str, object]

_GIGA, _PETA = 1e9, 1e15
_COUNTED = {
    "tokenizer": "counted by the model's tokenizer",
    "characters": "at 4.3 characters per token, since the model's tokenizer is not on this machine",
    "config": "as the section 'estimate' says, since the files are not on this machine",
}
_PARTS = ("weights", "gradients", "optimiser", "best", "buffers", "activations")


def estimate_lines(estimate: Section) -> Iterator[str]:
    """Yield what `pipeline.estimate.run` found, a line per matter, and then what is not known."""
    model = _section(estimate, "model")
    yield f"Estimate for {model['name']}" + (f", by {model['source']}" if model["source"] else "")
    if estimate["parameters"] is not None:
        parameters = _section(estimate, "parameters")
        yield f"parameters  {parameters['total']:,} in all, {parameters['trained']:,} trained"
    if estimate["memory"] is not None:
        yield from _memory_lines(_section(estimate, "memory"), devices=cast(int, estimate["devices"]))
    yield from _row_lines(_section(estimate, "rows"))
    if estimate["steps"] is not None:
        evaluations = estimate["evaluations"]
        yield f"steps       {estimate['steps']:,}" + (f", {evaluations:,} evaluations" if evaluations else "")
    yield from _time_lines(estimate)
    for words in cast("list[str]", estimate["unknown"]):
        yield f"not known   {words}"


def _memory_lines(memory: Section, *, devices: int) -> Iterator[str]:
    parts = ", ".join(f"{name} {_gigabytes(memory[name])}" for name in _PARTS if memory[name])
    each = f" on each of {devices} devices" if devices > 1 else ""
    yield f"memory      {_gigabytes(memory['total'])} GB{each}: {parts}"
    yield f"            with rows of up to {memory['row_tokens']:,} tokens"
    if memory["host_per_process"]:
        yield f"            and at first {_gigabytes(memory['host_per_process'])} GB of its machine for each process"
    if memory["device"] is not None:
        words = "fits into" if memory["fits"] else "does not fit into"
        yield f"            {words} the {_gigabytes(memory['device'])} GB of a device"


def _row_lines(rows: Section) -> Iterator[str]:
    if rows["train_pairs"] is not None:
        dropped = f", {rows['dropped_long']:,} pairs dropped as too long" if rows["dropped_long"] else ""
        validation = rows["validation_pairs"] or 0
        yield f"pairs       {rows['train_pairs']:,} to train on, {validation:,} to validate on{dropped}"
    if rows["train"] is not None:
        counted = _COUNTED[cast(str, rows["counted_by"])]
        yield f"tokens      {_section(rows, 'train')['tokens']:,} per epoch, {counted}"


def _time_lines(estimate: Section) -> Iterator[str]:
    if estimate["operations"] is not None:
        yield f"operations  {cast(int, estimate['operations']) / _PETA:,.4g} x 10^15 floating-point operations"
    if estimate["duration"] is not None:
        duration = _section(estimate, "duration")
        compute, exchange = (cast(float, duration[f"{name}_seconds"]) for name in ("compute", "exchange"))
        slower = f"computing {_time(compute)}, exchange between devices {_time(exchange)}, both at once"
        yield f"time        {_time(cast(float, duration['seconds']))}: {slower}"
        yield f"            {duration['device_hours']:,.2f} device-hours"
    if estimate["cost"] is not None:
        yield f"cost        {estimate['cost']:,.2f}, in the currency of estimate.price_per_device_hour"


def _section(values: Section, name: str) -> Section:
    return cast(Section, values[name])


def _gigabytes(value: object) -> str:
    return f"{cast(int, value) / _GIGA:,.3g}"


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 3600 else f"{seconds / 3600:.3g} h"
