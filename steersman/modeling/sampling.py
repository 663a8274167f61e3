"""Write responses: batched decoding with a preallocated cache and our own top-k / top-p draw.

Two things make transformers' `generate` slow on a CPU: growing the cache copies it at every token, and top-p sorts
the whole vocabulary. Here the cache is allocated once and top-p works on the top-k tokens only.
Shapes: B batch, V vocabulary, L cache length, K key-value heads.
"""

from collections.abc import Callable, Sequence

import torch
from transformers import AttentionInterface, PreTrainedModel, StaticCache

from steersman.protocols import Generated, Sampling

_GROUPED = "steersman_grouped"


def grouped_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Return attention outputs (B, Q, heads, D) with queries grouped by their key-value head.

    Grouping turns repeated keys into one matrix product per key-value head; the mask is additive, (B, 1, Q, L).
    """
    batch, heads, length, width = query.shape
    kv_heads = key.shape[1]
    scale = width**-0.5 if scaling is None else scaling
    grouped = query.reshape(batch, kv_heads, heads // kv_heads * length, width) * scale
    scores = (grouped @ key.transpose(-1, -2)).view(batch, kv_heads, heads // kv_heads, length, -1)
    if attention_mask is not None:
        scores = scores + attention_mask[:, :, None, :, : scores.shape[-1]]
    weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(value.dtype)
    outputs = weights.view(batch, kv_heads, heads // kv_heads * length, -1) @ value
    return outputs.view(batch, heads, length, width).transpose(1, 2).contiguous(), None


AttentionInterface.register(_GROUPED, grouped_attention)


def draw_tokens(logits_BV: torch.Tensor, *, sampling: Sampling, generator: torch.Generator) -> torch.Tensor:
    """Return one token per row, (B,): the most probable at temperature 0, else drawn from top-k then top-p."""
    if sampling.temperature == 0:
        return logits_BV.argmax(dim=-1)
    count = min(sampling.top_k or logits_BV.shape[-1], logits_BV.shape[-1])
    top_logits, top_ids = logits_BV.float().topk(count, dim=-1)
    probabilities = torch.softmax(top_logits / sampling.temperature, dim=-1)
    # a token stays when the mass of the more probable ones is still below top_p, so the first always stays
    mass_before = probabilities.cumsum(dim=-1) - probabilities
    probabilities = probabilities.masked_fill(mass_before >= sampling.top_p, 0.0)
    drawn = torch.multinomial(probabilities, 1, generator=generator)
    return top_ids.gather(-1, drawn)[:, 0]


@torch.inference_mode()
def decode_batch(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    *,
    sampling: Sampling,
    end_token: int,
    generator: torch.Generator,
    on_step: Callable[[int], None],
) -> list[list[int]]:
    """Return the new token ids of each prompt; an `end_token` closes the response and is kept as its last id.

    `on_step` is called after each position with the number of responses that ended there.
    """
    ids_BT, is_real_BT = _left_padded(prompts, pad=end_token, device=model.device)
    batch, prompt_length = ids_BT.shape
    length = prompt_length + sampling.max_new_tokens
    cache = StaticCache(config=model.config, max_cache_len=length)
    is_seen = torch.zeros(batch, length, dtype=torch.bool, device=model.device)
    is_seen[:, :prompt_length] = is_real_BT
    positions = (is_real_BT.cumsum(dim=-1) - 1).clamp(min=0)
    found: list[list[int]] = [[] for _ in prompts]
    is_open = torch.ones(batch, dtype=torch.bool, device=model.device)
    attention = model.config._attn_implementation
    model.set_attn_implementation(_GROUPED)
    try:
        step_ids, step_positions, start = ids_BT, positions, 0
        for _ in range(sampling.max_new_tokens):
            mask = _step_mask(is_seen, start=start, count=step_ids.shape[1], dtype=model.dtype)
            logits = model(
                input_ids=step_ids,
                attention_mask=mask,
                position_ids=step_positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]
            drawn = draw_tokens(logits, sampling=sampling, generator=generator)
            _append(found, drawn, is_open)
            ended = is_open & (drawn == end_token)
            is_open = is_open & ~ended
            on_step(int(ended.sum()))
            start += step_ids.shape[1]
            if not bool(is_open.any()) or start >= length:
                break
            is_seen[:, start] = True
            step_ids, step_positions = drawn[:, None], step_positions[:, -1:] + 1
    finally:
        model.set_attn_implementation(attention)
    on_step(int(is_open.sum()))
    return found


def _left_padded(
    prompts: Sequence[Sequence[int]], *, pad: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(len(prompt) for prompt in prompts)
    ids = [[pad] * (longest - len(prompt)) + list(prompt) for prompt in prompts]
    is_real = [[False] * (longest - len(prompt)) + [True] * len(prompt) for prompt in prompts]
    return torch.tensor(ids, device=device), torch.tensor(is_real, device=device)


def _step_mask(is_seen_BL: torch.Tensor, *, start: int, count: int, dtype: torch.dtype) -> torch.Tensor:
    length = is_seen_BL.shape[1]
    keys = torch.arange(length, device=is_seen_BL.device)
    queries = torch.arange(start, start + count, device=is_seen_BL.device)
    may_see = (keys[None, :] <= queries[:, None])[None] & is_seen_BL[:, None, :]
    # a padded query sees itself: a row with nothing to see would be 0/0
    may_see = may_see | (keys[None, :] == queries[:, None])[None]
    blocked = torch.zeros(may_see.shape, dtype=dtype, device=is_seen_BL.device)
    return blocked.masked_fill(~may_see, torch.finfo(dtype).min)[:, None]


def _append(found: list[list[int]], drawn_B: torch.Tensor, is_open_B: torch.Tensor) -> None:
    for row, (token, is_open) in enumerate(zip(drawn_B.tolist(), is_open_B.tolist(), strict=True)):
        if is_open:
            found[row].append(token)


def to_generated(text: str, *, ids: Sequence[int], end_token: int) -> Generated:
    """Return the record of a response from its decoded text and ids."""
    return Generated(text.strip(), len(ids), bool(ids) and ids[-1] == end_token)
