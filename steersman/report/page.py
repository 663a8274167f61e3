"""Render the report: records in, one HTML page out. Everything a run recorded is text and is escaped."""

import math
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from steersman import __version__
from steersman.records import text_to_messages
from steersman.report import charts, reward_charts, reward_wording, wording
from steersman.report.data import Missing, Training, spread_samples
from steersman.report.loop import tall_loop, wide_loop
from steersman.report.reward_data import MIN_BIN, RewardFigures
from steersman.report.run_data import ReportData, RunReport

_FILTERS = (
    reward_wording.calibration_words,
    reward_wording.missing_turns,
    reward_wording.reliability_words,
    reward_wording.reward_intro,
    reward_wording.start_words,
    reward_wording.tie_words,
    reward_wording.weights_words,
    wording.change_tone,
    wording.counted,
    wording.duration,
    wording.figure,
    wording.final_kappa,
    wording.gigabytes,
    wording.helpfulness_accuracy,
    wording.interval,
    wording.kept_margin,
    wording.licence_words,
    wording.moment,
    wording.peak_bytes,
    wording.percent,
    wording.share_interval,
    wording.signed,
    wording.total_seconds,
)
_TEMPLATE = "report.html"


@dataclass(frozen=True, slots=True)
class RewardCharts:
    """The pictures of a reward model; None where there was nothing to draw. `reliability` is by output."""

    loss: Markup | None
    accuracy: Markup | None
    turns: Markup | None
    reliability: dict[str, Markup]
    errors: Markup | None
    loss_by_pairs: Markup | None
    accuracy_by_pairs: Markup | None
    weights: Markup | None


@dataclass(frozen=True, slots=True)
class RunCharts:
    """The pictures of one run; None where there was nothing to draw."""

    wide_loop: Markup
    tall_loop: Markup
    histograms: dict[str, Markup | None]
    agreement: Markup | None
    reward: RewardCharts | None
    align_loss: Markup | None
    align_accuracy: Markup | None
    rewards: Markup | None
    changes: Markup | None
    times: Markup | None


def render_report(data: ReportData) -> str:
    """Return the whole page; equal data give equal pages.

    Raises ValueError for no runs.
    """
    if not data.runs:
        raise ValueError("a report needs at least one run")
    pictures = [_draw(run, prefix=f"run-{number}") for number, run in enumerate(data.runs, start=1)]
    page = _environment().get_template(_TEMPLATE).render(runs=list(zip(data.runs, pictures, strict=True)))
    # a lone surrogate, as cut JSON escapes leave behind, has no UTF-8 form
    return page.encode("utf-8", "replace").decode("utf-8")


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("steersman.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({each.__name__: each for each in _FILTERS})
    environment.tests["missing"] = lambda value: isinstance(value, Missing)
    environment.globals.update(
        min_bin=MIN_BIN,
        spread_samples=spread_samples,
        text_to_messages=text_to_messages,
        reward_sentence=wording.reward_sentence,
        steersman_version=__version__,
    )
    return environment


def _draw(run: RunReport, *, prefix: str) -> RunCharts:
    if isinstance(run.reward, Missing) or isinstance(run.judged, Missing):
        reward = None
    else:
        reward = _draw_reward(run.reward, run.judged, prefix=f"{prefix}-reward")
    align = None if isinstance(run.align, Missing) else run.align
    evaluation = None if isinstance(run.evaluation, Missing) else run.evaluation
    notes = {time.stage: "reused" if time.reused else wording.duration(time.seconds) for time in run.times}
    labels = () if isinstance(run.statistics, Missing) else run.statistics.labels
    return RunCharts(
        wide_loop=wide_loop(run, times=notes),
        tall_loop=tall_loop(run, times=notes),
        histograms={each.attribute: charts.label_histogram(each, name=f"{prefix}-{each.attribute}") for each in labels},
        agreement=None
        if isinstance(run.agreement, Missing)
        else charts.agreement_chart(run.agreement.figures, name=f"{prefix}-agreement"),
        reward=reward,
        align_loss=charts.loss_chart(align, name=f"{prefix}-align", line=("before training", math.log(2)))
        if align
        else None,
        align_accuracy=charts.share_curve(align.curve, name=f"{prefix}-preference", what="validation accuracy")
        if align
        else None,
        rewards=charts.rewards_chart(evaluation, name=f"{prefix}-rewards") if evaluation else None,
        changes=charts.change_chart(evaluation, name=f"{prefix}-changes") if evaluation else None,
        times=charts.times_chart(run.times, name=f"{prefix}-times"),
    )


def _draw_reward(training: Training, figures: RewardFigures, *, prefix: str) -> RewardCharts:
    constant = training.constant_predictor_mse if figures.loss_is_squared_error else None
    line = None if constant is None else ("constant predictor", constant)
    return RewardCharts(
        # a solver makes no steps to draw
        loss=None if figures.is_frozen else charts.loss_chart(training, name=f"{prefix}-loss", line=line),
        accuracy=charts.estimates_chart(
            reward_charts.overall(figures.ranked), name=f"{prefix}-accuracy", what="pairs ordered right", chance=0.5
        ),
        turns=reward_charts.turns_chart(figures.ranked, name=f"{prefix}-turns"),
        reliability={
            each.output: reward_charts.reliability_chart(each, name=f"{prefix}-reliability-{number}")
            for number, each in enumerate(figures.reliability)
        },
        errors=reward_charts.errors_chart(figures.label_errors, name=f"{prefix}-errors"),
        loss_by_pairs=reward_charts.loss_by_pairs(figures.trained_on, name=f"{prefix}-pairs-loss", line=constant),
        accuracy_by_pairs=reward_charts.accuracy_by_pairs(figures.trained_on, name=f"{prefix}-pairs-accuracy"),
        weights=reward_charts.weights_chart(figures.weights, name=f"{prefix}-weights"),
    )
