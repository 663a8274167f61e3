"""All lines of the benchmark compute the same gradients, and its table says what was spent."""

from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from packed_training import BATCH_PAIRS, PIECES, _gradients, _put_in_place
from packed_training_table import Circumstances, Spent, table_text
from reward_speed_data import TINY, Prepared, prepare
from reward_speed_records import MODEL_FOLDER, read_groups

from steersman.modeling.loading import load_backbone

SIZES = Prepared(model="a model", pairs="pairs", products=1, layers=1, attention_width=1, hidden=1, feedforward=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the tiny model and a batch of pairs."""
    made = tmp_path_factory.mktemp("benchmark")
    prepare(made, model=TINY, num_pairs=BATCH_PAIRS, is_made=True, seed=1)
    return made


def gradients(folder: Path, name: str) -> tuple[float, torch.Tensor]:
    """Return the loss and all gradients of the batch in float32."""
    model = load_backbone(folder / MODEL_FOLDER, dtype=torch.float32, device=torch.device("cpu"))
    model.requires_grad_(True)
    head = torch.linspace(-1, 1, model.config.hidden_size)
    with ExitStack() as stack:
        _put_in_place(stack, model, piece=PIECES[name])
        loss = _gradients(model, head, read_groups(folder), piece=PIECES[name], precision="float32")
    return loss, torch.cat([each.grad.flatten() for each in model.parameters() if each.grad is not None])


@pytest.mark.parametrize("name", [name for name, piece in PIECES.items() if piece.pieces < 4])
def test_every_line_has_the_loss_and_the_gradients_of_transformers(folder: Path, name: str) -> None:
    expected_loss, expected = gradients(folder, "transformers")
    loss, found = gradients(folder, name)
    assert loss == pytest.approx(expected_loss, abs=1e-5)
    assert (found - expected).norm() < 1e-4 * expected.norm()


def test_the_table_holds_medians_rates_and_shares() -> None:
    told = Circumstances(SIZES, "bfloat16", tokens=1000, operations=600, peak=100.0, where="here", command="it")
    first = [Spent(20.0, 30.0, 3 << 20, 0.7), Spent(10.0, 25.0, 2 << 20, 0.7), Spent(12.0, 20.0, 1 << 20, 0.7)]
    table = table_text({"slow": first, "fast": [Spent(8.0, 10.0, 5 << 20, 0.69)]}, told=told)
    # 1000 tokens in the median of 12 s and 25 CPU s; 600 operations in 12 s of 100 a second are a half
    assert "| slow | 83 | 1.00x | 40 | 50% | 2 | 0.7000 |" in table
    assert "| fast | 125 | 1.50x | 100 | 75% | 5 | 0.6900 |" in table
