"""The training verbs: train reward, train dpo."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from steersman.cli.options import PATH, F, as_json_option, dry_run_option, emit, load_config, out_option, set_option

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
