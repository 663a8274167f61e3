"""Heads on frozen states, fitted as `steersman train reward` fits them in its frozen mode."""

from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
import torch
from evidence_data import Numbers, Pairs
from evidence_folds import Indices, rows_of

from steersman.config.reward import POINTWISE, ObjectiveSettings
from steersman.records import ATTRIBUTES
from steersman.reward.heads import Head, Outputs
from steersman.reward.probe import fit_probe
from steersman.reward.probe_data import ProbeData
from steersman.reward.spec import RewardSpec
from steersman.reward.terms import Targets, Terms
from steersman.reward.values import has_levels, level_probabilities, values

Objective = Literal["regression", "ordinal", "bradley-terry", "scaled"]
OBJECTIVES: tuple[Objective, ...] = ("regression", "bradley-terry", "scaled", "ordinal")
PREFERENCE = "preference"

States = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class FittedHead:
    """A head with what it predicts; A attributes, or one where it was fitted to preferences."""

    head: Head
    spec: RewardSpec

    def values(self, states: States) -> Numbers:
        """Return the value of each attribute, (rows, A)."""
        with torch.no_grad():
            found = values(self._outputs(states), spec=self.spec)
        return found.double().numpy()

    def levels(self, states: States) -> Numbers:
        """Return the probability of each level, (rows, A, 5); no columns where the head models none."""
        if not has_levels(self.spec):
            return np.empty((len(states), 0, 0))
        with torch.no_grad():
            return level_probabilities(self._outputs(states), spec=self.spec).double().numpy()

    def _outputs(self, states: States) -> Outputs:
        given = torch.from_numpy(states)
        return cast("Outputs", self.head(given, given))


def fit_head(objective: Objective, states: States, pairs: Pairs, training: Indices, *, attribute: str) -> FittedHead:
    """Return a head fitted to `training`, pairs by number, whose states are given, (2 x training, D).

    Regression and the ordinal head learn the five attributes at once; an objective of pairs learns which response has
    more of `attribute`, or for 'preference' which one was preferred.
    """
    is_pointwise = objective in POINTWISE
    names = ATTRIBUTES if is_pointwise else (attribute,)
    spec = RewardSpec(
        kind="ordinal" if objective == "ordinal" else "linear",
        attributes=names,
        weights={names[0]: 1.0},
        pooling="mean",
    )
    data = ProbeData(
        responses=torch.from_numpy(states),
        prompts=torch.from_numpy(states),
        targets=_targets(pairs, training, names=names, attribute=attribute),
        units=torch.from_numpy(np.repeat(pairs.units[training], 2)),
    )
    terms = Terms((ObjectiveSettings(name=objective),), spec, ranked_by=names[0])
    return FittedHead(fit_probe(data, terms=terms).head, spec)


def strengths_of(pairs: Pairs, attribute: str) -> Numbers:
    """Return by how much the first response has more of `attribute`, (P,), or was preferred."""
    if attribute == PREFERENCE or pairs.labels is None:
        return pairs.strengths
    column = pairs.labels[:, ATTRIBUTES.index(attribute)]
    return column[0::2] - column[1::2]


def _targets(pairs: Pairs, training: Indices, *, names: tuple[str, ...], attribute: str) -> Targets:
    rows = rows_of(training)
    labels = np.full((len(rows), len(names)), np.nan)
    if pairs.labels is not None and names == ATTRIBUTES:
        labels = pairs.labels[rows]
    firsts = torch.arange(0, len(rows), 2)
    return Targets(
        labels=torch.from_numpy(labels).float(),
        weights=torch.ones(labels.shape),
        firsts=firsts,
        seconds=firsts + 1,
        strengths=torch.from_numpy(strengths_of(pairs, attribute)[training]).float(),
    )
