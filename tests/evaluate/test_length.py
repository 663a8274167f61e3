from pathlib import Path

import numpy as np
import pytest

from steersman.errors import DataError
from steersman.evaluate.length import length_statistics
from steersman.pipeline import evaluate_length
from steersman.store.files import write_jsonl

RESPONSES = ["a", "bcd", "", "efgh"]


def test_lengths_are_counted_in_characters_not_bytes() -> None:
    found = length_statistics(["\u00e9", "\u65e5\u672c"], rng=np.random.default_rng(0), rounds=100)
    assert found.mean_characters.estimate == (1 + 2) / 2


def test_mean_and_median_include_empty_responses() -> None:
    found = length_statistics(RESPONSES, rng=np.random.default_rng(0), rounds=100)
    assert found.mean_characters.estimate == (1 + 3 + 0 + 4) / 4
    assert found.median_characters == (1 + 3) / 2
    assert found.empty == 1


def test_the_interval_lies_around_the_mean_within_the_data() -> None:
    mean = length_statistics(RESPONSES, rng=np.random.default_rng(0), rounds=500).mean_characters
    assert 0 <= mean.low < mean.estimate < mean.high <= 4


def test_no_responses_are_refused() -> None:
    with pytest.raises(DataError, match="no responses"):
        length_statistics([], rng=np.random.default_rng(0), rounds=10)


def test_the_verb_measures_any_file_with_responses(tmp_path: Path) -> None:
    path = tmp_path / "responses.jsonl"
    write_jsonl(path, [{"response": text, "other": 1} for text in RESPONSES])
    found = evaluate_length.run(path, seed=0, rounds=100)
    assert (found["responses"], found["mean_characters"], found["empty"]) == (4, 2.0, 1)


def test_a_file_without_responses_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    write_jsonl(path, [{"response": "a"}, {"prompt": "b"}])
    with pytest.raises(DataError, match=r"prompts\.jsonl:2: no 'response'"):
        evaluate_length.run(path, seed=0, rounds=100)
