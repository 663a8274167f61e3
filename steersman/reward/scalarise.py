"""From several attributes to one reward: published weights, and weights fitted on held-out pairs.

Shapes: B responses, A attributes, P pairs.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import softplus

from steersman.errors import ConfigError, DataError
from steersman.modeling.shapes import check_shape
from steersman.records import GOODNESS_WEIGHTS
from steersman.reward.bradley_terry import untied
from steersman.reward.labels import full_precision
from steersman.reward.nemo_layout import weights_from_nemo

# HelpSteer2 paper: goodness in section 4.3; the others in appendix H, where a search on RewardBench found them, so that
# a RewardBench score by them is no held-out figure. Verbosity counts against a response.
PUBLISHED_WEIGHTS: Mapping[str, Mapping[str, float]] = {
    "goodness": GOODNESS_WEIGHTS,
    "helpsteer2-70b": weights_from_nemo([0, 0, 0, 0, 0.65, 0.8, 0.45, 0.55, -0.4]),
    "helpsteer2-340b": weights_from_nemo([0, 0, 0, 0, 0.3, 0.74, 0.46, 0.47, -0.33]),
}
_BENCHMARKS = ("rewardbench", "judgebench", "rmbench")
# Separable pairs at a penalty of 1e-9 take about 30 steps; at the minimum a step is nothing.
_NUM_STEPS = 100
_ROUNDING = 1e-12


def weighted_reward(outputs_BA: torch.Tensor, weights_A: torch.Tensor) -> torch.Tensor:
    """Return the scalar rewards, (B,): the weighted sum of attributes (HelpSteer2 paper, 4.3 and appendix H)."""
    check_shape("weights_A", weights_A, outputs_BA.shape[1])
    # a matrix product would round to bfloat16 inside autocast
    return (full_precision(outputs_BA) * full_precision(weights_A)).sum(dim=1)


def published_weights(name: str) -> dict[str, float]:
    """Return the weights by attribute that were published as `name`; raises ConfigError for another name."""
    if name not in PUBLISHED_WEIGHTS:
        raise ConfigError(f"weights {name!r}: not published; known: {', '.join(PUBLISHED_WEIGHTS)}")
    return dict(PUBLISHED_WEIGHTS[name])


def mean_weights(outputs: Sequence[str], *, untrained: Collection[str]) -> dict[str, float]:
    """Return the weights of a plain mean; raises ConfigError when it would take in outputs that are `untrained`.

    NeMo-Aligner's own default is such a mean: it averages all nine slots, of which `NEMO_UNTRAINED` are noise.
    """
    noise = [name for name in outputs if name in untrained]
    if noise:
        raise ConfigError(f"a plain mean takes in {noise}, which no label has trained; name a weight for each output")
    return {name: 1 / len(outputs) for name in outputs}


@dataclass(frozen=True, slots=True)
class FittedWeights:
    """Weights by attribute, and on what they were fitted: `num_pairs` of `source`, beside `num_ties` left out.

    A gap of one in the reward stands for odds of e that the pair was preferred so. `loss` is the mean of -log P over
    the pairs, in nats; they were fitted on, so it flatters.
    """

    weights: Mapping[str, float]
    source: str
    num_pairs: int
    num_ties: int
    penalty: float
    loss: float

    def description(self) -> str:
        """Return in words on what the weights were fitted, for a report."""
        return f"fitted on {self.num_pairs} untied pairs of {self.source} ({self.num_ties} ties left out)"


def refuse_benchmark(source: str) -> None:
    """Raise ConfigError when `source` is called like a benchmark: weights fitted on one would flatter it."""
    letters = "".join(each for each in source.casefold() if each.isalnum())
    found = [name for name in _BENCHMARKS if name in letters]
    if found:
        raise ConfigError(f"{source}: weights fitted on a benchmark would flatter it; fit them on validation pairs")


def fit_weights(
    gaps_PA: torch.Tensor,
    strengths_P: torch.Tensor,
    *,
    attributes: Sequence[str],
    source: str,
    penalty: float = 1.0,
) -> FittedWeights:
    """Return the weights under which the preferences of held-out pairs are most likely, by logistic regression.

    `gaps_PA` are the values of those responses that a positive strength prefers, less those of the others. Only the
    sign of a strength counts; ties (0) and pairs that nobody could judge (NaN) are left out. Without intercept, so the
    order of a pair's responses does not matter. `penalty` / 2 x the squared weights is added to the summed loss,
    attributes being brought to equal spread first: the minimum is unique, and the same at every run.
    Raises ConfigError when `source` is a benchmark, DataError when no pair is untied, ValueError for gaps that are not
    finite or a penalty that is not above zero.
    """
    refuse_benchmark(source)
    check_shape("gaps_PA", gaps_PA, *strengths_P.shape, len(attributes))
    if not penalty > 0:
        raise ValueError(f"penalty must be above zero, got {penalty}: separable pairs have no finite weights without")
    is_untied = untied(strengths_P)
    if not is_untied.any():
        raise DataError(f"{source}: no pair prefers one response, so no weights can be fitted; give more pairs")
    wins_PA = (gaps_PA * strengths_P.sign()[:, None])[is_untied].double().cpu()
    if not wins_PA.isfinite().all():
        raise ValueError("gaps must be finite numbers")
    scale_A = wins_PA.square().mean(dim=0).sqrt()
    # an attribute that never differs has no say
    scale_A = torch.where(scale_A > 0, scale_A, 1.0)
    weights_A = _most_likely(wins_PA / scale_A, penalty=penalty)
    loss = softplus(-(wins_PA / scale_A) @ weights_A).mean().item()
    return FittedWeights(
        weights=dict(zip(attributes, (weights_A / scale_A).tolist(), strict=True)),
        source=source,
        num_pairs=len(wins_PA),
        num_ties=int((strengths_P == 0).sum()),
        penalty=penalty,
        loss=loss,
    )


def _most_likely(wins_PA: torch.Tensor, *, penalty: float) -> torch.Tensor:
    """Return the minimum of the penalised loss by Newton's method, whose steps are halved until they descend."""
    identity = torch.eye(wins_PA.shape[1], dtype=wins_PA.dtype)

    def loss_of(weights_A: torch.Tensor) -> torch.Tensor:
        return softplus(-wins_PA @ weights_A).sum() + penalty / 2 * weights_A.square().sum()

    weights_A = torch.zeros(wins_PA.shape[1], dtype=wins_PA.dtype)
    for _ in range(_NUM_STEPS):
        surprises_P = torch.sigmoid(-wins_PA @ weights_A)
        gradient_A = penalty * weights_A - wins_PA.T @ surprises_P
        curvature = wins_PA.T @ (wins_PA * (surprises_P * (1 - surprises_P))[:, None]) + penalty * identity
        step_A = torch.linalg.solve(curvature, gradient_A)
        # near the minimum a descent drowns in rounding
        while loss_of(weights_A - step_A) > loss_of(weights_A) * (1 + _ROUNDING):
            step_A = step_A / 2
        weights_A = weights_A - step_A
    return weights_A
