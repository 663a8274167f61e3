"""Metrics arrive where people watch them: read back with TensorBoard's own reader, and from W&B's offline file."""

import json
import struct
import sys
import time
from pathlib import Path

import pytest

from steersman.backends.trackers import TENSORBOARD_FOLDER, WANDB_FOLDER, open_trackers
from steersman.errors import PluginError
from steersman.protocols import Tracker

ROWS = [(0, {"reward/validation_loss": 1.0}), (10, {"reward/validation_loss": 0.25, "reward/train_loss": 0.5})]


def log_all(trackers: list[Tracker], rows: list[tuple[int, dict[str, float]]]) -> None:
    for tracker in trackers:
        for step, metrics in rows:
            tracker.log(step, metrics)
        tracker.close()


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return what TensorBoard shows of the run in `folder`: steps and values by name."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / TENSORBOARD_FOLDER))
    events.Reload()
    return {name: [(each.step, each.value) for each in events.Scalars(name)] for name in events.Tags()["scalars"]}


def test_tensorboard_shows_every_metric_at_its_step(tmp_path: Path) -> None:
    log_all(open_trackers(["tensorboard"], folder=tmp_path, settings={}), ROWS)
    assert scalars(tmp_path) == {
        "reward/validation_loss": [(0, 1.0), (10, 0.25)],
        "reward/train_loss": [(10, 0.5)],
    }


def test_a_training_that_goes_on_strikes_out_the_steps_it_repeats(tmp_path: Path) -> None:
    """The first attempt logs steps 0, 10 and 20 and stops; the second goes on from the checkpoint of step 10."""
    log_all(open_trackers(["tensorboard"], folder=tmp_path, settings={}), [*ROWS, (20, {"reward/train_loss": 9.0})])
    log_all(
        open_trackers(["tensorboard"], folder=tmp_path, settings={}, after_step=10),
        [(20, {"reward/train_loss": 0.125})],
    )
    assert scalars(tmp_path)["reward/train_loss"] == [(10, 0.5), (20, 0.125)]


def records(file: Path) -> list[bytes]:
    """Return the records of W&B's log: after 7 bytes, each has a checksum, its length and its kind, in front."""
    data, found, place = file.read_bytes(), [], 7
    while place + 7 <= len(data):
        length = struct.unpack_from("<H", data, place + 4)[0]
        found.append(data[place + 7 : place + 7 + length])
        place += 7 + length
    return found


def history(folder: Path) -> list[dict[str, object]]:
    """Return the rows that the offline run in `folder` holds."""
    from wandb.proto import wandb_internal_pb2

    file = next((folder / WANDB_FOLDER).glob("offline-run-*/*.wandb"))
    read = wandb_internal_pb2.Record.FromString  # type: ignore[attr-defined]  # protobuf makes it at run time
    rows = [read(data) for data in records(file)]
    return [
        {item.key or item.nested_key[0]: json.loads(item.value_json) for item in row.history.item}
        for row in rows
        if row.HasField("history")
    ]


def test_wandb_keeps_every_metric_at_its_step_in_the_run_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    log_all(open_trackers(["wandb"], folder=tmp_path, settings={"seed": 3}), ROWS)
    deadline = time.monotonic() + 30
    while len(history(tmp_path)) < len(ROWS) and time.monotonic() < deadline:
        time.sleep(0.1)  # its service writes the file in a process of its own
    found = history(tmp_path)
    assert [row["_step"] for row in found] == [step for step, _ in ROWS]
    assert [{name: row[name] for name in metrics} for row, (_, metrics) in zip(found, ROWS, strict=True)] == [
        metrics for _, metrics in ROWS
    ]


def test_wandb_without_a_login_says_how_to_stay_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wandb

    wandb.teardown()  # what an earlier run of this process was told
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    with pytest.raises(PluginError, match="WANDB_MODE=offline"):
        open_trackers(["wandb"], folder=tmp_path, settings={})


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(PluginError, match=rf"pip install 'steersman\[{name}\]'"):
        open_trackers([name], folder=tmp_path, settings={})  # type: ignore[list-item]


def test_a_tracker_opened_before_one_that_fails_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[object] = []
    monkeypatch.setattr("steersman.backends.trackers.TensorBoardTracker.close", lambda tracker: closed.append(tracker))
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(PluginError):
        open_trackers(["tensorboard", "wandb"], folder=tmp_path, settings={})
    assert len(closed) == 1
