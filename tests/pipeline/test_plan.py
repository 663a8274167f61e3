"""The whole plan: the same twice, honest about intervals and costs, fitted to a pilot, written as a folder."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from steersman.annotation.planning import simulate_project
from steersman.annotation.power import tasks_to_see
from steersman.annotation.quality import fit_quality
from steersman.config.planning import PlanSettings, QualitySettings
from steersman.config.sections import CrowdSettings
from steersman.errors import ConfigError, DataError
from steersman.pipeline.plan import plan_figures, run, write
from steersman.pipeline.plan_pilot import read_pilot
from steersman.pipeline.plan_summary import expected
from steersman.protocols import no_progress
from steersman.records import ATTRIBUTES
from steersman.report.plan_data import Expected, PlanFigures
from steersman.store.files import write_jsonl
from steersman.store.lineage import read_lineage


def settings(**changes: object) -> PlanSettings:
    return PlanSettings.model_validate({"seed": 0, "tasks": 60, "replicates": 3, **changes})


def figures(**changes: object) -> PlanFigures:
    return plan_figures(settings(**changes), pilot=None, progress=no_progress)


def defined(found: Expected | None) -> Expected:
    assert found is not None
    return found


def write_pilot(path: Path, *, tasks: int, crowd: CrowdSettings, names: bool = True) -> Path:
    """Write a simulated pilot of three ratings a response: a ratings table, or HelpSteer2's lists without names."""
    found = simulate_project(
        fit_quality(QualitySettings()), crowd=crowd, num_tasks=tasks, raters=4, rng=np.random.default_rng(0)
    )
    rows: list[dict[str, object]] = []
    for task in range(tasks):
        for position in (0, 1):
            texts = {"prompt": f"prompt {task}", "response": f"response {task} {position}"}
            scores = found.scores[task, position]
            if not names:
                rows.append({**texts, **{name: scores[:, index].tolist() for index, name in enumerate(ATTRIBUTES)}})
                continue
            rows += [
                {
                    "task_id": str(task),
                    **texts,
                    "response_id": f"{task}/{position}",
                    "position": position,
                    "annotator": str(found.annotators[task, turn]),
                    **dict(zip(ATTRIBUTES, scores[turn].tolist(), strict=True)),
                }
                for turn in range(3)
            ]
    write_jsonl(path, rows)
    return path


def test_the_same_settings_give_the_same_plan_and_another_seed_another() -> None:
    assert run(settings()) == run(settings())
    assert run(settings()) != run(settings(seed=1))


def test_the_result_is_json_even_where_nothing_is_defined() -> None:
    """Nobody reads and everybody is asked for the impossible: no task is left, so nothing can be said of labels."""
    result = run(settings(crowd={"careless_share": 1.0}, clean={"min_ratings": 5}))
    text = json.dumps(result, allow_nan=False)
    design = json.loads(text)["designs"][0]
    assert design["tasks_dropped"] == {"mean": 1.0, "low": 1.0, "high": 1.0}
    assert design["dropped_for"].keys() == {"too_few_ratings"}
    assert design["label_error"]["helpfulness"] == {"mean_absolute": None, "rmse": None, "off_by_one": None}
    assert design["kappa"]["helpfulness"]["final"]["kappa"] is None
    assert design["hours_per_kept_task"] is None


def test_hours_are_ratings_times_seconds_and_costs_hours_times_pay() -> None:
    """60 tasks of two responses by three annotators: 360 ratings of 100 seconds are 10 hours, at 30 an hour 300."""
    plan = figures(design={"most": 3}, seconds_per_rating=100, pay_per_hour=30)
    always_three = plan.designs[0]
    assert (always_three.ratings.mean, always_three.ratings_per_response.mean) == (360, 3)
    assert always_three.hours.mean == always_three.hours.low == pytest.approx(10)
    assert defined(always_three.cost).mean == pytest.approx(300)
    kept = 60 * (1 - always_three.tasks_dropped.mean)
    # the mean of 300 / kept over projects is a little above 300 / mean kept
    assert 300 / kept <= defined(always_three.cost_per_kept_task).mean < 1.05 * 300 / kept


