"""A simulated project is cleaned and measured by the very code that cleans and measures real ratings."""

import json
from pathlib import Path

import numpy as np
import pytest

from steersman.annotation.planning import SimulatedProject, raters_needed, simulate_project
from steersman.annotation.power import half_width
from steersman.annotation.quality import fit_quality, rounded
from steersman.config.cleaning import CleanSettings
from steersman.config.planning import DesignSettings, QualitySettings
from steersman.config.sections import CrowdSettings
from steersman.dataset.cleaning import TASK_REASONS, clean
from steersman.pipeline import agreement
from steersman.pipeline.plan_project import STAGES, first_task_sds, measure, project_grid, random_kappas, stacked
from steersman.records import ATTRIBUTES
from steersman.store.files import read_table, write_jsonl
from steersman.tables import RATINGS

RULES = CleanSettings.model_validate({})
QUALITY = fit_quality(QualitySettings())
TASKS = 150


def project(*, annotators: int = 12, seed: int = 0, **faults: float) -> SimulatedProject:
    crowd = CrowdSettings.model_validate({"annotators": annotators, **faults})
    return simulate_project(QUALITY, crowd=crowd, num_tasks=TASKS, raters=5, rng=np.random.default_rng(seed))


def write_ratings(path: Path, found: SimulatedProject, *, raters: np.ndarray) -> Path:
    """Write the ratings of the first `raters` annotators of each task, one after the other."""
    rows = [
        {
            "task_id": f"{task:04d}",
            "prompt": f"prompt {task}",
            "response_id": f"{task:04d}/{position}",
            "response": f"response {task} {position}",
            "position": position,
            "annotator": f"{found.annotators[task, turn]:03d}",
            **dict(zip(ATTRIBUTES, found.scores[task, position, turn].tolist(), strict=True)),
        }
        for task in range(raters.size)
        for turn in range(int(raters[task]))
        for position in (0, 1)
    ]
    write_jsonl(path, rows)
    return path


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> tuple[SimulatedProject, Path]:
    """Return a project with untrusted annotators in it, and its ratings under 3 -> 5 as a file."""
    found = project(spammer_share=0.25)
    raters = raters_needed(found.scores, design=DesignSettings())
    return found, write_ratings(tmp_path_factory.mktemp("plan") / "ratings.jsonl", found, raters=raters)


def test_agreement_is_what_the_verb_agreement_finds_in_the_same_ratings(rated: tuple[SimulatedProject, Path]) -> None:
    found, path = rated
    measured = measure(found, design=DesignSettings(), rules=RULES)
    said = agreement.run(path, rules=RULES, seed=0, rounds=100)
    for place, stage in enumerate(STAGES):
        kappas = [(said[name][stage] or {})["kappa_quadratic"] for name in ATTRIBUTES]
        assert measured.kappa[place] == pytest.approx(kappas, abs=1e-12)


def test_labels_are_those_that_cleaning_the_same_ratings_gives(rated: tuple[SimulatedProject, Path]) -> None:
    """The error of the labels in the dataset, computed from its rows, is the error that was measured."""
    found, path = rated
    result = clean(read_table(path, table=RATINGS), rules=RULES)
    kept = np.array([reason is None for reason in result.stages.task_reasons])
    off = result.labels.select(ATTRIBUTES).to_numpy() - found.latent[kept].reshape(-1, 5)
    measured = measure(found, design=DesignSettings(), rules=RULES)
    assert measured.errors[:2] == pytest.approx(np.array([np.abs(off).mean(axis=0), np.sqrt((off**2).mean(axis=0))]))
    assert measured.kept == result.tasks_out
    assert measured.ratings == result.ratings_in
    expected = [result.dropped.get(reason, 0) / TASKS for reason in TASK_REASONS]
    assert measured.dropped.tolist() == pytest.approx(expected)
    assert measured.dropped.sum() > 0


def test_annotators_who_never_read_are_found_out(rated: tuple[SimulatedProject, Path]) -> None:
    """A quarter of twelve annotators never read, and each of the three rates dozens of tasks."""
    measured = measure(rated[0], design=DesignSettings(), rules=RULES)
    assert measured.untrusted == pytest.approx(3 / 12)


