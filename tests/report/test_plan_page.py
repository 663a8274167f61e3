"""The page, the picture and the words of a plan: what is drawn is what was found, and nothing is promised."""

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from steersman.config.planning import PlanSettings
from steersman.records import ATTRIBUTES
from steersman.report.plan_charts import kappa_chart, order_chart, power_chart, trade_chart
from steersman.report.plan_data import (
    PLAN_STAGES,
    DesignFigures,
    Expected,
    ExpectedKappa,
    FirstRatingsSummary,
    HalfWidths,
    LabelError,
    PairOrder,
    PilotMatch,
    PlanFigures,
    PowerFigures,
    PublishedPlan,
    TasksNeeded,
)
from steersman.report.plan_page import NOT_DEFINED, design_rows, ends, mean, number, render_plan
from steersman.report.plan_picture import plan_picture
from steersman.report.plan_wording import assumptions

MINUS = "\N{MINUS SIGN}"
SETTINGS = PlanSettings(seed=0, tasks=1000)


def around(value: float, reach: float = 0.1) -> Expected:
    return Expected(value, value - reach, value + reach)


def design(name: str, *, asked: bool = False, hours: float = 100.0, cost: float | None = None) -> DesignFigures:
    error = LabelError(around(0.4), around(0.5), around(0.3))
    against: Mapping[str, Expected | None] = {} if asked else {"rmse": around(-0.031, 0.004), "hours": around(20)}
    others = {} if asked else {each: around(0.012, 0.001) for each in ("off_by_one", "pairs_right", "tasks_dropped")}
    return DesignFigures(
        name=name,
        first=3,
        most=5,
        max_spread=2,
        asked=asked,
        ratings=around(700),
        ratings_per_response=around(3.5),
        tasks_extended=around(0.2),
        annotators_removed=Expected(0.0625, 0.0625, 0.0625),
        tasks_dropped=around(0.1, 0.02),
        dropped_for={"spread": around(0.1, 0.02)},
        kappa={name: {stage: ExpectedKappa(around(0.6), 0.25) for stage in PLAN_STAGES} for name in ATTRIBUTES},
        label_error=dict.fromkeys(ATTRIBUTES, error),
        preference_order=PairOrder(around(0.66), around(0.06), around(0.28)),
        hours=around(hours),
        hours_per_kept_task=around(0.2),
        cost=None if cost is None else around(cost),
        cost_per_kept_task=None if cost is None else around(cost / 1000),
        against_asked={**against, **others},
    )


def power() -> PowerFigures:
    widths = tuple(HalfWidths(tasks, 1 / tasks**0.5, 1.4 / tasks**0.5) for tasks in (100, 1000, 10_000))
    needed = (TasksNeeded(0.05, 1234, None), TasksNeeded(0.2, 77, 99))
    return PowerFigures(0.5, 0.03, widths, needed, 0.071)


def plan(*designs: DesignFigures, pilot: PilotMatch | None = None) -> PlanFigures:
    return PlanFigures(
        simulated=True,
        assumptions=assumptions(SETTINGS, pilot=pilot),
        tasks=1000,
        replicates=20,
        power_wanted=0.8,
        currency="EUR",
        designs=designs or (design("always 3"), design("3 -> 5", asked=True)),
        published=PublishedPlan(3.41, {name: {"first_three": 0.4} for name in ATTRIBUTES}),
        power={"helpfulness": power()},
        pilot=pilot,
    )


def pilot_match(*, noise: tuple[float | None, float | None] = (0.5, 0.9), fitted: bool = True) -> PilotMatch:
    first = dict.fromkeys(ATTRIBUTES, FirstRatingsSummary(0.41, 2.5, 1.1))
    return PilotMatch(120, 9, (0.3, 0.5), 0.7, noise, 0.4, fitted, first, first)


def test_the_page_shows_every_figure_of_every_design() -> None:
    page = render_plan(plan())
    table = page.split("All figures")[1].split("</table>")[0]
    heads = re.findall(r'<th scope="col" class="number">([^<]+)</th>', table)
    assert heads == ["always 3", "3 \N{RIGHTWARDS ARROW} 5 (asked)"]
    assert table.count('<tr><th scope="row">') == len(design_rows(plan()))
    assert f"{MINUS}0.031<br><small>{MINUS}0.035 to {MINUS}0.027" in table
    assert "Simulated: nobody rated anything." in page


def test_costs_have_rows_and_a_key_only_where_there_is_a_pay() -> None:
    assert "Cost" not in render_plan(plan())
    paid = plan(design("always 3", cost=1000.0), design("3 -> 5", asked=True, cost=1234.0))
    page = render_plan(paid)
    assert {"Cost, EUR", "Cost per kept task, EUR"} <= {row.what for row in design_rows(paid)}
    assert '<span class="value">1,234</span>' in page


