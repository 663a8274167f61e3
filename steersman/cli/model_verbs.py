"""The verbs of models: train, score, serve, evaluate."""

from pathlib import Path

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


@click.group()
def train() -> None:
    """Train a reward model or a policy.

    Example: steersman train reward configs/reward-helpsteer2.yaml --out runs/reward
    """


@train.command()
@click.argument("config", type=PATH)
@out_option("The run folder; the model is in its checkpoint/.")
@set_option
@dry_run_option
@as_json_option
def reward(config: Path, out: Path, overrides: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Train a multi-attribute reward model as CONFIG says.

    Example: steersman train reward configs/reward-helpsteer2.yaml --out runs/reward
    """
    from steersman.config.loading import dump_settings
    from steersman.config.run import TrainRewardSettings

    settings = load_config(config, model=TrainRewardSettings, overrides=overrides)
    if dry_run:
        print(dump_settings(settings), end="")
        return
    from steersman.cli.progress import bars
    from steersman.pipeline import train_reward

    result = train_reward.run(settings, out=out, progress=bars)
    emit(result, as_json=as_json, text=f"reward model in {out / 'checkpoint'} ({_metrics_text(result)})")


@train.command()
@click.argument("config", type=PATH)
@out_option("The run folder; the model is in its checkpoint/.")
@set_option
@dry_run_option
@as_json_option
def dpo(config: Path, out: Path, overrides: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Align a policy by direct preference optimisation as CONFIG says.

    Example: steersman train dpo configs/dpo-helpsteer2.yaml --out runs/dpo
    """
    from steersman.config.loading import dump_settings
    from steersman.config.run import TrainDpoSettings

    settings = load_config(config, model=TrainDpoSettings, overrides=overrides)
    if dry_run:
        print(dump_settings(settings), end="")
        return
    from steersman.cli.progress import bars
    from steersman.pipeline import train_dpo

    result = train_dpo.run(settings, out=out, progress=bars)
    emit(result, as_json=as_json, text=f"policy in {out / 'checkpoint'} ({_metrics_text(result)})")


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
    from steersman.pipeline.scorers import open_scorer
    from steersman.serving.app import create_app

    # a port in use is told before the model is loaded, which takes longer
    bind(host, port=port).close()
    app = create_app(open_scorer(model).scorer, name=model)
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
