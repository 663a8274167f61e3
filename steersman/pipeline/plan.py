"""`steersman annotate plan`: simulate a project under several designs and say what to expect of each."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from steersman.annotation.calibration import Calibration, FirstRatings, calibrate
from steersman.annotation.planning import compared_designs, simulate_project
from steersman.annotation.quality import Quality, fit_quality
from steersman.config.planning import PlanSettings
from steersman.dataset.grid import FloatArray
from steersman.dataset.published import KAPPA, NEAREST_STAGE, RATINGS_PER_RESPONSE
from steersman.errors import DataError
from steersman.pipeline.lineages import Inheritance, inherited
from steersman.pipeline.plan_pilot import Pilot, read_pilot
from steersman.pipeline.plan_project import FIRST_RATINGS, Measured, first_task_sds, measure, random_kappas, stacked
from steersman.pipeline.plan_summary import design_figures, power_figures
from steersman.pipeline.simulate import CROWD_ANCESTOR
from steersman.pipeline.stage import Outcome, Product, Stage, run_stage
from steersman.protocols import Advance, Progress, no_progress
from steersman.records import ATTRIBUTES
from steersman.report.plan_data import FirstRatingsSummary, PilotMatch, PlanFigures, PublishedPlan
from steersman.report.plan_page import render_plan
from steersman.report.plan_picture import plan_picture
from steersman.report.plan_wording import assumptions
from steersman.store.files import write_json, write_text
from steersman.store.lineage import merge_ancestors

STAGE = "plan"
PLAN_FILE, PICTURE_FILE, PAGE_FILE = "plan.json", "plan.svg", "plan.html"
_PILOT_ROLE = "pilot ratings"


def run(settings: PlanSettings, *, pilot: Path | None = None, progress: Progress = no_progress) -> dict[str, object]:
    """Return the plan as `--json` prints it.

    With the ratings of a `pilot` noise and leaning are fitted to it before anything else. The same settings and pilot
    give the same plan. Raises DataError for a pilot nothing can be fitted to, ConfigError for labels that cannot be
    spread as asked.
    """
    return asdict(plan_figures(settings, pilot=pilot, progress=progress))


def write(settings: PlanSettings, *, out: Path, pilot: Path | None = None, progress: Progress = no_progress) -> Outcome:
    """Write the plan into the folder `out`, as data, picture and page, unless it holds just that already."""
    inputs = {} if pilot is None else {_PILOT_ROLE: pilot}
    stage = Stage(STAGE, out, settings, settings.seed, inputs)
    return run_stage(stage, lambda folder: _make(folder, settings, pilot=pilot, progress=progress))


def _make(folder: Path, settings: PlanSettings, *, pilot: Path | None, progress: Progress) -> Product:
    figures = plan_figures(settings, pilot=pilot, progress=progress)
    result = asdict(figures)
    write_json(folder / PLAN_FILE, result)
    write_text(folder / PICTURE_FILE, plan_picture(figures))
    write_text(folder / PAGE_FILE, render_plan(figures))
    origin = Inheritance((), simulated=True) if pilot is None else inherited([pilot], role=_PILOT_ROLE)
    return Product(result, merge_ancestors([origin.ancestors, (CROWD_ANCESTOR,)]), simulated=True)


def plan_figures(settings: PlanSettings, *, pilot: Path | None, progress: Progress) -> PlanFigures:
    """Return the plan as records."""
    quality = fit_quality(settings.quality)
    match = None
    if pilot is not None:
        read = read_pilot(pilot, seed=settings.seed)
        fitted = _calibrated(read, path=pilot, settings=settings, quality=quality)
        match = _match(read, fitted)
        settings = settings.model_copy(update={"crowd": fitted.crowd})
    designs = compared_designs(settings.design)
    with progress("simulated projects", settings.replicates, "project") as advance:
        replicates, task_sds = _simulated(settings, quality=quality, advance=advance)
    found = {design: stacked([each[place] for each in replicates]) for place, design in enumerate(designs)}
    asked = found[settings.design]
    figures = tuple(
        design_figures(
            each,
            asked=asked,
            design=design,
            random=random_kappas(design, rules=settings.clean),
            settings=settings,
        )
        for design, each in found.items()
    )
    return PlanFigures(
        simulated=True,
        assumptions=assumptions(settings, pilot=match),
        tasks=settings.tasks,
        replicates=settings.replicates,
        power_wanted=settings.power,
        currency=settings.currency,
        designs=figures,
        published=_published(),
        power=power_figures(asked, task_sds=task_sds, settings=settings),
        pilot=match,
    )


def _simulated(
    settings: PlanSettings, *, quality: Quality, advance: Advance
) -> tuple[list[list[Measured]], FloatArray]:
    """Return each project under each design, and what a task adds to the error of its first kappas, (N, A).

    Designs are compared on the same projects: they differ by their ratings, not by chance.
    """
    designs = compared_designs(settings.design)
    raters = max(design.most for design in designs)
    measured, task_sds = [], []
    for number in range(settings.replicates):
        rng = np.random.default_rng([settings.seed, number])
        project = simulate_project(quality, crowd=settings.crowd, num_tasks=settings.tasks, raters=raters, rng=rng)
        measured.append([measure(project, design=design, rules=settings.clean) for design in designs])
        task_sds.append(first_task_sds(project, raters=min(FIRST_RATINGS, settings.design.first)))
        advance(1)
    return measured, np.stack(task_sds)


def _calibrated(pilot: Pilot, *, path: Path, settings: PlanSettings, quality: Quality) -> Calibration:
    try:
        return calibrate(pilot.figures, crowd=settings.crowd, quality=quality, seed=settings.seed)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _match(pilot: Pilot, fitted: Calibration) -> PilotMatch:
    return PilotMatch(
        tasks=pilot.figures.tasks,
        annotators=pilot.figures.annotators,
        kappa_ci95=pilot.figures.kappa_interval,
        noise_sd=fitted.crowd.noise_sd,
        noise_sd_ci95=fitted.noise_interval,
        bias_sd=fitted.crowd.bias_sd,
        bias_fitted=fitted.is_leaning_fitted,
        first={name: _summary(each) for name, each in pilot.first.items()},
        first_simulated={name: _summary(each) for name, each in zip(ATTRIBUTES, fitted.first, strict=True)},
    )


def _summary(first: FirstRatings) -> FirstRatingsSummary:
    return FirstRatingsSummary(first.kappa, first.mean, first.sd)


def _published() -> PublishedPlan:
    kappa = {
        name: {stage: values[published] for stage, published in NEAREST_STAGE.items()} for name, values in KAPPA.items()
    }
    return PublishedPlan(RATINGS_PER_RESPONSE, kappa)
