"""The charts of the report. Each function takes records and returns inline SVG, or None where nothing was recorded.

Sizes are small on purpose: a chart is scaled to its box, and on a phone its letters must stay readable.
"""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from steersman.records import NUM_LEVELS
from steersman.report.data import (
    AGREEMENT_STAGES,
    AgreementFigure,
    CurvePoint,
    Estimate,
    Evaluation,
    LabelStatistics,
    StageTime,
    Training,
)
from steersman.report.drawing import ACCENT, INK, LINE, MUTED, SECOND, drawing, new_figure, to_svg

_WIDTH = 400
_ROW = 17
_SMALL = 11
_STAGE_LOOKS = {
    "first_three": ("first three", MUTED, "s"),
    "all": ("all", MUTED, "o"),
    "selected": ("selected", ACCENT, "D"),
    "final": ("final", ACCENT, "o"),
}


def label_histogram(labels: LabelStatistics, *, name: str) -> Markup | None:
    """Draw the share of each level 0-4 of one attribute."""
    total = sum(labels.histogram)
    if not total:
        return None
    shares = [count / total for count in labels.histogram]
    with drawing():
        figure, axes = new_figure(200, 132)
        axes.bar(range(NUM_LEVELS), shares, width=0.72, color=ACCENT)
        for level, share in enumerate(shares):
            axes.text(level, share + 0.02, f"{share:.0%}", ha="center", va="bottom", color=MUTED, size=_SMALL)
        axes.set(ylim=(0, max(shares) + 0.14), xticks=range(NUM_LEVELS), yticks=[])
        axes.grid(visible=False)
        axes.spines["left"].set_visible(False)
        words = ", ".join(f"level {level} {share:.0%}" for level, share in enumerate(shares))
        return to_svg(figure, name=name, label=f"Labels of {labels.attribute}: {words}.")


def agreement_chart(figures: Sequence[AgreementFigure], *, name: str, groups: str = "attribute") -> Markup | None:
    """Draw kappa with its interval for each attribute and stage, and what random raters reach beside it.

    `groups` is the word for what the figures' attributes are.
    """
    known = [each for each in figures if each.kappa is not None]
    if not known:
        return None
    attributes = list(dict.fromkeys(each.attribute for each in known))
    block = len(AGREEMENT_STAGES) + 1.5
    with drawing():
        figure, axes = new_figure(_WIDTH, int(_ROW * block * len(attributes)) + 50)
        for each in known:
            row = attributes.index(each.attribute) * block + 1 + AGREEMENT_STAGES.index(each.stage)
            _agreement_row(axes, each, row=row)
        for index, attribute in enumerate(attributes):
            axes.text(
                -0.01,
                index * block,
                attribute,
                transform=axes.get_yaxis_transform(),
                ha="right",
                va="center",
                weight="bold",
            )
        rows = [i * block + 1 + j for i in range(len(attributes)) for j in range(len(AGREEMENT_STAGES))]
        axes.set_yticks(rows, [_STAGE_LOOKS[stage][0] for stage in AGREEMENT_STAGES] * len(attributes), size=_SMALL)
        axes.set_ylim(block * len(attributes) - 1, -1)
        axes.set_xlabel("quadratic-weighted kappa (1 = full, 0 = chance)")
        axes.axvline(0, color=MUTED, linewidth=1)
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        return to_svg(figure, name=name, label=f"Agreement by {groups} and stage of cleaning; the table gives it all.")


def _agreement_row(axes: Axes, figure: AgreementFigure, *, row: float) -> None:
    _, colour, marker = _STAGE_LOOKS[figure.stage]
    if figure.random_raters is not None:
        axes.plot([figure.random_raters], [row], marker="|", markersize=11, markeredgewidth=2.5, color=SECOND)
    if figure.kappa is not None:
        draw_estimate(axes, figure.kappa, row=row, colour=colour, marker=marker)


