"""What a frozen model gives for each response: its normed states after every layer, read in three ways; kept on disk.

The features of a row are read as a reward model reads them (last token, end of turn, mean over the answer), after each
layer with the model's own final norm: what `reward.backbone_layers` and `reward.pooling` choose from.
"""

import hashlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from evidence_data import Pairs
from torch import nn
from transformers import PreTrainedModel

from steersman.modeling.chat import Group, group_tokens
from steersman.modeling.layers import backbone_of
from steersman.modeling.loading import load_backbone, load_tokenizer
from steersman.modeling.packed_attention import packed_attention
from steersman.modeling.packing import pack
from steersman.modeling.precision import default_device, fast_precision, torch_dtype
from steersman.pipeline.models import model_sha256, open_model
from steersman.records import text_to_messages
from steersman.reward.model import read
from steersman.reward.spec import Pooling
from steersman.store.arrays import write_array

POOLINGS: tuple[Pooling, ...] = ("last", "end_of_turn", "mean")
_TELL_EVERY_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Features:
    """Features of the responses of pairs, (2P, layers + 1, poolings, D) half precision; layer 0 is the embedding."""

    values: npt.NDArray[np.float16]
    num_tokens: int

    @property
    def num_layers(self) -> int:
        """Layers of the model."""
        return int(self.values.shape[1]) - 1

    def at(self, *, layers: int, pooling: Pooling) -> npt.NDArray[np.float32]:
        """Return the features after so many layers, read in that way, (2P, D)."""
        return self.values[:, layers, POOLINGS.index(pooling)].astype(np.float32)


def features_of(pairs: Pairs, *, model: str, out: Path) -> Features:
    """Return the features of every response, computed once and then read from `out`."""
    base = open_model(model, role="features")
    identity = [model_sha256(base.folder), list(pairs.prompts), [list(each) for each in pairs.responses]]
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    path = out / "features" / f"{digest}.npy"
    facts = path.with_suffix(".json")
    if not facts.exists():
        values, num_tokens = _compute(pairs, folder=base.folder)
        write_array(path, values)
        facts.write_text(json.dumps({"tokens": num_tokens}), encoding="utf-8")
    return Features(np.load(path, mmap_mode="r"), json.loads(facts.read_text(encoding="utf-8"))["tokens"])


def _compute(pairs: Pairs, *, folder: Path) -> tuple[npt.NDArray[np.float16], int]:
    device = default_device()
    tokenizer = load_tokenizer(folder)
    model = load_backbone(folder, dtype=torch_dtype(fast_precision(device)), device=device)
    rows, num_tokens, began, told = [], 0, time.monotonic(), time.monotonic()
    for number, (prompt, responses) in enumerate(zip(pairs.prompts, pairs.responses, strict=True), start=1):
        group = group_tokens(tokenizer, text_to_messages(prompt), responses)
        rows.append(_group_features(model, group))
        num_tokens += group.num_tokens
        if time.monotonic() - told > _TELL_EVERY_SECONDS or number == len(pairs):
            told = time.monotonic()
            rate = num_tokens / (told - began)
            print(f"{pairs.name}: {number} of {len(pairs)} pairs, {rate:.0f} tokens/s", file=sys.stderr)
    return np.concatenate(rows), num_tokens


@torch.inference_mode()
def _group_features(model: PreTrainedModel, group: Group) -> npt.NDArray[np.float16]:
    packed = pack([group]).to(model.device)
    backbone = backbone_of(model)
    with packed_attention(model):
        found = backbone(
            input_ids=packed.ids,
            position_ids=packed.positions,
            use_cache=False,
            packed=packed,
            output_hidden_states=True,
        ).hidden_states
    norm = cast(nn.Module, backbone.norm)
    # transformers norms the last state itself
    normed: Sequence[torch.Tensor] = [*(norm(states) for states in found[:-1]), found[-1]]
    pooled = [
        torch.stack([read(states[0].float(), packed, pooling=pooling)[0] for pooling in POOLINGS], dim=1)
        for states in normed
    ]
    return torch.stack(pooled, dim=1).half().cpu().numpy()
