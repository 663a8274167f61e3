"""How training runs on its devices: what leaves the numbers alone, up to rounding, and only decides time and memory."""

from typing import Literal

from pydantic import Field

from steersman.config.loading import Settings

Tracker = Literal["tensorboard", "wandb"]
Strategy = Literal["ddp", "fsdp"]


class EngineSettings(Settings):
    """Micro-batches, number format, memory and restarts of the training loop."""

    micro_batch_tokens: int = Field(
        2048, ge=1, description="groups of a batch share a row up to so many tokens; a longer group has its own"
    )
    precision: Literal["auto", "bfloat16", "float32"] = Field(
        "auto", description="of matrix products; weights stay float32. auto: bfloat16 where the device multiplies it"
    )
    checkpointing: bool = Field(False, description="recompute each layer in the backward pass: less memory, more time")
    compile: bool = Field(False, description="fuse elementwise work of the layers with torch.compile")
    strategy: Strategy = Field(
        "ddp", description="over several processes: ddp copies the weights to each, fsdp splits them"
    )
    save_every: int | None = Field(
        None, ge=1, description="optimiser steps between checkpoints that a stopped training goes on from; null = none"
    )
    patience: int | None = Field(
        None, ge=1, description="stop after so many evaluations without a better one; null = never"
    )
    trackers: tuple[Tracker, ...] = Field((), description="where metrics go besides metrics.jsonl")
