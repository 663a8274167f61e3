"""Turn objectives into terms of a loss: what each group adds to each, and how much it counts.

A batch's loss is the sum over terms of coefficient x summed losses / summed counts. Objectives of responses count
labels, or the weights of labels; objectives of pairs count pairs.
Shapes: B responses of some groups, in order, A attributes, P preferences among them, K terms.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from steersman.config.reward import PAIRWISE, POINTWISE, ObjectiveSettings
from steersman.modeling.chat import Group
from steersman.reward.bradley_terry import bradley_terry_loss, margin_loss, scaled_loss, untied
from steersman.reward.categorical import categorical_loss
from steersman.reward.heads import Outputs
from steersman.reward.labels import total_weight
from steersman.reward.ordinal import ordinal_loss
from steersman.reward.preference_ordinal import MAX_STRENGTH, preference_ordinal_loss
from steersman.reward.regression import regression_loss
from steersman.reward.spec import NUM_LEVELS, RewardSpec
from steersman.reward.values import rewards, values

REWARD = "reward"


@dataclass(frozen=True, slots=True)
class RatedGroup:
    """A group with what people said of it.

    `labels` (N, A) float32, NaN where there is none; `weights` (N, A) say how much each label counts, None all alike.
    `strength` is by how much the first of two responses is preferred: below zero the second is, 0 is a tie, and None
    means that nobody compared them.
    """

    group: Group
    labels: torch.Tensor
    weights: torch.Tensor | None = None
    strength: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """What the responses of some groups are to be: `labels` (B, A), their `weights` (B, A), and preferences.

    Preference p is of response `firsts[p]` over `seconds[p]`, with `strengths[p]`; (P,) each.
    """

    labels: torch.Tensor
    weights: torch.Tensor
    firsts: torch.Tensor
    seconds: torch.Tensor
    strengths: torch.Tensor

    def to(self, device: torch.device) -> "Targets":
        """Return the same on `device`."""
        parts = (self.labels, self.weights, self.firsts, self.seconds, self.strengths)
        return Targets(*(part.to(device) for part in parts))


def targets_of(groups: Sequence[RatedGroup]) -> Targets:
    """Return the targets of all responses of `groups`, in order."""
    labels = torch.cat([each.labels for each in groups])
    weights = torch.cat([torch.ones_like(each.labels) if each.weights is None else each.weights for each in groups])
    first, strengths, start = [], [], 0
    for each in groups:
        if each.strength is not None:
            first.append(start)
            strengths.append(each.strength)
        start += len(each.labels)
    first_P = torch.tensor(first, dtype=torch.long)
    return Targets(labels, weights, first_P, first_P + 1, torch.tensor(strengths, dtype=torch.float32))


@dataclass(frozen=True, slots=True)
class Terms:
    """The K terms of a loss for a head described by `spec`; objectives of pairs rank by `ranked_by`."""

    objectives: tuple[ObjectiveSettings, ...]
    spec: RewardSpec
    ranked_by: str

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each term."""
        return tuple(each.name for each in self.objectives)

    @property
    def coefficients(self) -> tuple[float, ...]:
        """The share of each term in the sum."""
        return tuple(each.weight for each in self.objectives)

    @property
    def is_pairwise(self) -> bool:
        """Whether all terms are of pairs: then only gaps of scores have a say."""
        return all(name in PAIRWISE for name in self.names)

    def of(self, names: Sequence[str]) -> "Terms":
        """Return those terms that are among `names`."""
        return Terms(tuple(each for each in self.objectives if each.name in names), self.spec, self.ranked_by)

    def losses(self, outputs: Outputs, targets: Targets) -> torch.Tensor:
        """Return the summed loss of each term, (K,)."""
        return torch.stack([self._loss(name, outputs, targets) for name in self.names])

    def counts(self, targets: Targets) -> torch.Tensor:
        """Return how much the labels or preferences of `targets` count in each term, (K,)."""
        return torch.tensor([_count(name, targets) for name in self.names])

    def compared(self, targets: Targets) -> torch.Tensor:
        """Return which preferences some term counts, (P,) bool: ties only where their strength is modelled."""
        is_tie = targets.strengths == 0 if "preference-ordinal" in self.names else torch.zeros(1, dtype=torch.bool)
        return untied(targets.strengths) | is_tie

    def total(self, outputs: Outputs, targets: Targets) -> torch.Tensor:
        """Return the loss of all of `targets`, a scalar; a term that nothing counts in is zero."""
        counts_K = self.counts(targets).to(outputs.raw)
        means_K = self.losses(outputs, targets) / torch.where(counts_K > 0, counts_K, 1.0)
        return (means_K * torch.tensor(self.coefficients).to(means_K)).sum()

    def ranking(self, outputs: Outputs) -> torch.Tensor:
        """Return the scores that preferences are judged by, (B,).

        Those of a gating head move its gate alone: preferences would bend the attributes away from their labels, which
        ArmoRM avoids by training the gate on a finished regression (Wang et al. 2024).
        """
        if self.ranked_by != REWARD:
            return values(outputs, spec=self.spec)[:, self.spec.attributes.index(self.ranked_by)]
        return rewards(
            outputs._replace(raw=outputs.raw.detach()) if outputs.gates is not None else outputs, spec=self.spec
        )

    def _loss(self, name: str, outputs: Outputs, targets: Targets) -> torch.Tensor:
        if name in POINTWISE:
            return _label_loss(name, outputs, targets)
        scores_B = self.ranking(outputs)
        return _preference_loss(name, scores_B, targets, tie_thresholds=outputs.tie_thresholds)