def draw_estimate(axes: Axes, estimate: Estimate, *, row: float, colour: str, marker: str = "o") -> None:
    """Draw an estimate in a row of its own, with its interval where there is one."""
    if estimate.low is not None and estimate.high is not None:
        axes.plot([estimate.low, estimate.high], [row, row], color=colour, linewidth=2, solid_capstyle="round")
    axes.plot([estimate.value], [row], marker=marker, markersize=7, color=colour, linestyle="none")


def loss_chart(training: Training, *, name: str, line: tuple[str, float] | None) -> Markup | None:
    """Draw train and validation loss by step; `line` is a level to compare with, and its name."""
    train = [(point.step, point.train_loss) for point in training.curve if point.train_loss is not None]
    validation = [(point.step, point.validation_loss) for point in training.curve if point.validation_loss is not None]
    if not train and not validation:
        return None
    with drawing():
        figure, axes = new_figure(_WIDTH, 280)
        if train:
            axes.plot(*zip(*train, strict=True), color=MUTED, linewidth=1.4)
        if validation:
            axes.plot(*zip(*validation, strict=True), color=ACCENT, marker="o", markersize=5)
        kept = [point for point in validation if point[0] == training.best_step]
        if kept:
            axes.plot(*kept[0], marker="o", markersize=12, markerfacecolor="none", color=ACCENT)
        if line is not None:
            axes.axhline(line[1], color=SECOND, linestyle=(0, (5, 3)), linewidth=1.6)
        _step_axis(axes, "loss")
        # the first steps of a fresh head tower over everything worth seeing
        values = sorted(value for _, value in train + validation)
        top = max(float(np.quantile(values, 0.97)), line[1] if line else 0.0) * 1.08
        if values[-1] > 1.5 * top:
            axes.set_ylim(top=top)
        return to_svg(figure, name=name, label=_loss_words(train, validation, line))


def _loss_words(
    train: Sequence[tuple[int, float]], validation: Sequence[tuple[int, float]], line: tuple[str, float] | None
) -> str:
    words = [
        f"{what} loss from {values[0][1]:.3f} at step {values[0][0]} to {values[-1][1]:.3f} at step {values[-1][0]}"
        for what, values in (("training", train), ("validation", validation))
        if values
    ]
    words += [f"{line[0]} {line[1]:.3f}"] if line else []
    return f"Learning curve: {'; '.join(words)}."


def _step_axis(axes: Axes, what: str) -> None:
    axes.set_xlabel("optimiser step")
    axes.set_ylabel(what)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.grid(visible=False, axis="x")


def share_curve(curve: Sequence[CurvePoint], *, name: str, what: str) -> Markup | None:
    """Draw validation accuracy by step, with the line that chance reaches."""
    points = [(point.step, point.validation_accuracy) for point in curve if point.validation_accuracy is not None]
    if not points:
        return None
    with drawing():
        figure, axes = new_figure(_WIDTH, 280)
        axes.plot(*zip(*points, strict=True), color=ACCENT, marker="o", markersize=5)
        axes.axhline(0.5, color=SECOND, linestyle=(0, (5, 3)), linewidth=1.6)
        _step_axis(axes, what)
        low, high = min(value for _, value in points), max(value for _, value in points)
        axes.set_ylim(max(0.0, min(low, 0.5) - 0.06), min(1.02, max(high, 0.5) + 0.06))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        words = f"from {points[0][1]:.1%} at step {points[0][0]} to {points[-1][1]:.1%} at step {points[-1][0]}"
        return to_svg(figure, name=name, label=f"{what} by step: {words}; chance is 50%.")


