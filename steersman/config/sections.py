"""The sections of every config. No default hides a decision: model, data and seed have none."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from steersman.config.engine import EngineSettings
from steersman.config.loading import Settings

Decay = Annotated[float, Field(ge=0, lt=1)]


class PromptsSettings(Settings):
    """Which prompts to answer."""

    source: str = Field(description="'starter' for the prompts shipped with Steersman, or the path of a prompts table")
    limit: int | None = Field(None, ge=2, description="take this many, spread over topics and complexity; null = all")
    held_out: int = Field(ge=0, description="of these, set so many aside for evaluation; never trained on")


class GeneratorSettings(Settings):
    """One way to write responses."""

    name: str = Field(min_length=1, description="name recorded with each response; annotators never see it")
    model: str = Field(min_length=1, description="embedded model name, hub name (owner/name) or folder")
    temperature: float = Field(ge=0, le=5, description="0 is greedy")
    top_p: float = Field(1.0, gt=0, le=1, description="keep the most probable tokens up to this mass")
    top_k: int | None = Field(64, ge=1, description="keep this many most probable tokens; null = all")
    system: str | None = Field(
        None, description="system message put before the conversation; null = the template's own"
    )


class ResponsesSettings(Settings):
    """Who answers and how long."""

    generators: tuple[GeneratorSettings, ...] = Field(description="at least two; each prompt gets two different ones")
    max_new_tokens: int = Field(ge=1, description="a response is cut there")
    batch_size: int = Field(64, ge=1, description="conversations of similar length decoded together")

    @model_validator(mode="after")
    def _two_different(self) -> Self:
        names = [generator.name for generator in self.generators]
        if len(names) < 2 or len(set(names)) != len(names):
            raise ValueError(f"responses.generators needs at least two with different names, got {names}")
        return self


class CrowdSettings(Settings):
    """The modelled crowd; docs/crowd.md states every formula. Shares are fractions of annotators or ratings."""

    annotators: int = Field(30, ge=5, description="people in the crowd; five different ones may see one task")
    bias_sd: float = Field(0.35, ge=0, description="standard deviation of an annotator's constant leaning, in levels")
    noise_sd: float = Field(0.6, ge=0, description="standard deviation of a single rating around the latent value")
    careless_share: float = Field(0.04, ge=0, le=1, description="share of ratings given without reading")
    spammer_share: float = Field(0.07, ge=0, le=1, description="share of annotators who never read")


class HumanDataSettings(Settings):
    """Human labels used instead of prompts, responses and ratings of our own."""

    path: str = Field(description="folder in HelpSteer2's released shape, or 'nvidia/HelpSteer2' for the hub")
    prompts: int | None = Field(200, ge=10, description="sample this many prompts; null = all")
    max_characters: int | None = Field(
        None, ge=100, description="only tasks whose prompt and two responses have at most so many; null = all"
    )


class TuneSettings(Settings):
    """Which weights move."""

    mode: Literal["frozen", "upper", "lora", "full"] = Field(
        description="upper: the top layers, on cached activations of the frozen lower ones; lora: adapters; full: all;"
        " frozen: nothing but the head of a reward model, on cached features"
    )
    layers: int | None = Field(None, ge=1, description="upper: how many top layers are trained")
    lora_rank: int | None = Field(None, ge=1, description="lora: rank of the adapters")

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if self.mode == "upper" and self.layers is None:
            raise ValueError("tune.layers is needed with tune.mode 'upper'")
        if self.mode == "lora" and self.lora_rank is None:
            raise ValueError("tune.lora_rank is needed with tune.mode 'lora'")
        return self


class OptimiserSettings(Settings):
    """AdamW after a linear warm-up; HelpSteer2's recipes keep the rate constant then."""

    learning_rate: float = Field(gt=0, description="peak rate")
    epochs: int = Field(ge=1, description="passes over the training pairs")
    batch_pairs: int = Field(ge=1, description="pairs (two responses of one prompt) per optimiser step")
    warmup_steps: int = Field(10, ge=0, description="steps until the rate is at its peak")
    schedule: Literal["constant", "cosine", "linear"] = Field(
        "constant", description="what the rate does after the warm-up; cosine and linear end at final_share of the peak"
    )
    final_share: float = Field(0.0, ge=0, le=1, description="of the peak rate, at the last step of cosine and linear")
    weight_decay: float = Field(0.1, ge=0, description="decoupled; not on norms and biases")
    clip_norm: float = Field(1.0, gt=0, description="the gradient's norm is cut there")
    betas: tuple[Decay, Decay] = Field((0.9, 0.98), description="AdamW's decay rates, as NeMo-Aligner's defaults")


class AlignSettings(Settings):
    """How the policy is aligned with the preferences."""

    method: Literal["dpo"] = Field(description="dpo: direct preference optimisation")
    model: str = Field(
        min_length=1, description="starting policy and reference: embedded model name, hub name or folder"
    )
    beta: float = Field(gt=0, description="strength of the pull towards the reference")
    max_pairs: int | None = Field(None, ge=1, description="train and validate on the first so many pairs; null = all")
    max_tokens: int = Field(ge=16, description="longer pairs are dropped and counted")
    tune: TuneSettings
    optimiser: OptimiserSettings
    engine: EngineSettings = Field(default_factory=lambda: EngineSettings.model_validate({}))
    evaluate_every: int = Field(ge=1, description="optimiser steps between evaluations of the validation pairs")

    @field_validator("tune")
    @classmethod
    def _moves_something(cls, tune: TuneSettings) -> TuneSettings:
        if tune.mode == "frozen":
            raise ValueError("tune.mode 'frozen' trains the head of a reward model; a policy has none")
        return tune


class EvaluateSettings(Settings):
    """How the aligned policy is compared with its start."""

    max_new_tokens: int = Field(ge=1, description="a response is cut there")
    batch_size: int = Field(64, ge=1, description="conversations decoded together")
    temperature: float = Field(0.0, ge=0, le=5, description="0 is greedy")
    bootstrap_rounds: int = Field(2000, ge=100, description="resamples of prompts behind each interval")
