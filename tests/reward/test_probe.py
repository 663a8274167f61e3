"""Heads of frozen states: the minimum that others find too, chosen by prompts left out, blind to ties and to order."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from steersman.config.reward import ObjectiveSettings
from steersman.errors import DataError
from steersman.reward.probe import PENALTIES, Probe, fit_probe
from steersman.reward.probe_data import ProbeData, folds
from steersman.reward.ridge import ridge_head
from steersman.reward.spec import Kind, RewardSpec
from steersman.reward.terms import Targets, Terms

NUM_PAIRS, WIDTH = 120, 8
NAMES = ("helpfulness", "verbosity")


def data(*, noise: float = 1.0, ties: int = 0, num_pairs: int = NUM_PAIRS) -> ProbeData:
    """Return pairs in which the first two features say, up to noise, how the two attributes are rated."""
    generator = torch.Generator().manual_seed(3)
    states = torch.randn(2 * num_pairs, WIDTH, generator=generator) * torch.logspace(-1, 1, WIDTH) + 1
    # as in language models, one feature hardly changes: it carries the mean label
    states[:, -1] = 5 + 0.01 * states[:, -1]
    seen = (states[:, :2] - 1) / torch.logspace(-1, 1, WIDTH)[:2]
    labels = (2 + seen + noise * torch.randn(2 * num_pairs, 2, generator=generator)).round().clamp(0, 4)
    strengths = labels[0::2, 0] - labels[1::2, 0]
    strengths[:ties] = 0
    firsts = torch.arange(0, 2 * num_pairs, 2)
    targets = Targets(labels, torch.ones_like(labels), firsts, firsts + 1, strengths)
    return ProbeData(states, states.roll(1, dims=1), targets, firsts.repeat_interleave(2))


def terms(*names: str, kind: Kind = "linear", has_bias: bool = False) -> Terms:
    asked = tuple(ObjectiveSettings.model_validate({"name": name}) for name in names)
    weights = {} if kind == "gating" else {"helpfulness": 1.0}
    ranked_by = "reward" if kind == "gating" else "helpfulness"
    return Terms(asked, RewardSpec(kind, NAMES, weights, has_bias=has_bias), ranked_by)


def scores(probe: Probe, given: ProbeData, *, by: Terms) -> torch.Tensor:
    with torch.no_grad():
        return by.ranking(probe.head(given.responses, given.prompts))


def test_bradley_terry_is_the_logistic_regression_of_gaps() -> None:
    given = data()
    asked = terms("bradley-terry")
    probe = fit_probe(given, terms=asked)
    is_untied = given.targets.strengths != 0
    gaps = (given.responses[0::2] - given.responses[1::2])[is_untied].double().numpy()
    spread = np.sqrt((gaps**2).mean(axis=0))
    # scikit-learn's penalty is on the sum of losses, and it wants both outcomes to occur
    c = 1 / (probe.penalties["weights"] * len(gaps))
    model = LogisticRegression(C=c, fit_intercept=False, tol=1e-10, max_iter=10_000)
    model.fit(gaps / spread, given.targets.strengths[is_untied].numpy() > 0)
    assert probe.head.linear.weight[0].detach().numpy() == pytest.approx(model.coef_[0] / spread, abs=1e-4)


def test_regression_alone_is_the_closed_form() -> None:
    given = data()
    expected = ridge_head(given.responses, given.targets.labels, units_B=given.units)
    probe = fit_probe(given, terms=terms("regression"))
    torch.testing.assert_close(probe.head.linear.weight.data, expected.weights)
    assert list(probe.penalties.values()) == expected.penalties.tolist()


@pytest.mark.parametrize("kind", ["ordinal", "categorical"])
def test_levels_that_no_label_has_leave_the_fit_finite(kind: Kind) -> None:
    given = data()
    given.targets.labels.clamp_(1, 3)
    probe = fit_probe(given, terms=terms(kind, kind=kind))
    with torch.no_grad():
        found = probe.head(given.responses, given.prompts)
        assert found.raw.isfinite().all()
        assert terms(kind, kind=kind).total(found, given.targets).isfinite()


@pytest.mark.parametrize(
    ("objective", "kind"),
    [
        ("regression", "linear"),
        ("bradley-terry", "linear"),
        ("margin", "linear"),
        ("scaled", "linear"),
        ("preference-ordinal", "linear"),
        ("ordinal", "ordinal"),
        ("categorical", "categorical"),
    ],
)
def test_every_objective_ranks_unseen_pairs(objective: str, kind: Kind) -> None:
    given = data(noise=0.3)
    is_train = given.units < 2 * 80
    asked = terms(objective, kind=kind)
    unseen = given.rows(~is_train)
    found = scores(fit_probe(given.rows(is_train), terms=asked), unseen, by=asked)
    gaps = found[unseen.targets.firsts] - found[unseen.targets.seconds]
    strengths = unseen.targets.strengths
    assert ((gaps * strengths)[strengths != 0] > 0).float().mean() > 0.9


@pytest.mark.parametrize("objective", ["bradley-terry", "margin", "scaled"])
def test_ties_do_not_move_a_fit_that_drops_them(objective: str) -> None:
    tied = data(ties=20)
    targets = tied.targets
    without = replace(
        tied,
        targets=Targets(
            targets.labels, targets.weights, targets.firsts[20:], targets.seconds[20:], targets.strengths[20:]
        ),
    )
    first, second = (fit_probe(each, terms=terms(objective)).head.linear.weight for each in (tied, without))
    torch.testing.assert_close(first, second)


def test_ties_pull_their_scores_together_where_they_are_modelled() -> None:
    # pairs that differ most in what decides all others, and tie all the same
    given, asked = data(noise=0.1), terms("preference-ordinal")
    gaps = (given.responses[0::2, 0] - given.responses[1::2, 0]).abs()
    is_tied = gaps > gaps.median()
    targets = given.targets
    tied = replace(targets, strengths=torch.where(is_tied, 0.0, targets.strengths))
    shares = []
    for each in (targets, tied):
        found = scores(fit_probe(replace(given, targets=each), terms=asked), given, by=asked)
        apart = (found[0::2] - found[1::2]).abs()
        shares.append((apart[is_tied].mean() / apart[~is_tied].mean()).item())
    assert shares[1] < 0.9 * shares[0]


@pytest.mark.parametrize("objective", ["bradley-terry", "scaled", "preference-ordinal"])
def test_exchanging_the_responses_of_a_pair_changes_nothing(objective: str) -> None:
    given = data()
    old = given.targets
    turned = replace(given, targets=Targets(old.labels, old.weights, old.seconds, old.firsts, -old.strengths))
    first, second = (fit_probe(each, terms=terms(objective)).head.linear.weight for each in (given, turned))
    torch.testing.assert_close(first, second, atol=1e-5, rtol=1e-4)


def test_the_scale_of_a_feature_does_not_matter() -> None:
    given = data()
    scale = torch.logspace(-2, 2, WIDTH)
    scaled = replace(given, responses=given.responses * scale)
    asked = terms("scaled")
    first, second = (scores(fit_probe(each, terms=asked), each, by=asked) for each in (given, scaled))
    torch.testing.assert_close(first[0::2] - first[1::2], second[0::2] - second[1::2], atol=1e-4, rtol=1e-3)


def test_noise_asks_for_a_larger_penalty() -> None:
    quiet, loud = (fit_probe(data(noise=noise), terms=terms("scaled")).penalties["weights"] for noise in (0.1, 8.0))
    assert quiet < loud <= max(PENALTIES)


def test_a_bias_is_not_penalised() -> None:
    given = data()
    shifted = replace(given, targets=replace(given.targets, labels=given.targets.labels + 100))
    probe = fit_probe(shifted, terms=terms("regression", has_bias=True))
    with torch.no_grad():
        found = probe.head(given.responses, given.prompts).raw
    assert (found.mean(dim=0) - shifted.targets.labels.mean(dim=0)).abs().max() < 1e-3


def test_the_gate_learns_which_attribute_counts_for_which_prompt() -> None:
    given = data(noise=0.1)
    # the first feature of a prompt says whether helpfulness or verbosity decides
    is_first = (given.prompts[0::2, 0] > 1).float()
    gaps = given.targets.labels[0::2] - given.targets.labels[1::2]
    prompts = torch.where(is_first > 0, 1.0, -1.0)[:, None].repeat_interleave(2, dim=0) * torch.ones(1, WIDTH)
    strengths = torch.where(is_first > 0, gaps[:, 0], gaps[:, 1])
    asked = terms("regression", "bradley-terry", kind="gating")
    probe = fit_probe(replace(given, prompts=prompts, targets=replace(given.targets, strengths=strengths)), terms=asked)
    with torch.no_grad():
        gates = probe.head(given.responses, prompts).gates
    assert gates is not None
    assert (gates[0::2, 0] > 0.6).eq(is_first > 0).float().mean() > 0.95
    # the attributes are what regression alone gives
    alone = fit_probe(given, terms=terms("regression")).head.linear.weight
    torch.testing.assert_close(probe.head.linear.weight, alone)


def test_a_fit_is_the_same_whatever_the_global_seed() -> None:
    asked = terms("regression", "bradley-terry", kind="gating")
    heads = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        heads.append(fit_probe(data(), terms=asked).head.state_dict())
    assert all(torch.equal(heads[0][name], heads[1][name]) for name in heads[0])


def test_rows_of_one_prompt_are_left_out_together() -> None:
    units = torch.tensor([3, 3, 1, 1, 7, 7, 1, 9, 9, 4, 4, 5])
    parts = folds(units)
    assert torch.stack(parts).sum(dim=0).eq(1).all()
    for unit in units.unique():
        assert (
            len({tuple(part[units == unit].tolist()) for part in parts} - {(False,) * int((units == unit).sum())}) == 1
        )


def test_an_objective_that_nothing_counts_in_is_refused() -> None:
    with pytest.raises(DataError, match="nothing counts in the objective 'scaled'"):
        fit_probe(data(ties=NUM_PAIRS), terms=terms("regression", "scaled"))


def test_a_single_prompt_is_too_few() -> None:
    given = data(num_pairs=1)
    with pytest.raises(DataError, match="at least two prompts"):
        fit_probe(given, terms=terms("bradley-terry"))
