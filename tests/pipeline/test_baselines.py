import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from steersman.errors import DataError
from steersman.pipeline import baselines
from steersman.protocols import Advance, FloatArray
from steersman.store.files import read_table, write_jsonl
from steersman.tables import EXAMPLES

SCALE = {"correctness": 2, "coherence": 2, "complexity": 2, "verbosity": 2}


class LetterEmbedder:
    """Embeds a text as its shares of three letters: small, real, and known by heart."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def embed(self, texts: Sequence[str], *, advance: Advance) -> FloatArray:
        self.seen += texts
        counts = np.array([[text.count(letter) + 1 for letter in "abc"] for text in texts], dtype=np.float32)
        advance(len(texts))
        vectors: FloatArray = counts / np.linalg.norm(counts, axis=1, keepdims=True)
        return vectors


def write_pairs(path: Path, *, prompts: int, first: str = "aaa", second: str = "b") -> Path:
    rows = [
        {"prompt": f"question {i}", "response": f"{text} {i}", "helpfulness": label, **SCALE}
        for i in range(prompts)
        for text, label in ((first, 4), (second, 0))
    ]
    write_jsonl(path, rows)
    return path


def test_every_baseline_finds_a_rule_it_can_see(tmp_path: Path) -> None:
    train = write_pairs(tmp_path / "train.jsonl", prompts=12)
    validation = write_pairs(tmp_path / "validation.jsonl", prompts=5)
    labels = np.array([[1.0], [0.0]] * 12, dtype=np.float32)
    found = baselines.run(
        train, validation, seed=0, rounds=100, features={"told": (labels, labels[:10])}, embedder=LetterEmbedder()
    )
    assert list(found) == [baselines.LONGER_WINS, baselines.TFIDF_RIDGE, baselines.EMBEDDING_RIDGE, "told"]
    assert [result["accuracy"] for result in found.values()] == [1.0] * 4


def test_a_longer_worse_response_fools_length_but_not_words(tmp_path: Path) -> None:
    train = write_pairs(tmp_path / "train.jsonl", prompts=12, first="short", second="long long long")
    validation = write_pairs(tmp_path / "validation.jsonl", prompts=5, first="short", second="long long long")
    found = baselines.run(train, validation, seed=0, rounds=100)
    assert found[baselines.LONGER_WINS]["accuracy"] == 0.0
    assert found[baselines.TFIDF_RIDGE]["accuracy"] == 1.0


def test_pairs_of_two_equal_responses_are_not_judged(tmp_path: Path) -> None:
    train = write_pairs(tmp_path / "train.jsonl", prompts=12)
    validation = write_pairs(tmp_path / "validation.jsonl", prompts=5)
    equal = [{"prompt": "same", "response": "aaa", "helpfulness": label, **SCALE} for label in (4, 0)]
    with validation.open("a", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(row)}\n" for row in equal)
    found = baselines.run(train, validation, seed=0, rounds=100)
    for result in found.values():
        assert (result["accuracy"], result["pairs"], result["dropped_equal"]) == (1.0, 5, 1)


def test_each_text_is_embedded_once(tmp_path: Path) -> None:
    rows = read_table(write_pairs(tmp_path / "rows.jsonl", prompts=3), table=EXAMPLES)
    embedder = LetterEmbedder()
    baselines.embedded_rows(rows, rows, embedder=embedder)
    assert sorted(embedder.seen) == sorted({*rows["prompt"], *rows["response"]})


def test_vectors_of_rows_hold_their_own_prompt_and_response(tmp_path: Path) -> None:
    rows = read_table(write_pairs(tmp_path / "rows.jsonl", prompts=3), table=EXAMPLES)
    _, vectors = baselines.embedded_rows(rows[:2], rows, embedder=LetterEmbedder())
    prompts = LetterEmbedder().embed(rows["prompt"].to_list(), advance=lambda _: None)
    responses = LetterEmbedder().embed(rows["response"].to_list(), advance=lambda _: None)
    assert vectors == pytest.approx(np.hstack([prompts, responses, prompts * responses]))


def test_vectors_for_other_rows_are_refused_by_name(tmp_path: Path) -> None:
    path = write_pairs(tmp_path / "rows.jsonl", prompts=3)
    too_few = np.zeros((4, 2), dtype=np.float32)
    with pytest.raises(DataError, match="'frozen' has 4 vectors for 6 training rows"):
        baselines.run(path, path, seed=0, rounds=10, features={"frozen": (too_few, too_few)})


def test_rows_that_are_not_in_pairs_are_refused_with_their_file(tmp_path: Path) -> None:
    path = write_pairs(tmp_path / "rows.jsonl", prompts=3)
    broken = tmp_path / "broken.jsonl"
    broken.write_text("".join(path.read_text("utf-8").splitlines(keepends=True)[1:5]), "utf-8")
    with pytest.raises(DataError, match=r"broken\.jsonl: rows 1 and 2 have different prompts"):
        baselines.run(path, broken, seed=0, rounds=10)


@pytest.mark.data
@pytest.mark.slow
def test_baselines_of_real_pairs_agree_with_plain_counting(data_folder: Path) -> None:
    helpsteer2 = data_folder / "helpsteer2"
    lines = (helpsteer2 / "validation.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    pairs = list(zip(rows[0::2], rows[1::2], strict=True))
    untied = [pair for pair in pairs if pair[0]["helpfulness"] != pair[1]["helpfulness"]]
    better = [sorted(pair, key=lambda row: row["helpfulness"]) for pair in untied]
    longer_is_better = [len(good["response"]) > len(bad["response"]) for bad, good in better]

    found = baselines.run(helpsteer2 / "train.jsonl", helpsteer2 / "validation.jsonl", seed=0, rounds=1000)
    length, words = found[baselines.LONGER_WINS], found[baselines.TFIDF_RIDGE]
    assert length["accuracy"] == pytest.approx(sum(longer_is_better) / len(untied))
    assert length["pairs"] == words["pairs"] == len(untied)
    assert length["tied_labels"] == words["tied_labels"] == len(pairs) - len(untied)
    # real predictions of different texts never meet exactly, and are neither perfect nor always wrong
    assert words["tied_scores"] == 0
    assert 0 < float(str(words["accuracy"])) < 1
