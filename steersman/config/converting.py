"""What `steersman convert` is asked to do: reward models into and from the forms of others."""

from typing import Literal

from pydantic import Field

from steersman.config.loading import Settings

PublishedWeights = Literal["goodness", "helpsteer2-70b", "helpsteer2-340b"]


class ClassifierSettings(Settings):
    """A reward model as a plain classification model of transformers."""

    model: str = Field(min_length=1, description="run folder, model folder or hub name of the reward model")
    dtype: Literal["float32", "bfloat16"] = Field(
        "float32", description="number format of the weights; bfloat16 halves the folder and rounds the scores"
    )


class NemoSettings(Settings):
    """A regression head of NeMo-Aligner with nine outputs, and the transformers model that it stands on."""

    head: str = Field(min_length=1, description="file of the tensors rm_head.weight and, maybe, rm_head.bias")
    backbone: str = Field(min_length=1, description="the model below the head: folder, embedded or hub name")
    weights: PublishedWeights = Field("goodness", description="what the reward is made of")
    template: Literal["nemo", "backbone"] = Field(
        "nemo", description="how turns are written: as NeMo-Aligner's reward models read them, or as the backbone does"
    )
