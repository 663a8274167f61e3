"""The verb that scores a file of prompts and responses."""

from pathlib import Path

import click

from steersman.cli.options import PATH, as_json_option, emit, out_option


@click.command()
@click.argument("model")
@click.argument("data", type=PATH)
@out_option("The scores file to write: JSON lines, or Parquet by its name.")
@click.option(
    "--probabilities",
    is_flag=True,
    help="Add a column attribute=level for every level of an ordinal or categorical head.",
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "bfloat16", "float32"]),
    default="auto",
    show_default=True,
    help="Of matrix products; auto is bfloat16 where the device multiplies it in hardware.",
)
@click.option("--ray", is_flag=True, help="Score on the Ray cluster at RAY_ADDRESS, or on one started on this machine.")
@click.option(
    "--actors", type=click.IntRange(min=1), help="With --ray: so many models at once.  [default: one per GPU]"
)
@as_json_option
def score(model: str, data: Path, out: Path, as_json: bool, **options: object) -> None:
    """Score the prompts and responses in DATA by the reward model MODEL.

    MODEL is a run of steersman train reward, or any transformers model with a linear classification head.

    Example: steersman score runs/reward validation.jsonl --out scores.jsonl
    """
    from steersman.cli.progress import bars
    from steersman.config.loading import validate_settings
    from steersman.config.scoring import ScoreSettings
    from steersman.pipeline import score as pipeline

    settings = validate_settings(options, model=ScoreSettings, source="steersman score")
    result = pipeline.run(model, data, out=out, settings=settings, progress=bars)
    emit(result, as_json=as_json, text=f"{result['rows']} scores in {out}")
