"""Choose the number format a device is fast in."""

from typing import Literal

import torch
from transformers import PreTrainedModel

Precision = Literal["bfloat16", "float32"]


def fast_precision(device: torch.device) -> Precision:
    """Return bfloat16 where `device` multiplies it in hardware, else float32."""
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    capabilities = torch.cpu.get_capabilities()
    return "bfloat16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "float32"


def default_device() -> torch.device:
    """Return the first CUDA device where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def torch_dtype(precision: Precision) -> torch.dtype:
    """Return the torch type of that name."""
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def placed(model: PreTrainedModel, device: torch.device) -> PreTrainedModel:
    """Return `model` moved to `device`."""
    torch.nn.Module.to(model, device)
    return model
