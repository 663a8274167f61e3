"""The verb that goes beyond a trained model."""

from pathlib import Path

import click

from steersman.cli.options import as_json_option, emit, out_option


@click.command()
@click.argument("weak")
@click.argument("strong")
@click.option(
    "--factor",
    type=click.FloatRange(min=0, min_open=True),
    required=True,
    help="1 is STRONG itself, more goes beyond it; HelpSteer2-Preference took 1.52.",
)
@out_option("The run folder; the model is in its checkpoint/.")
@as_json_option
def extrapolate(weak: str, strong: str, factor: float, out: Path, as_json: bool) -> None:
    """Go from the model WEAK through STRONG, which was trained from it, and beyond (ExPO).

    Each weight becomes weak + factor x (strong - weak). Both are run folders, model folders or hub names; everything
    but the weights comes from STRONG.

    Example: steersman extrapolate runs/regression runs/scaled --factor 1.52 --out runs/beyond
    """
    from steersman.cli.progress import bars
    from steersman.config.extrapolating import ExtrapolateSettings
    from steersman.config.loading import validate_settings
    from steersman.pipeline import extrapolate as pipeline

    values = {"weak": weak, "strong": strong, "factor": factor}
    settings = validate_settings(values, model=ExtrapolateSettings, source="steersman extrapolate")
    result = pipeline.run(settings, out=out, progress=bars)
    emit(result, as_json=as_json, text=f"model beyond {strong} by factor {factor:g} in {out / 'checkpoint'}")
