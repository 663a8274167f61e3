"""The training verbs: train reward, train dpo."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from steersman.cli.config_help import DpoConfigCommand, RewardConfigCommand
from steersman.cli.estimate_text import estimate_lines
from steersman.cli.options import PATH, F, as_json_option, emit, load_config, say, set_option
from steersman.cli.training_text import training_lines

if TYPE_CHECKING:
    from steersman.config.run import TrainDpoSettings, TrainRewardSettings
    from steersman.pipeline.estimate_rows import CountTokens
    from steersman.pipeline.stage import Outcome
    from steersman.protocols import Progress


class _Given(TypedDict):
    """What a training verb is given, see `_training_options`."""

    config: Path
    out: Path | None
    force: bool
    overrides: tuple[str, ...]
    nproc: int
    dry_run: bool
    as_json: bool


@click.group()
def train() -> None:
    """Train a reward model or a policy.

    Example: steersman train reward configs/reward-helpsteer2.yaml --out runs/reward
    """


def _training_options(verb: F) -> F:
    """Add the config and the options that every training verb takes."""
    out = click.option("--out", type=PATH, help="The run folder; the model is in its checkpoint/.")
    dry_run = click.option(
        "--dry-run", is_flag=True, help="Check the config, say what the training will take, and stop."
    )
    force = click.option("--force", is_flag=True, help="Replace a finished result of other settings or data in --out.")
    nproc = click.option(
        "--nproc",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="Train in so many processes on this machine. Over several machines use torchrun (docs/training.md).",
    )
    for option in (as_json_option, dry_run, nproc, set_option, force, out, click.argument("config", type=PATH)):
        verb = option(verb)
    return verb


@train.command(cls=RewardConfigCommand)
@_training_options
def reward(**given: Unpack[_Given]) -> None:
    """Train a multi-attribute reward model as CONFIG says.

    Example: steersman train reward configs/reward-helpsteer2.yaml --out runs/reward
    """
    from steersman.config.run import TrainRewardSettings

    settings = load_config(given["config"], model=TrainRewardSettings, overrides=given["overrides"])
    if given["dry_run"]:
        _show_estimate(settings, as_json=given["as_json"])
        return
    folder = _needed(given["out"])

    def run(progress: "Progress") -> "Outcome":
        from steersman.pipeline import train_reward

        return train_reward.run_outcome(settings, out=folder, progress=progress, replaces=given["force"])

    _train(run, folder=folder, nproc=given["nproc"], kind="reward model", as_json=given["as_json"])


@train.command(cls=DpoConfigCommand)
@_training_options
def dpo(**given: Unpack[_Given]) -> None:
    """Align a policy by direct preference optimisation as CONFIG says.

    Example: steersman train dpo configs/dpo-helpsteer2.yaml --out runs/dpo
    """
    from steersman.config.run import TrainDpoSettings

    settings = load_config(given["config"], model=TrainDpoSettings, overrides=given["overrides"])
    if given["dry_run"]:
        _show_estimate(settings, as_json=given["as_json"])
        return
    folder = _needed(given["out"])

    def run(progress: "Progress") -> "Outcome":
        from steersman.pipeline import train_dpo

        return train_dpo.run_outcome(settings, out=folder, progress=progress, replaces=given["force"])

    _train(run, folder=folder, nproc=given["nproc"], kind="policy", as_json=given["as_json"])


def _train(run: "Callable[[Progress], Outcome]", *, folder: Path, nproc: int, kind: str, as_json: bool) -> None:
    """Do what `run` does, in this process and those that a launcher started with it, or start `nproc` and wait."""
    from steersman.pipeline import together

    if nproc > 1:
        code = together.start_several(_arguments(click.get_current_context()), num_processes=nproc)
        raise click.exceptions.Exit(code)
    from steersman.cli.progress import bars
    from steersman.pipeline.stage import has_kept_work
    from steersman.protocols import no_progress

    with together.one_of_several() as is_first:
        try:
            outcome = run(bars if is_first else no_progress)
        except KeyboardInterrupt:
            if is_first and not has_kept_work(folder):
                say("note: no step of this training was kept, so it begins anew; engine.save_every keeps some")
            raise
        if not is_first:
            return
        if outcome.is_reused:
            say(f"note: {folder} holds what the same settings and data gave before; nothing was trained now")
        result = {"run": str(folder), **outcome.result}
        lines = training_lines(result, made=f"{kind} in {folder / 'checkpoint'}")
        emit(result, as_json=as_json, text="\n".join(lines))


def _arguments(context: click.Context) -> list[str]:
    """Return the command as it was given, without --nproc."""
    given = context.params
    words = ["train", str(context.info_name), str(given["config"]), "--out", str(given["out"])]
    words += ["--force"] if given["force"] else []
    words += [word for each in given["overrides"] for word in ("--set", each)]
    return [*words, "--json"] if given["as_json"] else words


def _needed(out: Path | None) -> Path:
    if out is None:
        raise click.MissingParameter(
            "Only --dry-run goes without it.",
            ctx=click.get_current_context(),
            param_hint="'--out'",
            param_type="option",
        )
    return out


def _show_estimate(settings: "TrainRewardSettings | TrainDpoSettings", *, as_json: bool) -> None:
    """Print the resolved config and, as comments of the same YAML, what the training will take."""
    from steersman.config.loading import dump_settings
    from steersman.pipeline import estimate

    found = estimate.run(settings, count=_token_counter())
    comments = "".join(f"# {line}\n" for line in estimate_lines(found))
    result = {"config": settings.model_dump(mode="json"), "estimate": found}
    emit(result, as_json=as_json, text=f"{dump_settings(settings)}\n{comments}".rstrip())


def _token_counter() -> "CountTokens | None":
    """Return what counts by a model's tokenizer, None in an installation without the extra `train`."""
    if any(importlib.util.find_spec(name) is None for name in ("torch", "transformers")):
        return None
    from steersman.pipeline.token_counts import count_tokens

    return count_tokens
