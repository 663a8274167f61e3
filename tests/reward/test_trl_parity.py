"""Training equals TRL's RewardTrainer and a plain loop of transformers: losses of five steps, gradients of a batch.

TRL knows Bradley-Terry alone; regression over several attributes is held against the plain loop. The engine packs and
shares prompts, the other two pad. TRL is a test oracle and a benchmark's rival; nothing of Steersman imports it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from plain_loop import LossOf, bradley_terry, conversations, loaded, plain_gradients, plain_losses, squared_error
from torch.testing import assert_close
from trl_loop import trl_training

from steersman.config.engine import EngineSettings
from steersman.config.sections import OptimiserSettings
from steersman.engine.batching import batches
from steersman.engine.fit import fit
from steersman.engine.objective import Objective, Reports, Schedule
from steersman.modeling.chat import Group, group_tokens
from steersman.modeling.loading import load_classifier, load_tokenizer
from steersman.modeling.packed_attention import packed_attention
from steersman.modeling.rows import GroupRows
from steersman.pipeline.reward_folder import load_reward_model
from steersman.records import Message
from steersman.reward.bradley_terry import bradley_terry_loss
from steersman.reward.model import RewardModel
from steersman.reward.regression import regression_loss
from steersman.store.arrays import FolderArrayStore

NUM_STEPS = 5
SEED = 7
# AdamW as TRL's, but for the decay, which its default leaves out
OPTIMISER = OptimiserSettings(
    learning_rate=1e-3,
    epochs=1,
    batch_pairs=4,
    warmup_steps=0,
    weight_decay=0.1,
    clip_norm=1.0,
    betas=(0.9, 0.999),
)
UNCLIPPED = OPTIMISER.model_copy(update={"clip_norm": 1e9})
NUM_PAIRS = NUM_STEPS * OPTIMISER.batch_pairs
NUM_LABELS = 3
# rows of some of a batch's pairs, so that its gradient is a sum over rows
ROW_TOKENS = 150

# Returns the summed loss of the outputs of a row's responses, (N, A), and the indices of its groups.
RowLoss = Callable[[torch.Tensor, Sequence[int]], torch.Tensor]


def classifier(tiny_model_folder: Path, folder: Path, *, num_outputs: int) -> Path:
    """Write the tiny model with stronger layers and a drawn head: its scores depend on what it reads."""
    model = load_classifier(tiny_model_folder, num_outputs=num_outputs, dtype=torch.float32)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "layers" in name and weights.ndim == 2:
                weights.mul_(6)
        generator = torch.Generator().manual_seed(0)
        cast(torch.nn.Linear, model.score).weight.normal_(0.0, 0.5, generator=generator)
    model.save_pretrained(folder)
    load_tokenizer(tiny_model_folder).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def scalar_folder(tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return classifier(tiny_model_folder, tmp_path_factory.mktemp("scalar"), num_outputs=1)


@pytest.fixture(scope="module")
def attributes_folder(tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return classifier(tiny_model_folder, tmp_path_factory.mktemp("attributes"), num_outputs=NUM_LABELS)


@pytest.fixture(scope="module")
def pairs(tiny_model_folder: Path) -> list[Group]:
    """Return pairs of very different lengths, the chosen response first."""
    tokenizer = load_tokenizer(tiny_model_folder)
    rng = np.random.default_rng(3)

    def text(longest: int) -> str:
        return "".join(rng.choice(list("abcdefgh \n"), size=rng.integers(1, longest)))

    return [group_tokens(tokenizer, [Message("user", text(30))], [text(60), text(60)]) for _ in range(NUM_PAIRS)]


@pytest.fixture(scope="module")
def labels() -> torch.Tensor:
    """Return labels of all pairs, (pairs, 2, attributes), a third of them missing."""
    generator = torch.Generator().manual_seed(4)
    drawn = torch.rand(NUM_PAIRS, 2, NUM_LABELS, generator=generator)
    return torch.where(drawn < 1 / 3, float("nan"), (8 * drawn - 4).round())


def steps() -> list[list[int]]:
    """Return the pairs of each step, as the engine shuffles them."""
    return list(batches(NUM_PAIRS, optimiser=OPTIMISER, seed=SEED))


def plain_training(folder: Path, pairs: list[Group], *, loss_of: Callable[[list[int]], LossOf]) -> list[float]:
    return plain_losses(
        loaded(folder),
        [(conversations([pairs[index] for index in step]), loss_of(step)) for step in steps()],
        learning_rate=OPTIMISER.learning_rate,
        weight_decay=OPTIMISER.weight_decay,
        clip_norm=OPTIMISER.clip_norm,
    )


@dataclass(slots=True)
class Engine:
    """The reward model of a folder, and its training on pairs packed into rows."""

    folder: Path
    pairs: list[Group]
    loss_of: RowLoss
    weights: torch.Tensor
    model: RewardModel = field(init=False)

    def __post_init__(self) -> None:
        self.model = load_reward_model(self.folder, dtype=torch.float32, device=torch.device("cpu"))

    def row_loss(self, indices: Sequence[int]) -> torch.Tensor:
        rows = GroupRows(self.pairs, [], FolderArrayStore(self.folder), torch.device("cpu"))
        return self.loss_of(self.model(rows.of(indices)).raw, indices)[None]

    def losses(self) -> list[float]:
        found: list[float] = []
        engine = EngineSettings.model_validate({"micro_batch_tokens": ROW_TOKENS, "precision": "float32"})
        tokens = [group.num_tokens for group in self.pairs]
        with packed_attention(self.model.backbone):
            fit(
                self.model,
                Objective(self.row_loss, lambda: {"loss": 0.0}, self.weights, tokens),
                schedule=Schedule(OPTIMISER, engine, evaluate_every=1, seed=SEED),
                reports=Reports(lambda metrics: found.append(metrics.get("train_loss", -1.0)), lambda _: None),
            )
        return found[1:]

    def gradients(self, indices: list[int]) -> dict[str, torch.Tensor]:
        """Return the gradients of a batch's mean loss, by the names of transformers' classification model."""
        with packed_attention(self.model.backbone):
            loss = self.row_loss(indices).sum() / self.weights[indices].sum()
            loss.backward()
        named = self.model.named_parameters()
        return {transformers_name(name): each.grad for name, each in named if each.grad is not None}


def transformers_name(name: str) -> str:
    return name.replace("backbone.", "model.").replace("head.linear.", "score.")


def ranking(folder: Path, pairs: list[Group]) -> Engine:
    def loss_of(outputs_NA: torch.Tensor, indices: Sequence[int]) -> torch.Tensor:
        return bradley_terry_loss(outputs_NA[0::2, 0], outputs_NA[1::2, 0])

    return Engine(folder, pairs, loss_of, torch.ones(NUM_PAIRS, 1))


def rating(folder: Path, pairs: list[Group], labels: torch.Tensor) -> Engine:
    def loss_of(outputs_NA: torch.Tensor, indices: Sequence[int]) -> torch.Tensor:
        return regression_loss(outputs_NA, labels[list(indices)].flatten(0, 1))

    counts = (~labels.isnan()).sum(dim=(1, 2)).float()
    return Engine(folder, pairs, loss_of, counts[:, None])


def assert_same_gradients(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    """Assert that every gradient is there and differs by at most 1e-5, or 1e-5 of its largest number above one."""
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert_close(found[name], gradient, atol=1e-5 * max(1.0, gradient.abs().max().item()), rtol=0, msg=name)


def test_the_losses_of_five_steps_equal_trls_and_the_plain_loops(
    scalar_folder: Path, pairs: list[Group], tmp_path: Path
) -> None:
    in_order = [pairs[index] for step in steps() for index in step]
    theirs = trl_training(scalar_folder, in_order, out=tmp_path, optimiser=OPTIMISER).losses
    plain = plain_training(scalar_folder, pairs, loss_of=lambda _: bradley_terry)
    ours = ranking(scalar_folder, pairs).losses()
    assert len(theirs) == NUM_STEPS
    assert theirs == pytest.approx(plain, abs=1e-4)
    assert ours == pytest.approx(theirs, abs=1e-4)


def test_the_gradients_of_a_batch_equal_trls_and_the_plain_loops(
    scalar_folder: Path, pairs: list[Group], tmp_path: Path
) -> None:
    indices = steps()[0]
    batch = [pairs[index] for index in indices]
    theirs = trl_training(scalar_folder, batch, out=tmp_path, optimiser=UNCLIPPED).gradients
    plain = plain_gradients(loaded(scalar_folder), conversations(batch), loss_of=bradley_terry)
    ours = ranking(scalar_folder, pairs).gradients(indices)
    assert_same_gradients(theirs, plain)
    assert_same_gradients(ours, theirs)


def test_the_losses_of_regression_equal_the_plain_loops(
    attributes_folder: Path, pairs: list[Group], labels: torch.Tensor
) -> None:
    plain = plain_training(attributes_folder, pairs, loss_of=lambda step: squared_error(labels[step].flatten(0, 1)))
    assert rating(attributes_folder, pairs, labels).losses() == pytest.approx(plain, abs=1e-4)


def test_the_gradients_of_regression_equal_the_plain_loops(
    attributes_folder: Path, pairs: list[Group], labels: torch.Tensor
) -> None:
    indices = steps()[0]
    plain = plain_gradients(
        loaded(attributes_folder),
        conversations([pairs[index] for index in indices]),
        loss_of=squared_error(labels[indices].flatten(0, 1)),
    )
    ours = rating(attributes_folder, pairs, labels).gradients(indices)
    assert_same_gradients(ours, plain)
