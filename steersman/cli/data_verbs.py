"""The verb annotate: collect ratings from people, or model them."""

from pathlib import Path

import click

from steersman.cli.options import PATH, as_json_option, emit, out_option, say, seed_option
from steersman.cli.plan_verb import plan


@click.group()
def annotate() -> None:
    """Collect ratings from people, or model them.

    Example: steersman annotate init prompts.jsonl responses.jsonl --annotators 5 --out site.db
    """


@annotate.command()
@click.argument("prompts_file", metavar="PROMPTS", type=PATH)
@click.argument("responses_file", metavar="RESPONSES", type=PATH)
@click.option(
    "--annotators",
    type=click.IntRange(min=3),
    required=True,
    help="How many people will rate; a disputed task needs 5.",
)
@out_option("The database file to make.")
@as_json_option
def init(prompts_file: Path, responses_file: Path, annotators: int, out: Path, as_json: bool) -> None:
    """Make the database of an annotation site: one task per prompt, one login token per annotator.

    Example: steersman annotate init prompts.jsonl responses.jsonl --annotators 5 --out site.db
    """
    from steersman.pipeline import annotate as pipeline

    result = pipeline.init(prompts_file, responses_file, out=out, annotators=annotators)
    people = result["annotators"]
    lines = [f"{result['tasks']} tasks in {out}. Login tokens, shown only now:"]
    lines += [f"{each['annotator']}  {each['token']}" for each in people] if isinstance(people, list) else []
    if annotators < pipeline.ENOUGH_ANNOTATORS:
        say(f"{annotators} annotators: a disputed task never gets its {pipeline.ENOUGH_ANNOTATORS} ratings.")
    emit(result, as_json=as_json, text="\n".join(lines))


@annotate.command(name="serve")
@click.argument("database", type=PATH)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=int, default=8000, show_default=True)
def serve_site(database: Path, host: str, port: int) -> None:
    """Serve the annotation site of DATABASE until Ctrl-C.

    Example: steersman annotate serve site.db --port 8000
    """
    from datetime import UTC, datetime

    from steersman.cli.server import serve
    from steersman.web.app import create_app

    app = create_app(database, now=lambda: datetime.now(UTC))
    serve(app, host=host, port=port, started=lambda url: say(f"The annotation site is at {url}; Ctrl-C ends it."))


@annotate.command()
@click.argument("database", type=PATH)
@out_option("The ratings file to write, in a folder of its own.")
@as_json_option
def export(database: Path, out: Path, as_json: bool) -> None:
    """Write every rating of DATABASE as a ratings table.

    Example: steersman annotate export site.db --out ratings/ratings.jsonl
    """
    from steersman.pipeline import annotate as pipeline

    result = pipeline.export(database, out=out)
    emit(result, as_json=as_json, text=f"{result['ratings']} ratings in {out}")


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


annotate.add_command(plan)
