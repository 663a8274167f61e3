"""Render a plan as one HTML page that loads nothing and runs no script."""

from collections.abc import Callable
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from steersman import __version__
from steersman.report import plan_charts, plan_wording, wording
from steersman.report.plan_data import PLAN_STAGES, DesignFigures, Expected, PlanFigures

_TEMPLATE = "plan.html"
NOT_DEFINED = "not defined"
_SMALL_AMOUNT = 100
ZERO = Expected(0.0, 0.0, 0.0)
_STAGES = tuple((stage, stage.replace("_", " ")) for stage in PLAN_STAGES)


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table of designs: what it is, and its figure for each design, written with so many digits."""

    what: str
    cells: tuple[Expected | None, ...]
    digits: int


def render_plan(plan: PlanFigures) -> str:
    """Return the whole page; equal plans give equal pages."""
    power = plan.power.get(plan_charts.ATTRIBUTE)
    return (
        _environment()
        .get_template(_TEMPLATE)
        .render(
            plan=plan,
            asked=asked_design(plan),
            rows=design_rows(plan),
            stages=_STAGES,
            power=power,
            kappa_chart=plan_charts.kappa_chart(plan.designs, name="kappa"),
            trade_chart=plan_charts.trade_chart(plan.designs, name="trade"),
            order_chart=plan_charts.order_chart(plan.designs, name="order"),
            power_chart=plan_charts.power_chart(power, name="power", wanted=plan.power_wanted) if power else None,
        )
    )


def asked_design(plan: PlanFigures) -> DesignFigures:
    """Return the design that was asked for."""
    return next(design for design in plan.designs if design.asked)


def design_rows(plan: PlanFigures) -> list[Row]:
    """Return the lines of the table of designs; costs have lines only where there is a pay."""
    unit = f", {plan.currency}" if plan.currency else ""
    asked = asked_design(plan)
    of_helpfulness = plan_charts.ATTRIBUTE
    lines: list[tuple[str, Callable[[DesignFigures], Expected | None], int]] = [
        ("Ratings per response", lambda each: each.ratings_per_response, 2),
        ("Tasks with more annotators, %", lambda each: share(each.tasks_extended), 1),
        ("Annotators removed, %", lambda each: share(each.annotators_removed), 1),
        ("Tasks dropped, %", lambda each: share(each.tasks_dropped), 1),
        *((f"Kappa, {words}", _kappa_of(stage), 2) for stage, words in _STAGES),
        ("Error of a label, levels (RMSE)", lambda each: each.label_error[of_helpfulness].rmse, 2),
        ("more than asked, same project", _against("rmse"), 3),
        ("Labels off by one or more, %", lambda each: share(each.label_error[of_helpfulness].off_by_one), 1),
        ("more than asked, same project", lambda each: share(_against("off_by_one")(each)), 1),
        ("Pairs in the right order, %", lambda each: share(each.preference_order.right), 1),
        ("more than asked, same project", lambda each: share(_against("pairs_right")(each)), 1),
        ("Pairs tied, %", lambda each: share(each.preference_order.tied), 1),
        ("Pairs in the wrong order, %", lambda each: share(each.preference_order.wrong), 1),
        ("Hours of rating", lambda each: each.hours, amount_digits(asked.hours)),
        ("Hours per kept task", lambda each: each.hours_per_kept_task, 3),
        (f"Cost{unit}", lambda each: each.cost, amount_digits(asked.cost)),
        (f"Cost per kept task{unit}", lambda each: each.cost_per_kept_task, 2),
    ]
    rows = [Row(what, tuple(figure(each) for each in plan.designs), digits) for what, figure, digits in lines]
    has_pay = any(each.cost for each in plan.designs)
    return [row for row in rows if has_pay or not row.what.startswith("Cost")]


def _kappa_of(stage: str) -> Callable[[DesignFigures], Expected | None]:
    return lambda design: design.kappa[plan_charts.ATTRIBUTE][stage].kappa


def _against(contrast: str) -> Callable[[DesignFigures], Expected | None]:
    return lambda design: ZERO if design.asked else design.against_asked[contrast]


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("steersman.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        {each.__name__: each for each in (wording.figure, plan_wording.shown, amount_digits, number, mean, ends, share)}
    )
    environment.globals.update(steersman_version=__version__)
    return environment


def mean(expected: Expected | None, digits: int = 0) -> str:
    """Return the mean of a figure."""
    return NOT_DEFINED if expected is None else number(expected.mean, digits)


def ends(expected: Expected | None, digits: int = 0) -> str:
    """Return where the figure of one more project would lie, nothing where it is always the same."""
    if expected is None or expected.low == expected.high:
        return ""
    return f"{number(expected.low, digits)} to {number(expected.high, digits)}"


def amount_digits(amount: Expected | None) -> int:
    """Return with how many decimals hours and costs like this one are written: one below 100, else none."""
    return 1 if amount is not None and amount.mean < _SMALL_AMOUNT else 0


def number(value: float | None, digits: int = 0) -> str:
    """Return a number, without a sign where nothing but zeros is left of it."""
    return NOT_DEFINED if value is None else wording.figure(round(value, digits) + 0.0, digits)


def share(expected: Expected | None) -> Expected | None:
    """Return a share between 0 and 1 in percent."""
    return None if expected is None else Expected(100 * expected.mean, 100 * expected.low, 100 * expected.high)
