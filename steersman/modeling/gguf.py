"""Turn a model in a GGUF file into a transformers folder."""

from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from steersman.modeling.loading import quiet_transformers


def convert_gguf(file: Path, *, out: Path) -> None:
    """Write the model in a GGUF file as a transformers folder in bfloat16.

    The weights are those of the file, so a quantised file gives a model slightly off the original.
    """
    where = {"gguf_file": file.name}
    with quiet_transformers():
        quantised = AutoModelForCausalLM.from_pretrained(file.parent, dtype=torch.float32, **where)
        tokenizer = AutoTokenizer.from_pretrained(file.parent, **where)
        # transformers refuses to save a model it loaded from GGUF, so the weights move into a plain one
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(file.parent, **where))
        model.load_state_dict(quantised.state_dict())
        model.generation_config = quantised.generation_config
        model.to(torch.bfloat16).save_pretrained(out)
        tokenizer.save_pretrained(out)
