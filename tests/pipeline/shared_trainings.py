"""Trainings that one process and two must agree on, by the real classes: run by tests through the launcher.

python -m shared_trainings BASE trains all of them below the folder BASE, whole, stopped and gone on with.
"""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tiny_encoders import write_encoder
from torch.optim.optimizer import register_optimizer_step_pre_hook

from steersman.config.run import TrainDpoSettings, TrainRewardSettings
from steersman.engine.group import joined, leave
from steersman.engine.processes import is_first, of_first
from steersman.errors import EXIT_DONE
from steersman.modeling.loading import write_tiny_model
from steersman.pipeline import train_dpo, train_reward
from steersman.records import ATTRIBUTES
from steersman.store.files import write_jsonl
from steersman.store.runs import RESUME_FOLDER

Section = dict[str, object]
NUM_TRAINING, NUM_VALIDATION, BATCH = 11, 5, 4
# three steps an epoch; a checkpoint after every other one, and the stop is in the last step of the second epoch
SAVE_EVERY, STOP_AFTER, NEWEST = 2, 5, "step-4"


class StoppedError(Exception):
    """What a process that was stopped looks like from inside."""


def _loop(strategy: str, *, mode: Section, rate: float = 1e-3, epochs: int = 2, **engine: object) -> Section:
    """Return the sections of a loop whose rows take one pair or two, so that two processes have unequal numbers."""
    return {
        "tune": mode,
        "max_tokens": 512,
        "optimiser": {
            "learning_rate": rate,
            "epochs": epochs,
            "batch_pairs": BATCH,
            "warmup_steps": 2,
            "schedule": "cosine",
            "final_share": 0.5,
        },
        "evaluate_every": 3,
        "engine": {
            "strategy": strategy,
            "micro_batch_tokens": 100,
            "precision": "float32",
            "save_every": SAVE_EVERY,
            **engine,
        },
    }


def _objectives(*names: str) -> Section:
    return {"objectives": [{"name": name} for name in names]}


_FULL: Section = {"mode": "full"}
_LORA: Section = {"mode": "lora", "lora_rank": 2}
_UPPER: Section = {"mode": "upper", "layers": 1}
# of one output, two processes that split it have one row and none
_ONE: Section = {"attributes": ["helpfulness"], "weights": {"helpfulness": 1.0}}
# a head that starts where a probe ends gets better late, at a lower rate
_PROBE: Section = {"head_start": "probe"}
_REWARD: dict[str, Section] = {
    "ddp": _loop("ddp", mode=_FULL),
    "fsdp": _loop("fsdp", mode=_FULL),
    "ddp upper, probe": _loop("ddp", mode=_UPPER, rate=1e-4, epochs=3) | _PROBE,
    "fsdp lora": _loop("fsdp", mode=_LORA) | _ONE,
    "fsdp encoder": _loop("fsdp", mode=_FULL) | {"model": "encoder"},
    "fsdp gating, upper, probe": _loop("fsdp", mode=_UPPER, rate=1e-4, epochs=3)
    | {"head": "gating", "ranked_by": "reward", **_PROBE, **_objectives("regression", "bradley-terry")},
    "fsdp ordinal, recomputed": _loop("fsdp", mode=_FULL, checkpointing=True)
    | {"head": "ordinal", **_objectives("ordinal", "bradley-terry")},
    "fsdp ties, bias, mean": _loop("fsdp", mode=_FULL)
    | {"bias": True, "pooling": "mean", **_objectives("regression", "preference-ordinal")},
}
_DPO: dict[str, Section] = {
    "ddp dpo": _loop("ddp", mode=_FULL),
    "fsdp dpo": _loop("fsdp", mode=_FULL),
}
CASES = (*_REWARD, *_DPO)


def write_inputs(base: Path) -> None:
    """Write the models and the pairs that all trainings start from to `base`."""
    write_tiny_model(base / "tiny", seed=0)
    write_encoder(base / "encoder", name="modernbert")
    rows = [row for task in range(NUM_TRAINING + NUM_VALIDATION) for row in _pair(task)]
    write_jsonl(base / "train.jsonl", rows[: 2 * NUM_TRAINING])
    write_jsonl(base / "validation.jsonl", rows[2 * NUM_TRAINING :])


def _pair(task: int) -> list[Section]:
    """Return a pair whose good answer is the first in every other one; tasks differ in length, and some tie."""
    texts = (("yes " * (1 + task % 3), 4 - task % 2), ("no", 1 if task % 5 < 4 else 4 - task % 2))
    rows: list[Section] = [
        {"prompt": f"question {task}?" + " why" * (task % 4), "response": text, **_labels(level)}
        for text, level in texts
    ]
    return rows if task % 2 else rows[::-1]


def _labels(level: int) -> Section:
    """Return the label of each attribute, which rises with `level` or falls, so that a gate has something to weigh."""
    return {name: level if place % 2 == 0 else 4 - level for place, name in enumerate(ATTRIBUTES)}


def reward_settings(case: str, *, base: Path) -> TrainRewardSettings:
    """Return the settings of a case of a reward model, on what `write_inputs` wrote to `base`."""
    section = _REWARD[case]
    reward = {"head_start": "zero", **section, "model": str(base / str(section.get("model", "tiny")))}
    return TrainRewardSettings.model_validate({"seed": 1, "data": _data(base), "reward": reward})


def _dpo_settings(case: str, *, base: Path) -> TrainDpoSettings:
    align = {"method": "dpo", "model": str(base / "tiny"), "beta": 0.1, **_DPO[case]}
    return TrainDpoSettings.model_validate({"seed": 1, "data": _data(base), "align": align})


def _data(base: Path) -> dict[str, str]:
    return {name: str(base / f"{name}.jsonl") for name in ("train", "validation")}


def train(case: str, *, base: Path, out: Path) -> None:
    """Do the training `case` into the run folder `out`, or go on with it there."""
    if case in _DPO:
        train_dpo.run(_dpo_settings(case, base=base), out=out)
    else:
        train_reward.run(reward_settings(case, base=base), out=out)


def train_until_stopped(case: str, *, base: Path, out: Path) -> None:
    """Do the same until the step after `STOP_AFTER`, in which it stops."""
    try:
        with _stopping(STOP_AFTER):
            train(case, base=base, out=out)
    except StoppedError:
        found = [each.name for each in (out / RESUME_FOLDER).glob("step-*")]
        if found == [NEWEST]:
            return
        raise AssertionError(f"the checkpoint of {NEWEST} was to be there, not {found}") from None
    raise AssertionError("it was not stopped")


@contextmanager
def _stopping(after: int) -> Iterator[None]:
    """Let the optimiser fail in the step after so many."""
    steps = iter(range(after))

    def stop(*_: object) -> None:
        if next(steps, None) is None:
            raise StoppedError

    hook = register_optimizer_step_pre_hook(stop)
    try:
        yield
    finally:
        hook.remove()


def train_all(base: Path) -> None:
    """Do all trainings whole, stopped and gone on with, and go on with those that one process was stopped in."""
    for case in CASES:
        train(case, base=base, out=base / "two" / case)
        stopped = base / "two-stopped" / case
        train_until_stopped(case, base=base, out=stopped)
        if is_first():
            shutil.copytree(stopped, base / "two-then-one" / case)
        of_first(None)
        train(case, base=base, out=stopped)
        train(case, base=base, out=base / "one-then-two" / case)


if __name__ == "__main__":
    with joined():
        train_all(Path(sys.argv[1]))
    leave(EXIT_DONE)
