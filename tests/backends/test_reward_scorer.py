"""A reward model scores the same however rows are grouped, and as plain transformers does."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel

from steersman.backends.limits import ConversationTooLongError, LimitedScorer
from steersman.backends.reward_scorer import RewardScorer
from steersman.modeling.classifier import split_classifier
from steersman.modeling.loading import load_classifier, load_tokenizer
from steersman.pipeline.saving import save_model
from steersman.protocols import Scored
from steersman.records import text_to_messages
from steersman.reward.heads import Head
from steersman.reward.model import RewardModel
from steersman.reward.spec import RewardSpec

NAMES = ("helpfulness", "correctness", "coherence")
WEIGHTS = {"helpfulness": 0.65, "coherence": 0.45}
TURNS = "Hello\n<extra_id_1>Assistant\n{}\n<extra_id_1>User\nAnd now?"
PROMPTS = ["What is bread?", "What is bread?", TURNS.format("Hi"), "What is bread?", TURNS.format("Go away")]
RESPONSES = ["Food.", "Flour, water and salt, baked.", "Nothing.", "", "Nothing."]


@pytest.fixture
def model(tiny_model_folder: Path) -> PreTrainedModel:
    """Return the tiny model with a random head."""
    made = load_classifier(tiny_model_folder, num_outputs=len(NAMES), dtype=torch.float32)
    generator = torch.Generator().manual_seed(0)
    torch.nn.init.normal_(made.get_parameter("score.weight"), generator=generator)
    return made


@pytest.fixture
def scorer(model: PreTrainedModel, tiny_model_folder: Path) -> RewardScorer:
    return RewardScorer(_reward_model(model), load_tokenizer(tiny_model_folder), precision="float32")


def _reward_model(model: PreTrainedModel) -> RewardModel:
    backbone, linear = split_classifier(model)
    spec = RewardSpec("linear", NAMES, WEIGHTS)
    head = Head(backbone.config.hidden_size, spec=spec)
    head.linear.load_state_dict({"weight": linear})
    return RewardModel(backbone, head, spec=spec).eval()


def score(scorer: RewardScorer, rows: list[int]) -> Scored:
    return scorer.score([PROMPTS[row] for row in rows], [RESPONSES[row] for row in rows], advance=lambda _: None)


def test_scores_do_not_depend_on_how_rows_are_grouped(scorer: RewardScorer) -> None:
    alone = np.concatenate([score(scorer, [row]).outputs for row in range(len(PROMPTS))])
    assert score(scorer, [0, 1, 2, 3, 4]).outputs == pytest.approx(alone, abs=1e-5)
    # rows of one prompt side by side, then apart, and in another order
    for order in ([0, 1, 3, 2, 4], [4, 3, 2, 1, 0], [3, 2, 0, 4, 1]):
        assert score(scorer, order).outputs == pytest.approx(alone[order], abs=1e-5)
    assert np.ptp(alone, axis=0).min() > 1e-3


def test_more_responses_than_fit_in_one_group_are_scored_alike(scorer: RewardScorer) -> None:
    responses = [f"Answer {number}." for number in range(19)]
    together = scorer.score(["Why?"] * 19, responses, advance=lambda _: None)
    alone = [scorer.score(["Why?"], [each], advance=lambda _: None).outputs[0] for each in responses]
    assert together.outputs == pytest.approx(np.stack(alone), abs=1e-5)


def test_long_responses_of_one_prompt_do_not_share_a_sequence(
    scorer: RewardScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = scorer.score(["Why?"] * 4, ["a" * 50, "b" * 50, "c" * 900, "d"], advance=lambda _: None)
    # one token per byte: a response of 50 and what the template adds fit twice, 900 not at all
    monkeypatch.setattr("steersman.backends.reward_scorer._MOST_PACKED_TOKENS", 300)
    counts: list[int] = []
    apart = scorer.score(["Why?"] * 4, ["a" * 50, "b" * 50, "c" * 900, "d"], advance=counts.append)
    assert counts == [2, 1, 1]
    assert apart.outputs == pytest.approx(together.outputs, abs=1e-5)


def test_lengths_are_those_of_the_conversations_alone(scorer: RewardScorer) -> None:
    alone = [score(scorer, [row]).num_tokens for row in range(len(PROMPTS))]
    assert scorer.lengths(PROMPTS, RESPONSES) == alone


def test_a_conversation_above_the_limit_is_named_and_nothing_is_scored(scorer: RewardScorer) -> None:
    lengths = scorer.lengths(PROMPTS, RESPONSES)
    limit = max(lengths) - 1
    counts: list[int] = []
    with pytest.raises(ConversationTooLongError) as caught:
        LimitedScorer(scorer, max_tokens=limit).score(PROMPTS, RESPONSES, advance=counts.append)
    row = lengths.index(max(lengths))
    assert f"row {row} has {max(lengths)} tokens; a prompt and its response may have {limit}" in str(caught.value)
    assert counts == []


def test_within_the_limit_scores_are_the_same(scorer: RewardScorer) -> None:
    limited = LimitedScorer(scorer, max_tokens=max(scorer.lengths(PROMPTS, RESPONSES)))
    found = limited.score(PROMPTS, RESPONSES, advance=lambda _: None)
    assert found.outputs == pytest.approx(score(scorer, [0, 1, 2, 3, 4]).outputs)


def test_the_reward_is_the_weighted_sum_of_outputs(scorer: RewardScorer) -> None:
    found = score(scorer, [0, 2])
    assert found.names == NAMES
    assert found.rewards == pytest.approx(0.65 * found.outputs[:, 0] + 0.45 * found.outputs[:, 2], abs=1e-6)


def test_changing_an_earlier_turn_changes_the_score(scorer: RewardScorer) -> None:
    found = score(scorer, [2, 4])
    assert RESPONSES[2] == RESPONSES[4]
    assert np.abs(found.outputs[0] - found.outputs[1]).max() > 1e-3


def test_progress_counts_rows_and_the_result_counts_tokens(scorer: RewardScorer) -> None:
    counts: list[int] = []
    found = scorer.score(PROMPTS, RESPONSES, advance=counts.append)
    assert counts == [2, 1, 1, 1]
    assert found.num_tokens == sum(score(scorer, rows).num_tokens for rows in ([0, 1], [2], [3], [4]))
    assert score(scorer, [0, 1]).num_tokens < score(scorer, [0]).num_tokens + score(scorer, [1]).num_tokens


def test_no_rows_are_no_scores(scorer: RewardScorer) -> None:
    found = score(scorer, [])
    assert (found.outputs.shape, found.rewards.shape, found.num_tokens) == ((0, 3), (0,), 0)


@pytest.mark.parametrize("batch_size", [1, len(PROMPTS)])
def test_a_saved_model_scores_the_same_in_plain_transformers(
    scorer: RewardScorer, model: PreTrainedModel, tiny_model_folder: Path, tmp_path: Path, batch_size: int
) -> None:
    save_model(tmp_path / "saved", model, load_tokenizer(tiny_model_folder))
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved", dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "saved")
    texts = []
    for prompt, response in zip(PROMPTS, RESPONSES, strict=True):
        turns = [{"role": each.role, "content": each.content} for each in text_to_messages(prompt)]
        turns.append({"role": "assistant", "content": response})
        texts.append(tokenizer.apply_chat_template(turns, tokenize=False))
    found = []
    for start in range(0, len(texts), batch_size):
        batch = tokenizer(texts[start : start + batch_size], padding=True, return_tensors="pt")
        with torch.no_grad():
            inputs = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}
            found.append(plain(**inputs).logits.numpy())
    assert score(scorer, [0, 1, 2, 3, 4]).outputs == pytest.approx(np.concatenate(found), abs=1e-5)