def _count(name: str, targets: Targets) -> float:
    if name in POINTWISE:
        return total_weight(targets.labels, targets.weights)
    if name == "preference-ordinal":
        return float((~targets.strengths.isnan()).sum())
    return float(untied(targets.strengths).sum())


def _label_loss(name: str, outputs: Outputs, targets: Targets) -> torch.Tensor:
    labels, weights = targets.labels, targets.weights
    if name == "regression":
        return regression_loss(outputs.raw, labels, weights)
    if name == "ordinal" and outputs.thresholds is not None:
        return ordinal_loss(outputs.raw, outputs.thresholds, labels, weights)
    if name == "categorical":
        return categorical_loss(outputs.raw.unflatten(1, (-1, NUM_LEVELS)), labels, weights)
    raise ValueError(f"the head does not give what the objective {name!r} needs")


def _preference_loss(
    name: str, scores_B: torch.Tensor, targets: Targets, *, tie_thresholds: torch.Tensor | None
) -> torch.Tensor:
    first, second, strengths = scores_B[targets.firsts], scores_B[targets.seconds], targets.strengths
    if name == "preference-ordinal" and tie_thresholds is not None:
        return preference_ordinal_loss(first - second, strengths.clamp(-MAX_STRENGTH, MAX_STRENGTH), tie_thresholds)
    is_untied = untied(strengths)
    is_first = (strengths > 0)[is_untied]
    first, second, margins = first[is_untied], second[is_untied], strengths[is_untied].abs()
    chosen, rejected = torch.where(is_first, first, second), torch.where(is_first, second, first)
    if name == "bradley-terry":
        return bradley_terry_loss(chosen, rejected)
    if name == "margin":
        return margin_loss(chosen, rejected, margins)
    if name == "scaled":
        return scaled_loss(chosen, rejected, margins)
    raise ValueError(f"the head does not give what the objective {name!r} needs")


def ranked_right(scores_B: torch.Tensor, targets: Targets) -> Mapping[str, int]:
    """Return how many `pairs` one response of was preferred, and of how many the scores say so too: `right`.

    A tied score is wrong.
    """
    gaps_P = scores_B[targets.firsts] - scores_B[targets.seconds]
    is_untied = untied(targets.strengths)
    is_right = (gaps_P * targets.strengths > 0) & is_untied
    return {"pairs": int(is_untied.sum()), "right": int(is_right.sum())}


def counting(terms: Terms, groups: Sequence[RatedGroup]) -> list[RatedGroup]:
    """Return those of `groups` that count in some term: a tied pair, for one, counts in no plain objective of pairs."""
    return [each for each in groups if terms.counts(targets_of([each])).any()]


def trained_outputs(terms: Terms, targets: Targets) -> tuple[str, ...]:
    """Return those attributes that some label or preference of `targets` trains, in order."""
    names = terms.spec.attributes
    is_labelled = (~targets.labels.isnan()).any(dim=0).tolist()
    has_labels = any(name in POINTWISE for name in terms.names)
    trained = {name for name, found in zip(names, is_labelled, strict=True) if found and has_labels}
    if any(_count(name, targets) for name in terms.names if name in PAIRWISE) and terms.spec.kind != "gating":
        weighed = {name for name in names if terms.spec.weights.get(name)}
        trained |= weighed if terms.ranked_by == REWARD else {terms.ranked_by}
    return tuple(name for name in names if name in trained)
