import pytest
import torch

from steersman.modeling.evaluating import evaluating
from steersman.modeling.precision import torch_dtype
from steersman.modeling.shapes import check_shape


def test_the_right_shape_passes() -> None:
    check_shape("scores_BA", torch.zeros(2, 3), 2, 3)


@pytest.mark.parametrize("shape", [(3, 2), (6,), (2, 3, 1)])
def test_another_shape_is_refused_by_name(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"scores_BA must have shape \(2, 3\), got"):
        check_shape("scores_BA", torch.zeros(shape), 2, 3)


def test_precisions_name_torch_types() -> None:
    assert (torch_dtype("bfloat16"), torch_dtype("float32")) == (torch.bfloat16, torch.float32)


@pytest.mark.parametrize("was_training", [True, False])
def test_evaluating_turns_dropout_and_gradients_off_and_restores(was_training: bool) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.Dropout(0.5)).train(was_training)
    with evaluating(model):
        assert not model[1].training
        assert not torch.is_grad_enabled()
    assert model[1].training == was_training
    assert torch.is_grad_enabled()


def test_a_model_trains_again_after_an_evaluation_that_failed() -> None:
    model = torch.nn.Dropout(0.5).train()
    with pytest.raises(TypeError), evaluating(model):
        model()
    assert model.training
    assert torch.is_grad_enabled()
