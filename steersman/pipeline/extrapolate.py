"""`steersman extrapolate`: a weak and a strong model in, a model beyond the strong one out."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from transformers import AutoConfig

from steersman.config.extrapolating import ExtrapolateSettings
from steersman.errors import DataError, join_faults
from steersman.modeling.loading import load_tokenizer, quiet_transformers
from steersman.modeling.weight_files import WeightFiles, weight_files, write_weights
from steersman.pipeline.lineages import ORIGIN_KEY
from steersman.pipeline.models import ModelFolder, local_models, open_model
from steersman.pipeline.saving import explained_weight_errors
from steersman.pipeline.stage import Product, Stage, run_stage
from steersman.protocols import Progress, no_progress
from steersman.reward.expo import differences, extrapolate
from steersman.reward.spec import SPEC_KEY
from steersman.store.files import whole_folder
from steersman.store.lineage import LINEAGE_FILE, merge_ancestors
from steersman.store.runs import CHECKPOINT_FOLDER, DONE_FILE

STAGE = "extrapolate"
# All of a model folder but its weights, from the strong model.
_OTHER_FILES = ("*.json", "*.jinja", "*.model", "*.txt")
# What a config says of how it came about, or of how outputs are weighed: two models may differ in it.
_FREE_KEYS = frozenset(
    {"_name_or_path", "transformers_version", "dtype", "torch_dtype", "use_cache", "reward_weights", ORIGIN_KEY}
)
_FREE_SPEC_KEYS = frozenset({"weights", "weights_source"})


def run(settings: ExtrapolateSettings, *, out: Path, progress: Progress = no_progress) -> dict[str, object]:
    """Write into the run folder `out` the model beyond the strong one and return what `--json` prints.

    `out/checkpoint` has the files of the strong model, its config, tokenizer and scalar weights among them, and the
    extrapolated weights. A finished run of the same models is not repeated. Raises DataError that lists everything in
    which the two models differ and must not: names and shapes of tensors, config, outputs, tokenizer.
    """
    names = {"weak": _place(settings.weak), "strong": _place(settings.strong)}
    inputs = local_models(names)
    stage = Stage(STAGE, out, settings, 0, inputs, places=tuple(inputs))
    made = run_stage(stage, lambda folder: _make(folder, names, factor=settings.factor, progress=progress))
    return {"run": str(out), **made.result}


def _place(name: str) -> str:
    checkpoint = Path(name) / CHECKPOINT_FOLDER
    return str(checkpoint) if checkpoint.is_dir() else name


def _make(folder: Path, names: Mapping[str, str], *, factor: float, progress: Progress) -> Product:
    weak = open_model(names["weak"], role="weak model of an extrapolation")
    strong = open_model(names["strong"], role="strong model of an extrapolation")
    weak_files, strong_files = weight_files(weak.folder), weight_files(strong.folder)
    _refuse_different(weak, strong, faults=differences(weak_files.shape_of, strong_files.shape_of))
    checkpoint = folder / CHECKPOINT_FOLDER
    with explained_weight_errors(checkpoint), whole_folder(checkpoint) as temporary:
        _write_beyond(temporary, weak_files, strong_files, factor=factor, progress=progress)
        _copy_others(strong.folder, temporary)
    result = {"factor": factor, "tensors": len(strong_files.file_of)}
    ancestors = merge_ancestors([weak.ancestors, strong.ancestors])
    return Product(result, ancestors, simulated=weak.is_simulated or strong.is_simulated)


def _write_beyond(folder: Path, weak: WeightFiles, strong: WeightFiles, *, factor: float, progress: Progress) -> None:
    files = sorted(set(strong.file_of.values()))
    with progress("extrapolate", len(files), "file") as advance:
        for file in files:
            names = strong.names_in(file)
            write_weights(folder / file, extrapolate(weak.read(names), strong.read(names), factor=factor))
            advance(1)


def _copy_others(source: Path, target: Path) -> None:
    for path in sorted(each for pattern in _OTHER_FILES for each in source.glob(pattern)):
        if path.name not in (LINEAGE_FILE, DONE_FILE):
            shutil.copyfile(path, target / path.name)


def _refuse_different(weak: ModelFolder, strong: ModelFolder, *, faults: list[str]) -> None:
    found = [*_config_faults(weak.folder, strong.folder), *_tokenizer_faults(weak.folder, strong.folder), *faults]
    if found:
        raise DataError(
            f"{weak.name} and {strong.name}: only models of one shape can be extrapolated, of which one was trained"
            f" from the other; {join_faults(found)}"
        )


def _config_faults(weak: Path, strong: Path) -> list[str]:
    one, other = _config(weak), _config(strong)
    return [
        f"config.json: {key} is {one.get(key)} in the weak model, {other.get(key)} in the strong one"
        for key in sorted({*one, *other})
        if one.get(key) != other.get(key)
    ]


def _config(folder: Path) -> dict[str, object]:
    """Return what decides how a model computes, and what its outputs are."""
    with quiet_transformers():
        config: dict[str, object] = AutoConfig.from_pretrained(folder, local_files_only=True).to_dict()
    spec = config.pop(SPEC_KEY, None)
    if isinstance(spec, dict):
        config |= {f"{SPEC_KEY}.{key}": value for key, value in spec.items() if key not in _FREE_SPEC_KEYS}
    return {key: value for key, value in config.items() if key not in _FREE_KEYS}


def _tokenizer_faults(weak: Path, strong: Path) -> list[str]:
    one, other = load_tokenizer(weak), load_tokenizer(strong)
    parts = {
        "vocabularies": (one.get_vocab(), other.get_vocab()),
        "chat templates": (one.chat_template, other.chat_template),
        "special tokens": (cast("object", one.special_tokens_map), other.special_tokens_map),
    }
    return [f"their tokenizers have different {part}" for part, (mine, yours) in parts.items() if mine != yours]
