"""Training moves a tiny policy towards the chosen responses and leaves its reference where it was."""

from pathlib import Path

import pytest
import torch
from torch.testing import assert_close
from transformers import PreTrainedModel

from steersman.align.dpo import Policy, PreferencePairs, reference_logprobs, train
from steersman.config.engine import EngineSettings
from steersman.config.sections import OptimiserSettings, TuneSettings
from steersman.engine.fit import FitResult
from steersman.engine.objective import Reports, Schedule
from steersman.modeling.activations import activation_key, cache_lower
from steersman.modeling.chat import Group, group_tokens
from steersman.modeling.layers import all_states
from steersman.modeling.loading import load_policy, load_tokenizer
from steersman.modeling.logprobs import response_logprobs
from steersman.modeling.packed_attention import packed_attention
from steersman.modeling.packing import pack
from steersman.modeling.rows import GroupRows
from steersman.modeling.tuning import make_trainable
from steersman.records import Message
from steersman.store.arrays import FolderArrayStore

BETA = 0.5
NUM_TRAINING = 8
WORDS = ["apple", "bread", "cloud", "dream", "eagle", "flame", "grape", "house", "inlet", "jelly", "knife", "lemon"]
# which response of each pair won: the cheerful one, which comes first in every other pair
CHOSEN = [number % 2 for number in range(len(WORDS))]
OPTIMISER = OptimiserSettings(learning_rate=2e-3, epochs=4, batch_pairs=4, warmup_steps=0)
ENGINE = EngineSettings.model_validate({})


@pytest.fixture
def model(tiny_model_folder: Path) -> PreTrainedModel:
    return load_policy(tiny_model_folder, dtype=torch.float32, device=torch.device("cpu"))


@pytest.fixture
def policy(model: PreTrainedModel) -> Policy:
    make_trainable(model, tune=TuneSettings(mode="full"))
    return Policy(model, num_lower=0)


@pytest.fixture
def groups(tiny_model_folder: Path) -> list[Group]:
    tokenizer = load_tokenizer(tiny_model_folder)
    found = []
    for word, chosen in zip(WORDS, CHOSEN, strict=True):
        responses = [f"{word}?", f"{word}!"] if chosen else [f"{word}!", f"{word}?"]
        found.append(group_tokens(tokenizer, [Message("user", word)], responses))
    return found


@pytest.fixture
def pairs(groups: list[Group], tmp_path: Path) -> PreferencePairs:
    rows = GroupRows(groups, [], FolderArrayStore(tmp_path), torch.device("cpu"))
    return PreferencePairs(rows, CHOSEN, NUM_TRAINING)


def trained(policy: Policy, pairs: PreferencePairs, rows: list[dict[str, float]]) -> FitResult:
    with packed_attention(policy.model):
        return train(
            policy,
            pairs,
            beta=BETA,
            schedule=Schedule(OPTIMISER, ENGINE, 2, 0),
            reports=Reports(lambda metrics: rows.append(dict(metrics)), lambda _: None),
        )


def logprobs_now(policy: Policy, pairs: PreferencePairs) -> torch.Tensor:
    return reference_logprobs(policy, pairs, precision="float32", advance=lambda _: None)


def test_logprobs_come_chosen_first_whichever_response_won(policy: Policy, pairs: PreferencePairs) -> None:
    with torch.no_grad():
        for index, chosen in enumerate(CHOSEN[:2]):
            packed = pack([pairs.rows.groups[index]])
            sums = response_logprobs(policy.model, all_states(policy.model, packed), packed)
            assert_close(pairs.logprobs(policy, [index]), torch.stack([sums[chosen], sums[1 - chosen]])[None])
            assert sums[0] != sums[1]


def test_pairs_that_share_a_row_keep_their_logprobs(policy: Policy, pairs: PreferencePairs) -> None:
    with torch.no_grad():
        alone = torch.cat([pairs.logprobs(policy, [index]) for index in (3, 0, 6)])
        assert_close(pairs.logprobs(policy, [3, 0, 6]), alone, atol=1e-5, rtol=1e-5)


def test_training_raises_the_margin_of_held_out_pairs(policy: Policy, pairs: PreferencePairs) -> None:
    rows: list[dict[str, float]] = []
    result = trained(policy, pairs, rows)
    assert rows[0]["margin"] == pytest.approx(0, abs=1e-5)
    assert result.best["margin"] > 1
    assert result.best["accuracy"] == 1.0
    assert result.best["loss"] < 0.9 * rows[0]["loss"]


def test_the_chosen_response_itself_becomes_more_probable_than_the_rejected(
    policy: Policy, pairs: PreferencePairs
) -> None:
    before = logprobs_now(policy, pairs)
    result = trained(policy, pairs, [])
    gained = (logprobs_now(policy, pairs) - before)[NUM_TRAINING:]
    # what is reported is measured against the start, not against a reference that moved along
    assert (gained[:, 0] - gained[:, 1]).mean().item() == pytest.approx(result.best["margin"], abs=1e-4)


def test_the_first_loss_is_log_two(policy: Policy, pairs: PreferencePairs) -> None:
    rows: list[dict[str, float]] = []
    trained(policy, pairs, rows)
    assert rows[0]["loss"] == pytest.approx(torch.tensor(2.0).log().item(), abs=1e-5)


def test_training_on_cached_activations_moves_the_upper_layers_only(
    model: PreTrainedModel, groups: list[Group], tmp_path: Path
) -> None:
    store = FolderArrayStore(tmp_path)
    keys = [activation_key(group, model_sha256="w", num_lower=1, precision="float32") for group in groups]
    cache_lower(lambda: model, groups, keys=keys, num_lower=1, store=store, advance=lambda _: None)
    pairs = PreferencePairs(GroupRows(groups, keys, store, torch.device("cpu")), CHOSEN, NUM_TRAINING)
    make_trainable(model, tune=TuneSettings(mode="upper", layers=1))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    result = trained(Policy(model, num_lower=1), pairs, [])
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert result.best["margin"] > 0
    assert all(name.startswith("model.layers.1.") or name == "model.norm.weight" for name in moved)
    assert moved


def test_the_reference_is_without_gradients_and_counts_tokens(policy: Policy, pairs: PreferencePairs) -> None:
    counts: list[int] = []
    found = reference_logprobs(policy, pairs, precision="float32", advance=counts.append)
    assert sorted(counts) == sorted(group.num_tokens for group in pairs.rows.groups)
    assert found.shape == (len(WORDS), 2)
    assert not found.requires_grad
