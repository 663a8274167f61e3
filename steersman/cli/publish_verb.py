"""The verb that sends a folder to the hub."""

from pathlib import Path
from typing import Literal

import click

from steersman.cli.options import PATH, as_json_option, emit, say


@click.command()
@click.argument("folder", metavar="DIR", type=PATH)
@click.option("--to", "repository", metavar="OWNER/NAME", required=True, help="The repository on the hub.")
@click.option("--public", is_flag=True, help="Let everybody see it; without this it is private.")
@click.option("--licence-accepted", is_flag=True, help="Send it although commercial use of it is unclear or forbidden.")
@click.option("--dry-run", is_flag=True, help="Say what would be sent, and stop.")
@as_json_option
def publish(folder: Path, repository: str, public: bool, licence_accepted: bool, dry_run: bool, as_json: bool) -> None:
    """Send a finished dataset or model folder to the hub, as whoever `hf auth login` says you are.

    Example: steersman publish datasets/mine --to me/my-dataset --dry-run
    """
    from steersman.pipeline import publish as pipeline

    visibility: Literal["private", "public"] = "public" if public else "private"
    plan = pipeline.plan(folder, repository=repository)
    say(pipeline.plan_text(plan, visibility=visibility))
    if dry_run:
        emit(pipeline.as_result(plan, visibility=visibility), as_json=as_json, text="Nothing was sent.")
        return
    if not licence_accepted:
        pipeline.refuse_unaccepted(plan)
    result = pipeline.publish(plan, visibility=visibility)
    emit(result, as_json=as_json, text=str(result["url"]))
