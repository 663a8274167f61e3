"""Cached lower activations are the computed ones, rounded, and are made once."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close
from transformers import PreTrainedModel

from steersman.modeling.activations import activation_key, cache_lower, read_lower
from steersman.modeling.chat import Group, ResponseTokens
from steersman.modeling.layers import all_states, lower_states
from steersman.modeling.loading import load_policy
from steersman.modeling.packing import pack
from steersman.modeling.rows import GroupRows, states_of
from steersman.store.arrays import FolderArrayStore

# bfloat16 keeps 7 bits of the fraction: rounding is off by at most half a unit of the last
HALF_UNIT = 2.0**-8
GROUPS = [
    Group((65, 66, 67), (ResponseTokens((70, 71), 2), ResponseTokens((72,), 1))),
    Group((68,), (ResponseTokens((73,), 1),)),
]


@pytest.fixture
def model(tiny_model_folder: Path) -> PreTrainedModel:
    return load_policy(tiny_model_folder, dtype=torch.float32, device=torch.device("cpu"))


@pytest.fixture
def store(tmp_path: Path) -> FolderArrayStore:
    return FolderArrayStore(tmp_path / "arrays")


class Loader:
    """Gives the model and counts how often it was asked to."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model
        self.count = 0

    def __call__(self) -> PreTrainedModel:
        self.count += 1
        return self.model


def key(group: Group, *, weights: str = "w", num_lower: int = 1, precision: str = "float32") -> str:
    return activation_key(group, model_sha256=weights, num_lower=num_lower, precision=precision)


def fill(store: FolderArrayStore, load: Loader, groups: Sequence[Group]) -> int:
    """Cache the groups and return how many tokens were counted."""
    counts: list[int] = []
    keys = [key(group) for group in groups]
    cache_lower(load, groups, keys=keys, num_lower=1, store=store, advance=counts.append)
    return sum(counts)


def test_cached_activations_are_the_computed_ones_up_to_rounding(
    model: PreTrainedModel, store: FolderArrayStore
) -> None:
    fill(store, Loader(model), GROUPS)
    for group in GROUPS:
        with torch.no_grad():
            computed_TD = lower_states(model, pack([group]), num_lower=1)
        assert_close(read_lower(store, key(group)), computed_TD, atol=0, rtol=HALF_UNIT)


def test_states_from_the_cache_are_those_of_the_whole_model(model: PreTrainedModel, store: FolderArrayStore) -> None:
    fill(store, Loader(model), GROUPS)
    cached = GroupRows(GROUPS, [key(group) for group in GROUPS], store, model.device).of([1, 0])
    whole = GroupRows(GROUPS, [], store, model.device).of([1, 0])
    with torch.no_grad():
        states_TD = states_of(model, whole, num_lower=0)
        assert_close(states_TD, all_states(model, pack([GROUPS[1], GROUPS[0]])))
        # states are normed to one; two layers may double the rounding of what goes in
        assert_close(states_of(model, cached, num_lower=1), states_TD, atol=4 * HALF_UNIT, rtol=0)


def test_nothing_is_loaded_when_all_is_cached(model: PreTrainedModel, store: FolderArrayStore) -> None:
    load = Loader(model)
    fill(store, load, GROUPS)
    fill(store, load, GROUPS)
    assert load.count == 1


def test_what_is_missing_is_added_to_what_is_there(model: PreTrainedModel, store: FolderArrayStore) -> None:
    load = Loader(model)
    fill(store, load, GROUPS[:1])
    fill(store, load, GROUPS)
    assert load.count == 2
    assert read_lower(store, key(GROUPS[1])).shape == (2, model.config.hidden_size)


def test_progress_counts_tokens_cached_or_not(model: PreTrainedModel, store: FolderArrayStore) -> None:
    num_tokens = 6 + 2
    assert fill(store, Loader(model), GROUPS) == num_tokens
    assert fill(store, Loader(model), GROUPS) == num_tokens


def test_reading_what_was_never_cached_names_the_key(store: FolderArrayStore) -> None:
    with pytest.raises(KeyError, match="nowhere"):
        read_lower(store, "nowhere")


def test_a_key_is_that_of_the_same_weights_split_format_and_tokens() -> None:
    group = Group((1, 2), (ResponseTokens((3,), 1),))
    keys = [
        key(group),
        key(group, weights="v"),
        key(group, num_lower=2),
        key(group, precision="bfloat16"),
        key(Group((1, 2), (ResponseTokens((4,), 1),))),
        key(Group((1,), (ResponseTokens((2, 3), 1),))),
        key(Group((1, 2), (ResponseTokens((3,), 1), ResponseTokens((3,), 1)))),
    ]
    assert len(set(keys)) == len(keys)
    assert key(Group((1, 2), (ResponseTokens((3,), 1),))) == keys[0]
