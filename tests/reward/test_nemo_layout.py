"""The nine slots of NeMo's reward models: the last five are HelpSteer2's, the first four mean nothing."""

import pytest
import torch
from torch.testing import assert_close

from steersman.errors import ConfigError
from steersman.records import ATTRIBUTES
from steersman.reward.nemo_layout import NEMO_OUTPUTS, from_nemo, to_nemo, weights_from_nemo, weights_to_nemo
from steersman.reward.regression import regression_loss

NINE = torch.arange(18.0).view(2, 9)


def test_the_nine_outputs_have_the_order_of_the_published_checkpoints() -> None:
    expected = "quality toxicity humor creativity helpfulness correctness coherence complexity verbosity"
    assert " ".join(NEMO_OUTPUTS) == expected


def test_the_five_attributes_are_the_last_slots() -> None:
    assert_close(from_nemo(NINE), torch.tensor([[4.0, 5, 6, 7, 8], [13, 14, 15, 16, 17]]))
    assert_close(from_nemo(NINE[0]), torch.tensor([4.0, 5, 6, 7, 8]))


def test_there_and_back_keeps_the_five_and_masks_the_four() -> None:
    back = to_nemo(from_nemo(NINE), untrained=float("nan"))
    assert back[:, :4].isnan().all()
    assert_close(back[:, 4:], NINE[:, 4:])


def test_labels_in_nine_slots_train_the_five_only() -> None:
    labels = torch.tensor([[3.0, 4.0, 4.0, 2.0, 1.0]])
    of_nine = regression_loss(NINE[:1], to_nemo(labels, untrained=float("nan")))
    assert_close(of_nine, regression_loss(from_nemo(NINE[:1]), labels))


def test_weights_go_there_and_back() -> None:
    slots = [0, 0, 0, 0, 0.3, 0.74, 0.46, 0.47, -0.33]
    named = weights_from_nemo(slots)
    assert tuple(named) == ATTRIBUTES
    assert weights_to_nemo(named) == slots
    assert weights_to_nemo({"coherence": 2.0}) == [0, 0, 0, 0, 0, 0, 2.0, 0, 0]


def test_a_weight_on_an_untrained_output_is_refused() -> None:
    # NeMo-Aligner's mean of all nine, when it is told to merge attributes and given no weights
    with pytest.raises(ConfigError, match="'quality', 'toxicity', 'humor', 'creativity'"):
        weights_from_nemo([1 / 9] * 9)


def test_other_numbers_of_slots_are_refused() -> None:
    with pytest.raises(ConfigError, match="5 weights"):
        weights_from_nemo([1.0] * 5)
    with pytest.raises(ValueError, match="9 slots"):
        from_nemo(torch.zeros(9, 5))
    with pytest.raises(ValueError, match="5 attributes"):
        to_nemo(torch.zeros(5, 9), untrained=0.0)


def test_weights_of_other_names_are_refused() -> None:
    with pytest.raises(ConfigError, match="humor"):
        weights_to_nemo({"humor": 1.0, "helpfulness": 1.0})