def test_what_is_not_defined_is_said_to_be() -> None:
    nothing = LabelError(None, None, None)
    empty = replace(
        design("3 -> 5", asked=True),
        label_error=dict.fromkeys(ATTRIBUTES, nothing),
        preference_order=PairOrder(None, None, None),
        kappa={name: {stage: ExpectedKappa(None, None) for stage in PLAN_STAGES} for name in ATTRIBUTES},
    )
    bare = replace(plan(empty), power={})
    page = render_plan(bare)
    assert f"random {NOT_DEFINED}" in page
    assert "How many tasks" not in page
    assert (kappa_chart([empty], name="a"), order_chart([empty], name="b")) == (None, None)
    assert len(ElementTree.fromstring(plan_picture(bare)).findall("{http://www.w3.org/2000/svg}svg")) == 1


def test_a_pilot_has_a_section_and_a_sentence() -> None:
    page = render_plan(plan(pilot=pilot_match()))
    assert '<h2 class="heading" id="pilot">The pilot</h2>' in page
    assert "0.410 on 120 tasks" in page
    assert 'id="pilot"' not in render_plan(plan())


def test_an_end_of_the_noise_that_nothing_reaches_is_unknown() -> None:
    (said,) = [each for each in assumptions(SETTINGS, pilot=pilot_match(noise=(None, 0.9))) if "fitted" in each]
    assert "a noise from unknown to 0.90" in said
    (kept,) = [each for each in assumptions(SETTINGS, pilot=pilot_match(fitted=False)) if "fitted" in each]
    assert "could not be seen in it and is the one asked for" in kept


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "costs are not computed without a pay per hour"),
        ({"pay_per_hour": 21.5, "currency": "EUR"}, "costs are hours times 21.5 EUR per hour"),
        ({"pay_per_hour": 21.5}, "costs are hours times 21.5 per hour"),
        ({"clean": {"trust": {"enabled": False}}}, "no annotator is removed"),
        ({"quality": {"pair_correlation": 0.4}}, "are alike (correlation 0.4)"),
        ({"crowd": {"annotators": 50, "spammer_share": 0.1}}, "and 5 annotators never read"),
        ({"replicates": 7}, "judged by 7 simulated ones"),
    ],
)
def test_every_assumption_is_said_as_it_was_made(changes: dict[str, object], words: str) -> None:
    settings = PlanSettings.model_validate({"seed": 0, "tasks": 1000, **changes})
    assert sum(words in each for each in assumptions(settings, pilot=None)) == 1


def test_numbers_lose_the_sign_of_nothing_and_intervals_of_no_width() -> None:
    assert (number(-0.001, 2), number(-0.01, 2), number(None)) == ("0.00", f"{MINUS}0.01", NOT_DEFINED)
    assert (mean(None), ends(None), ends(Expected(3, 3, 3))) == (NOT_DEFINED, "", "")
    assert ends(Expected(0, -0.2, 1234), 1) == f"{MINUS}0.2 to 1,234.0"


def test_small_amounts_have_a_decimal() -> None:
    small = plan(design("always 3", hours=7.25), design("3 -> 5", asked=True, hours=8.25))
    (row,) = [each for each in design_rows(small) if each.what == "Hours of rating"]
    assert [mean(each, row.digits) for each in row.cells] == ["7.2", "8.2"]
    assert '<span class="value">8.2</span>' in render_plan(small)


def test_a_small_share_stands_beside_its_bar_and_a_large_one_inside() -> None:
    many_wrong = replace(design("b"), preference_order=PairOrder(around(0.5), around(0.3), around(0.2)))
    texts = re.findall(r">(\d+%)<", str(order_chart([design("a"), many_wrong], name="x")))
    assert sorted(texts) == sorted(["66%", "28%", "6%", "50%", "20%", "30%"])


def test_charts_tell_their_figures_to_who_cannot_see_them() -> None:
    designs = [design("always 3", hours=80), design("3 -> 5", asked=True)]
    assert "always 3 80 hours, -0.031; 3 -> 5 100 hours, +0.000" in unescaped(trade_chart(designs, name="x"))
    assert "always 3 66% right, 28% tied, 6% wrong" in str(order_chart(designs, name="x"))
    assert "a difference of 0.05 is seen at 1,234 tasks" in str(power_chart(power(), name="x", wanted=0.8))
    assert "Agreement by design" in str(kappa_chart(designs, name="x"))


def unescaped(svg: object) -> str:
    return str(svg).replace("&gt;", ">")


def test_a_difference_no_number_of_tasks_shows_has_no_diamond() -> None:
    unseen = replace(power(), tasks_needed=(TasksNeeded(0.05, None, None), TasksNeeded(0.2, 77, None)))
    assert len(re.findall(r">0\.2: 77<|>0\.05: ", str(power_chart(unseen, name="x", wanted=0.8)))) == 1


def test_the_picture_stands_by_itself_and_is_always_the_same() -> None:
    picture = plan_picture(plan())
    root = ElementTree.fromstring(picture)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    # charts below each other, none reaching into the next or out of the picture
    boxes = [(float(each.attrib["y"]), float(each.attrib["height"])) for each in root.findall(f"{root.tag}")]
    assert len(boxes) == 4
    assert all(top + height < below for (top, height), (below, _) in pairwise(boxes))
    assert boxes[-1][0] + boxes[-1][1] < float(root.attrib["viewBox"].split()[3])
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")
    assert plan_picture(plan()) == picture
