"""Which groups make a step, in what order, and which of them share a row."""

import pytest
import torch
from constant_model import optimiser_settings
from hypothesis import given
from hypothesis import strategies as st

from steersman.engine.batching import batches, micro_batches, num_steps


def test_every_epoch_covers_every_group_once_in_a_new_order() -> None:
    found = list(batches(10, optimiser=optimiser_settings(epochs=2, batch_pairs=4), seed=0))
    assert [len(batch) for batch in found] == [4, 4, 2, 4, 4, 2]
    epochs = [[index for batch in part for index in batch] for part in (found[:3], found[3:])]
    assert [sorted(order) for order in epochs] == [list(range(10))] * 2
    assert epochs[0] != epochs[1]


def test_only_the_seed_decides_the_order() -> None:
    torch.manual_seed(1)
    first = list(batches(10, optimiser=optimiser_settings(), seed=3))
    torch.manual_seed(2)
    assert list(batches(10, optimiser=optimiser_settings(), seed=3)) == first
    assert list(batches(10, optimiser=optimiser_settings(), seed=4)) != first


@pytest.mark.parametrize(("num_groups", "size", "epochs"), [(10, 4, 2), (8, 4, 3), (1, 4, 1), (4, 1, 1), (0, 2, 1)])
def test_steps_are_counted_as_they_are_taken(num_groups: int, size: int, epochs: int) -> None:
    optimiser = optimiser_settings(batch_pairs=size, epochs=epochs)
    assert num_steps(num_groups, optimiser=optimiser) == len(list(batches(num_groups, optimiser=optimiser, seed=0)))


def test_rows_are_filled_with_the_longest_groups_first() -> None:
    tokens = [30, 50, 20, 60, 40]
    # 60 and 50 open rows of 100; 40 and then 30 find room beside 60 and 50, then 20 beside 50 and 30
    assert micro_batches(range(5), tokens=tokens, budget=100) == [[3, 4], [1, 0, 2]]


def test_the_longest_row_comes_first() -> None:
    # 70 opens the first row, in which neither 45 has room; together they make the longer one
    assert micro_batches(range(3), tokens=[70, 45, 45], budget=100) == [[1, 2], [0]]


def test_a_group_longer_than_the_budget_has_a_row_of_its_own() -> None:
    assert micro_batches([0, 1, 2], tokens=[5, 200, 5], budget=100) == [[1], [0, 2]]


def test_groups_of_equal_length_keep_the_order_of_their_indices() -> None:
    assert micro_batches([2, 0, 1], tokens=[10, 10, 10], budget=20) == [[0, 1], [2]]


@given(st.lists(st.integers(1, 60), min_size=1, max_size=40), st.integers(1, 100))
def test_rows_hold_every_group_once_and_keep_the_budget(tokens: list[int], budget: int) -> None:
    rows = micro_batches(range(len(tokens)), tokens=tokens, budget=budget)
    assert sorted(index for row in rows for index in row) == list(range(len(tokens)))
    assert all(len(row) == 1 or sum(tokens[index] for index in row) <= budget for row in rows)
