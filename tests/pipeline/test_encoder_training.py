"""`train reward` on encoders: every way of tuning that concerns them, and a folder that transformers reads."""

from pathlib import Path

import pytest
import torch
from tiny_encoders import write_encoder
from tiny_loop import rows_of
from transformers import AutoModelForSequenceClassification

from steersman.config.run import TrainRewardSettings
from steersman.config.scoring import ScoreSettings
from steersman.errors import ConfigError
from steersman.pipeline import score, train_reward
from steersman.pipeline.reward_folder import load_reward_model
from steersman.store.files import write_jsonl

pytest_plugins = ("loop_fixtures",)
pytestmark = pytest.mark.usefixtures("own_cache")

GOOD, BAD = "yes yes yes yes", "no"
Section = dict[str, object]
LOOP: Section = {
    "optimiser": {"learning_rate": 0.003, "epochs": 3, "batch_pairs": 4, "warmup_steps": 0},
    "evaluate_every": 2,
}
MODES: dict[str, Section] = {
    "full": {"tune": {"mode": "full"}, **LOOP},
    "lora": {"tune": {"mode": "lora", "lora_rank": 4}, **LOOP},
    "frozen": {"tune": {"mode": "frozen"}},
}


def rows(number: int, *, start: int = 0, longer: str = "") -> list[dict[str, object]]:
    """Return pairs of ratings in which the good answer is the first of every other pair."""
    found: list[dict[str, object]] = []
    for task in range(start, start + number):
        pair = [
            {"prompt": f"question {task}?", "response": text + longer, "helpfulness": level}
            for text, level in ((GOOD, 4), (BAD, 0))
        ]
        found += pair if task % 2 else pair[::-1]
    return found


def trained(folder: Path, base: Path, section: Section, *, longer: str = "") -> dict[str, object]:
    write_jsonl(folder / "train.jsonl", rows(12))
    write_jsonl(folder / "validation.jsonl", rows(4, start=12, longer=longer))
    reward = {"model": str(base), "max_tokens": 2048, "attributes": ["helpfulness"], "weights": {"helpfulness": 1.0}}
    data = {name: str(folder / f"{name}.jsonl") for name in ("train", "validation")}
    settings = TrainRewardSettings.model_validate({"seed": 1, "data": data, "reward": reward | section})
    return train_reward.run(settings, out=folder / "run")


@pytest.fixture(scope="module", params=["bert", "modernbert"])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(write_encoder(tmp_path_factory.mktemp("encoder"), name=str(request.param)))


@pytest.mark.parametrize("mode", MODES)
def test_an_encoder_learns_which_answers_are_good(base: Path, tmp_path: Path, mode: str) -> None:
    trained(tmp_path, base, MODES[mode])
    held_out = [{"prompt": "another question?", "response": text} for text in (GOOD, BAD)]
    write_jsonl(tmp_path / "rows.jsonl", held_out)
    score.run(str(tmp_path / "run"), tmp_path / "rows.jsonl", out=tmp_path / "scores.jsonl")
    good, bad = (float(str(row["reward"])) for row in rows_of(tmp_path / "scores.jsonl"))
    assert good > bad + 1
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "run" / "checkpoint")
    assert plain.config.id2label == {0: "helpfulness"}


def test_training_goes_on_from_its_own_head(base: Path, tmp_path: Path) -> None:
    trained(tmp_path, base, MODES["frozen"])
    first = load_reward_model(tmp_path / "run" / "checkpoint", dtype=torch.float32, device=torch.device("cpu"))
    again = tmp_path / "again"
    again.mkdir()
    kept = {"keep_head": True, "optimiser": {"learning_rate": 1e-9, "epochs": 1, "batch_pairs": 4, "warmup_steps": 0}}
    trained(again, tmp_path / "run" / "checkpoint", MODES["full"] | kept)
    second = load_reward_model(again / "run" / "checkpoint", dtype=torch.float32, device=torch.device("cpu"))
    for name, tensor in first.state_dict().items():
        assert second.state_dict()[name].numpy() == pytest.approx(tensor.numpy(), abs=1e-6)


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"tune": {"mode": "upper", "layers": 1}, **LOOP}, "'upper' splits decoders only"),
        ({"tune": {"mode": "frozen"}, "pooling": "mean"}, "pools by itself; leave reward.pooling at 'last'"),
    ],
)
def test_what_concerns_decoders_only_is_refused(base: Path, tmp_path: Path, section: Section, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        trained(tmp_path, base, section)


@pytest.mark.parametrize("mode", ["full", "frozen"])
def test_a_conversation_beyond_its_positions_is_refused_before_training(base: Path, tmp_path: Path, mode: str) -> None:
    with pytest.raises(ConfigError, match=r"reads at most 512, .* set reward\.max_tokens: 512"):
        trained(tmp_path, base, MODES[mode], longer="x" * 500)


def test_float32_scores_do_not_depend_on_the_rows_around(base: Path, tmp_path: Path) -> None:
    trained(tmp_path, base, MODES["frozen"])
    texts = [GOOD, BAD, "", "something else that is longer"]
    settings = ScoreSettings.model_validate({"precision": "float32"})

    def rewards(responses: list[str]) -> list[float]:
        write_jsonl(tmp_path / "rows.jsonl", [{"prompt": "well?", "response": text} for text in responses])
        score.run(str(tmp_path / "run"), tmp_path / "rows.jsonl", out=tmp_path / "scores.jsonl", settings=settings)
        return [float(str(row["reward"])) for row in rows_of(tmp_path / "scores.jsonl")]

    assert rewards(texts) == pytest.approx([rewards([text])[0] for text in texts], abs=1e-4)
