"""The best weights come back to the bit, from memory and from a file, and leave nothing behind."""

from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from steersman.engine.best import BestWeights
from steersman.errors import RunError


def weights() -> list[torch.Tensor]:
    return [torch.nn.Parameter(torch.arange(6.0).view(2, 3)), torch.nn.Parameter(torch.tensor([0.1, -2.0]))]


@pytest.mark.parametrize("has_folder", [False, True])
def test_values_are_those_of_the_moment_they_were_kept(has_folder: bool, tmp_path: Path) -> None:
    trained, kept = weights(), BestWeights(tmp_path if has_folder else None)
    kept.keep(trained)
    with torch.no_grad():
        for each in trained:
            each.add_(1.0)
    assert_close(kept.values(trained), [each.detach() for each in weights()], rtol=0, atol=0)
    kept.keep(trained)
    assert_close(kept.values(trained), [each.detach() + 1.0 for each in weights()], rtol=0, atol=0)


@pytest.mark.parametrize("has_folder", [False, True])
def test_values_are_put_back_also_into_weights_that_lie_otherwise_in_memory(has_folder: bool, tmp_path: Path) -> None:
    kept = BestWeights(tmp_path if has_folder else None)
    kept.keep(weights())
    others = [torch.nn.Parameter(torch.zeros(3, 2).T), torch.nn.Parameter(torch.zeros(2))]
    kept.put_back(others)
    assert_close([each.detach() for each in others], [each.detach() for each in weights()], rtol=0, atol=0)


def test_with_a_folder_values_are_in_a_file_and_not_in_memory(tmp_path: Path) -> None:
    trained, kept = [torch.nn.Parameter(torch.zeros(3))], BestWeights(tmp_path)
    kept.keep(trained)
    (file,) = tmp_path.iterdir()
    file.write_bytes(torch.ones(3).numpy().tobytes())
    assert_close(kept.values(trained), [torch.ones(3)])


def test_nothing_is_left_after_removal(tmp_path: Path) -> None:
    kept = BestWeights(tmp_path / "resume")
    kept.keep(weights())
    kept.remove()
    assert not (tmp_path / "resume").exists()


def test_removal_leaves_what_else_is_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "step-3").mkdir()
    kept = BestWeights(tmp_path)
    kept.keep(weights())
    kept.remove()
    assert [each.name for each in tmp_path.iterdir()] == ["step-3"]


def test_where_nothing_can_be_written_values_are_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    trained, kept = weights(), BestWeights(tmp_path / "file")
    kept.keep(trained)
    with torch.no_grad():
        for each in trained:
            each.zero_()
    kept.put_back(trained)
    assert_close([each.detach() for each in trained], [each.detach() for each in weights()], rtol=0, atol=0)


def test_a_file_that_was_cut_is_told(tmp_path: Path) -> None:
    kept = BestWeights(tmp_path)
    kept.keep(weights())
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(RunError, match=r"best-0: the best weights cannot be read \(the file is too short\)"):
        kept.put_back(weights())
