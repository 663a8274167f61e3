"""Charts: stable bytes, page colours, nothing from outside, nothing drawn from nothing."""

import re

import matplotlib
import pytest

from steersman.report.charts import (
    agreement_chart,
    change_chart,
    estimates_chart,
    label_histogram,
    loss_chart,
    times_chart,
)
from steersman.report.data import (
    AgreementFigure,
    CurvePoint,
    Estimate,
    Evaluation,
    LabelStatistics,
    Sample,
    StageTime,
    Training,
)

LABELS = LabelStatistics("helpfulness", 2.0, 1.0, 1.0, (1, 1, 2, 4, 2))


def training(*losses: float) -> Training:
    curve = tuple(CurvePoint(step, None, loss, None, None) for step, loss in enumerate(losses))
    return Training(curve, None, None, None, None, None, None, None, None)


def evaluation(*changes: float) -> Evaluation:
    samples = tuple(Sample("p", "prompt", "before", "after", 0.0, change) for change in changes)
    return Evaluation(len(samples), None, None, None, None, None, None, None, samples)


def heights(svg: str, *, colour: str) -> list[float]:
    """Return how far each bar of that colour reaches up from the axis."""
    bars = re.findall(rf'<path d="([^"]+)"[^>]*style="fill: {re.escape(colour)}', svg)
    tops = [[float(number) for number in re.findall(r"[ML] [\d.]+ ([\d.]+)", bar)] for bar in bars]
    return [max(each) - min(each) for each in tops if max(each) > min(each)]


def test_a_reward_that_stayed_the_same_is_drawn_neither_better_nor_worse() -> None:
    svg = str(change_chart(evaluation(0.0, 0.0, 0.0, 1.0), name="a"))
    (same,), (better,) = heights(svg, colour="var(--muted)"), heights(svg, colour="var(--accent)")
    assert (round(same / better, 3), heights(svg, colour="var(--second)")) == (3.0, [])
    assert "1 prompts better, 0 worse, 3 unchanged" in svg


def test_the_same_figures_give_the_same_bytes_whatever_the_settings_of_the_user() -> None:
    plain = label_histogram(LABELS, name="a")
    with matplotlib.rc_context():
        matplotlib.rc("font", size=40)
        assert label_histogram(LABELS, name="a") == plain
        assert matplotlib.rcParams["font.size"] == 40


def test_colours_and_fonts_are_left_to_the_page() -> None:
    svg = str(times_chart([StageTime("clean", 2.0, None, False)], name="a"))
    assert "var(--accent)" in svg
    assert re.findall(r"(?:fill|stroke): #[0-9a-f]+", svg) == []
    assert "font-family" not in svg


def test_every_id_begins_with_the_name_and_every_reference_finds_its_id() -> None:
    svg = str(loss_chart(training(2.0, 1.0), name="left", line=("constant", 1.5)))
    ids = set(re.findall(r'\bid="([^"]+)"', svg))
    references = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    assert ids == references
    assert all(each.startswith("left-") for each in ids)


def test_a_chart_brings_no_address_style_sheet_or_metadata() -> None:
    svg = str(label_histogram(LABELS, name="a"))
    assert not re.search(r"http|<style|<metadata|xmlns", svg)


def test_a_chart_says_its_figures_to_who_cannot_see_it() -> None:
    assert (
        'aria-label="Labels of helpfulness: level 0 10%, level 1 10%, level 2 20%, level 3 40%, level 4 20%."'
        in str(label_histogram(LABELS, name="a"))
    )


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", "$\\frac{1}{$", "a & b"])
def test_text_in_a_chart_is_text(hostile: str) -> None:
    svg = str(estimates_chart([(hostile, Estimate(0.6, 0.5, 0.7, 9))], name="a", what="share", chance=0.5))
    assert "<script" not in svg


def test_nothing_recorded_draws_nothing() -> None:
    nothing = AgreementFigure("helpfulness", "first_three", None, None, None, None, None)
    assert agreement_chart([nothing], name="a") is None
    assert label_histogram(LabelStatistics("helpfulness", None, None, None, ()), name="a") is None
    assert loss_chart(training(), name="a", line=None) is None
    assert times_chart([], name="a") is None


def test_one_logged_step_is_enough_for_a_curve() -> None:
    assert loss_chart(training(1.0), name="a", line=None) is not None
