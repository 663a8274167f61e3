"""Training verbs: what is read, dropped and counted, and what the saved folders are to other people's tools."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
import torch
from tiny_loop import object_of, rows_of, tiny_settings
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedTokenizerBase,
)

from steersman.config.run import TrainDpoSettings, TrainRewardSettings
from steersman.errors import ConfigError, DataError
from steersman.modeling.loading import load_policy, load_tokenizer
from steersman.pipeline import score, train_dpo, train_reward
from steersman.pipeline.saving import save_model
from steersman.records import ATTRIBUTES
from steersman.store.files import write_jsonl
from steersman.store.lineage import read_lineage

pytest_plugins = ("loop_fixtures",)
pytestmark = pytest.mark.usefixtures("own_cache")

Row = dict[str, object]


def row(task: int, response: str, level: int) -> Row:
    return {"prompt": f"question {task}?", "response": response, **dict.fromkeys(ATTRIBUTES, level)}


def tasks(number: int, *, levels: tuple[int, int] = (4, 0)) -> list[Row]:
    """Return pairs whose good answers all read the same, so that even a random model can learn them."""
    texts = ("yes yes yes", "no")
    return [row(task, text, level) for task in range(number) for text, level in zip(texts, levels, strict=True)]


def data_section(folder: Path, *, train: list[Row], validation: list[Row]) -> dict[str, str]:
    write_jsonl(folder / "train.jsonl", train)
    write_jsonl(folder / "validation.jsonl", validation)
    return {name: str(folder / f"{name}.jsonl") for name in ("train", "validation")}


def reward_settings(data: dict[str, str], *overrides: str) -> TrainRewardSettings:
    quick = ("reward.optimiser.learning_rate=0.01", "reward.optimiser.warmup_steps=0", "reward.optimiser.epochs=4")
    reward = tiny_settings(*quick, *overrides).reward
    return TrainRewardSettings.model_validate({"seed": 1, "data": data, "reward": reward.model_dump()})


def dpo_settings(data: dict[str, str], *overrides: str) -> TrainDpoSettings:
    quick = ("align.optimiser.learning_rate=0.01", "align.optimiser.warmup_steps=0", "align.optimiser.epochs=4")
    align = tiny_settings(*quick, *overrides).align
    return TrainDpoSettings.model_validate({"seed": 1, "data": data, "align": align.model_dump()})


@pytest.fixture(scope="module")
def reward_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reward")
    data = data_section(folder, train=tasks(12), validation=tasks(4))
    train_reward.run(reward_settings(data), out=folder / "run")
    return folder / "run"


def test_a_reward_model_learns_what_is_easy(tmp_path: Path) -> None:
    data = data_section(tmp_path, train=tasks(12), validation=tasks(4))
    result = train_reward.run(reward_settings(data), out=tmp_path / "run")
    # labels 4 and 0, mean 2: the constant predictor errs by 2 squared
    assert result["constant_predictor_mse"] == pytest.approx(4.0)
    assert result["metrics"]["reward/validation_accuracy"] == 1.0  # type: ignore[index]
    assert result["metrics"]["reward/validation_loss"] < 4.0  # type: ignore[index]
    assert {name: found["estimate"] for name, found in result["accuracy"].items()} == dict.fromkeys(ATTRIBUTES, 1.0)  # type: ignore[attr-defined]


def test_training_answers_with_its_contract(tmp_path: Path) -> None:
    data = data_section(tmp_path, train=tasks(10), validation=tasks(2))
    result = train_reward.run(reward_settings(data), out=tmp_path / "run")
    assert {"run", "steps", "seconds", "tokens", "best_step", "metrics"} <= set(result)
    # 10 pairs in batches of 4 make 3 steps, four times over
    assert (result["run"], result["steps"]) == (str(tmp_path / "run"), 3 * 4)
    assert [each["step"] for each in rows_of(tmp_path / "run" / "metrics.jsonl")] == [0, 2, 4, 6, 8, 10, 12]


def test_a_saved_reward_model_opens_in_transformers_with_its_outputs_named(reward_run: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(reward_run / "checkpoint")
    assert list(model.config.id2label.values()) == list(ATTRIBUTES)
    assert model.config.problem_type == "regression"


def test_transformers_scores_as_steersman_does(reward_run: Path, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "rows.jsonl", [{"prompt": "question 1?", "response": "yes yes yes"}])
    score.run(str(reward_run), tmp_path / "rows.jsonl", out=tmp_path / "scores.jsonl")
    tokenizer = AutoTokenizer.from_pretrained(reward_run / "checkpoint")
    model = AutoModelForSequenceClassification.from_pretrained(reward_run / "checkpoint", dtype=torch.float32).eval()
    turns = [{"role": "user", "content": "question 1?"}, {"role": "assistant", "content": "yes yes yes"}]
    text = tokenizer.apply_chat_template(turns, tokenize=False)
    with torch.inference_mode():
        logits = model(**tokenizer(text, add_special_tokens=False, return_tensors="pt")).logits[0].tolist()
    (found,) = rows_of(tmp_path / "scores.jsonl")
    # bfloat16, where a device is fast in it, keeps 8 bits
    assert [found[name] for name in ATTRIBUTES] == pytest.approx(logits, rel=0.02, abs=0.02)


@pytest.fixture
def padded_with_its_end(tiny_model_folder: Path, tmp_path: Path) -> Path:
    """Return a model whose padding is its end-of-turn token, which is also the last token of a conversation."""
    tokenizer = load_tokenizer(tiny_model_folder)
    tokenizer.chat_template = str(tokenizer.chat_template).replace("<|im_end|>\n", "<|im_end|>")
    tokenizer.pad_token, tokenizer.bos_token = tokenizer.eos_token, "<|im_start|>"
    device = torch.device("cpu")
    save_model(tmp_path / "mine", load_policy(tiny_model_folder, dtype=torch.float32, device=device), tokenizer)
    return tmp_path / "mine"


def rendered(tokenizer: PreTrainedTokenizerBase, row: Row) -> str:
    turns = [{"role": "user", "content": str(row["prompt"])}, {"role": "assistant", "content": str(row["response"])}]
    return str(tokenizer.apply_chat_template(turns, tokenize=False))


def test_transformers_scores_a_padded_batch_as_steersman_does(padded_with_its_end: Path, tmp_path: Path) -> None:
    rows = tasks(1)
    data = data_section(tmp_path, train=tasks(4), validation=rows)
    train_reward.run(reward_settings(data, f"reward.model={padded_with_its_end}"), out=tmp_path / "run")
    score.run(str(tmp_path / "run"), tmp_path / "validation.jsonl", out=tmp_path / "scores.jsonl")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "run" / "checkpoint")
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "run" / "checkpoint", dtype=torch.float32)
    texts = [rendered(tokenizer, each) for each in rows]
    batch = tokenizer(texts, add_special_tokens=False, padding=True, return_tensors="pt")
    with torch.inference_mode():
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    found = [[each[name] for name in ATTRIBUTES] for each in rows_of(tmp_path / "scores.jsonl")]
    assert found == [pytest.approx(each, abs=0.1) for each in logits.tolist()]


def test_only_the_attributes_asked_for_are_outputs(tmp_path: Path) -> None:
    data = data_section(tmp_path, train=tasks(4), validation=tasks(2))
    asked = ("reward.attributes=[helpfulness, verbosity]", "reward.weights={helpfulness: 1.0}")
    train_reward.run(reward_settings(data, *asked), out=tmp_path / "run")
    score.run(str(tmp_path / "run"), tmp_path / "validation.jsonl", out=tmp_path / "scores.jsonl")
    for found in rows_of(tmp_path / "scores.jsonl"):
        assert set(found) == {"row", "helpfulness", "verbosity", "reward"}
        assert found["reward"] == pytest.approx(found["helpfulness"])


def test_a_reward_made_of_what_nothing_trains_is_refused(tmp_path: Path) -> None:
    data = data_section(tmp_path, train=tasks(4), validation=tasks(2))
    settings = reward_settings(data, "reward.attributes=[helpfulness, charm]", "reward.weights={charm: 1.0}")
    with pytest.raises(
        ConfigError, match=r"reward\.weights counts \['charm'\], which no label .*\{helpfulness: 1\.0\}"
    ):
        train_reward.run(settings, out=tmp_path / "run")


def test_pairs_too_long_are_dropped_and_counted(tmp_path: Path) -> None:
    long = [row(99, "yes " * 200, 4), row(99, "no", 0)]
    data = data_section(tmp_path, train=[*tasks(4), *long], validation=[*tasks(2), *long])
    result = train_reward.run(reward_settings(data, "reward.max_tokens=256"), out=tmp_path / "run")
    assert (result["train_pairs"], result["validation_pairs"], result["dropped_long"]) == (4, 2, 2)


@pytest.fixture
def short_model(tiny_model_folder: Path, tmp_path: Path) -> Path:
    """Return a model that was made to read 400 tokens."""
    folder = tmp_path / "short"
    shutil.copytree(tiny_model_folder, folder)
    config = object_of(folder / "config.json") | {"max_position_embeddings": 400}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.mark.parametrize("part", ["train", "validation"])
def test_a_conversation_beyond_the_positions_of_the_model_is_refused(
    short_model: Path, tmp_path: Path, part: str
) -> None:
    """It is the limit of scoring, which refuses what no such training could have taught it."""
    long = [row(99, "yes " * 200, 4), row(99, "no", 0)]
    rows = {"train": tasks(4), "validation": tasks(2)}
    data = data_section(tmp_path, **(rows | {part: rows[part] + long}))
    words = r"^1 pairs have conversations of up to 8\d\d tokens, and .*short reads at most 400, in scoring too; set "
    with pytest.raises(ConfigError, match=words + r"reward\.max_tokens: 400"):
        train_reward.run(reward_settings(data, f"reward.model={short_model}"), out=tmp_path / "reward")
    with pytest.raises(ConfigError, match=words + r"align\.max_tokens: 400"):
        train_dpo.run(dpo_settings(data, f"align.model={short_model}"), out=tmp_path / "dpo")


def test_a_training_up_to_the_positions_of_the_model_scores_as_far(short_model: Path, tmp_path: Path) -> None:
    long = [row(99, "yes " * 200, 4), row(99, "no", 0)]
    data = data_section(tmp_path, train=[*tasks(4), *long], validation=tasks(2))
    settings = reward_settings(data, f"reward.model={short_model}", "reward.max_tokens=400")
    assert train_reward.run(settings, out=tmp_path / "run")["dropped_long"] == 1
    write_jsonl(tmp_path / "long.jsonl", long)
    with pytest.raises(DataError, match="may have 400 together"):
        score.run(str(tmp_path / "run"), tmp_path / "long.jsonl", out=tmp_path / "scores.jsonl")


def test_pairs_of_two_equal_responses_are_dropped_and_counted(tmp_path: Path) -> None:
    equal = [row(99, "no", 4), row(99, "no", 0)]
    data = data_section(tmp_path, train=[*tasks(4), *equal], validation=[*equal, *tasks(2), *equal])
    expected = {"train_pairs": 4, "validation_pairs": 2, "dropped_equal": 3, "ties": 0}
    for verb, settings in ((train_reward, reward_settings(data)), (train_dpo, dpo_settings(data))):
        result = verb.run(settings, out=tmp_path / verb.__name__)
        assert {name: result[name] for name in expected} == expected


def test_a_policy_cannot_learn_from_equal_responses_alone(tmp_path: Path) -> None:
    data = data_section(tmp_path, train=[row(99, "no", 4), row(99, "no", 0)], validation=tasks(2))
    with pytest.raises(DataError, match="every pair ties on helpfulness or has two equal responses"):
        train_dpo.run(dpo_settings(data), out=tmp_path / "run")


def test_data_in_which_no_pair_fits_is_refused(tmp_path: Path) -> None:
    data = data_section(tmp_path, train=tasks(4), validation=tasks(2))
    with pytest.raises(DataError, match=r"train\.jsonl: no conversation fits into max_tokens=16"):
        train_reward.run(reward_settings(data, "reward.max_tokens=16"), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_every_row_without_a_partner_is_named_with_its_line(tmp_path: Path) -> None:
    rows = [row(1, "a", 1), row(2, "b", 2), *tasks(2), row(3, "c", 1)]
    data = data_section(tmp_path, train=rows, validation=tasks(2))
    with pytest.raises(DataError, match=r"train\.jsonl:1: its prompt differs from that of the next row; ") as caught:
        train_reward.run(reward_settings(data), out=tmp_path / "run")
    assert f"train.jsonl:{len(rows)}: the last row has no partner" in str(caught.value)


def test_rows_of_a_parquet_file_without_a_partner_are_named_by_row(tmp_path: Path) -> None:
    pl.DataFrame([*tasks(2), row(1, "a", 1), row(2, "b", 2)]).write_parquet(tmp_path / "train.parquet")
    data = {**data_section(tmp_path, train=tasks(2), validation=tasks(2)), "train": str(tmp_path / "train.parquet")}
    with pytest.raises(DataError, match=r"train\.parquet: row 5: its prompt differs from that of the next row\."):
        train_reward.run(reward_settings(data), out=tmp_path / "run")


def test_data_without_a_lineage_counts_as_of_unknown_licence(reward_run: Path) -> None:
    unknown = [each for each in read_lineage(reward_run).ancestors if each.licence is None]
    assert [(each.kind, each.role) for each in unknown] == [("data", "ratings")]


def test_a_policy_learns_to_prefer_what_is_easy(tmp_path: Path) -> None:
    data = data_section(tmp_path, train=tasks(12), validation=tasks(4))
    result = train_dpo.run(dpo_settings(data), out=tmp_path / "run")
    assert result["metrics"]["align/validation_accuracy"] == 1.0  # type: ignore[index]
    # at the start policy and reference agree, and the loss is log 2
    assert result["metrics"]["align/validation_loss"] < 0.69  # type: ignore[index]
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "run" / "checkpoint").config.model_type == "llama"


def as_pair(better: Row, worse: Row) -> Row:
    return {"prompt": better["prompt"], "chosen": better["response"], "rejected": worse["response"], "margin": 4.0}


def test_pairs_teach_what_the_examples_behind_them_teach(tmp_path: Path) -> None:
    rows = tasks(6)
    paired = [as_pair(better, worse) for better, worse in zip(rows[0::2], rows[1::2], strict=True)]
    found = {}
    for name, given in (("examples", rows), ("pairs", paired)):
        (tmp_path / name).mkdir()
        data = data_section(tmp_path / name, train=given, validation=given)
        found[name] = train_dpo.run(dpo_settings(data), out=tmp_path / name / "run")
    assert found["pairs"]["train_pairs"] == 6
    assert found["pairs"]["metrics"] == found["examples"]["metrics"]


def test_ties_are_no_preferences_and_are_counted(tmp_path: Path) -> None:
    ties = tasks(3, levels=(2, 2))
    data = data_section(tmp_path, train=[*tasks(5), *ties], validation=[*tasks(2), *ties])
    result = train_dpo.run(dpo_settings(data), out=tmp_path / "run")
    assert (result["train_pairs"], result["validation_pairs"], result["ties"]) == (5, 2, 6)


def test_labels_that_all_tie_are_refused(tmp_path: Path) -> None:
    data = data_section(tmp_path, train=tasks(4, levels=(1, 1)), validation=tasks(2))
    with pytest.raises(DataError, match="every pair ties on helpfulness"):
        train_dpo.run(dpo_settings(data), out=tmp_path / "run")


def test_no_more_pairs_are_trained_on_than_asked_for(tmp_path: Path) -> None:
    data = data_section(tmp_path, train=tasks(8), validation=tasks(4))
    result = train_dpo.run(dpo_settings(data, "align.max_pairs=3"), out=tmp_path / "run")
    assert (result["train_pairs"], result["validation_pairs"]) == (3, 3)


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    data = data_section(tmp_path, train=tasks(4), validation=tasks(2))
    first = train_dpo.run(dpo_settings(data), out=tmp_path / "run")
    written = (tmp_path / "run" / "done").stat().st_mtime_ns
    assert train_dpo.run(dpo_settings(data), out=tmp_path / "run") == first
    assert (tmp_path / "run" / "done").stat().st_mtime_ns == written
