"""The head of a NeMo-Aligner regression reward model: its file, and the text its models read.

NeMo-Aligner calls its tensors `rm_head.weight` (9, D) and `rm_head.bias` (9,), with names of modules in front.
"""

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from zipfile import BadZipFile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from steersman.errors import PluginError
from steersman.modeling.classifier import LinearHead
from steersman.reward.nemo_layout import NEMO_OUTPUTS

_WEIGHT, _BIAS = "rm_head.weight", "rm_head.bias"
_WHERE = "save rm_head.weight and rm_head.bias of its checkpoint, tensor-parallel parts joined, as one safetensors file"
_SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and"
    " polite answers to the user's questions."
)
# HelpSteer2's models read the last token of <extra_id_2>; such a mark inside a text must not forge a turn
_CONTENT = "{{ message['content'] | replace('<extra_id_', '<\u200bextra_id_') }}"
NEMO_TEMPLATE = (
    "<extra_id_0>System\n"
    "{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] }}{% else %}" + _SYSTEM + "{% endif %}{{ '\n' }}"
    "{% for message in messages %}{% if message['role'] != 'system' %}"
    "<extra_id_1>{{ message['role'] | capitalize }}\n" + _CONTENT + "\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<extra_id_1>Assistant\n{% else %}<extra_id_2>{% endif %}"
)


def read_nemo_head(file: Path) -> LinearHead:
    """Return the head in a safetensors or PyTorch file, in float32; a bias of zeros is none.

    Raises PluginError that says what to do when it cannot be read or has other than nine outputs.
    """
    tensors = _tensors(file)
    weight, bias = _called(tensors, _WEIGHT, file=file), _called(tensors, _BIAS, file=file)
    if weight is None:
        raise PluginError(f"{file}: holds no tensor {_WEIGHT}; {_WHERE}")
    if weight.ndim != 2 or len(weight) != len(NEMO_OUTPUTS) or (bias is not None and bias.shape != weight.shape[:1]):
        raise PluginError(
            f"{file}: {_WEIGHT} has the shape {tuple(weight.shape)}, not ({len(NEMO_OUTPUTS)}, hidden size): a row each"
            f" for {', '.join(NEMO_OUTPUTS)}"
        )
    has_bias = bias is not None and bool(bias.any())
    return LinearHead(weight.float(), bias.float() if bias is not None and has_bias else None)


def _tensors(file: Path) -> Mapping[str, object]:
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        found = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, SafetensorError, UnpicklingError, BadZipFile) as error:
        raise PluginError(
            f"{file}: cannot be read as tensors ({str(error).partition('.')[0] or 'it is empty'}); {_WHERE}"
        ) from error
    if isinstance(found, Mapping) and isinstance(found.get("state_dict"), Mapping):
        found = found["state_dict"]
    return found if isinstance(found, Mapping) else {}


def _called(tensors: Mapping[str, object], name: str, *, file: Path) -> torch.Tensor | None:
    found = [value for key, value in tensors.items() if key == name or key.endswith(f".{name}")]
    if len(found) > 1:
        raise PluginError(f"{file}: {len(found)} tensors are called {name}; {_WHERE}")
    return found[0] if found and isinstance(found[0], torch.Tensor) else None
