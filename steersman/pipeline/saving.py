"""Save a trained model and its tokenizer as one transformers folder, whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from steersman.errors import RunError
from steersman.modeling.loading import quiet_transformers
from steersman.store.files import whole_folder


def save_model(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Write `model` and `tokenizer` to `folder`; raises RunError when the disk is full."""
    with explained_weight_errors(folder), whole_folder(folder) as temporary, quiet_transformers():
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)


@contextmanager
def explained_weight_errors(folder: Path) -> Iterator[None]:
    """Turn the error by which safetensors tells of a full disk into a RunError; it is no OSError."""
    try:
        yield
    except SafetensorError as error:
        raise RunError(f"{folder}: the weights cannot be written ({error}); is the disk full?") from error
