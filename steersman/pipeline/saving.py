"""Save a trained model and its tokenizer as one transformers folder, whole or not at all."""

from pathlib import Path

from safetensors import SafetensorError
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from steersman.errors import RunError
from steersman.modeling.loading import quiet_transformers
from steersman.store.files import whole_folder


def save_model(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Write `model` and `tokenizer` to `folder`; raises RunError when the disk is full."""
    try:
        with whole_folder(folder) as temporary, quiet_transformers():
            model.save_pretrained(temporary)
            tokenizer.save_pretrained(temporary)
    except SafetensorError as error:
        raise RunError(f"{folder}: the weights cannot be written ({error}); is the disk full?") from error
