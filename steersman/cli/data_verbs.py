"""The verb annotate: collect ratings from people, or model them."""

from pathlib import Path

import click

from steersman.cli.backup_verbs import backup, restore
from steersman.cli.options import PATH, as_json_option, emit, out_option, seed_option
from steersman.cli.plan_verb import plan
from steersman.cli.site_people_verbs import add, invite, token, user
from steersman.cli.site_verbs import export, init, serve_site


@click.group()
def annotate() -> None:
    """Collect ratings from people, or model them.

    Example: steersman annotate init prompts.jsonl responses.jsonl --annotators 5 --out site.db
    """


@annotate.command()
@click.argument("prompts_file", metavar="PROMPTS", type=PATH)
@click.argument("responses_file", metavar="RESPONSES", type=PATH)
@out_option("The ratings file to write, in a folder of its own.")
@seed_option
@as_json_option
def simulate(prompts_file: Path, responses_file: Path, out: Path, seed: int, as_json: bool) -> None:
    """Rate RESPONSES by a modelled crowd, with the 3 -> 5 rule; docs/crowd.md states the model.

    Example: steersman annotate simulate prompts.jsonl responses.jsonl --out ratings/ratings.jsonl
    """
    from steersman.config.sections import CrowdSettings
    from steersman.pipeline import simulate as pipeline
    from steersman.pipeline.origins import tasks_origin
    from steersman.pipeline.ratings import read_tasks

    tasks = read_tasks(prompts_file, responses_file)
    origin = tasks_origin(prompts_file, responses_file)
    crowd = CrowdSettings.model_validate({})
    result = pipeline.run(tasks, crowd=crowd, seed=seed, out=out, ancestors=origin.ancestors)
    emit(result, as_json=as_json, text=f"{result['ratings']} simulated ratings in {out}")


for _verb in (init, add, serve_site, export, user, invite, token, backup, restore, plan):
    annotate.add_command(_verb)
