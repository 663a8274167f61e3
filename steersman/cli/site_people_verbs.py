"""The verbs that add to an annotation site: tasks, users, invitations and tokens."""

from datetime import timedelta
from pathlib import Path
from typing import TypedDict, Unpack

import click

from steersman.cli.options import PATH, as_json_option, emit
from steersman.errors import ConfigError

_ROLES = ("owner", "manager", "reviewer", "annotator")
_SCOPES = ("annotate", "read", "review", "manage", "people")
_KINDS = ("rating", "gold", "training", "qualification")
_project_option = click.option("--project", help="Id of the project, where there are several.")
_NUM_TABLES = 2


class _Given(TypedDict):
    kind: str
    known: Path | None
    delivery: str | None
    priority: int
    ratings: Path | None
    preferences: Path | None
    project: str | None


@click.command()
@click.argument("place")
@click.argument("tables", metavar="[PROMPTS RESPONSES]", nargs=-1, type=PATH)
@click.option("--kind", type=click.Choice(_KINDS), default="rating", show_default=True, help="What the tasks are for.")
@click.option("--known", type=PATH, help="Right scores by response_id, for every kind but rating.")
@click.option("--delivery", help="Name of the batch, which can be paused and exported apart.")
@click.option("--priority", type=int, default=0, show_default=True, help="Higher ones are given out first.")
@click.option("--from-ratings", "ratings", type=PATH, help="Tasks and answers of an export instead of tables.")
@click.option("--preferences", type=PATH, help="Preferences that go with --from-ratings.")
@_project_option
@as_json_option
def add(place: str, tables: tuple[Path, ...], as_json: bool, **given: Unpack[_Given]) -> None:
    """Add tasks to a project of the database PLACE, also while it is being served.

    Example: steersman annotate add site.db more-prompts.jsonl more-responses.jsonl --delivery second
    """
    from steersman.pipeline import annotate_add, annotate_ratings
    from steersman.pipeline.annotate_tasks import Placing

    if given["ratings"] is not None:
        if tables:
            raise ConfigError("give either PROMPTS and RESPONSES, or --from-ratings")
        result = annotate_ratings.add_ratings(
            place, given["ratings"], preferences=given["preferences"], project_id=given["project"]
        )
        text = f"{result['tasks']} tasks and {result['ratings']} ratings added to project {result['project']}"
    else:
        if len(tables) != _NUM_TABLES:
            raise ConfigError(f"tasks are made of two tables, PROMPTS and RESPONSES; got {len(tables)}")
        placing = Placing(given["kind"], given["delivery"], given["priority"])
        known, project = given["known"], given["project"]
        result = annotate_add.add(place, *tables, placing=placing, known=known, project_id=project)
        text = f"{result['tasks']} {result['kind']} tasks added to project {result['project']}"
    emit(result, as_json=as_json, text=text)


@click.command()
@click.argument("place")
@click.argument("name")
@click.option("--role", type=click.Choice(_ROLES), required=True, help="What they may do.")
@_project_option
@as_json_option
def user(place: str, name: str, role: str, project: str | None, as_json: bool) -> None:
    """Add a user to the database PLACE, and print the link by which they set their password.

    Example: steersman annotate user site.db maria --role reviewer
    """
    from steersman.pipeline import annotate_people as pipeline

    result = pipeline.add_site_user(place, name, role=role, project_id=project)
    emit(result, as_json=as_json, text=f"{name}  {result['invitation']}")


@click.command()
@click.argument("place")
@click.option("--user", "name", help="Whose password it sets anew; without it anybody can join by the link.")
@click.option("--role", type=click.Choice(_ROLES), default="annotator", show_default=True, help="Of those who join.")
@click.option("--uses", type=click.IntRange(1, 1000), default=1, show_default=True, help="How many people can join.")
@_project_option
@as_json_option
def invite(place: str, name: str | None, role: str, uses: int, project: str | None, as_json: bool) -> None:
    """Print a link to the site of the database PLACE: to join it, or for a user who has lost their password.

    Example: steersman annotate invite site.db --user annotator-3
    """
    from steersman.pipeline import annotate_people as pipeline

    result = pipeline.invite(place, role=role, user=name, project_id=project, max_uses=uses)
    emit(result, as_json=as_json, text=f"{result['invitation']}  until {result['expires_at']}")


@click.command()
@click.argument("place")
@click.argument("name")
@click.option(
    "--scope", "scopes", type=click.Choice(_SCOPES), multiple=True, help="What it may do.  [default: its role]"
)
@click.option("--label", default="made by hand", show_default=True, help="What it is for.")
@click.option("--days", type=click.FloatRange(0, min_open=True), help="How long it lasts.  [default: until revoked]")
@as_json_option
def token(place: str, name: str, scopes: tuple[str, ...], label: str, days: float | None, as_json: bool) -> None:
    """Print a token by which a program uses the site of the database PLACE as the user NAME.

    Example: steersman annotate token site.db owner --scope read
    """
    from steersman.pipeline import annotate_people as pipeline

    lasts = None if days is None else timedelta(days=days)
    result = pipeline.make_token(place, name, scopes=scopes, label=label, lasts=lasts)
    emit(result, as_json=as_json, text=str(result["token"]))
