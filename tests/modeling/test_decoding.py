"""Our batched decoding gives what transformers gives, and draws what the settings say."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from greedy_by_transformers import greedy
from transformers import PreTrainedModel

from steersman.modeling.loading import load_policy
from steersman.modeling.sampling import decode_batch, draw_tokens, to_generated
from steersman.protocols import Generated, Sampling

GREEDY = Sampling(temperature=0, top_p=1, top_k=None, max_new_tokens=12)
NO_END = 257
PROMPTS = ([70, 71, 72, 73, 74, 75, 76], [80], [90, 91, 92])
DRAWS = 4000


@pytest.fixture
def model(tiny_model_folder: Path) -> PreTrainedModel:
    """Return the tiny model with stronger layers, so that what it writes depends on all it has read."""
    made = load_policy(tiny_model_folder, dtype=torch.float32, device=torch.device("cpu"))
    with torch.no_grad():
        for name, weights in made.named_parameters():
            if "layers" in name and weights.ndim == 2:
                weights.mul_(10)
    return made


def decode(
    model: PreTrainedModel,
    prompts: Sequence[list[int]],
    *,
    sampling: Sampling = GREEDY,
    end_token: int = NO_END,
    seed: int = 0,
    counts: list[int] | None = None,
) -> list[list[int]]:
    generator = torch.Generator().manual_seed(seed)
    seen: list[int] = [] if counts is None else counts
    return decode_batch(
        model, prompts, sampling=sampling, end_tokens=[end_token], generator=generator, on_step=seen.append
    )


def by_transformers(model: PreTrainedModel, prompt: list[int]) -> list[int]:
    return greedy(model, prompt, max_new_tokens=GREEDY.max_new_tokens, pad=NO_END, end=NO_END)


def rows(*probabilities: float) -> torch.Tensor:
    """Return logits with these probabilities, the same in every one of many rows."""
    return torch.tensor(probabilities).log().expand(DRAWS, -1)


def drawn(logits_BV: torch.Tensor, sampling: Sampling, *, seed: int = 0) -> list[int]:
    return draw_tokens(logits_BV, sampling=sampling, generator=torch.Generator().manual_seed(seed)).tolist()


def test_greedy_decoding_of_unequal_prompts_equals_transformers(model: PreTrainedModel) -> None:
    found = decode(model, PROMPTS)
    assert found == [by_transformers(model, prompt) for prompt in PROMPTS]
    assert len({tuple(each) for each in found}) == len(PROMPTS)


def test_a_prompt_is_decoded_the_same_alone_and_in_a_batch(model: PreTrainedModel) -> None:
    assert decode(model, PROMPTS) == [decode(model, [prompt])[0] for prompt in PROMPTS]


def test_the_end_token_closes_a_response_and_is_kept(model: PreTrainedModel) -> None:
    whole = decode(model, PROMPTS)
    end = whole[0][3]
    expected = [ids[: ids.index(end) + 1] if end in ids else ids for ids in whole]
    assert len(expected[0]) < len(whole[0])
    assert decode(model, PROMPTS, end_token=end) == expected


def test_steps_settle_the_whole_budget_once(model: PreTrainedModel) -> None:
    end, counts = decode(model, PROMPTS)[0][3], list[int]()
    found = decode(model, PROMPTS, end_token=end, counts=counts)
    assert any(ids[-1] != end for ids in found)
    assert sum(counts) == len(PROMPTS) * GREEDY.max_new_tokens
    for step, settled in enumerate(counts, start=1):
        ended = sum(len(ids) == step and ids[-1] == end for ids in found)
        is_open = sum(len(ids) >= step for ids in found)
        assert settled == is_open + ended * (GREEDY.max_new_tokens - step)


def test_decoding_stops_once_all_have_ended(model: PreTrainedModel) -> None:
    first, counts = decode(model, [[80]])[0][0], list[int]()
    assert decode(model, [[80]], end_token=first, counts=counts) == [[first]]
    assert counts == [GREEDY.max_new_tokens]


def test_one_new_token_is_one_new_token(model: PreTrainedModel) -> None:
    short = Sampling(temperature=0, top_p=1, top_k=None, max_new_tokens=1)
    assert decode(model, PROMPTS, sampling=short) == [ids[:1] for ids in decode(model, PROMPTS)]


def test_the_same_seed_draws_the_same_tokens_and_another_does_not(model: PreTrainedModel) -> None:
    hot = Sampling(temperature=3, top_p=1, top_k=None, max_new_tokens=12)
    first = decode(model, PROMPTS, sampling=hot, seed=1)
    assert decode(model, PROMPTS, sampling=hot, seed=1) == first
    assert decode(model, PROMPTS, sampling=hot, seed=2) != first


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_the_attention_of_the_model_is_restored(model: PreTrainedModel, implementation: str) -> None:
    model.set_attn_implementation(implementation)
    decode(model, [[80]])
    assert model.config._attn_implementation == implementation


def test_the_attention_of_the_model_is_restored_after_a_failure(model: PreTrainedModel) -> None:
    model.set_attn_implementation("eager")
    with pytest.raises(IndexError):
        decode(model, [[100_000]])
    assert model.config._attn_implementation == "eager"


def test_temperature_zero_takes_the_most_probable_token() -> None:
    logits = torch.tensor([[0.1, 3.0, 0.2], [2.0, 1.0, 0.0]])
    assert drawn(logits, GREEDY) == [1, 0]


def test_draws_follow_the_probabilities() -> None:
    counts = Counter(drawn(rows(0.2, 0.5, 0.3), Sampling(1, 1, None, 1)))
    for token, share in enumerate((0.2, 0.5, 0.3)):
        # five standard errors of a share over 4000 draws
        assert counts[token] / DRAWS == pytest.approx(share, abs=5 * (share * (1 - share) / DRAWS) ** 0.5)


def test_temperature_two_draws_by_square_roots() -> None:
    counts = Counter(drawn(rows(0.1, 0.9), Sampling(2, 1, None, 1)))
    share = 0.9**0.5 / (0.9**0.5 + 0.1**0.5)
    assert counts[1] / DRAWS == pytest.approx(share, abs=5 * (share * (1 - share) / DRAWS) ** 0.5)


@pytest.mark.parametrize(("top_p", "kept"), [(0.45, {2}), (0.55, {0, 2}), (0.75, {0, 2}), (0.85, {0, 2, 3})])
def test_top_p_keeps_the_smallest_set_that_reaches_the_mass(top_p: float, kept: set[int]) -> None:
    # in order of probability the mass grows as 0.5 (token 2), 0.8 (token 0), 0.95 (token 3), 1 (token 1)
    assert set(drawn(rows(0.3, 0.05, 0.5, 0.15), Sampling(1, top_p, None, 1))) == kept


def test_top_p_keeps_the_ratios_of_what_it_keeps() -> None:
    counts = Counter(drawn(rows(0.3, 0.05, 0.5, 0.15), Sampling(1, 0.75, None, 1)))
    share = 0.5 / 0.8
    assert counts[2] / DRAWS == pytest.approx(share, abs=5 * (share * (1 - share) / DRAWS) ** 0.5)


def test_top_k_keeps_the_most_probable_tokens() -> None:
    assert set(drawn(rows(0.3, 0.05, 0.5, 0.15), Sampling(1, 1, 3, 1))) == {0, 2, 3}


def test_top_p_counts_mass_among_the_top_k() -> None:
    # among the top two the first holds 0.5 / 0.8 = 0.625 of the mass, which is enough
    assert set(drawn(rows(0.3, 0.05, 0.5, 0.15), Sampling(1, 0.6, 2, 1))) == {2}


def test_more_than_the_vocabulary_is_the_vocabulary() -> None:
    assert set(drawn(rows(0.5, 0.5), Sampling(1, 1, 64, 1))) == {0, 1}


def test_a_drawn_batch_depends_on_its_seed_only() -> None:
    logits, sampling = rows(0.5, 0.5), Sampling(1, 1, None, 1)
    assert drawn(logits, sampling, seed=3) == drawn(logits, sampling, seed=3)
    assert drawn(logits, sampling, seed=3) != drawn(logits, sampling, seed=4)


def test_a_response_is_finished_when_it_ends_with_the_end_token() -> None:
    assert to_generated(" Hi \n", ids=[7, 8, 2], end_tokens=[5, 2]) == Generated("Hi", 3, is_finished=True)
    assert to_generated("Hi", ids=[2, 8], end_tokens=[5, 2]) == Generated("Hi", 2, is_finished=False)
    assert to_generated("", ids=[], end_tokens=[5, 2]) == Generated("", 0, is_finished=False)