def test_without_a_pay_there_are_hours_and_no_costs() -> None:
    for design in figures().designs:
        assert design.hours.mean > 0
        assert (design.cost, design.cost_per_kept_task) == (None, None)


def test_designs_are_compared_within_the_same_projects() -> None:
    """Five annotators cost exactly 2/3 more than three in each project, so that difference has no spread at all."""
    plan = figures(design={"most": 3})
    always_five = next(each for each in plan.designs if each.name == "always 5")
    assert plan.designs[0].against_asked == {}
    hours = defined(always_five.against_asked["hours"])
    assert hours.low == hours.high == pytest.approx(plan.designs[0].hours.mean * 2 / 3)
    three, five = (defined(each.label_error["helpfulness"].rmse) for each in (plan.designs[0], always_five))
    assert defined(always_five.against_asked["rmse"]).mean == pytest.approx(five.mean - three.mean)


def test_projects_differ_from_each_other() -> None:
    kappa = defined(figures().designs[0].kappa["helpfulness"]["first_three"].kappa)
    assert kappa.low < kappa.mean < kappa.high


def test_an_interval_holds_one_more_value_in_95_of_100_cases() -> None:
    """Of normal values exactly; 4,000 trials know it to 3 sqrt(0.05 0.95 / 4000) = 0.011."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(4000):
        *seen, new = rng.normal(100.0, 2.0, size=4)
        found = defined(expected(np.array(seen)))
        held += found.low <= new <= found.high
    assert held / 4000 == pytest.approx(0.95, abs=0.011)


def test_an_interval_stays_where_a_share_can_be_and_passes_over_what_is_not_defined() -> None:
    found = defined(expected(np.array([0.0, 0.5, np.nan]), within=(0.0, 1.0)))
    assert (found.mean, found.low, found.high) == (0.25, 0.0, 1.0)
    assert expected(np.array([0.5, np.nan])) is None


def test_power_says_what_the_planned_tasks_can_show() -> None:
    plan = figures(tasks=200, differences=[0.1])
    power = plan.power["helpfulness"]
    planned = next(each for each in power.half_widths if each.tasks == 200)
    assert planned.difference == pytest.approx(np.sqrt(2) * planned.kappa)
    # half of them with each version
    assert tasks_to_see(power.smallest_difference * 1.0001, task_sd=power.task_sd, power=0.8) == 100
    (needed,) = power.tasks_needed
    assert needed.same_annotators == tasks_to_see(0.1, task_sd=power.task_sd, power=0.8)
    assert needed.new_annotators == tasks_to_see(0.1, task_sd=power.task_sd, power=0.8, crowd_sd=power.crowd_sd)


def test_where_agreement_is_complete_nothing_is_said_of_power(tmp_path: Path) -> None:
    quiet = {"bias_sd": 0.0, "noise_sd": 0.0, "careless_share": 0.0, "spammer_share": 0.0}
    assert figures(crowd=quiet).power == {}
    write(settings(crowd=quiet), out=tmp_path / "plan")
    assert "How many tasks" not in (tmp_path / "plan" / "plan.svg").read_text(encoding="utf-8")


def test_more_noise_makes_agreement_and_labels_worse() -> None:
    crowds = ({"noise_sd": noise, "spammer_share": 0.0} for noise in (0.3, 1.2))
    quiet, noisy = (figures(crowd=each, tasks=150, replicates=6).designs[1] for each in crowds)
    kappas = [defined(each.kappa["helpfulness"]["first_three"].kappa) for each in (quiet, noisy)]
    errors = [defined(each.label_error["helpfulness"].rmse) for each in (quiet, noisy)]
    assert kappas[0].low > kappas[1].high
    assert errors[0].high < errors[1].low
    assert quiet.tasks_extended.mean < noisy.tasks_extended.mean


def test_a_plan_is_fitted_to_a_pilot_and_says_so(tmp_path: Path) -> None:
    crowd = CrowdSettings(annotators=10, noise_sd=1.1)
    path = write_pilot(tmp_path / "pilot.jsonl", tasks=120, crowd=crowd)
    plan = plan_figures(settings(), pilot=path, progress=no_progress)
    assert plan.pilot is not None
    assert (plan.pilot.tasks, plan.pilot.annotators, plan.pilot.bias_fitted) == (120, 10, True)
    own, fitted = plan.pilot.first["helpfulness"], plan.pilot.first_simulated["helpfulness"]
    assert fitted.kappa == pytest.approx(own.kappa, abs=0.02)
    assert any(f"{own.kappa:.3f} on 120 tasks" in each for each in plan.assumptions)
    # the annotators of the plan are those asked for, not those of the pilot
    assert any("30 annotators" in each and f"{plan.pilot.noise_sd:g}" in each for each in plan.assumptions)


def test_a_pilot_of_lists_tells_nothing_of_leaning(tmp_path: Path) -> None:
    path = write_pilot(tmp_path / "pilot.jsonl", tasks=60, crowd=CrowdSettings(annotators=10), names=False)
    assert read_pilot(path, seed=0).figures.leaning_variance is None


def test_a_pilot_that_is_too_small_or_agrees_by_chance_is_refused_by_name(tmp_path: Path) -> None:
    small = write_pilot(tmp_path / "small.jsonl", tasks=10, crowd=CrowdSettings(annotators=10))
    with pytest.raises(DataError, match=r"small\.jsonl: the pilot has 10 tasks .* rate at least 30"):
        run(settings(), pilot=small)
    row = {"prompt": "p", "response": "r", **{name: [3, 3, 3, 3] for name in ATTRIBUTES}}
    write_jsonl(tmp_path / "same.jsonl", [row, {**row, "response": "s"}])
    with pytest.raises(DataError, match=r"same\.jsonl: agreement on helpfulness is not defined"):
        run(settings(), pilot=tmp_path / "same.jsonl")


def test_lists_of_selected_ratings_are_no_pilot(tmp_path: Path) -> None:
    rows = [
        {"prompt": f"p{task}", "response": f"{task} {place}", **{name: [3, 3, 4] for name in ATTRIBUTES}}
        for task in range(40)
        for place in (0, 1)
    ]
    write_jsonl(tmp_path / "selected.jsonl", rows)
    with pytest.raises(DataError, match=r"selected\.jsonl: holds only ratings that were already selected"):
        run(settings(), pilot=tmp_path / "selected.jsonl")


def test_labels_that_cannot_be_are_refused_before_anything_is_simulated() -> None:
    with pytest.raises(ConfigError, match=r"quality\.coherence"):
        run(settings(quality={"coherence": {"mean": 3.9, "sd": 2.0, "correlation": 0.1}}))


def test_a_folder_holds_data_picture_and_page_and_is_not_made_twice(tmp_path: Path) -> None:
    out = tmp_path / "plan"
    made = write(settings(currency="<EUR>", pay_per_hour=20), out=out)
    assert json.loads((out / "plan.json").read_text(encoding="utf-8")) == json.loads(json.dumps(made.result))
    picture = ElementTree.fromstring((out / "plan.svg").read_text(encoding="utf-8"))
    assert len(picture.findall("{http://www.w3.org/2000/svg}svg")) == 4
    page = (out / "plan.html").read_text(encoding="utf-8")
    assert "&lt;EUR&gt;" in page
    assert "<EUR>" not in page
    assert not re.search(r"<script|<link|src=|@import|url\((?!#)", page)
    lineage = read_lineage(out)
    assert lineage.simulated
    assert [each.work for each in lineage.ancestors] == ["steersman-simulated-crowd"]
    assert write(settings(currency="<EUR>", pay_per_hour=20), out=out).is_reused
    assert not write(settings(tasks=61), out=out).is_reused


def test_what_the_pilot_was_made_from_stands_in_the_lineage(tmp_path: Path) -> None:
    path = write_pilot(tmp_path / "pilot.jsonl", tasks=40, crowd=CrowdSettings(annotators=10))
    write(settings(), out=tmp_path / "plan", pilot=path)
    lineage = read_lineage(tmp_path / "plan")
    assert list(lineage.inputs) == ["pilot ratings"]
    assert {each.role for each in lineage.ancestors} == {"ratings", "pilot ratings"}
