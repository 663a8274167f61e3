"""The charts of how a reward model was judged: inline SVG, or None where nothing was recorded."""

from collections.abc import Sequence

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter, NullLocator, PercentFormatter

from steersman.report.charts import draw_estimate
from steersman.report.data import Estimate
from steersman.report.drawing import ACCENT, INK, MUTED, SECOND, THIRD, drawing, new_figure, to_svg
from steersman.report.reward_data import LabelError, RankedPairs, Reliability, TrainedOn

_WIDTH = 400
_ROW = 46
_DASHES = (0, (5, 3))
# labels of neighbouring sizes that are closer than this factor would touch
_APART = 1.35
# a chance axis that ends below this would make small differences look large
_NARROWEST = 0.75


def turns_chart(ranked: Sequence[RankedPairs], *, name: str) -> Markup | None:
    """Draw the accuracy on single-turn beside that on multi-turn prompts; None where one of the two is missing."""
    split = [each for each in ranked if each.turns != "all"]
    if len({each.turns for each in split}) < 2:
        return None
    outputs = list(dict.fromkeys(each.output for each in split))
    looks = {"single turn": (ACCENT, "o", -0.16), "multi-turn": (THIRD, "D", 0.16)}
    with drawing():
        figure, axes = new_figure(_WIDTH, _ROW * len(outputs) + 62)
        axes.axvline(0.5, color=SECOND, linestyle=_DASHES, linewidth=1.6)
        for each in split:
            colour, marker, offset = looks[each.turns]
            draw_estimate(axes, each.right, row=outputs.index(each.output) + offset, colour=colour, marker=marker)
        _rows(axes, outputs)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set_xlabel("pairs ordered right")
        words = "; ".join(f"{each.output}, {each.turns}, {each.right.value:.1%}" for each in split)
        return to_svg(figure, name=name, label=f"Pairs ordered right by turns of the prompt: {words}; chance is 50%.")


def _rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names, color=INK)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)


def reliability_chart(found: Reliability, *, name: str) -> Markup:
    """Draw how often the response with the higher score was the preferred one, by how likely that was said to be."""
    with drawing():
        figure, axes = new_figure(_WIDTH, 290)
        right = min(1.0, max(_NARROWEST, *(each.said + 0.05 for each in found.bins)))
        axes.plot([0.5, right], [0.5, right], color=SECOND, linestyle=_DASHES, linewidth=1.6)
        for each in found.bins:
            axes.plot([each.said] * 2, each.seen_interval, color=ACCENT, linewidth=2, solid_capstyle="round")
        said, seen = [each.said for each in found.bins], [each.seen for each in found.bins]
        axes.plot(said, seen, color=ACCENT, marker="o", markersize=7, linewidth=1)
        axes.set(xlim=(0.49, right + 0.01), ylim=(-0.02, 1.02))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set_xlabel("said: sigmoid of the gap")
        axes.set_ylabel("seen: preferred")
        axes.grid(visible=False, axis="x")
        words = "; ".join(f"said {each.said:.0%}, seen {each.seen:.0%} of {each.count} pairs" for each in found.bins)
        return to_svg(figure, name=name, label=f"Calibration of preferences by {found.output}: {words}.")


def errors_chart(errors: Sequence[LabelError], *, name: str) -> Markup | None:
    """Draw the squared error of each attribute beside that of its mean training label."""
    known = [(each.attribute, each.error, each.constant_error) for each in errors]
    rows = [(label, own, other) for label, own, other in known if own is not None and other is not None]
    if not rows:
        return None
    with drawing():
        figure, axes = new_figure(_WIDTH, 34 * len(rows) + 62)
        for row, (_, own, other) in enumerate(rows):
            axes.plot([own, other], [row, row], color=MUTED, linewidth=1)
            axes.plot([other], [row], marker="|", markersize=14, markeredgewidth=2.5, color=SECOND)
            axes.plot([own], [row], marker="o", markersize=7, color=ACCENT, linestyle="none")
        _rows(axes, [label for label, _, _ in rows])
        axes.set_xlim(0, max(max(own, other) for _, own, other in rows) * 1.08)
        axes.set_xlabel("mean squared error, in squared levels")
        words = "; ".join(f"{label} {own:.3f}, constant {other:.3f}" for label, own, other in rows)
        return to_svg(figure, name=name, label=f"Squared error by attribute: {words}.")


