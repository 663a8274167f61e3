"""The verbs that make, serve and export an annotation site."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack, cast

import click

from steersman.cli.options import PATH, as_json_option, emit, load_config, out_option, say, set_option
from steersman.errors import ConfigError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from steersman.config.annotating import ProjectSettings


class _Given(TypedDict):
    annotators: int
    project: str | None
    title: str | None
    config_file: Path | None
    overrides: tuple[str, ...]
    guideline_file: Path | None


@click.command()
@click.argument("prompts_file", metavar="PROMPTS", type=PATH)
@click.argument("responses_file", metavar="RESPONSES", type=PATH)
@click.option("--out", required=True, help="The database to make: a file, or postgresql://user@host/name.")
@click.option("--annotators", type=click.IntRange(min=1), required=True, help="How many people will rate.")
@click.option("--project", help="Id of the project; a-z, 0-9 and -. [default: the name of the file]")
@click.option("--title", help="What people call the project.")
@click.option("--config", "config_file", type=PATH, help="YAML file with settings of the project.")
@set_option
@click.option("--guideline", "guideline_file", type=PATH, help="Markdown file: what annotators are told.")
@as_json_option
def init(prompts_file: Path, responses_file: Path, out: str, as_json: bool, **given: Unpack[_Given]) -> None:
    """Make the database of an annotation site: one task per prompt, an owner, and annotators.

    Example: steersman annotate init prompts.jsonl responses.jsonl --annotators 5 --out site.db
    """
    from steersman.pipeline import annotate as pipeline

    settings = _settings(given["config_file"], given["overrides"])
    guideline = _guideline(given["guideline_file"])
    project = pipeline.NewProject(settings, guideline, given["project"], given["title"])
    result = pipeline.init(prompts_file, responses_file, out=out, annotators=given["annotators"], project=project)
    for note in cast("list[str]", result["notes"]):
        say(f"Note: {note}.")
    emit(result, as_json=as_json, text=_made_text(result))


@click.command(name="serve")
@click.argument("place")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; 0.0.0.0 is every one.")
@click.option("--port", type=int, default=8000, show_default=True)
@click.option("--workers", type=click.IntRange(min=1, max=64), default=1, show_default=True, help="Processes.")
@click.option("--https", "is_secure", is_flag=True, help="A proxy on this machine with HTTPS stands in front.")
def serve_site(place: str, host: str, port: int, workers: int, is_secure: bool) -> None:
    """Serve the annotation site of the database PLACE, a file or a URL, until Ctrl-C.

    Example: steersman annotate serve site.db --port 8000
    """
    from steersman.cli.server import serve_processes

    serve_processes(
        partial(make_site, place, is_secure=is_secure),
        host=host,
        port=port,
        workers=workers,
        is_behind_proxy=is_secure,
        started=lambda url: say(f"The annotation site is at {url}; Ctrl-C ends it."),
    )


@click.command()
@click.argument("place")
@out_option("The ratings file to write, in a folder of its own.")
@click.option("--project", help="Id of the project, where there are several.")
@as_json_option
def export(place: str, out: Path, project: str | None, as_json: bool) -> None:
    """Write every rating of a project in the database PLACE as a ratings table.

    Example: steersman annotate export site.db --out ratings/ratings.jsonl
    """
    from steersman.pipeline import annotate_export as pipeline

    result = pipeline.export(place, out=out, project_id=project)
    emit(result, as_json=as_json, text=f"{result['ratings']} ratings in {out}")


def make_site(place: str, *, is_secure: bool) -> "FastAPI":
    """Return the site of the database at `place`, by the clock of this machine."""
    from datetime import UTC, datetime

    from steersman.web.app import create_app

    return create_app(place, now=lambda: datetime.now(UTC), is_secure=is_secure)


def _settings(config_file: Path | None, overrides: tuple[str, ...]) -> "ProjectSettings":
    from steersman.config.annotating import ProjectSettings
    from steersman.config.loading import load_settings

    if config_file is not None:
        return load_config(config_file, model=ProjectSettings, overrides=overrides)
    return load_settings("{}", model=ProjectSettings, source="--set", overrides=overrides)


def _guideline(path: Path | None) -> str:
    from steersman.web.guideline import default_guideline

    if path is None:
        return default_guideline()
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as Markdown in UTF-8 ({error})") from error


def _made_text(result: Mapping[str, object]) -> str:
    owner = cast("dict[str, str]", result["owner"])
    people = [(owner["user"], owner)]
    people += [(each["annotator"], each) for each in cast("list[dict[str, str]]", result["annotators"])]
    lines = [f"{result['tasks']} tasks in project {result['project']} of {result['database']}."]
    lines += ["Links to set passwords, behind the site's address, and tokens for programs; shown only now:"]
    return "\n".join([*lines, *(f"{name}  {each['invitation']}  {each['token']}" for name, each in people)])
