"""Check shapes before they broadcast."""

import torch


def check_shape(name: str, tensor: torch.Tensor, *shape: int) -> None:
    """Raise ValueError unless `tensor` has exactly `shape`: (B,) - (B, 1) would broadcast to (B, B) in silence."""
    if tuple(tensor.shape) != shape:
        raise ValueError(f"{name} must have shape {shape}, got {tuple(tensor.shape)}")
