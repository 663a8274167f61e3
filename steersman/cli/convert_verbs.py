"""The verbs that bring reward models into and out of the forms of others."""

from collections.abc import Mapping
from pathlib import Path

import click

from steersman.cli.options import as_json_option, emit, out_option


@click.group()
def convert() -> None:
    """Bring a reward model into another form.

    Example: steersman convert classifier runs/reward --out runs/plain
    """


@convert.command()
@click.argument("model")
@out_option("The run folder; the model is in its checkpoint/.")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16"]),
    default="float32",
    show_default=True,
    help="Number format of the weights.",
)
@as_json_option
def classifier(model: str, out: Path, dtype: str, as_json: bool) -> None:
    """Write the reward model MODEL as a classification model that transformers alone reads rightly.

    What no such model can hold (a bias, a gate, other pooling, a comparison) is named and refused, never left out.

    Example: steersman convert classifier runs/reward --out runs/plain --dtype bfloat16
    """
    from steersman.config.converting import ClassifierSettings
    from steersman.config.loading import validate_settings
    from steersman.pipeline import convert_reward

    values = {"model": model, "dtype": dtype}
    settings = validate_settings(values, model=ClassifierSettings, source="steersman convert classifier")
    result = convert_reward.to_classifier(settings, out=out)
    emit(result, as_json=as_json, text=f"AutoModelForSequenceClassification reads {out / 'checkpoint'}")


@convert.command()
@click.argument("head")
@click.option("--backbone", required=True, help="The transformers model below the head: a folder or a hub name.")
@out_option("The run folder; the model is in its checkpoint/.")
@click.option(
    "--weights",
    type=click.Choice(["goodness", "helpsteer2-70b", "helpsteer2-340b"]),
    default="goodness",
    show_default=True,
    help="What the reward is made of.",
)
@click.option(
    "--template",
    type=click.Choice(["nemo", "backbone"]),
    default="nemo",
    show_default=True,
    help="How turns are written: as NeMo-Aligner's models read them, or as the backbone does.",
)
@as_json_option
def nemo(head: str, out: Path, as_json: bool, **options: object) -> None:
    """Make a reward model of nine outputs from HEAD, the regression head of a NeMo-Aligner model.

    HEAD is a file of the tensors rm_head.weight and rm_head.bias. The four outputs that HelpSteer2 never trained weigh
    nothing in the reward.

    Example: steersman convert nemo rm_head.safetensors --backbone models/llama-3-70b --out runs/steerlm-rm
    """
    from steersman.config.converting import NemoSettings
    from steersman.config.loading import validate_settings
    from steersman.pipeline import convert_reward

    settings = validate_settings({"head": head, **options}, model=NemoSettings, source="steersman convert nemo")
    result = convert_reward.from_nemo_head(settings, out=out)
    emit(result, as_json=as_json, text=_text(result, out=out))


def _text(result: Mapping[str, object], *, out: Path) -> str:
    beyond = result["beyond_transformers"]
    outputs = result["outputs"]
    lines = [f"{len(outputs) if isinstance(outputs, list) else 0} outputs in {out / 'checkpoint'}"]
    if isinstance(beyond, list) and beyond:
        lines.append(f"transformers alone cannot read it: it has {'; '.join(str(each) for each in beyond)}")
    return "\n".join(lines)
