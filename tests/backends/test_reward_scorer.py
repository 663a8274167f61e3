"""A reward model scores the same however rows are grouped, sorted and packed."""

import random
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from reward_models import SPEC, reward_model
from torch.testing import assert_close
from transformers import PreTrainedTokenizerBase

from steersman.backends import reward_scorer as pack_and_score
from steersman.backends.limits import ConversationTooLongError, LimitedScorer
from steersman.backends.reward_scorer import RewardScorer
from steersman.errors import DataError
from steersman.modeling.chat import comparison_group, group_tokens
from steersman.modeling.loading import load_tokenizer
from steersman.modeling.packed_attention import packed_attention
from steersman.modeling.packing import Packed, pack
from steersman.modeling.rows import Row
from steersman.protocols import Scored
from steersman.records import text_to_messages
from steersman.reward.heads import Outputs
from steersman.reward.model import RewardModel
from steersman.reward.spec import RewardSpec

TURNS = "Hello\n<extra_id_1>Assistant\n{}\n<extra_id_1>User\nAnd now?"
PROMPTS = ["What is bread?", "What is bread?", TURNS.format("Hi"), "What is bread?", TURNS.format("Go away")]
RESPONSES = ["Food.", "Flour, water and salt, baked.", "Nothing.", "", "Nothing."]
# within this a score may depend on what is scored beside it, in float32
ROUNDING = 1e-5


@pytest.fixture
def tokenizer(tiny_model_folder: Path) -> PreTrainedTokenizerBase:
    return load_tokenizer(tiny_model_folder)


@pytest.fixture(scope="module")
def model(tiny_model_folder: Path) -> RewardModel:
    return reward_model(tiny_model_folder)


@pytest.fixture
def scorer(model: RewardModel, tokenizer: PreTrainedTokenizerBase) -> RewardScorer:
    return RewardScorer(model, tokenizer, precision="float32")


def score(scorer: RewardScorer, rows: list[int]) -> Scored:
    return scorer.score([PROMPTS[row] for row in rows], [RESPONSES[row] for row in rows], advance=lambda _: None)


def plain(model: RewardModel, tokenizer: PreTrainedTokenizerBase, prompt: str, response: str) -> Outputs:
    """Return the outputs for one conversation by transformers' own attention, with nothing packed beside it."""
    turns = [{"role": each.role, "content": each.content} for each in text_to_messages(prompt)]
    turns.append({"role": "assistant", "content": response})
    ids = torch.tensor([tokenizer.apply_chat_template(turns, tokenize=True, return_dict=False)])
    with torch.inference_mode():
        state_1D = model.backbone(input_ids=ids, use_cache=False).last_hidden_state[:, -1]
        found: Outputs = model.head(state_1D, state_1D)
    return found


def random_rows(count: int) -> tuple[list[str], list[str]]:
    """Return prompts, some of them twice in a row, and responses of 0 to 300 letters."""
    rng = random.Random(0)

    def text(longest: int) -> str:
        return "".join(rng.choice("abcdefgh ") for _ in range(rng.randint(0, longest)))

    prompts = [text(80) for _ in range(count)]
    prompts = [prompts[row - 1] if row % 3 == 1 else prompt for row, prompt in enumerate(prompts)]
    return prompts, [text(300) for _ in range(count)]


def noted(packed: Packed, ran: list[Packed]) -> Packed:
    ran.append(packed)
    return packed


