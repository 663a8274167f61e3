"""A tiny model learns a rule planted in the responses, by every kind of head and objective."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from planted import NUM_TRAINING, NUM_VALIDATION, data_of, planted, strong, terms_of, trained
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from steersman.modeling.loading import load_tokenizer
from steersman.reward.spec import Kind
from steersman.reward.terms import RatedGroup
from steersman.reward.train import predictions


@pytest.fixture
def tokenizer(tiny_model_folder: Path) -> PreTrainedTokenizerBase:
    return load_tokenizer(tiny_model_folder)


@pytest.fixture
def model(tiny_model_folder: Path) -> PreTrainedModel:
    return strong(tiny_model_folder)


@pytest.fixture
def rated(tokenizer: PreTrainedTokenizerBase) -> list[RatedGroup]:
    return planted(tokenizer)


def constant_error(rated: list[RatedGroup]) -> float:
    """Return the error on the held-out groups of predicting the mean label of the training groups."""
    mean = torch.cat([each.labels for each in rated[:NUM_TRAINING]]).mean(dim=0)
    return (torch.cat([each.labels for each in rated[NUM_TRAINING:]]) - mean).square().mean().item()


def test_a_planted_rule_is_learnt(model: PreTrainedModel, rated: list[RatedGroup], tmp_path: Path) -> None:
    _, result, rows = trained(model, rated, terms=terms_of("regression"), folder=tmp_path, epochs=8)
    assert result.best["loss"] < 0.25 * constant_error(rated)
    assert result.best["accuracy"] == 1.0
    # the layers moved too: the ridge probe that training starts at is worse
    assert result.best["loss"] < 0.5 * rows[0]["loss"]


@pytest.mark.parametrize(
    ("kind", "objectives", "ranked_by"),
    [
        ("linear", ("bradley-terry",), "follows"),
        ("linear", ("margin",), "reward"),
        ("linear", ("scaled",), "follows"),
        ("linear", ("preference-ordinal",), "follows"),
        ("linear", ("regression", "scaled"), "follows"),
        ("ordinal", ("ordinal",), "follows"),
        ("categorical", ("categorical", "bradley-terry"), "follows"),
    ],
)
def test_every_objective_learns_the_planted_rule(
    kind: Kind,
    objectives: tuple[str, ...],
    ranked_by: str,
    model: PreTrainedModel,
    rated: list[RatedGroup],
    tmp_path: Path,
) -> None:
    terms = terms_of(*objectives, kind=kind, ranked_by=ranked_by)
    _, result, rows = trained(model, rated, terms=terms, folder=tmp_path, epochs=4)
    assert result.best["accuracy"] == 1.0
    assert result.best["loss"] < 0.75 * rows[0]["loss"]


def test_the_step_of_the_lowest_validation_loss_is_kept(
    model: PreTrainedModel, rated: list[RatedGroup], tmp_path: Path
) -> None:
    _, result, rows = trained(model, rated, terms=terms_of("regression"), folder=tmp_path, epochs=2)
    best = min(rows, key=lambda row: row["loss"])
    assert (result.best_step, result.best["loss"]) == (best["step"], best["loss"])


def test_training_starts_at_a_probe_that_beats_the_constant(
    model: PreTrainedModel, rated: list[RatedGroup], tmp_path: Path
) -> None:
    _, _, rows = trained(model, rated, terms=terms_of("regression"), folder=tmp_path, epochs=1)
    assert rows[0]["loss"] < 0.75 * constant_error(rated)


def test_what_is_reported_is_what_the_kept_model_does(
    model: PreTrainedModel, rated: list[RatedGroup], tmp_path: Path
) -> None:
    kept, result, _ = trained(model, rated, terms=terms_of("regression"), folder=tmp_path, epochs=1)
    rows = data_of(rated, folder=tmp_path).rows
    errors = []
    # each group alone, without the attention of packed rows
    for number in range(NUM_TRAINING, NUM_TRAINING + NUM_VALIDATION):
        found = predictions(kept, rows, [number], budget=1, precision="float32")
        errors.append(found.raw - rated[number].labels)
    assert torch.cat(errors).square().mean().item() == pytest.approx(result.best["loss"], rel=1e-4)


def test_outputs_come_in_the_order_that_is_asked_for(
    model: PreTrainedModel, rated: list[RatedGroup], tmp_path: Path
) -> None:
    kept, _, _ = trained(model, rated, terms=terms_of("regression"), folder=tmp_path, epochs=1)
    rows = data_of(rated, folder=tmp_path).rows
    together = predictions(kept, rows, [5, 0, 3], budget=2048, precision="float32").raw
    alone = [predictions(kept, rows, [number], budget=1, precision="float32").raw for number in (5, 0, 3)]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-4, rtol=1e-4)


def test_the_same_seed_trains_the_same_model(tiny_model_folder: Path, rated: list[RatedGroup], tmp_path: Path) -> None:
    made = [
        trained(strong(tiny_model_folder), rated, terms=terms_of("regression"), folder=tmp_path, epochs=1)[0]
        for _ in range(2)
    ]
    first, second = (each.state_dict() for each in made)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_missing_label_does_not_stop_training(
    model: PreTrainedModel, rated: list[RatedGroup], tmp_path: Path
) -> None:
    expected = constant_error(rated)
    for each in rated[:3]:
        each.labels[0, 0] = float("nan")
    _, result, rows = trained(model, rated, terms=terms_of("regression"), folder=tmp_path, epochs=1)
    assert all(np.isfinite(row["loss"]) for row in rows)
    assert result.best["loss"] < expected


def test_an_output_without_labels_stays_as_it_starts(
    model: PreTrainedModel, rated: list[RatedGroup], tmp_path: Path
) -> None:
    for each in rated:
        each.labels[:, 1] = float("nan")
    kept, result, _ = trained(model, rated, terms=terms_of("regression"), folder=tmp_path, epochs=1)
    assert not kept.head.linear.weight[1].any()
    assert result.best["loss"] < 4.0


@pytest.mark.parametrize("objective", ["bradley-terry", "margin", "scaled"])
def test_ties_move_nothing_in_objectives_that_drop_them(
    objective: str, tiny_model_folder: Path, rated: list[RatedGroup], tmp_path: Path
) -> None:
    # the last four training groups tie: with them or with no preference at all in their place, training is the same
    def with_last(strength: float | None) -> list[RatedGroup]:
        last = range(NUM_TRAINING - 4, NUM_TRAINING)
        return [replace(each, strength=strength) if place in last else each for place, each in enumerate(rated)]

    made = [
        trained(strong(tiny_model_folder), with_last(strength), terms=terms_of(objective), folder=tmp_path, epochs=1)[0]
        for strength in (0.0, None)
    ]
    first, second = (each.state_dict() for each in made)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_preferences_move_the_gate_towards_the_attribute_that_they_follow(
    model: PreTrainedModel, rated: list[RatedGroup], tmp_path: Path
) -> None:
    terms = terms_of("regression", "bradley-terry", kind="gating", ranked_by="reward")
    kept, result, _ = trained(model, rated, terms=terms, folder=tmp_path, epochs=2)
    found = predictions(
        kept, data_of(rated, folder=tmp_path).rows, range(NUM_TRAINING), budget=2048, precision="float32"
    )
    assert found.gates is not None
    # at equal weights the two attributes, of which one is 4 less the other, would cancel out
    assert (found.gates[:, 0] > 0.6).all()
    assert result.best["accuracy"] >= 0.9
