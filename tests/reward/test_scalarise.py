"""One reward from several attributes, by published weights, and the plain mean that is refused."""

import pytest
import torch

from steersman.errors import ConfigError
from steersman.records import ATTRIBUTES
from steersman.reward.nemo_layout import NEMO_OUTPUTS, NEMO_UNTRAINED
from steersman.reward.scalarise import PUBLISHED_WEIGHTS, mean_weights, published_weights, weighted_reward

# outputs of one response: helpfulness, correctness, coherence, complexity, verbosity
OUTPUTS = torch.tensor([[2.5, 3.5, 4.2, 1.5, 1.8]])


def reward_by(name: str) -> float:
    weights = published_weights(name)
    return weighted_reward(OUTPUTS, torch.tensor([weights.get(each, 0.0) for each in ATTRIBUTES])).item()


def test_goodness_weighs_helpfulness_correctness_and_coherence() -> None:
    expected = 0.65 * 2.5 + 0.8 * 3.5 + 0.45 * 4.2
    assert reward_by("goodness") == pytest.approx(expected)
    assert expected == pytest.approx(6.315)


def test_the_70b_weights_give_the_published_scalar() -> None:
    expected = 0.65 * 2.5 + 0.8 * 3.5 + 0.45 * 4.2 + 0.55 * 1.5 - 0.4 * 1.8
    assert reward_by("helpsteer2-70b") == pytest.approx(expected)
    assert expected == pytest.approx(6.42)


def test_the_340b_weights_are_those_of_the_paper() -> None:
    expected = 0.3 * 2.5 + 0.74 * 3.5 + 0.46 * 4.2 + 0.47 * 1.5 - 0.33 * 1.8
    assert reward_by("helpsteer2-340b") == pytest.approx(expected)


def test_other_names_are_refused_and_the_known_ones_told() -> None:
    with pytest.raises(ConfigError, match=r"'helpsteer3'.*goodness, helpsteer2-70b, helpsteer2-340b"):
        published_weights("helpsteer3")


def test_what_is_done_with_published_weights_leaves_them_as_they_are() -> None:
    published_weights("goodness")["verbosity"] = 9.0
    assert "verbosity" not in PUBLISHED_WEIGHTS["goodness"]


def test_each_response_has_its_own_reward() -> None:
    outputs = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert weighted_reward(outputs, torch.tensor([10.0, 1.0])).tolist() == [12.0, 34.0]


@pytest.mark.parametrize("shape", [(1,), (3,), (2, 1)])
def test_weights_of_another_number_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="weights_A must have shape"):
        weighted_reward(torch.zeros(4, 2), torch.zeros(shape))


def test_a_plain_mean_weighs_trained_outputs_alike() -> None:
    assert mean_weights(ATTRIBUTES, untrained=NEMO_UNTRAINED) == dict.fromkeys(ATTRIBUTES, 0.2)


def test_a_plain_mean_over_untrained_outputs_is_refused() -> None:
    with pytest.raises(ConfigError, match="'quality', 'toxicity', 'humor', 'creativity'"):
        mean_weights(NEMO_OUTPUTS, untrained=NEMO_UNTRAINED)
