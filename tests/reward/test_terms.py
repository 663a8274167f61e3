"""Terms of a loss: what each label and each preference adds, who they move, and how they are counted."""

from collections.abc import Sequence

import pytest
import torch
from torch.testing import assert_close

from steersman.config.reward import ObjectiveSettings
from steersman.modeling.chat import Group, ResponseTokens
from steersman.reward.heads import Outputs
from steersman.reward.spec import Kind, RewardSpec
from steersman.reward.terms import RatedGroup, Targets, Terms, counting, targets_of, trained_outputs

MISSING = float("nan")
NAMES = ("helpfulness", "verbosity")


def group(
    labels: Sequence[Sequence[float]],
    *,
    strength: float | None = None,
    weights: Sequence[Sequence[float]] | None = None,
) -> RatedGroup:
    tokens = Group((1,), tuple(ResponseTokens((2,), 1) for _ in labels))
    return RatedGroup(
        tokens, torch.tensor(labels), weights=None if weights is None else torch.tensor(weights), strength=strength
    )


def terms(*names: str, kind: Kind = "linear", ranked_by: str = "helpfulness") -> Terms:
    asked = tuple(ObjectiveSettings.model_validate({"name": name, "weight": 2.0}) for name in names)
    weights = {} if kind == "gating" else {"helpfulness": 1.0, "verbosity": -1.0}
    return Terms(asked, RewardSpec(kind, NAMES, weights), ranked_by)


GROUPS = [
    group([[1.0, MISSING], [0.0, 2.0]], strength=3.0),
    group([[4.0, 4.0]]),
    group([[2.0, 2.0], [2.0, 2.0]], strength=0.0),
    group([[1.0, MISSING], [3.0, MISSING]], strength=-2.0),
]
RAW = torch.tensor([[1.0, 0.0], [0.5, 0.0], [0.0, 0.0], [0.0, 0.0], [5.0, 0.0], [0.2, 1.0], [0.6, 4.0]])


def test_preferences_are_of_neighbouring_responses_of_their_group() -> None:
    found = targets_of(GROUPS)
    assert (found.firsts.tolist(), found.seconds.tolist()) == ([0, 3, 5], [1, 4, 6])
    assert found.strengths.tolist() == [3.0, 0.0, -2.0]


@pytest.mark.parametrize(
    ("objective", "count"),
    [("regression", 11.0), ("bradley-terry", 2.0), ("margin", 2.0), ("scaled", 2.0), ("preference-ordinal", 3.0)],
)
def test_labels_and_untied_pairs_count_one_each(objective: str, count: float) -> None:
    asked = terms(objective)
    assert asked.counts(targets_of(GROUPS)).tolist() == [count]
    assert sum(asked.counts(targets_of([each])).item() for each in GROUPS) == count


def test_scaled_pairs_are_their_strength_times_and_divided_by_their_number() -> None:
    # gaps: chosen 1.0 over 0.5 with strength 3, chosen 0.6 over 0.2 with strength 2; the tie adds nothing
    expected = -(3 * torch.tensor(0.5).sigmoid().log() + 2 * torch.tensor(0.4).sigmoid().log()) / 2
    assert_close(terms("scaled").total(Outputs(RAW), targets_of(GROUPS)), 2.0 * expected)


def test_pairs_may_be_ranked_by_the_weighted_reward() -> None:
    # 0.5 as before; 0.2 - 1 against 0.6 - 4: the second is preferred, and scored 2.6 lower
    expected = -(torch.tensor(0.5).sigmoid().log() + torch.tensor(-2.6).sigmoid().log())
    losses = terms("bradley-terry", ranked_by="reward").losses(Outputs(RAW), targets_of(GROUPS))
    assert_close(losses, expected[None])


def test_a_tie_has_no_gradient_where_it_is_dropped_and_one_where_it_is_modelled() -> None:
    thresholds = torch.tensor([0.5, 1.5, 2.5])
    gradients = {}
    for name in ("bradley-terry", "margin", "scaled", "preference-ordinal"):
        raw = RAW.clone().requires_grad_()
        terms(name).losses(Outputs(raw, tie_thresholds=thresholds), targets_of(GROUPS)).sum().backward()
        assert raw.grad is not None
        gradients[name] = raw.grad[3:5, 0]
    assert not torch.stack([gradients[name] for name in ("bradley-terry", "margin", "scaled")]).any()
    # the second response of the tie is scored 5 higher: it falls, the first rises
    assert gradients["preference-ordinal"][0] < 0 < gradients["preference-ordinal"][1]


def test_a_difference_of_ratings_beyond_three_counts_as_three() -> None:
    thresholds = torch.tensor([0.5, 1.5, 2.5])
    four, three = (
        terms("preference-ordinal").losses(
            Outputs(RAW[:2], tie_thresholds=thresholds),
            targets_of([group([[4.0, 0.0], [0.0, 0.0]], strength=strength)]),
        )
        for strength in (4.0, 3.0)
    )
    assert_close(four, three)


def test_preferences_move_the_gates_and_not_the_attributes() -> None:
    raw, gates = RAW.clone().requires_grad_(), torch.full_like(RAW, 0.5).requires_grad_()
    asked = terms("bradley-terry", kind="gating", ranked_by="reward")
    asked.losses(Outputs(raw, gates=gates), targets_of(GROUPS)).sum().backward()
    assert raw.grad is None
    assert gates.grad is not None
    assert gates.grad.any()


def test_weights_of_labels_count_and_cost() -> None:
    weighed = group([[3.0, 0.0], [0.0, 0.0]], weights=[[2.0, 1.0], [1.0, 0.5]])
    targets = targets_of([weighed])
    asked = terms("regression")
    assert asked.counts(targets).tolist() == [4.5]
    assert asked.losses(Outputs(torch.zeros(2, 2)), targets).tolist() == [2.0 * 9]


def test_only_groups_that_count_in_some_term_are_kept() -> None:
    assert counting(terms("scaled"), GROUPS) == [GROUPS[0], GROUPS[3]]
    assert counting(terms("preference-ordinal"), GROUPS) == [GROUPS[0], GROUPS[2], GROUPS[3]]
    assert counting(terms("regression", "scaled"), GROUPS) == GROUPS


@pytest.mark.parametrize(
    ("names", "ranked_by", "trained"),
    [
        (("regression",), "helpfulness", ("helpfulness", "verbosity")),
        (("scaled",), "verbosity", ("verbosity",)),
        (("scaled",), "reward", ("helpfulness", "verbosity")),
    ],
)
def test_an_output_is_trained_by_its_labels_or_by_preferences_over_it(
    names: tuple[str, ...], ranked_by: str, trained: tuple[str, ...]
) -> None:
    assert trained_outputs(terms(*names, ranked_by=ranked_by), targets_of(GROUPS)) == trained


def test_an_objective_that_the_head_cannot_serve_is_refused() -> None:
    targets: Targets = targets_of(GROUPS)
    for name in ("ordinal", "preference-ordinal"):
        with pytest.raises(ValueError, match=f"does not give what the objective '{name}' needs"):
            terms(name).losses(Outputs(RAW), targets)
