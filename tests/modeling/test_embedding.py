"""The lean embedding gives the gradients of PyTorch's, row by row, and leaves other tables alone."""

import torch
from torch import nn
from torch.testing import assert_close

from steersman.modeling.embedding import lean_embedding

ROWS = [torch.tensor([[1, 3, 3, 0]]), torch.tensor([[3, 2]]), torch.tensor([[0, 1]])]
PADDING = 0


def table(*, padding: int | None = PADDING) -> nn.Embedding:
    made = nn.Embedding(6, 4, padding_idx=padding)
    with torch.no_grad():
        made.weight.copy_(torch.arange(24.0).view(6, 4))
    return made


def summed_gradient(made: nn.Embedding) -> torch.Tensor:
    """Return the gradient of the sum over all rows, each with uneven weights, one backward pass a row."""
    for row in ROWS:
        states = made(row)
        (states * torch.linspace(1, 2, states.numel()).view(states.shape)).sum().backward()
    assert made.weight.grad is not None
    return made.weight.grad


def test_gradients_of_several_rows_are_the_sum_that_pytorch_gives() -> None:
    for padding in (PADDING, None):
        ours = table(padding=padding)
        with lean_embedding(ours):
            found = summed_gradient(ours)
        assert_close(found, summed_gradient(table(padding=padding)))


def test_the_padding_token_gets_no_gradient() -> None:
    ours = table()
    with lean_embedding(ours):
        assert summed_gradient(ours)[PADDING].tolist() == [0.0] * 4


def test_rows_after_the_first_add_to_the_gradient_in_place() -> None:
    ours = table()
    with lean_embedding(ours):
        ours(ROWS[0]).sum().backward()
        first = ours.weight.grad
        ours(ROWS[1]).sum().backward()
    assert ours.weight.grad is first


def test_a_frozen_table_is_looked_up_without_a_gradient() -> None:
    ours = table().requires_grad_(False)
    with lean_embedding(ours):
        states = ours(ROWS[0])
    assert not states.requires_grad
    assert_close(states, table()(ROWS[0]).detach())


def test_a_table_that_does_more_than_look_up_is_left_alone() -> None:
    renormed = nn.Embedding(6, 4, max_norm=1.0)
    with lean_embedding(renormed):
        assert "forward" not in vars(renormed)


def test_the_table_is_as_before_afterwards() -> None:
    ours = table()
    with lean_embedding(ours), lean_embedding(ours):
        assert "forward" in vars(ours)
    assert "forward" not in vars(ours)
