"""Training moves a tiny policy towards the chosen responses and leaves its reference where it was."""

from pathlib import Path

import pytest
import torch
from torch.testing import assert_close
from transformers import PreTrainedModel

from steersman.align.dpo import PreferencePairs, reference_logprobs, train
from steersman.config.sections import OptimiserSettings, TuneSettings
from steersman.engine.fit import FitResult, Schedule
from steersman.modeling.activations import activation_key, cache_lower
from steersman.modeling.chat import Group, group_tokens
from steersman.modeling.layers import all_states
from steersman.modeling.loading import load_policy, load_tokenizer
from steersman.modeling.logprobs import response_logprobs
from steersman.modeling.packing import pack
from steersman.modeling.states import TrainingStates
from steersman.modeling.tuning import make_trainable
from steersman.records import Message
from steersman.store.arrays import FolderArrayStore

BETA = 0.5
NUM_TRAINING = 8
WORDS = ["apple", "bread", "cloud", "dream", "eagle", "flame", "grape", "house", "inlet", "jelly", "knife", "lemon"]
# which response of each pair won: the cheerful one, which comes first in every other pair
CHOSEN = [number % 2 for number in range(len(WORDS))]
OPTIMISER = OptimiserSettings(learning_rate=2e-3, epochs=4, batch_pairs=4, warmup_steps=0)


@pytest.fixture
def policy(tiny_model_folder: Path) -> PreTrainedModel:
    return load_policy(tiny_model_folder, dtype=torch.float32, device=torch.device("cpu"))


@pytest.fixture
def groups(tiny_model_folder: Path) -> list[Group]:
    tokenizer = load_tokenizer(tiny_model_folder)
    found = []
    for word, chosen in zip(WORDS, CHOSEN, strict=True):
        responses = [f"{word}?", f"{word}!"] if chosen else [f"{word}!", f"{word}?"]
        found.append(group_tokens(tokenizer, [Message("user", word)], responses))
    return found


@pytest.fixture
def pairs(policy: PreTrainedModel, groups: list[Group], tmp_path: Path) -> PreferencePairs:
    states = TrainingStates(policy, groups, [], 0, FolderArrayStore(tmp_path), "float32")
    return PreferencePairs(states, CHOSEN, NUM_TRAINING)


def trained(pairs: PreferencePairs, rows: list[dict[str, float]]) -> FitResult:
    return train(
        pairs,
        beta=BETA,
        schedule=Schedule(OPTIMISER, 2, 0),
        on_metrics=lambda metrics: rows.append(dict(metrics)),
        advance=lambda _: None,
    )


def test_logprobs_come_chosen_first_whichever_response_won(pairs: PreferencePairs) -> None:
    with torch.no_grad():
        for index, chosen in enumerate(CHOSEN[:2]):
            packed = pack(pairs.states.groups[index])
            sums = response_logprobs(pairs.states.model, all_states(pairs.states.model, packed), packed)
            assert_close(pairs.logprobs(index), torch.stack([sums[chosen], sums[1 - chosen]]))
            assert sums[0] != sums[1]


def test_training_raises_the_margin_of_held_out_pairs(pairs: PreferencePairs) -> None:
    make_trainable(pairs.states.model, tune=TuneSettings(mode="full"))
    rows: list[dict[str, float]] = []
    result = trained(pairs, rows)
    assert rows[0]["margin"] == pytest.approx(0, abs=1e-5)
    assert result.best["margin"] > 1
    assert result.best["accuracy"] == 1.0
    assert result.best["loss"] < 0.9 * rows[0]["loss"]


def test_the_chosen_response_itself_becomes_more_probable_than_the_rejected(pairs: PreferencePairs) -> None:
    make_trainable(pairs.states.model, tune=TuneSettings(mode="full"))
    before = torch.stack(reference_logprobs(pairs, advance=lambda _: None))
    result = trained(pairs, [])
    after = torch.stack(reference_logprobs(pairs, advance=lambda _: None))
    gained = (after - before)[NUM_TRAINING:]
    # what is reported is measured against the start, not against a reference that moved along
    assert (gained[:, 0] - gained[:, 1]).mean().item() == pytest.approx(result.best["margin"], abs=1e-4)


def test_the_first_loss_is_log_two(pairs: PreferencePairs) -> None:
    make_trainable(pairs.states.model, tune=TuneSettings(mode="full"))
    rows: list[dict[str, float]] = []
    trained(pairs, rows)
    assert rows[0]["loss"] == pytest.approx(torch.tensor(2.0).log().item(), abs=1e-5)


def test_training_on_cached_activations_moves_the_upper_layers_only(
    policy: PreTrainedModel, groups: list[Group], tmp_path: Path
) -> None:
    store = FolderArrayStore(tmp_path)
    keys = [activation_key(group, model_sha256="w", num_lower=1, precision="float32") for group in groups]
    cache_lower(lambda: policy, groups, keys=keys, num_lower=1, store=store, advance=lambda _: None)
    pairs = PreferencePairs(TrainingStates(policy, groups, keys, 1, store, "float32"), CHOSEN, NUM_TRAINING)
    make_trainable(policy, tune=TuneSettings(mode="upper", layers=1))
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    result = trained(pairs, [])
    moved = {name for name, value in policy.state_dict().items() if not torch.equal(value, before[name])}
    assert result.best["margin"] > 0
    assert all(name.startswith("model.layers.1.") or name == "model.norm.weight" for name in moved)
    assert moved


def test_the_reference_is_without_gradients_and_counts_pairs(pairs: PreferencePairs) -> None:
    counts: list[int] = []
    found = reference_logprobs(pairs, advance=counts.append)
    assert counts == [1] * len(WORDS)
    assert [each.shape for each in found] == [(2,)] * len(WORDS)
    assert not any(each.requires_grad for each in found)
