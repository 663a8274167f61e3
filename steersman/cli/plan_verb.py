"""The verb that simulates an annotation project before anybody is paid."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from steersman.cli.options import PATH, as_json_option, emit, load_config
from steersman.cli.plan_table import plan_text

if TYPE_CHECKING:
    from steersman.config.planning import PlanSettings

_SHARE = click.FloatRange(0, 1)
_POSITIVE = click.FloatRange(0, min_open=True)
# which key of the config an option sets
_KEYS = {
    "tasks": "tasks",
    "first": "design.first",
    "most": "design.most",
    "spread": "design.max_spread",
    "annotators": "crowd.annotators",
    "noise_sd": "crowd.noise_sd",
    "bias_sd": "crowd.bias_sd",
    "careless_share": "crowd.careless_share",
    "spammer_share": "crowd.spammer_share",
    "seconds_per_rating": "seconds_per_rating",
    "pay_per_hour": "pay_per_hour",
    "currency": "currency",
    "replicates": "replicates",
    "power": "power",
    "seed": "seed",
}


@click.command()
@click.option("--tasks", type=click.IntRange(min=10), help="Tasks to rate, each a prompt with two responses; needed.")
@click.option("--first", type=click.IntRange(2, 20), help="Annotators whom every task gets.  [default: 3]")
@click.option("--most", type=click.IntRange(2, 20), help="Annotators when the first disagree.  [default: 5]")
@click.option(
    "--spread", type=click.IntRange(0, 4), help="They disagree when helpfulness differs by more.  [default: 2]"
)
@click.option("--annotators", type=click.IntRange(min=5), help="People in the crowd.  [default: 30]")
@click.option("--noise-sd", type=click.FloatRange(0), help="Noise of a single rating, in levels.  [default: 0.6]")
@click.option("--bias-sd", type=click.FloatRange(0), help="Leaning of an annotator, in levels.  [default: 0.35]")
@click.option("--careless-share", type=_SHARE, help="Share of ratings given without reading.  [default: 0.04]")
@click.option("--spammer-share", type=_SHARE, help="Share of annotators who never read.  [default: 0.07]")
@click.option("--seconds-per-rating", type=_POSITIVE, help="Time for one response.  [default: 90]")
@click.option("--pay-per-hour", type=_POSITIVE, help="Pay of an annotator; without it there are no costs.")
@click.option("--currency", help="Name of the currency of the pay, only shown.")
@click.option(
    "--difference", "differences", type=float, multiple=True, help="Difference in kappa to be seen; repeatable."
)
@click.option(
    "--power", type=click.FloatRange(0.5, 1, min_open=True, max_open=True), help="Chance to see it.  [default: 0.8]"
)
@click.option("--replicates", type=click.IntRange(2, 1000), help="Simulated projects.  [default: 20]")
@click.option("--pilot", type=PATH, metavar="RATINGS", help="Fit noise and leaning to the ratings of a pilot.")
@click.option("--config", "config_file", type=PATH, help="YAML file with any of the keys in docs/planning.md.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set any other key, e.g. quality.pair_correlation=0.3.",
)
@click.option("--seed", type=click.IntRange(min=0), help="Every random choice follows from it.  [default: 0]")
@click.option("--out", type=PATH, help="Folder for plan.json, plan.svg and the page plan.html.")
@as_json_option
def plan(pilot: Path | None, config_file: Path | None, out: Path | None, as_json: bool, **options: object) -> None:
    """Simulate a project: what agreement, label error, hours and cost to expect of a design.

    The design is compared with always 3, 3 -> 5 and always 5 annotators a task.

    Example: steersman annotate plan --tasks 2000 --annotators 50 --pay-per-hour 25 --out plans/first
    """
    from steersman.cli.progress import bars
    from steersman.pipeline import plan as pipeline

    settings = _settings(options, config_file=config_file)
    if out is None:
        result = pipeline.run(settings, pilot=pilot, progress=bars)
    else:
        result = pipeline.write(settings, out=out, pilot=pilot, progress=bars).result
    where = "" if out is None else f"\n\nThe page is {out / pipeline.PAGE_FILE}"
    emit(result, as_json=as_json, text="" if as_json else plan_text(result) + where)


def _settings(options: Mapping[str, object], *, config_file: Path | None) -> "PlanSettings":
    """Return the settings of a config file with the options that were given over it; without one the seed is 0."""
    from steersman.config.loading import validate_settings, with_overrides
    from steersman.config.planning import PlanSettings

    # JSON is YAML: a currency called NO stays a word
    given = [f"{key}={json.dumps(options[name])}" for name, key in _KEYS.items() if options[name] is not None]
    differences, overrides = options["differences"], options["overrides"]
    given += [f"differences={json.dumps(differences)}"] if differences else []
    given += overrides if isinstance(overrides, tuple) else ()
    if config_file is not None:
        return load_config(config_file, model=PlanSettings, overrides=tuple(given))
    return validate_settings(with_overrides({}, ["seed=0", *given]), model=PlanSettings, source="the plan")