def loss_by_pairs(trained: Sequence[TrainedOn], *, name: str, line: float | None) -> Markup | None:
    """Draw the validation loss by the pairs trained on; `line` is the loss of the constant predictor."""
    points = [(each.pairs, each.loss) for each in trained if each.loss is not None]
    if len(points) < 2:
        return None
    with drawing():
        figure, axes = new_figure(_WIDTH, 250)
        axes.plot(*zip(*points, strict=True), color=ACCENT, marker="o", markersize=6)
        if line is not None:
            axes.axhline(line, color=SECOND, linestyle=_DASHES, linewidth=1.6)
        _pairs_axis(axes, [pairs for pairs, _ in points])
        axes.set_ylabel("validation loss")
        axes.margins(y=0.12)
        words = "; ".join(f"{loss:.3f} after {pairs} pairs" for pairs, loss in points)
        return to_svg(figure, name=name, label=f"Validation loss by pairs trained on: {words}.")


def accuracy_by_pairs(trained: Sequence[TrainedOn], *, name: str) -> Markup | None:
    """Draw the validation accuracy by the pairs trained on, with the line that chance reaches."""
    points = [(each.pairs, each.accuracy) for each in trained if each.accuracy is not None]
    if len(points) < 2:
        return None
    with drawing():
        figure, axes = new_figure(_WIDTH, 250)
        for pairs, estimate in points:
            if estimate.low is not None and estimate.high is not None:
                axes.plot([pairs] * 2, [estimate.low, estimate.high], color=ACCENT, linewidth=2)
        axes.plot(*zip(*((pairs, each.value) for pairs, each in points), strict=True), color=ACCENT, marker="o")
        axes.axhline(0.5, color=SECOND, linestyle=_DASHES, linewidth=1.6)
        _pairs_axis(axes, [pairs for pairs, _ in points])
        axes.set_ylabel("pairs ordered right")
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        words = "; ".join(f"{each.value:.1%} after {pairs} pairs" for pairs, each in points)
        return to_svg(figure, name=name, label=f"Validation accuracy by pairs trained on: {words}; chance is 50%.")


def _pairs_axis(axes: Axes, sizes: Sequence[int]) -> None:
    """Let equal factors of pairs be equally far apart, and name the sizes that were trained on."""
    axes.set_xscale("log")
    shown: list[int] = []
    for size in sorted(sizes, reverse=True):
        if not shown or shown[-1] / size >= _APART:
            shown.append(size)
    axes.xaxis.set_major_locator(FixedLocator(shown))
    axes.xaxis.set_major_formatter(lambda size, _: f"{size:,.0f}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("pairs trained on")
    axes.grid(visible=False, axis="x")


def weights_chart(weights: Sequence[tuple[str, float]], *, name: str) -> Markup | None:
    """Draw the weight of each attribute in the reward; what counts against a response points to the left."""
    if not weights:
        return None
    with drawing():
        figure, axes = new_figure(_WIDTH, 30 * len(weights) + 56)
        for row, (_, weight) in enumerate(weights):
            axes.barh(row, weight, height=0.6, color=ACCENT if weight > 0 else SECOND)
        _rows(axes, [label for label, _ in weights])
        axes.axvline(0, color=MUTED, linewidth=1)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.set_xlabel("weight in the reward")
        words = "; ".join(f"{label} {weight:+.2f}" for label, weight in weights)
        return to_svg(figure, name=name, label=f"Weights of the reward: {words}.")


def overall(ranked: Sequence[RankedPairs]) -> list[tuple[str, Estimate]]:
    """Return the shares over prompts of any turns, by output."""
    return [(each.output, each.right) for each in ranked if each.turns == "all"]