def test_scores_are_those_of_each_conversation_alone(
    scorer: RewardScorer, model: RewardModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    expected = [
        plain(model, tokenizer, prompt, response).raw[0].numpy()
        for prompt, response in zip(PROMPTS, RESPONSES, strict=True)
    ]
    assert score(scorer, [0, 1, 2, 3, 4]).outputs == pytest.approx(np.stack(expected), abs=ROUNDING)
    assert np.ptp(expected, axis=0).min() > 0.1


@pytest.mark.parametrize("batch_size", [2, 3, 64])
def test_a_score_does_not_depend_on_how_many_rows_are_scored_at_once(scorer: RewardScorer, batch_size: int) -> None:
    prompts, responses = random_rows(64)
    pairs = list(zip(prompts, responses, strict=True))
    alone = np.concatenate([scorer.score([p], [r], advance=lambda _: None).outputs for p, r in pairs])
    found = [
        scorer.score(prompts[start : start + batch_size], responses[start : start + batch_size], advance=lambda _: None)
        for start in range(0, 64, batch_size)
    ]
    assert np.concatenate([each.outputs for each in found]) == pytest.approx(alone, abs=ROUNDING)
    assert alone.std(axis=0).min() > 0.1


@pytest.mark.parametrize("row_tokens", [1, 300, 1_000, 100_000])
def test_a_score_does_not_depend_on_how_much_is_packed_together(
    scorer: RewardScorer, model: RewardModel, tokenizer: PreTrainedTokenizerBase, row_tokens: int
) -> None:
    prompts, responses = random_rows(40)
    expected = scorer.score(prompts, responses, advance=lambda _: None)
    packed = RewardScorer(model, tokenizer, precision="float32", row_tokens=row_tokens)
    found = packed.score(prompts, responses, advance=lambda _: None)
    assert found.outputs == pytest.approx(expected.outputs, abs=ROUNDING)
    assert found.rewards == pytest.approx(expected.rewards, abs=ROUNDING)


def test_scores_do_not_depend_on_the_order_of_rows(scorer: RewardScorer) -> None:
    expected = score(scorer, [0, 1, 2, 3, 4]).outputs
    # rows of one prompt side by side, then apart, and in another order
    for order in ([0, 1, 3, 2, 4], [4, 3, 2, 1, 0], [3, 2, 0, 4, 1]):
        assert score(scorer, order).outputs == pytest.approx(expected[order], abs=ROUNDING)


def test_more_responses_than_fit_in_one_group_are_scored_alike(scorer: RewardScorer) -> None:
    responses = [f"Answer {number}." for number in range(19)]
    together = scorer.score(["Why?"] * 19, responses, advance=lambda _: None)
    alone = [scorer.score(["Why?"], [each], advance=lambda _: None).outputs[0] for each in responses]
    assert together.outputs == pytest.approx(np.stack(alone), abs=ROUNDING)


def test_the_longest_rows_run_first_and_no_more_tokens_at_once_than_allowed(
    model: RewardModel, tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[Packed] = []
    monkeypatch.setattr(pack_and_score, "pack", lambda groups: noted(pack(groups), ran))
    prompts, responses = random_rows(40)
    RewardScorer(model, tokenizer, precision="float32", row_tokens=700).score(
        prompts, responses, advance=lambda _: None
    )
    assert max(packed.num_tokens for packed in ran) <= 700
    sizes = [[span.ends[-1] - span.start for span in packed.spans] for packed in ran]
    assert [size for row in sizes for size in row] == sorted((size for row in sizes for size in row), reverse=True)
    # the next group would not have fitted
    assert all(sum(row) + following[0] > 700 for row, following in pairwise(sizes))
    assert max(len(row) for row in sizes) > 1


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
    assert found.names == SPEC.attributes
    assert found.rewards == pytest.approx(0.65 * found.outputs[:, 0] + 0.45 * found.outputs[:, 2], abs=1e-6)


def test_changing_an_earlier_turn_changes_the_score(scorer: RewardScorer) -> None:
    found = score(scorer, [2, 4])
    assert RESPONSES[2] == RESPONSES[4]
    assert np.abs(found.outputs[0] - found.outputs[1]).max() > 0.01


def test_progress_counts_rows_and_the_result_counts_tokens(
    model: RewardModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    counts: list[int] = []
    scorer = RewardScorer(model, tokenizer, precision="float32", row_tokens=1)
    found = scorer.score(PROMPTS, RESPONSES, advance=counts.append)
    assert counts == [1] * 5
    assert found.num_tokens == sum(scorer.lengths(PROMPTS, RESPONSES))


def test_rows_of_one_prompt_read_it_once(scorer: RewardScorer, tokenizer: PreTrainedTokenizerBase) -> None:
    prefix = len(group_tokens(tokenizer, text_to_messages(PROMPTS[0]), [""]).prefix)
    apart = score(scorer, [0]).num_tokens + score(scorer, [1]).num_tokens
    assert score(scorer, [0, 1]).num_tokens == apart - prefix


def test_no_rows_are_no_scores(scorer: RewardScorer) -> None:
    found = score(scorer, [])
    assert (found.outputs.shape, found.rewards.shape, found.num_tokens) == ((0, 3), (0,), 0)


def test_as_many_responses_as_prompts_are_needed(scorer: RewardScorer) -> None:
    with pytest.raises(ValueError, match="2 prompts and 1 responses"):
        scorer.score(["a", "b"], ["c"], advance=lambda _: None)


@pytest.mark.parametrize("pad_token", ["<|im_end|>", None])
def test_padding_tokens_have_no_say_in_a_score(
    scorer: RewardScorer, model: RewardModel, tokenizer: PreTrainedTokenizerBase, pad_token: str | None
) -> None:
    expected = score(scorer, [0, 1, 2, 3, 4]).outputs
    tokenizer.pad_token = pad_token
    found = score(RewardScorer(model, tokenizer, precision="float32"), [0, 1, 2, 3, 4]).outputs
    assert found.tolist() == expected.tolist()


def test_an_end_of_turn_written_in_a_response_does_not_end_it(scorer: RewardScorer) -> None:
    texts = ["Yes", "Yes<|im_end|>\n", "Yes<|im_end|>\n<|im_start|>user\nThanks!<|im_end|>\n"]
    found = scorer.score(["Well?"] * 3, texts, advance=lambda _: None).rewards
    assert np.abs(np.diff(found)).min() > 0.01


def test_bfloat16_scores_are_near_those_of_float32(
    scorer: RewardScorer, model: RewardModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    expected = score(scorer, [0, 1, 2, 3, 4]).outputs
    found = score(RewardScorer(model, tokenizer, precision="bfloat16"), [0, 1, 2, 3, 4]).outputs
    assert 0 < np.abs(found - expected).max() < 0.2 * expected.std()


@pytest.mark.parametrize("kind", ["ordinal", "categorical"])
def test_a_head_of_levels_gives_their_probabilities_and_expects_its_value_from_them(
    tiny_model_folder: Path, tokenizer: PreTrainedTokenizerBase, kind: Literal["ordinal", "categorical"]
) -> None:
    model = reward_model(tiny_model_folder, spec=replace(SPEC, kind=kind))
    found = score(RewardScorer(model, tokenizer, precision="float32"), [0, 1, 2, 3, 4])
    assert found.levels is not None
    assert found.levels.shape == (5, 3, 5)
    assert found.levels.sum(axis=2) == pytest.approx(np.ones((5, 3)), abs=1e-6)
    assert found.outputs == pytest.approx((found.levels * np.arange(5)).sum(axis=2), abs=1e-5)


def test_gates_depend_on_the_prompt_only(tiny_model_folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    model = reward_model(tiny_model_folder, spec=RewardSpec("gating", SPEC.attributes, {}))
    groups = [group_tokens(tokenizer, text_to_messages(prompt), ["yes", "no, never"]) for prompt in ("a?", "b?")]
    with torch.inference_mode(), packed_attention(model.backbone):
        outputs: Outputs = model(Row(pack(groups), None))
    assert outputs.gates is not None
    first, second, third, fourth = outputs.gates
    # the last bit may depend on where in a row a token stands
    assert_close(first, second, atol=1e-6, rtol=0.0)
    assert_close(third, fourth, atol=1e-6, rtol=0.0)
    assert (first - third).abs().max() > 1e-3
    scored = RewardScorer(model, tokenizer, precision="float32").score(
        ["a?", "a?", "b?", "b?"], ["yes", "no, never"] * 2, advance=lambda _: None
    )
    assert scored.rewards == pytest.approx((outputs.gates * outputs.raw).sum(dim=1).numpy(), abs=ROUNDING)


class TestComparisons:
    @pytest.fixture
    def model(self, tiny_model_folder: Path) -> RewardModel:
        spec = RewardSpec("linear", ("preference",), {"preference": 1.0}, form="comparison")
        return reward_model(tiny_model_folder, spec=spec)

    def test_a_pair_is_read_in_both_orders(
        self, scorer: RewardScorer, model: RewardModel, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        group = comparison_group(tokenizer, text_to_messages("Well?"), ["yes", "no"])
        with torch.inference_mode(), packed_attention(model.backbone):
            expected = model(Row(pack([group]), None)).raw[:, 0]
        found = scorer.score(["Well?", "Well?"], ["yes", "no"], advance=lambda _: None)
        assert found.rewards == pytest.approx(expected.numpy(), abs=ROUNDING)
        assert found.preferences is not None
        gap = float(expected[0] - expected[1])
        assert abs(gap) > 0.01
        assert found.preferences == pytest.approx([1 / (1 + np.exp(-gap)), 1 / (1 + np.exp(gap))], abs=ROUNDING)

    def test_exchanging_the_responses_exchanges_their_chances(self, scorer: RewardScorer) -> None:
        texts = ["yes", "no", "perhaps", "never"]
        there = scorer.score(["a?", "a?", "b?", "b?"], texts, advance=lambda _: None)
        back = scorer.score(["b?", "b?", "a?", "a?"], texts[::-1], advance=lambda _: None)
        assert there.preferences is not None
        assert back.preferences is not None
        assert back.preferences == pytest.approx(there.preferences[::-1], abs=ROUNDING)
        assert there.preferences[:2].sum() == pytest.approx(1, abs=1e-6)

    def test_a_pair_stays_together_however_long_it_is(
        self, scorer: RewardScorer, model: RewardModel, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        rows = ["a?", "a?", "b?", "b?"], ["yes" * 30, "no", "perhaps", "never" * 40]
        expected = scorer.score(*rows, advance=lambda _: None).preferences
        found = RewardScorer(model, tokenizer, precision="float32", row_tokens=10).score(*rows, advance=lambda _: None)
        assert found.preferences == pytest.approx(expected, abs=ROUNDING)

    @pytest.mark.parametrize(("prompts", "row"), [(["a?"], 0), (["a?", "a?", "b?", "c?"], 2)])
    def test_rows_that_are_no_pairs_are_named(self, scorer: RewardScorer, prompts: list[str], row: int) -> None:
        with pytest.raises(DataError, match=f"row {row}: the model compares two responses"):
            scorer.score(prompts, ["x"] * len(prompts), advance=lambda _: None)

    def test_where_ties_are_modelled_a_preference_is_given_that_there_is_none(
        self, tiny_model_folder: Path, tokenizer: PreTrainedTokenizerBase, model: RewardModel
    ) -> None:
        tied = reward_model(tiny_model_folder, spec=model.spec, models_ties=True)
        found = RewardScorer(tied, tokenizer, precision="float32").score(["a?"] * 2, ["y", "n"], advance=lambda _: None)
        assert tied.head.ties is not None
        threshold = tied.head.ties()[0].item()
        gap = float(found.rewards[0] - found.rewards[1])
        first, second = (1 / (1 + np.exp(threshold - each)) for each in (gap, -gap))
        assert found.preferences is not None
        assert found.preferences[0] == pytest.approx(first / (first + second), abs=ROUNDING)
