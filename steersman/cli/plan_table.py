"""A plan as plain tables for a terminal."""

import textwrap
from collections.abc import Callable, Mapping, Sequence

from steersman.records import ATTRIBUTES

_WIDTH = 110
_LABEL, _COLUMN = 34, 24
_ATTRIBUTE = "helpfulness"
# below this an amount is shown with one decimal
_SMALL = 100
_STAGES = ("first_three", "all", "selected", "final")

Json = Mapping[str, object]
# the words, the keys that lead to a figure, and how its numbers are written
Line = tuple[str, tuple[str, ...], Callable[[float], str]]


def plan_text(plan: Json) -> str:
    """Return a plan as tables, then what it rests on."""
    designs = _list(plan["designs"])
    asked = next(design for design in designs if design["asked"])
    blocks = [_designs(designs, plan=plan), _attributes(asked), _power(plan), _pilot(plan["pilot"])]
    rests = "\n".join(
        textwrap.fill(f"- {each}", _WIDTH, subsequent_indent="  ") for each in _texts(plan["assumptions"])
    )
    return "\n\n".join([*(block for block in blocks if block), rests])


def _designs(designs: Sequence[Json], *, plan: Json) -> str:
    named = [f"{design['name']}{' (asked)' if design['asked'] else ''}" for design in designs]
    head = f"{plan['tasks']:,} tasks, {plan['replicates']} simulated projects; helpfulness"
    lines = [head, "".join([" " * _LABEL, *(f"{name:>{_COLUMN}}" for name in named)])]
    for words, keys, write in _lines(plan):
        if words.startswith("cost") and designs[0]["cost"] is None:
            continue
        cells = [_cell(_at(design, *keys), write) for design in designs]
        lines.append("".join([f"{words:<{_LABEL}}", *(f"{cell:>{_COLUMN}}" for cell in cells)]))
        if keys[0] == "kappa":
            chance = [_number(_at(design, *keys[:-1], "random_raters"), _decimals(2)) for design in designs]
            lines.append("".join([f"{'  random raters':<{_LABEL}}", *(f"{each:>{_COLUMN}}" for each in chance)]))
    return "\n".join([*lines, *_published(plan)])


def _lines(plan: Json) -> list[Line]:
    unit = f", {plan['currency']}" if plan["currency"] else ""
    error = ("label_error", _ATTRIBUTE)
    return [
        ("ratings per response", ("ratings_per_response",), _decimals(2)),
        ("tasks with more annotators", ("tasks_extended",), _percent),
        ("annotators removed", ("annotators_removed",), _percent),
        ("tasks dropped", ("tasks_dropped",), _percent),
        *(
            (f"kappa, {stage.replace('_', ' ')}", ("kappa", _ATTRIBUTE, stage, "kappa"), _decimals(2))
            for stage in _STAGES
        ),
        ("mean error of a label, levels", (*error, "mean_absolute"), _decimals(2)),
        ("RMSE of a label, levels", (*error, "rmse"), _decimals(2)),
        ("  more than asked, same project", ("against_asked", "rmse"), _decimals(3)),
        ("labels off by one or more", (*error, "off_by_one"), _percent),
        ("  more than asked, same project", ("against_asked", "off_by_one"), _percent),
        ("pairs in the right order", ("preference_order", "right"), _percent),
        ("  more than asked, same project", ("against_asked", "pairs_right"), _percent),
        ("pairs tied", ("preference_order", "tied"), _percent),
        ("pairs in the wrong order", ("preference_order", "wrong"), _percent),
        ("hours of rating", ("hours",), _amount),
        ("hours per kept task", ("hours_per_kept_task",), _decimals(3)),
        (f"cost{unit}", ("cost",), _amount),
        (f"cost per kept task{unit}", ("cost_per_kept_task",), _decimals(2)),
    ]


def _published(plan: Json) -> list[str]:
    kappas = _mapping(_at(plan, "published", "kappa", _ATTRIBUTE))
    shown = ", ".join(f"{kappas[stage]} {_words(stage)}" for stage in _STAGES if stage in kappas)
    ratings = _at(plan, "published", "ratings_per_response")
    return [f"published for HelpSteer2: {ratings} ratings per response; kappa {shown}"]