def estimates_chart(rows: Sequence[tuple[str, Estimate]], *, name: str, what: str, chance: float) -> Markup | None:
    """Draw shares with their intervals, one row each, against the line that chance reaches."""
    if not rows:
        return None
    with drawing():
        figure, axes = new_figure(_WIDTH, 34 * len(rows) + 62)
        axes.axvline(chance, color=SECOND, linestyle=(0, (5, 3)), linewidth=1.6)
        for row, (_, estimate) in enumerate(rows):
            draw_estimate(axes, estimate, row=row, colour=ACCENT)
        axes.set_yticks(range(len(rows)), [label for label, _ in rows], color=INK)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set_xlabel(what)
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        words = "; ".join(f"{label} {estimate.value:.1%}" for label, estimate in rows)
        return to_svg(figure, name=name, label=f"{what}: {words}; chance is {chance:.0%}.")


def rewards_chart(evaluation: Evaluation, *, name: str) -> Markup | None:
    """Draw the mean reward before and after alignment with intervals."""
    rows = [("before", evaluation.reward_before, MUTED), ("after", evaluation.reward_after, ACCENT)]
    known = [(label, estimate, colour) for label, estimate, colour in rows if estimate is not None]
    if not known:
        return None
    with drawing():
        figure, axes = new_figure(_WIDTH, 150)
        for row, (_, estimate, colour) in enumerate(known):
            draw_estimate(axes, estimate, row=row, colour=colour)
            axes.text(estimate.value, row - 0.2, f"{estimate.value:.2f}", ha="center", va="bottom")
        axes.set_yticks(range(len(known)), [label for label, _, _ in known], color=INK)
        axes.set_ylim(len(known) - 0.6, -0.7)
        axes.margins(x=0.12)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.set_xlabel("mean reward, 95 % interval")
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        words = "; ".join(f"{label} {estimate.value:.2f}" for label, estimate, _ in known)
        return to_svg(figure, name=name, label=f"Mean reward: {words}.")


def change_chart(evaluation: Evaluation, *, name: str) -> Markup | None:
    """Draw how many held-out prompts changed their reward by how much."""
    changes = [sample.change for sample in evaluation.samples if sample.change is not None]
    if len(changes) < 2:
        return None
    reach = max(abs(change) for change in changes) or 1.0
    better, worse = sum(change > 0 for change in changes), sum(change < 0 for change in changes)
    unchanged = len(changes) - better - worse
    # an even number of bins, so that none straddles zero; what is exactly zero belongs to neither side
    counts, edges = np.histogram([change for change in changes if change], bins=14, range=(-reach, reach))
    with drawing():
        figure, axes = new_figure(_WIDTH, 220)
        centres, width = (edges[:-1] + edges[1:]) / 2, 2 * reach / len(counts)
        axes.bar(centres, counts, width=0.76 * width, color=[ACCENT if each > 0 else SECOND for each in centres])
        axes.bar(0, unchanged, width=0.2 * width, color=MUTED)
        axes.axvline(0, color=MUTED, linewidth=1)
        axes.set_xlabel("change of reward on one prompt")
        axes.set_ylabel("prompts")
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.grid(visible=False, axis="x")
        words = f"{better} prompts better, {worse} worse, {unchanged} unchanged"
        return to_svg(figure, name=name, label=f"Change of reward by prompt: {words}.")


def times_chart(times: Sequence[StageTime], *, name: str) -> Markup | None:
    """Draw the seconds of each stage; reused stages are hollow."""
    if not times:
        return None
    with drawing():
        figure, axes = new_figure(_WIDTH, 26 * len(times) + 56)
        for row, time in enumerate(times):
            fill, edge, line = ("none", MUTED, "--") if time.reused else (ACCENT, ACCENT, "-")
            axes.barh(row, time.seconds, height=0.62, facecolor=fill, edgecolor=edge, linestyle=line)
        axes.set_yticks(range(len(times)), [time.stage for time in times], color=INK)
        axes.set_ylim(len(times) - 0.4, -0.6)
        axes.set_xlabel("seconds")
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_color(LINE)
        words = "; ".join(f"{time.stage} {time.seconds:.1f}{' (reused)' if time.reused else ''}" for time in times)
        return to_svg(figure, name=name, label=f"Seconds by stage: {words}.")
