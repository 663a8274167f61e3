"""The verbs around the loop: demo, run, prompts, respond, report, licences."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from steersman.cli.options import (
    PATH,
    as_json_option,
    dry_run_option,
    emit,
    load_config,
    out_option,
    say,
    seed_option,
    set_option,
)

if TYPE_CHECKING:
    from steersman.config.run import RunSettings


@click.command()
@click.option(
    "--data", help="Human labels instead of simulated ones: a folder in HelpSteer2's shape, or nvidia/HelpSteer2."
)
@out_option("The run folder.", default="runs/demo")
@set_option
@dry_run_option
@as_json_option
def demo(data: str | None, out: Path, overrides: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Run the whole loop on this machine, unattended, in minutes.

    The same command goes on where an interrupted one stopped.

    Example: steersman demo --out runs/demo
    """
    from steersman.pipeline import demo as pipeline

    _run(pipeline.settings(data=data, overrides=overrides), out=out, dry_run=dry_run, as_json=as_json)


@click.command()
@click.argument("config", type=PATH)
@click.option("--out", type=PATH, help="The run folder; by default runs/NAME with the config's name.")
@set_option
@dry_run_option
@as_json_option
def run(config: Path, out: Path | None, overrides: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Run the stages of CONFIG in order; finished stages are skipped, interrupted ones redone.

    Example: steersman run configs/tiny.yaml --set seed=3
    """
    from steersman.config.run import RunSettings

    settings = load_config(config, model=RunSettings, overrides=overrides)
    _run(settings, out=out or Path("runs") / settings.name, dry_run=dry_run, as_json=as_json)


def _run(settings: "RunSettings", *, out: Path, dry_run: bool, as_json: bool) -> None:
    from steersman.config.loading import dump_settings

    if dry_run:
        print(dump_settings(settings), end="")
        return
    from steersman.cli.progress import bars
    from steersman.pipeline import run as pipeline

    result = pipeline.run(settings, out=out, progress=bars, say=say)
    emit(result, as_json=as_json, text=f"{result['report']}")


@click.command()
@click.option(
    "--source", default="starter", show_default=True, help="'starter' for the shipped prompts, or a prompts table."
)
@click.option("--limit", type=click.IntRange(min=2), help="Take so many, spread over topics and complexity.")
@click.option(
    "--held-out", type=click.IntRange(min=0), default=0, show_default=True, help="Set so many aside for evaluation."
)
@out_option("The run folder.")
@seed_option
@as_json_option
def prompts(source: str, limit: int | None, held_out: int, out: Path, seed: int, as_json: bool) -> None:
    """Collect and sample prompts.

    Example: steersman prompts --limit 100 --held-out 20 --out runs/prompts
    """
    from steersman.config.sections import PromptsSettings
    from steersman.pipeline import prompts as pipeline

    settings = PromptsSettings(source=source, limit=limit, held_out=held_out)
    outcome = pipeline.run(settings, seed=seed, out=out)
    text = f"{outcome.result['prompts']} prompts in {out / pipeline.PROMPTS_FILE}"
    if held_out:
        text += f", {outcome.result['held_out']} held out in {out / pipeline.HELD_OUT_FILE}"
    emit(outcome.result, as_json=as_json, text=text)


@click.command()
@click.argument("prompts_file", metavar="PROMPTS", type=PATH)
@click.option("--config", type=PATH, required=True, help="A run config; its section 'responses' is used.")
@out_option("The run folder.")
@set_option
@as_json_option
def respond(prompts_file: Path, config: Path, out: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Write two responses to each of PROMPTS, by two different generators.

    Example: steersman respond runs/prompts/prompts.jsonl --config configs/demo.yaml --out runs/responses
    """
    from steersman.cli.progress import bars
    from steersman.config.run import RunSettings
    from steersman.pipeline import respond as pipeline

    settings = load_config(config, model=RunSettings, overrides=overrides)
    outcome = pipeline.run(prompts_file, settings.responses, seed=settings.seed, out=out, progress=bars)
    text = f"{outcome.result['responses']} responses in {out / pipeline.RESPONSES_FILE}"
    emit(outcome.result, as_json=as_json, text=text)


@click.command()
@click.argument("runs", type=PATH, nargs=-1, required=True)
@click.option("--out", type=PATH, help="The page; by default report.html in the run folder.")
@as_json_option
def report(runs: tuple[Path, ...], out: Path | None, as_json: bool) -> None:
    """Write one HTML page about RUNS: tables, plots, samples, lineage, licences.

    Example: steersman report runs/demo
    """
    from steersman.pipeline import report as pipeline

    page = pipeline.run(runs, out=out)
    emit({"report": str(page)}, as_json=as_json, text=str(page))


@click.command()
@click.argument("path", type=PATH)
@as_json_option
def licences(path: Path, as_json: bool) -> None:
    """Say where every row and weight of PATH came from, and whether it may be used commercially.

    Example: steersman licences runs/demo
    """
    from steersman.pipeline import licences as pipeline

    result = pipeline.run(path)
    lines = [f"commercial use: {result['commercial_use']}"]
    reasons = result["reasons"]
    lines += [f"- {reason}" for reason in reasons] if isinstance(reasons, list) else []
    emit(result, as_json=as_json, text="\n".join(lines))
