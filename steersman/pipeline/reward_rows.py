"""From the files of a training to groups with what people said of them; refuse what no objective can use.

Shapes: n pairs, A attributes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from steersman.config.reward import POINTWISE, RewardSettings
from steersman.errors import ConfigError, DataError
from steersman.modeling.chat import comparison_group, group_tokens
from steersman.pipeline.examples import Part
from steersman.pipeline.reward_data import RewardData, read_reward_data
from steersman.pipeline.reward_judging import Held, Numbers
from steersman.pipeline.training import TokenGroups, tokenise
from steersman.reward.scalarise import published_weights
from steersman.reward.spec import RewardSpec
from steersman.reward.terms import RatedGroup, Terms, targets_of, trained_outputs

TO_BE_FITTED = "to be fitted"


@dataclass(frozen=True, slots=True, eq=False)
class RewardRows:
    """The pairs of a file, and those that are short enough as groups."""

    data: RewardData
    tokens: TokenGroups
    rated: list[RatedGroup]

    @property
    def held(self) -> Held:
        """The kept pairs as they are judged."""
        kept = self.tokens.numbers
        return Held([self.data.prompts[number] for number in kept], self.data.labels[kept], self.data.strengths[kept])

    @property
    def means(self) -> Numbers:
        """The mean label of each attribute, (A,), NaN where there is none."""
        labels = self.data.labels[self.tokens.numbers]
        is_given = ~np.isnan(labels)
        counts = is_given.sum(axis=(0, 1))
        sums: Numbers = np.where(is_given, labels, 0.0).sum(axis=(0, 1))
        return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)

    @property
    def num_ties(self) -> int:
        """How many of the kept pairs tie in preference."""
        return int((self.held.strengths == 0).sum())

    @property
    def num_uncompared(self) -> int:
        """How many of the kept pairs nobody could compare."""
        return int(np.isnan(self.held.strengths).sum())

    @property
    def num_untied(self) -> int:
        """In how many of the kept pairs one response is preferred."""
        return len(self.rated) - self.num_ties - self.num_uncompared

    def missing_labels(self, attributes: Sequence[str]) -> dict[str, int]:
        """Return how many of the kept responses lack each label, for those that lack any."""
        counts = np.isnan(self.held.labels).sum(axis=(0, 1)).tolist()
        return {name: count for name, count in zip(attributes, counts, strict=True) if count}


def read_rows(path: Path, *, part: Part, tokenizer: PreTrainedTokenizerBase, reward: RewardSettings) -> RewardRows:
    """Return the pairs in `path` of at most `reward.max_tokens` tokens; raises DataError as `read_reward_data` does."""
    data = read_reward_data(path, part=part, reward=reward)
    tokens = tokenise(
        tokenizer,
        data.prompts,
        data.responses,
        max_tokens=reward.max_tokens,
        source=data.source,
        group_of=comparison_group if reward.form == "comparison" else group_tokens,
    )
    rated = [_rated(tokens, place, number, data=data) for place, number in enumerate(tokens.numbers)]
    return RewardRows(data, tokens, rated)


def _rated(tokens: TokenGroups, place: int, number: int, *, data: RewardData) -> RatedGroup:
    strength = float(data.strengths[number])
    return RatedGroup(
        tokens.groups[place],
        torch.tensor(data.labels[number], dtype=torch.float32),
        weights=None if data.weights is None else torch.tensor(data.weights[number], dtype=torch.float32),
        strength=None if np.isnan(strength) else strength,
    )


def spec_of(reward: RewardSettings) -> RewardSpec:
    """Return what the model will predict; weights to be fitted are none as yet.

    Raises ConfigError when published weights are asked for whose attributes the model has not.
    """
    weights, source = _weights(reward)
    return RewardSpec(
        reward.head,
        reward.attributes,
        weights,
        pooling=reward.pooling,
        form=reward.form,
        has_bias=reward.bias,
        weights_source=source,
    )


def _weights(reward: RewardSettings) -> tuple[dict[str, float], str]:
    if reward.head == "gating":
        return {}, "the gate, by the prompt"
    if isinstance(reward.weights, dict):
        return dict(reward.weights), "config"
    if reward.weights == "fitted":
        return {}, TO_BE_FITTED
    published = published_weights(reward.weights)
    missing = sorted(set(published) - set(reward.attributes))
    if missing:
        raise ConfigError(f"reward.weights: {reward.weights} weighs {missing}, which are not among reward.attributes")
    return published, f"published as {reward.weights}"


def check_usable(terms: Terms, rated: Sequence[RatedGroup], *, source: str) -> None:
    """Raise DataError for an objective that not one label or preference of `source` counts in."""
    counts = terms.counts(targets_of(rated)).tolist()
    for name, count in zip(terms.names, counts, strict=True):
        if not count and name in POINTWISE:
            raise DataError(f"{source}: no row has a label, which the objective {name!r} needs")
        if not count:
            raise DataError(
                f"{source}: no pair prefers one of its responses, which the objective {name!r} needs; ties are no"
                " preferences (only preference-ordinal learns from them)"
            )


def untrained_outputs(terms: Terms, rated: Sequence[RatedGroup], *, reward: RewardSettings) -> list[str]:
    """Return the attributes that nothing trains: they stay as they start.

    Raises ConfigError when the reward would be made of one, but for those of a model that training goes on from.
    """
    trained = trained_outputs(terms, targets_of(rated))
    untrained = [name for name in reward.attributes if name not in trained]
    weighed = [name for name in untrained if terms.spec.weights.get(name)]
    if weighed and not reward.keep_head:
        raise ConfigError(
            f"reward.weights counts {weighed}, which no label and no preference of data.train trains; say what the"
            " reward is made of, for example {" + ", ".join(f"{name}: 1.0" for name in trained) + "}"
        )
    return untrained
