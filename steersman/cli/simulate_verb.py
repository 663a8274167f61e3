"""The verb that models a crowd: into a file of ratings, or at work on a running site."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict, Unpack, cast

import click

from steersman.cli.options import PATH, as_json_option, emit, say, seed_option
from steersman.errors import ConfigError

_NUM_TABLES = 2
_SAY_EVERY = 500


class _Given(TypedDict):
    url: str | None
    token: str | None
    project: str | None
    annotators: int
    clients: int
    cycles: int | None


@click.command()
@click.argument("tables", metavar="[PROMPTS RESPONSES]", nargs=-1, type=PATH)
@click.option("--out", type=PATH, help="The ratings file to write, in a folder of its own.")
@click.option("--url", help="Instead of a file: the address of a running site to work on.")
@click.option("--token", envvar="STEERSMAN_TOKEN", help="Token of the site's owner or manager.  [env: STEERSMAN_TOKEN]")
@click.option("--project", help="Id of the project on the site, where there are several.")
@click.option("--annotators", type=click.IntRange(1, 1000), default=10, show_default=True, help="People on the site.")
@click.option("--clients", type=click.IntRange(1, 200), default=8, show_default=True, help="Of them at once.")
@click.option("--cycles", type=click.IntRange(min=1), help="Stop after so many answers.  [default: nothing is left]")
@seed_option
@as_json_option
def simulate(tables: tuple[Path, ...], out: Path | None, seed: int, as_json: bool, **given: Unpack[_Given]) -> None:
    """Rate responses by a modelled crowd, with the 3 -> 5 rule; docs/crowd.md states the model.

    With --out into a file; with --url and --token through the API of a running site, as a load test or to try it out.

    Example: steersman annotate simulate prompts.jsonl responses.jsonl --out ratings/ratings.jsonl
    """
    if given["url"] is not None:
        if tables or out is not None:
            raise ConfigError("--url works on the tasks of the site; leave PROMPTS, RESPONSES and --out away")
        result = _on_site(given["url"], seed=seed, given=given)
        emit(result, as_json=as_json, text=_text(result))
        return
    if len(tables) != _NUM_TABLES or out is None:
        raise ConfigError("give PROMPTS, RESPONSES and --out for a file of ratings, or --url for a running site")
    result = _into_file(*tables, out=out, seed=seed)
    emit(result, as_json=as_json, text=f"{result['ratings']} simulated ratings in {out}")


def _into_file(prompts: Path, responses: Path, *, out: Path, seed: int) -> dict[str, object]:
    from steersman.config.sections import CrowdSettings
    from steersman.pipeline import simulate as pipeline
    from steersman.pipeline.origins import tasks_origin
    from steersman.pipeline.ratings import read_tasks

    tasks = read_tasks(prompts, responses)
    origin = tasks_origin(prompts, responses)
    crowd = CrowdSettings.model_validate({})
    return pipeline.run(tasks, crowd=crowd, seed=seed, out=out, ancestors=origin.ancestors)


def _on_site(url: str, *, seed: int, given: _Given) -> dict[str, object]:
    from steersman.client import AnnotationClient, ProjectClient
    from steersman.pipeline import simulate_site as pipeline

    if given["token"] is None:
        raise ConfigError("a token of the site's owner or manager is needed: --token, or STEERSMAN_TOKEN")
    load = pipeline.Load(given["annotators"], given["clients"], given["cycles"], seed)
    with ProjectClient(url, given["token"]) as office:
        project = given["project"] or _only_project(office.projects())
        return pipeline.run(
            office,
            project=project,
            load=load,
            open_desk=lambda token: AnnotationClient(url, token, project=project),
            progress=lambda done: say(f"{done} answers") if done % _SAY_EVERY == 0 else None,
        )


def _only_project(found: list[str]) -> str:
    if len(found) != 1:
        raise ConfigError(f"the site has the projects {', '.join(found) or '(none)'}; name one with --project")
    return found[0]


def _text(result: Mapping[str, object]) -> str:
    claim, submit = (cast("dict[str, float | None]", result[name]) for name in ("claim_ms", "submit_ms"))
    lines = [
        f"{result['cycles']} simulated answers in {result['seconds']} s: {result['cycles_per_second']} a second",
        f"claim   p50 {claim['p50']} ms, p99 {claim['p99']} ms",
        f"submit  p50 {submit['p50']} ms, p99 {submit['p99']} ms",
        f"errors  {result['errors']}",
    ]
    lines += [f"  {count} x {fault}" for fault, count in cast("dict[str, int]", result["faults"]).items()]
    return "\n".join(lines)
