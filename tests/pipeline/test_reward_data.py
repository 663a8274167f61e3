"""What is no training data of a reward model is refused before anything is computed."""

from pathlib import Path

import numpy as np
import pytest

from steersman.config.reward import RewardSettings
from steersman.errors import ConfigError, DataError
from steersman.pipeline.reward_data import read_reward_data
from steersman.store.files import write_jsonl
from steersman.store.lineage import Ancestor, Lineage, write_lineage

HUMOR = {"attributes": ["humor"], "weights": {"humor": 1.0}, "preference": "humor"}
PAIR = {"prompt": "Hi", "chosen": "Hello", "rejected": "No", "margin": 1}


def reward(**given: object) -> RewardSettings:
    start = {"model": "tiny-random", "max_tokens": 64, "tune": {"mode": "frozen"}}
    return RewardSettings.model_validate(start | given)


def test_weights_are_not_fitted_on_a_benchmark_whatever_its_file_is_called(tmp_path: Path) -> None:
    named, copied = tmp_path / "reward-bench", tmp_path / "copied"
    for folder in (named, copied):
        folder.mkdir()
        write_jsonl(folder / "filtered.jsonl", [PAIR])
    origin = Ancestor("allenai/RM-Bench", "data", "pairs", None)
    write_lineage(copied, Lineage("copied", "import", "2026-01-02T12:00:00Z", 0.0, None, "", {}, (origin,), False))
    for folder, name in ((named, "reward-bench"), (copied, "allenai/RM-Bench")):
        with pytest.raises(ConfigError, match=f"{name}: weights fitted on a benchmark would flatter it"):
            read_reward_data(folder / "filtered.jsonl", part="validation", reward=reward(weights="fitted"))
    # weights that are given are not fitted to it
    read_reward_data(named / "filtered.jsonl", part="validation", reward=reward())


def test_nemos_mark_of_a_missing_label_is_no_label(tmp_path: Path) -> None:
    labels = [-100, 2, -100, None]
    rows = [{"prompt": "Hi", "response": str(row), "humor": label} for row, label in enumerate(labels)]
    write_jsonl(tmp_path / "train.jsonl", rows)
    with pytest.raises(DataError, match=r"row 1: 'humor' is -100; .*row 3: 'humor' is -100: with this number"):
        read_reward_data(tmp_path / "train.jsonl", part="train", reward=reward(**HUMOR))


def rated_pair(texts: tuple[str, str], labels: tuple[object, object]) -> list[dict[str, object]]:
    return [{"prompt": "Hi", "response": text, "humor": label} for text, label in zip(texts, labels, strict=True)]


def preference(texts: tuple[str, str], strength: int) -> dict[str, object]:
    return {"prompt": "Hi", "response_1": texts[0], "response_2": texts[1], "preference_strength": strength}


DIFFERENT, EQUAL = ("a", "b"), ("a", "a")
KINDS: dict[str, list[dict[str, object]]] = {
    "ratings": [*rated_pair(EQUAL, (4, 0)), *rated_pair(DIFFERENT, (3, 1)), *rated_pair(EQUAL, (0, 4))],
    "lists": [*rated_pair(EQUAL, ([4], [0])), *rated_pair(DIFFERENT, ([3], [1, 1])), *rated_pair(EQUAL, ([2], [4]))],
    "preferences": [preference(EQUAL, 3), preference(DIFFERENT, -2), preference(EQUAL, -1)],
    "pairs": [
        {"prompt": "Hi", "chosen": first, "rejected": second, "margin": margin}
        for (first, second), margin in ((EQUAL, 1), (DIFFERENT, 2), (EQUAL, 3))
    ],
}


@pytest.mark.parametrize("kind", KINDS)
def test_of_two_equal_responses_neither_is_better(kind: str, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "train.jsonl", KINDS[kind])
    weighed = {"sample_weights": "agreement"} if kind == "lists" else {}
    found = read_reward_data(tmp_path / "train.jsonl", part="train", reward=reward(**HUMOR, **weighed))
    assert (found.prompts, found.responses, found.num_equal) == (["Hi"], [DIFFERENT], 2)
    # the pair that stays prefers its first response by 2
    assert found.strengths.tolist() == [2.0]
    if kind in ("ratings", "lists"):
        assert found.labels.tolist() == [[[3.0], [1.0]]]
    else:
        assert np.isnan(found.labels).all()
    assert (None if found.weights is None else found.weights.shape) == ((1, 2, 1) if kind == "lists" else None)


def test_data_without_two_different_responses_are_refused(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "train.jsonl", rated_pair(EQUAL, (4, 0)))
    with pytest.raises(DataError, match=r"train\.jsonl: no pair has two different responses"):
        read_reward_data(tmp_path / "train.jsonl", part="train", reward=reward(**HUMOR))
