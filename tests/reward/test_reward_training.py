"""A tiny model learns a rule planted in the responses, and reads the whole conversation."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from steersman.config.sections import OptimiserSettings, TuneSettings
from steersman.engine.fit import FitResult, Schedule
from steersman.modeling.chat import Group, ResponseTokens, group_tokens
from steersman.modeling.layers import all_states
from steersman.modeling.loading import load_classifier, load_tokenizer
from steersman.modeling.packing import pack
from steersman.modeling.states import TrainingStates
from steersman.modeling.tuning import make_trainable
from steersman.records import Message
from steersman.reward.train import RatedGroup, predictions, train
from steersman.store.arrays import FolderArrayStore

NUM_TRAINING = 48
NUM_VALIDATION = 16
OPTIMISER = OptimiserSettings(learning_rate=3e-4, epochs=1, batch_pairs=4, warmup_steps=10)


@pytest.fixture
def tokenizer(tiny_model_folder: Path) -> PreTrainedTokenizerBase:
    return load_tokenizer(tiny_model_folder)


@pytest.fixture
def model(tiny_model_folder: Path) -> PreTrainedModel:
    return strong(tiny_model_folder)


def strong(folder: Path) -> PreTrainedModel:
    """Return the tiny model with stronger layers: as it is, its states hardly depend on what it reads."""
    made = load_classifier(folder, num_outputs=2, dtype=torch.float32)
    with torch.no_grad():
        for name, weights in made.named_parameters():
            if "layers" in name and weights.ndim == 2:
                weights.mul_(6)
    return made


def planted(tokenizer: PreTrainedTokenizerBase) -> list[RatedGroup]:
    """Return groups in which the response that repeats the sign of the prompt is labelled (4, 0), the other (0, 4)."""
    rng = np.random.default_rng(1)
    groups = []
    for _ in range(NUM_TRAINING + NUM_VALIDATION):
        prompt, signs = rng.choice(["+", "-"]), rng.permutation(["+", "-"])
        tails = ["".join(row) for row in rng.choice(list("abcdefgh"), size=(2, 2))]
        responses = [sign + tail for sign, tail in zip(signs, tails, strict=True)]
        labels = torch.tensor([[4.0, 0.0] if sign == prompt else [0.0, 4.0] for sign in signs])
        groups.append(RatedGroup(group_tokens(tokenizer, [Message("user", str(prompt))], responses), labels))
    return groups


def trained(
    model: PreTrainedModel, rated: list[RatedGroup], folder: Path, *, epochs: int
) -> tuple[FitResult, list[dict[str, float]]]:
    make_trainable(model, tune=TuneSettings(mode="full"))
    states = TrainingStates(model, [each.group for each in rated], [], 0, FolderArrayStore(folder), "float32")
    rows: list[dict[str, float]] = []
    result = train(
        states,
        rated[:NUM_TRAINING],
        rated[NUM_TRAINING:],
        schedule=Schedule(OPTIMISER.model_copy(update={"epochs": epochs}), 6, 0),
        on_metrics=lambda metrics: rows.append(dict(metrics)),
        advance=lambda _: None,
    )
    return result, rows


def constant_error(rated: list[RatedGroup]) -> float:
    """Return the error on the held-out groups of predicting the mean label of the training groups."""
    mean = torch.cat([each.labels for each in rated[:NUM_TRAINING]]).mean(dim=0)
    return (torch.cat([each.labels for each in rated[NUM_TRAINING:]]) - mean).square().mean().item()


def test_a_planted_rule_is_learnt(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    rated = planted(tokenizer)
    result, rows = trained(model, rated, tmp_path, epochs=8)
    assert result.best["loss"] < 0.25 * constant_error(rated)
    assert result.best["accuracy"] == 1.0
    # the layers moved too: the ridge probe that training starts at is worse
    assert result.best["loss"] < 0.5 * rows[0]["loss"]


def test_training_starts_at_a_probe_that_beats_the_constant(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    rated = planted(tokenizer)
    _, rows = trained(model, rated, tmp_path, epochs=1)
    assert rows[0]["loss"] < 0.75 * constant_error(rated)


def test_what_is_reported_is_what_the_kept_model_does(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    rated = planted(tokenizer)
    result, _ = trained(model, rated, tmp_path, epochs=1)
    errors = []
    with torch.no_grad():
        for each in rated[NUM_TRAINING:]:
            packed = pack(each.group)
            errors.append(predictions(model, packed, all_states(model, packed)) - each.labels)
    assert torch.cat(errors).square().mean().item() == pytest.approx(result.best["loss"], rel=1e-4)


def test_the_same_seed_trains_the_same_model(
    tiny_model_folder: Path, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    rated = planted(tokenizer)
    models = [strong(tiny_model_folder) for _ in range(2)]
    for each in models:
        trained(each, rated, tmp_path, epochs=1)
    first, second = (each.state_dict() for each in models)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_missing_label_does_not_stop_training(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    rated = planted(tokenizer)
    for each in rated[:3]:
        each.labels[0, 0] = float("nan")
    result, rows = trained(model, rated, tmp_path, epochs=1)
    assert all(np.isfinite(row["loss"]) for row in rows)
    assert result.best["loss"] < constant_error(planted(tokenizer))


def test_outputs_are_read_at_the_last_token_of_each_response(model: PreTrainedModel) -> None:
    torch.nn.init.uniform_(model.get_parameter("score.weight"))
    packed = pack(_group((1, 2), (3, 4), (5,)))
    states_TD = torch.arange(5.0)[:, None].expand(-1, 32)
    # the responses end at tokens 3 and 4, whose states are all 3 and all 4
    sums_A = model.get_parameter("score.weight").sum(dim=1)
    assert_close(predictions(model, packed, states_TD), torch.stack([3 * sums_A, 4 * sums_A]))


def _group(prefix: tuple[int, ...], *responses: tuple[int, ...]) -> Group:
    return Group(prefix, tuple(ResponseTokens(ids, len(ids)) for ids in responses))
