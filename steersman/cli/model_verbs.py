"""The verbs of models: train, score, serve, evaluate."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from steersman.cli.options import (
    PATH,
    F,
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
    from steersman.config.loading import Settings
    from steersman.protocols import Progress


@click.group()
def train() -> None:
    """Train a reward model or a policy.

    Example: steersman train reward configs/reward-helpsteer2.yaml --out runs/reward
    """


def _training_options(verb: F) -> F:
    """Add the config and the options that every training verb takes."""
    out = out_option("The run folder; the model is in its checkpoint/.")
    for option in (as_json_option, dry_run_option, set_option, out, click.argument("config", type=PATH)):
        verb = option(verb)
    return verb


@train.command()
@_training_options
def reward(config: Path, out: Path, overrides: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Train a multi-attribute reward model as CONFIG says.

    Example: steersman train reward configs/reward-helpsteer2.yaml --out runs/reward
    """
    from steersman.config.run import TrainRewardSettings

    settings = load_config(config, model=TrainRewardSettings, overrides=overrides)

    def run(progress: "Progress") -> dict[str, object]:
        from steersman.pipeline import train_reward

        return train_reward.run(settings, out=out, progress=progress)

    _train(settings, run, dry_run=dry_run, as_json=as_json, made=f"reward model in {out / 'checkpoint'}")


@train.command()
@_training_options
def dpo(config: Path, out: Path, overrides: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Align a policy by direct preference optimisation as CONFIG says.

    Example: steersman train dpo configs/dpo-helpsteer2.yaml --out runs/dpo
    """
    from steersman.config.run import TrainDpoSettings

    settings = load_config(config, model=TrainDpoSettings, overrides=overrides)

    def run(progress: "Progress") -> dict[str, object]:
        from steersman.pipeline import train_dpo

        return train_dpo.run(settings, out=out, progress=progress)

    _train(settings, run, dry_run=dry_run, as_json=as_json, made=f"policy in {out / 'checkpoint'}")


def _train(
    settings: "Settings",
    run: "Callable[[Progress], dict[str, object]]",
    *,
    dry_run: bool,
    as_json: bool,
    made: str,
) -> None:
    """Show the settings, or `run` what they ask for and tell what was `made`; only `run` loads torch."""
    from steersman.config.loading import dump_settings

    if dry_run:
        print(dump_settings(settings), end="")
        return
    from steersman.cli.progress import bars

    result = run(bars)
    emit(result, as_json=as_json, text=f"{made} ({_metrics_text(result)})")


def _metrics_text(result: dict[str, object]) -> str:
    metrics = result.get("metrics")
    shown = [f"{name} {value:.4f}" for name, value in metrics.items()] if isinstance(metrics, dict) else []
    return ", ".join([f"best step {result.get('best_step')} of {result.get('steps')}", *shown])


@click.command()
@click.argument("model")
@click.argument("data", type=PATH)
@out_option("The scores file to write.")
@as_json_option
def score(model: str, data: Path, out: Path, as_json: bool) -> None:
    """Score the prompts and responses in DATA by the reward model MODEL.

    Example: steersman score runs/reward validation.jsonl --out scores.jsonl
    """
    from steersman.cli.progress import bars
    from steersman.pipeline import score as pipeline

    result = pipeline.run(model, data, out=out, progress=bars)
    emit(result, as_json=as_json, text=f"{result['rows']} scores in {out}")


@click.group()
def serve() -> None:
    """Serve a model over HTTP.

    Example: steersman serve reward runs/reward
    """


@serve.command(name="reward")
@click.argument("model")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=int, default=8100, show_default=True)
def serve_reward(model: str, host: str, port: int) -> None:
    """Serve the reward model MODEL until Ctrl-C: POST /v1/score, GET /health.

    Example: steersman serve reward runs/reward --port 8100
    """
    from steersman.cli.server import bind
    from steersman.cli.server import serve as serve_app
    from steersman.pipeline.scorers import limited, open_scorer
    from steersman.serving.app import create_app
    from steersman.serving.bodies import MAX_TOKENS

    # a port in use is told before the model is loaded, which takes longer
    bind(host, port=port).close()
    app = create_app(limited(open_scorer(model), max_tokens=MAX_TOKENS), name=model, host=host)
    say(f"The reward model is at http://{host}:{port}/v1/score; Ctrl-C ends it.")
    serve_app(app, host=host, port=port)


@click.group()
def evaluate() -> None:
    """Measure policies.

    Example: steersman evaluate length runs/demo/responses/responses.jsonl
    """


@evaluate.command()
@click.argument("data", type=PATH)
@click.option("--rounds", type=click.IntRange(min=100), default=2000, show_default=True, help="Bootstrap resamples.")
@seed_option
@as_json_option
def length(data: Path, rounds: int, seed: int, as_json: bool) -> None:
    """Say how long the responses in DATA are, in characters.

    Example: steersman evaluate length runs/demo/responses/responses.jsonl
    """
    from steersman.pipeline import evaluate_length

    result = evaluate_length.run(data, seed=seed, rounds=rounds)
    interval = result["ci95"]
    shown = f" [{interval[0]:.1f}, {interval[1]:.1f}]" if isinstance(interval, list) else ""
    emit(
        result,
        as_json=as_json,
        text=f"{result['responses']} responses, mean {result['mean_characters']:.1f}{shown} characters",
    )