def test_the_standard_error_is_that_of_the_bootstrap_of_the_verb_agreement(
    rated: tuple[SimulatedProject, Path],
) -> None:
    found, path = rated
    said = agreement.run(path, rules=RULES, seed=0, rounds=2000)
    task_sds = first_task_sds(found, raters=3)
    for index, name in enumerate(ATTRIBUTES):
        interval = (said[name]["first_three"] or {})["kappa_ci95"]
        assert isinstance(interval, list)
        assert half_width(task_sds[index], tasks=TASKS) == pytest.approx((interval[1] - interval[0]) / 2, rel=0.12)


def test_the_grid_has_the_first_annotators_in_order_of_submission() -> None:
    found = project(annotators=40)
    raters = np.random.default_rng(1).integers(2, 6, size=TASKS)
    grid = project_grid(found, raters=raters)
    task = grid.task[grid.response]
    assert np.bincount(task, minlength=TASKS).tolist() == (2 * raters).tolist()
    assert (grid.annotator == found.annotators[task, grid.rank]).all()
    assert (grid.scores == found.scores[task, grid.response % 2, grid.rank]).all()
    # sorted by response, then annotator
    assert (np.diff(grid.response * 40 + grid.annotator) > 0).all()


def test_a_crowd_without_faults_makes_no_error_but_that_of_rounding() -> None:
    found = project(bias_sd=0.0, noise_sd=0.0, careless_share=0.0, spammer_share=0.0)
    measured = measure(found, design=DesignSettings(), rules=RULES)
    labels = rounded(found.latent)[..., 0]
    tied = (labels[:, 0] == labels[:, 1]).mean()
    assert (float(measured.extended), float(measured.dropped.sum()), float(measured.kept)) == (0, 0, TASKS)
    assert measured.order.tolist() == pytest.approx([1 - tied, 0, tied])
    assert measured.errors[2].tolist() == [0] * 5
    assert measured.errors[0].max() < 0.5
    assert (measured.kappa == 1).all()


def test_designs_differ_only_by_the_ratings_they_ask_for() -> None:
    found = project(annotators=40)
    three, extended, five = (
        measure(found, design=DesignSettings(first=first, most=most), rules=RULES)
        for first, most in ((3, 3), (3, 5), (5, 5))
    )
    assert (three.kappa[0] == extended.kappa[0]).all()
    assert (three.kappa[0] == five.kappa[0]).all()
    assert (float(three.ratings), float(five.ratings)) == (TASKS * 6, TASKS * 10)
    assert extended.ratings == pytest.approx(TASKS * (6 + 4 * extended.extended))


def test_random_raters_reach_what_selection_alone_gives() -> None:
    """Five of them: 0 at first; 0.35 when three are chosen on all attributes, 0.82 when on helpfulness.

    docs/decisions/0002-selection-and-null.md gives the two; 20,000 tasks settle the second decimal.
    """
    always_five = DesignSettings(first=5, most=5)
    joint = random_kappas(always_five, rules=RULES)
    assert joint[:2] == pytest.approx(0, abs=0.02)
    assert joint[STAGES.index("selected"), 0] == pytest.approx(0.35, abs=0.02)
    alone = random_kappas(always_five, rules=CleanSettings(select_on="helpfulness"))
    assert alone[STAGES.index("selected"), 0] == pytest.approx(0.82, abs=0.02)


def test_figures_of_projects_are_stacked_in_order() -> None:
    designs = [DesignSettings(first=number, most=number) for number in (2, 4)]
    one, other = (measure(project(annotators=40), design=each, rules=RULES) for each in designs)
    both = stacked([one, other])
    assert both.ratings.tolist() == [TASKS * 4, TASKS * 8]
    assert both.kappa.shape == (2, 4, 5)
    assert (both.errors[1] == other.errors).all()


def test_a_file_of_ratings_is_what_it_says(rated: tuple[SimulatedProject, Path]) -> None:
    """The comparison above stands only if the file holds tasks of three and of five annotators."""
    rows = [json.loads(line) for line in rated[1].read_text(encoding="utf-8").splitlines()]
    per_task = np.unique([row["task_id"] for row in rows], return_counts=True)[1]
    assert set(per_task.tolist()) == {6, 10}
