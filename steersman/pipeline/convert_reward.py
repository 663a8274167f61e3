"""`steersman convert`: a reward model into transformers' own form, and NeMo-Aligner's heads into ours."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from steersman.config.converting import ClassifierSettings, NemoSettings
from steersman.config.loading import Settings
from steersman.errors import ConfigError, PluginError
from steersman.modeling.classifier import LinearHead
from steersman.modeling.encoder import is_encoder
from steersman.modeling.loading import load_backbone, load_tokenizer
from steersman.modeling.precision import torch_dtype
from steersman.pipeline.lineages import Inheritance
from steersman.pipeline.models import ModelFolder, local_models, open_model
from steersman.pipeline.nemo_head import NEMO_TEMPLATE, read_nemo_head
from steersman.pipeline.reward_folder import load_reward_model, save_reward_model
from steersman.pipeline.stage import Product, Stage, run_stage
from steersman.reward.heads import Head
from steersman.reward.model import RewardModel
from steersman.reward.nemo_layout import NEMO_OUTPUTS, NEMO_UNTRAINED
from steersman.reward.scalarise import published_weights
from steersman.reward.spec import RewardSpec
from steersman.store.runs import CHECKPOINT_FOLDER

STAGE = "convert"
_CPU = torch.device("cpu")


def to_classifier(settings: ClassifierSettings, *, out: Path) -> dict[str, object]:
    """Write into the run folder `out` a reward model that `AutoModelForSequenceClassification` reads rightly.

    Raises PluginError that names what of the model no such model can hold: nothing is left out.
    """
    checkpoint = Path(settings.model) / CHECKPOINT_FOLDER
    place = str(checkpoint) if checkpoint.is_dir() else settings.model
    return _run(settings, {"model": place}, out=out, make=lambda folder: _make_classifier(folder, place, settings))


def _make_classifier(folder: Path, place: str, settings: ClassifierSettings) -> Product:
    found = open_model(place, role="reward model")
    model = load_reward_model(found.folder, dtype=torch_dtype(settings.dtype), device=_CPU)
    beyond = model.spec.beyond_transformers(is_encoder=is_encoder(model.backbone.config))
    if beyond:
        raise PluginError(
            f"{settings.model}: AutoModelForSequenceClassification cannot hold {'; '.join(beyond)}. Use it through"
            " steersman score and steersman serve, or train one without"
        )
    return _saved(folder, model, made_from=found)


def from_nemo_head(settings: NemoSettings, *, out: Path) -> dict[str, object]:
    """Write into the run folder `out` a reward model with NeMo's nine outputs, of which the first four weigh nothing.

    A bias makes it a model of our own form, which transformers alone cannot read. Raises PluginError for a head of
    another shape, or one that does not fit the backbone.
    """
    places = {"head": settings.head, "backbone": settings.backbone}
    return _run(settings, places, out=out, make=lambda folder: _make_from_nemo(folder, settings))


def _make_from_nemo(folder: Path, settings: NemoSettings) -> Product:
    read = read_nemo_head(Path(settings.head))
    base = open_model(settings.backbone, role="backbone of a NeMo reward model")
    backbone = load_backbone(base.folder, dtype=torch.float32, device=_CPU)
    if is_encoder(backbone.config) or read.weight.shape[1] != backbone.config.hidden_size:
        raise PluginError(
            f"{settings.head}: the head reads {read.weight.shape[1]} numbers, and {settings.backbone} is a"
            f" {type(backbone).__name__} that gives {backbone.config.hidden_size}; give the decoder it was trained on"
        )
    weights = dict.fromkeys(NEMO_UNTRAINED, 0.0) | published_weights(settings.weights)
    spec = RewardSpec(
        "linear",
        NEMO_OUTPUTS,
        weights,
        has_bias=read.bias is not None,
        weights_source=f"published as {settings.weights}",
    )
    model = RewardModel(backbone, _head(read, spec=spec), spec=spec)
    return _saved(folder, model, made_from=base, template=NEMO_TEMPLATE if settings.template == "nemo" else None)


def _head(read: LinearHead, *, spec: RewardSpec) -> Head:
    head = Head(read.weight.shape[1], spec=spec)
    bias = {} if read.bias is None else {"linear.bias": read.bias}
    head.load_state_dict({"linear.weight": read.weight, **bias})
    return head


def _saved(folder: Path, model: RewardModel, *, made_from: ModelFolder, template: str | None = None) -> Product:
    tokenizer = load_tokenizer(made_from.folder, template=template)
    inheritance = Inheritance(made_from.ancestors, made_from.is_simulated)
    save_reward_model(folder / CHECKPOINT_FOLDER, model.eval(), tokenizer, origin=inheritance)
    result: dict[str, object] = {
        "outputs": list(model.spec.output_names()),
        "weights": dict(model.spec.weights),
        "beyond_transformers": list(model.spec.beyond_transformers(is_encoder=is_encoder(model.backbone.config))),
    }
    return Product(result, made_from.ancestors, made_from.is_simulated)


def _run(
    settings: Settings, places: Mapping[str, str], *, out: Path, make: Callable[[Path], Product]
) -> dict[str, object]:
    inputs = local_models(places) | {name: Path(place) for name, place in places.items() if name == "head"}
    missing = [path for path in inputs.values() if not path.exists()]
    if missing:
        raise ConfigError(f"{missing[0]}: no such file")
    return {"run": str(out), **run_stage(Stage(STAGE, out, settings, 0, inputs, places=tuple(inputs)), make).result}
