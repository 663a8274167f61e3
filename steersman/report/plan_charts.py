"""The charts of a plan: what designs buy, what they cost, and how many tasks it takes to see a difference."""

from collections.abc import Sequence

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from steersman.report.charts import agreement_chart
from steersman.report.data import AgreementFigure, Estimate
from steersman.report.drawing import ACCENT, INK, LINE, MUTED, PAPER, SECOND, THIRD, drawing, new_figure, to_svg
from steersman.report.plan_data import DesignFigures, Expected, PowerFigures
from steersman.report.plan_wording import shown

WIDTH = 400
_SMALL = 11
ATTRIBUTE = "helpfulness"
# fill and ink of the shares that are right, tied and wrong
_ORDER = ((ACCENT, PAPER), (LINE, INK), (SECOND, PAPER))
_SHOWN_INSIDE = 0.1


def kappa_chart(designs: Sequence[DesignFigures], *, name: str) -> Markup | None:
    """Draw kappa of helpfulness of each design at each stage of cleaning, beside that of random raters."""
    figures = [
        AgreementFigure(shown(design.name), stage, _estimate(each.kappa), None, each.random_raters, None, None)
        for design in designs
        for stage, each in design.kappa[ATTRIBUTE].items()
    ]
    return agreement_chart(figures, name=name, groups="design")


def trade_chart(designs: Sequence[DesignFigures], *, name: str) -> Markup:
    """Draw how much more a label of each design errs than one of the asked design, beside the hours it takes."""
    known = [(each, Expected(0.0, 0.0, 0.0) if each.asked else each.against_asked["rmse"]) for each in designs]
    rows = [(each, error) for each, error in known if error is not None]
    with drawing():
        figure, axes = new_figure(WIDTH, 42 * len(rows) + 56)
        axes.axvline(0.0, color=MUTED, linewidth=1)
        for row, (design, error) in enumerate(rows):
            colour = ACCENT if design.asked else MUTED
            axes.plot([error.low, error.high], [row] * 2, color=colour, solid_capstyle="round")
            axes.plot([error.mean], [row], marker="o", markersize=8, color=colour, linestyle="none")
        labels = [f"{shown(each.name)}\n{each.hours.mean:,.0f} hours" for each, _ in rows]
        axes.set_yticks(range(len(rows)), labels, color=INK)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.margins(x=0.1)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda error, _: _signed(error)))
        axes.set_xlabel("RMSE of a label beside the asked design, levels")
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        words = "; ".join(f"{each.name} {each.hours.mean:,.0f} hours, {error.mean:+.3f}" for each, error in rows)
        return to_svg(figure, name=name, label=f"Hours, and error of labels beside the asked design: {words}.")


def _signed(error: float) -> str:
    return f"{error:+.3g}".replace("-", "\u2212") if error else "0"


def order_chart(designs: Sequence[DesignFigures], *, name: str) -> Markup | None:
    """Draw the shares of pairs that the labels of each design put in the right order, level, and in the wrong one."""
    known = [(each, shares) for each in designs if (shares := _order(each)) is not None]
    if not known:
        return None
    with drawing():
        figure, axes = new_figure(WIDTH, 34 * len(known) + 62)
        for row, (_, shares) in enumerate(known):
            _order_bar(axes, shares, row=row)
        axes.set_yticks(range(len(known)), [shown(each.name) for each, _ in known], color=INK)
        axes.set(ylim=(len(known) - 0.5, -0.95), xlim=(0, 1.1), xticks=[])
        right, tied, _ = known[0][1]
        for word, place in (("right", right / 2), ("tied", right + tied / 2), ("wrong", 1.0)):
            axes.text(place, -0.62, word, ha="center", color=MUTED)
        axes.grid(visible=False)
        axes.spines[["left", "bottom"]].set_visible(False)
        words = "; ".join(
            f"{each.name} {shares[0]:.0%} right, {shares[1]:.0%} tied, {shares[2]:.0%} wrong" for each, shares in known
        )
        return to_svg(figure, name=name, label=f"Order of the two responses by helpfulness labels: {words}.")


def _order(design: DesignFigures) -> tuple[float, float, float] | None:
    order = design.preference_order
    if order.right is None or order.tied is None or order.wrong is None:
        return None
    return order.right.mean, order.tied.mean, order.wrong.mean


def _order_bar(axes: Axes, shares: Sequence[float], *, row: int) -> None:
    start = 0.0
    for share, (fill, ink) in zip(shares, _ORDER, strict=True):
        axes.barh(row, share, left=start, height=0.66, color=fill)
        start += share
        if share >= _SHOWN_INSIDE:
            axes.text(start - share / 2, row, f"{share:.0%}", ha="center", va="center", color=ink, size=_SMALL)
    if shares[-1] < _SHOWN_INSIDE:
        axes.text(1.01, row, f"{shares[-1]:.0%}", va="center", color=INK, size=_SMALL)


def power_chart(power: PowerFigures, *, name: str, wanted: float) -> Markup:
    """Draw how the intervals of kappa and of a difference shrink, and which difference is seen, by number of tasks."""
    tasks = [each.tasks for each in power.half_widths]
    lines = [
        ("interval of kappa, half", [each.kappa for each in power.half_widths], ACCENT, "-"),
        ("of a difference, half", [each.difference for each in power.half_widths], SECOND, (0, (5, 3))),
    ]
    with drawing():
        figure, axes = new_figure(WIDTH, 280)
        axes.set(xscale="log", yscale="log")
        for _, heights, colour, style in lines:
            axes.plot(tasks, heights, color=colour, linestyle=style)
        seen = [(each.same_annotators, each.difference) for each in power.tasks_needed if each.same_annotators]
        axes.plot(*zip(*seen, strict=True), color=THIRD, marker="D", markersize=8, linestyle="none")
        for number, difference in seen:
            axes.annotate(
                f"{difference:g}: {number:,}",
                (float(number or 0), difference),
                xytext=(7, 5),
                textcoords="offset points",
                color=INK,
                size=_SMALL,
            )
        axes.xaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:,.0f}"))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda height, _: f"{height:g}"))
        axes.set_yticks([0.005, 0.01, 0.02, 0.05, 0.1, 0.2])
        axes.yaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("tasks (per version for a difference)")
        axes.set_ylabel("kappa")
        words = "; ".join(f"a difference of {difference:g} is seen at {number:,} tasks" for number, difference in seen)
        return to_svg(figure, name=name, label=f"Number of tasks and precision of kappa, power {wanted:.0%}: {words}.")


def _estimate(expected: Expected | None) -> Estimate | None:
    return None if expected is None else Estimate(expected.mean, expected.low, expected.high)
