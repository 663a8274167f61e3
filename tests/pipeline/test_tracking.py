"""Metrics of a training are kept in metrics.jsonl and, under the same names, by every tracker of the config."""

from pathlib import Path

import pytest
from tiny_loop import rows_of

from steersman.config.loading import Settings
from steersman.errors import RunError
from steersman.pipeline.tracking import logged_metrics, named
from steersman.store.runs import METRICS_FILE


def shown_by_tensorboard(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return {name: [(each.step, each.value) for each in events.Scalars(name)] for name in events.Tags()["scalars"]}


def test_a_row_and_a_tracker_hold_the_same_figures(tmp_path: Path) -> None:
    with logged_metrics(tmp_path, prefix="reward", trackers=["tensorboard"], settings=Settings()) as log:
        log({"step": 0, "loss": 2.0})
        log({"step": 5, "train_loss": 1.5, "loss": 1.0, "accuracy": 0.75})
    assert rows_of(tmp_path / METRICS_FILE) == [
        {"step": 0, "reward/validation_loss": 2.0},
        {"step": 5, "reward/train_loss": 1.5, "reward/validation_loss": 1.0, "reward/validation_accuracy": 0.75},
    ]
    assert shown_by_tensorboard(tmp_path) == {
        "reward/validation_loss": [(0, 2.0), (5, 1.0)],
        "reward/train_loss": [(5, 1.5)],
        "reward/validation_accuracy": [(5, 0.75)],
    }


def test_what_was_logged_before_a_training_failed_is_kept(tmp_path: Path) -> None:
    def fail() -> None:
        with logged_metrics(tmp_path, prefix="reward", trackers=["tensorboard"], settings=Settings()) as log:
            log({"step": 0, "loss": 2.0})
            raise RunError("the device is gone")

    with pytest.raises(RunError):
        fail()
    assert shown_by_tensorboard(tmp_path) == {"reward/validation_loss": [(0, 2.0)]}


def test_only_figures_of_validation_are_called_so() -> None:
    assert named({"step": 3, "learning_rate": 0.5, "margin": 1.0, "loss": 2.0}, prefix="align") == {
        "align/learning_rate": 0.5,
        "align/margin": 1.0,
        "align/validation_loss": 2.0,
    }
