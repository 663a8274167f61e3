"""Our batched decoding gives what transformers gives for layers with sliding windows, beyond the window."""

from collections.abc import Sequence

import pytest
import torch
from greedy_by_transformers import greedy
from tiny_windowed import VOCABULARY, WINDOW, WINDOWED, windowed
from transformers import PreTrainedModel

from steersman.modeling import attention
from steersman.modeling.attention import grouped_attention
from steersman.modeling.sampling import decode_batch
from steersman.protocols import Sampling

GREEDY = Sampling(temperature=0, top_p=1, top_k=None, max_new_tokens=2 * WINDOW)
END = VOCABULARY - 1
PAD = 2
families = pytest.mark.parametrize("name", WINDOWED)


def prompts() -> list[list[int]]:
    """Return prompts longer than the window and shorter, so that most are padded by more than it."""
    rng = torch.Generator().manual_seed(0)
    return [torch.randint(3, VOCABULARY - 1, (length,), generator=rng).tolist() for length in (3 * WINDOW, 3, 11, 1)]


def by_transformers(model: PreTrainedModel, prompt: Sequence[int]) -> list[int]:
    return greedy(model, prompt, max_new_tokens=GREEDY.max_new_tokens, pad=PAD, end=END)


@families
def test_greedy_decoding_beyond_the_window_equals_transformers(name: str) -> None:
    model = windowed(name)
    found = decode_batch(
        model, prompts(), sampling=GREEDY, end_tokens=[END], generator=torch.Generator(), on_step=lambda _: None
    )
    assert found == [by_transformers(model, prompt) for prompt in prompts()]
    assert any(len(ids) == GREEDY.max_new_tokens for ids in found)
    # without the window other tokens would be written
    wider = windowed(name, sliding_window=1000)
    assert found != [by_transformers(wider, prompt) for prompt in prompts()]


@families
@pytest.mark.parametrize("block", [1, 1 << 20])
def test_grouped_attention_within_a_window_is_that_of_transformers(
    monkeypatch: pytest.MonkeyPatch, name: str, block: int
) -> None:
    monkeypatch.setattr(attention, "_BLOCK_SCORES", block)
    model = windowed(name)
    ids = torch.randint(3, VOCABULARY, (3, 20), generator=torch.Generator().manual_seed(0))
    causal = torch.zeros(3, 1, 20, 20).masked_fill(~torch.ones(20, 20, dtype=torch.bool).tril(), -torch.inf)
    with torch.no_grad():
        expected = model(input_ids=ids).logits
        with grouped_attention(model):
            found = model(input_ids=ids, attention_mask=causal).logits
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()
