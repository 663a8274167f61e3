"""Fit the head of a frozen model to the end: no steps, no learning rate, no seed.

Regression alone has a closed form (`ridge`). Every other sum of objectives is minimised with a penalty on the squared
weights; it is convex but for the gate, which starts at equal weights. The penalty is the one under which prompts that
were left out of five are fitted best; no other rows are looked at.

The penalty is on features of equal spread. Where only gaps of scores have a say, that is the spread of gaps. Nothing is
centred, so that the head needs no bias, since some feature of a language model hardly changes and carries the mean, and
so that the scale folds into the weights.
Shapes: B responses, D hidden size, R rank of what is fitted, A attributes, K terms, F folds.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch

from steersman.config.reward import PAIRWISE, POINTWISE
from steersman.errors import DataError
from steersman.reward.heads import Gate, Head
from steersman.reward.probe_data import ProbeData, folds
from steersman.reward.ridge import ridge_head
from steersman.reward.solver import minimise
from steersman.reward.terms import Terms

# of the mean squared feature, which is one
PENALTIES: tuple[float, ...] = tuple(10.0**power for power in (2, 1.5, 1, 0.5, 0, -0.5, -1, -1.5, -2, -2.5, -3))
_GATE_SEED = 0
_ROUGH, _FINE = 1e-6, 1e-12
# keeps thresholds apart where no label lies between them
_STEP_PENALTY = 1e-4
_SMALLEST_SHARE = 1e-12
_LEAST_DEVIATION = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """A fitted head, the iterations it took, and the penalties that left-out prompts chose, by what they are on."""

    head: Head
    iterations: int
    penalties: dict[str, float]


def fit_probe(data: ProbeData, *, terms: Terms) -> Probe:
    """Return the head that `terms` ask for, float32, fitted to `data`.

    A gating head is fitted in two stages: the attributes to their labels, then the gate to preferences while the
    attributes stay (Wang et al. 2024, ArmoRM). Raises DataError for data of fewer than two prompts, and for a term
    that nothing counts in.
    """
    if len(data.units.unique()) < 2:
        raise DataError("labels or preferences of at least two prompts are needed to fit a head; give more data")
    for name, count in zip(terms.names, terms.counts(data.targets).tolist(), strict=True):
        if not count:
            raise DataError(f"nothing counts in the objective {name!r}: it needs labels, or pairs that are no ties")
    if terms.spec.kind != "gating":
        return _linear_probe(data, terms=terms)
    of_labels, of_pairs = terms.of(POINTWISE), terms.of(PAIRWISE)
    flat = replace(of_labels, spec=replace(terms.spec, kind="linear"))
    return _gated(_linear_probe(data, terms=flat), data, terms=of_pairs)


def _linear_probe(data: ProbeData, *, terms: Terms) -> Probe:
    if terms.names == ("regression",) and not terms.spec.has_bias:
        head = _new_head(data.responses.shape[1], terms=terms).float()
        ridge = ridge_head(data.responses, data.targets.labels, units_B=data.units, weights_BA=data.targets.weights)
        _copy(head.linear.weight, ridge.weights)
        chosen = zip(terms.spec.attributes, ridge.penalties.tolist(), strict=True)
        return Probe(head, 0, {name: penalty for name, penalty in chosen if not math.isnan(penalty)})
    basis_DR, curvature_R = _basis(data, terms=terms)
    turned = replace(data, responses=data.responses.double() @ basis_DR, prompts=data.prompts.double())

    def solve(head: Head, part: ProbeData, penalty: float, tolerance: float) -> int:
        parameters = [each for name, each in head.named_parameters() if not name.startswith("gate.")]
        weight = head.linear.weight
        narrow_R = (curvature_R + penalty).rsqrt()
        one = torch.ones(1, dtype=torch.float64)
        scales = [narrow_R if each is weight else one for each in parameters]
        squared = {weight: penalty, **dict.fromkeys(_steps(head), _STEP_PENALTY)}
        return minimise(
            parameters,
            lambda: terms.total(head(part.responses, part.prompts), part.targets) + _penalties(squared),
            scales=scales,
            tolerance=tolerance,
        )

    def make() -> Head:
        return _new_head(basis_DR.shape[1], terms=terms)

    penalty = _chosen_penalty(make, solve, turned, terms=terms)
    fitted = make()
    iterations = solve(fitted, turned, penalty, _FINE)
    head = _new_head(data.responses.shape[1], terms=terms).float()
    state = fitted.state_dict()
    state["linear.weight"] = state["linear.weight"] @ basis_DR.T
    head.load_state_dict(state)
    return Probe(head, iterations, {"weights": penalty})


def _gated(probe: Probe, data: ProbeData, *, terms: Terms) -> Probe:
    """Return the probe with a gate fitted to preferences, its attributes as they are."""
    scale_D = _spread(data.prompts.double())
    scaled = replace(data, responses=data.responses.double(), prompts=data.prompts.double() / scale_D)

    def make() -> Head:
        head = _new_head(data.prompts.shape[1], terms=terms)
        head.linear.load_state_dict(probe.head.linear.state_dict())
        _start(_gate_of(head))
        return head

    def solve(head: Head, part: ProbeData, penalty: float, tolerance: float) -> int:
        gate = _gate_of(head)
        parameters = list(gate.parameters())
        if head.ties is not None:
            parameters += head.ties.parameters()
        squares = [gate.inner.weight, gate.outer.weight]
        return minimise(
            parameters,
            lambda: (
                terms.total(head(part.responses, part.prompts), part.targets)
                + penalty / 2 * sum(each.square().sum() for each in squares)
            ),
            scales=[torch.ones(1, dtype=torch.float64)] * len(parameters),
            tolerance=tolerance,
        )

    penalty = _chosen_penalty(make, solve, scaled, terms=terms)
    fitted = make()
    iterations = solve(fitted, scaled, penalty, _FINE)
    inner = _gate_of(fitted).inner.weight
    _copy(inner, inner.detach() / scale_D)
    return Probe(fitted.float(), probe.iterations + iterations, {**probe.penalties, "gate": penalty})


def _steps(head: Head) -> list[torch.Tensor]:
    return [each for name, each in head.named_parameters() if name.endswith("steps")]


def _penalties(squared: Mapping[torch.Tensor, float]) -> torch.Tensor:
    """Return half of the squares of each tensor, times its penalty, in sum."""
    return torch.stack([penalty / 2 * each.square().sum() for each, penalty in squared.items()]).sum()


def _gate_of(head: Head) -> Gate:
    if head.gate is None:
        raise ValueError("this head has no gate")
    return head.gate


def _start(gate: Gate) -> None:
    """Give the inner layer weights that no global seed decides; the outer one starts at zero."""
    generator = torch.Generator().manual_seed(_GATE_SEED)
    weights = torch.randn(gate.inner.weight.shape, generator=generator, dtype=torch.float64)
    _copy(gate.inner.weight, weights / gate.inner.in_features**0.5)
    _copy(gate.inner.bias, torch.zeros_like(gate.inner.bias))


_Solve = Callable[[Head, ProbeData, float, float], int]


def _chosen_penalty(make: Callable[[], Head], solve: _Solve, data: ProbeData, *, terms: Terms) -> float:
    """Return the penalty under which the prompts of each fold, left out of the fit, have the least loss in all."""
    losses = torch.zeros(len(PENALTIES), len(terms.names), dtype=torch.float64)
    counts_K = torch.zeros(len(terms.names))
    for is_out_B in folds(data.units):
        inside, outside = data.rows(~is_out_B), data.rows(is_out_B)
        counts_K += terms.counts(outside.targets)
        head = make()
        # each starts where a larger penalty ended
        for index, penalty in enumerate(PENALTIES):
            solve(head, inside, penalty, _ROUGH)
            with torch.no_grad():
                losses[index] += terms.losses(head(outside.responses, outside.prompts), outside.targets)
    shares_K = torch.tensor(terms.coefficients) / counts_K.clamp(min=1)
    best = int((losses @ shares_K.double()).argmin().item())
    return PENALTIES[best]


def _basis(data: ProbeData, *, terms: Terms) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the principal axes of what the objectives see at equal spread, (D, R), and their mean squares, (R,).

    That are gaps between the responses of pairs, where no other objective is asked for, and else all states. Weights
    along the axes are those of the features: the penalty does not see the turn, and what lies outside of them would
    stay zero. Multiplied with raw states, they scale as well.
    """
    states_BD = data.responses.double()
    scale_D = _spread(states_BD)
    if terms.is_pairwise:
        is_compared = terms.compared(data.targets)
        states_BD = states_BD[data.targets.firsts[is_compared]] - states_BD[data.targets.seconds[is_compared]]
        # around zero, so that the order of two responses does not matter
        scale_D = _above_zero(states_BD.square().mean(dim=0).sqrt(), otherwise=scale_D)
    scaled_BD = states_BD / scale_D
    squares_D, axes_DD = torch.linalg.eigh(scaled_BD.T @ scaled_BD / len(scaled_BD))
    is_kept = squares_D > _SMALLEST_SHARE * squares_D[-1]
    return axes_DD[:, is_kept] / scale_D[:, None], squares_D[is_kept]


def _spread(states_BD: torch.Tensor) -> torch.Tensor:
    """Return the standard deviation of each feature, (D,); the size of one that is constant, which serves as a bias."""
    size_D = _above_zero(states_BD.square().mean(dim=0).sqrt(), otherwise=torch.ones(1, dtype=states_BD.dtype))
    deviation_D = states_BD.std(dim=0, correction=0)
    return torch.where(deviation_D > _LEAST_DEVIATION * size_D, deviation_D, size_D)


def _above_zero(values: torch.Tensor, *, otherwise: torch.Tensor) -> torch.Tensor:
    return torch.where(values > 0, values, otherwise)


def _new_head(hidden_size: int, *, terms: Terms) -> Head:
    return Head(hidden_size, spec=terms.spec, models_ties="preference-ordinal" in terms.names).double()


def _copy(parameter: torch.Tensor, values: torch.Tensor) -> None:
    with torch.no_grad():
        parameter.copy_(values)