def _attributes(asked: Json) -> str:
    columns = [*(f"kappa {_words(stage)}" for stage in _STAGES), "mean error", "RMSE", "off by one"]
    lines = [
        f"all attributes, {asked['name']} (mean of the projects)",
        "".join([f"{'':<13}", *(f"{each:>{max(12, len(each) + 2)}}" for each in columns)]),
    ]
    for attribute in ATTRIBUTES:
        kappas = [_number(_at(asked, "kappa", attribute, each, "kappa", "mean"), _decimals(2)) for each in _STAGES]
        errors = [
            _number(_at(asked, "label_error", attribute, each, "mean"), write)
            for each, write in (("mean_absolute", _decimals(2)), ("rmse", _decimals(2)), ("off_by_one", _percent))
        ]
        cells = zip([*kappas, *errors], columns, strict=True)
        lines.append("".join([f"{attribute:<13}", *(f"{cell:>{max(12, len(name) + 2)}}" for cell, name in cells)]))
    return "\n".join(lines)


def _power(plan: Json) -> str:
    power = _mapping(plan["power"]).get(_ATTRIBUTE)
    if power is None:
        return ""
    widths = [
        f"{each['tasks']:>8,}{_number(each['kappa'], _decimals(3)):>12}{_number(each['difference'], _decimals(3)):>14}"
        for each in _list(_at(power, "half_widths"))
    ]
    needed = [
        f"a difference of {each['difference']} is seen at {_tasks(each['same_annotators'])} per version by the same "
        f"annotators, at {_tasks(each['new_annotators'])} by new ones"
        for each in _list(_at(power, "tasks_needed"))
    ]
    seen = _number(_at(power, "smallest_difference"), _decimals(3))
    return "\n".join(
        [
            "half of the 95 % interval of the first kappa on helpfulness, the annotators as they are",
            f"{'tasks':>8}{'kappa':>12}{'difference':>14}",
            *widths,
            f"two versions of the guidelines, power {_number(plan['power_wanted'], _percent)}",
            *needed,
            f"the planned tasks, half with each version and the same annotators, show a difference of {seen}",
            f"kappa varies by {_number(_at(power, 'crowd_sd'), _decimals(3))} (sd) with the people who are hired, "
            "however many tasks they rate",
        ]
    )


def _pilot(pilot: object) -> str:
    if pilot is None:
        return ""
    noise, leaning = _at(pilot, "noise_sd"), _at(pilot, "bias_sd")
    lines = [
        f"fitted to the pilot: noise sd {noise}, bias sd {leaning}; first three ratings of the pilot, and simulated",
        "".join([f"{'':<13}", *(f"{name:>8}{'simulated':>11}" for name in ("kappa", "mean", "sd"))]),
    ]
    for attribute in ATTRIBUTES:
        own, fitted = _at(pilot, "first", attribute), _at(pilot, "first_simulated", attribute)
        pairs = [[_number(_at(each, name), _decimals(2)) for each in (own, fitted)] for name in ("kappa", "mean", "sd")]
        lines.append("".join([f"{attribute:<13}", *(f"{one:>8}{other:>11}" for one, other in pairs)]))
    return "\n".join(lines)


def _cell(expected: object, write: Callable[[float], str]) -> str:
    if expected is None:
        return "-"
    mean, low, high = (_at(expected, key) for key in ("mean", "low", "high"))
    if low == high:
        return _number(mean, write)
    # the unit once is enough
    ends = " ".join(_number(each, write).rstrip(" %") for each in (low, high))
    return f"{_number(mean, write)} [{ends}]"


def _number(value: object, write: Callable[[float], str]) -> str:
    return write(value) if isinstance(value, int | float) else "-"


def _decimals(number: int) -> Callable[[float], str]:
    # adding 0 takes the sign from a negative zero
    return lambda value: f"{round(value, number) + 0.0:,.{number}f}"


def _amount(value: float) -> str:
    return _decimals(1 if abs(value) < _SMALL else 0)(value)


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _tasks(number: object) -> str:
    return f"{number:,} tasks" if isinstance(number, int) else "no number of tasks"


def _words(stage: str) -> str:
    return stage.replace("_", " ")


def _at(value: object, *keys: str) -> object:
    """Return what lies below `value` under the keys, None where nothing does."""
    for key in keys:
        value = None if value is None else _mapping(value).get(key)
    return value


def _mapping(value: object) -> Json:
    if not isinstance(value, Mapping):
        raise TypeError(f"a mapping is needed, got {type(value).__name__}")
    return value


def _list(value: object) -> list[Json]:
    return [_mapping(each) for each in value] if isinstance(value, list | tuple) else []


def _texts(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list | tuple) else []
