"""Write responses: batched decoding with a preallocated cache and our own top-k / top-p draw.

Two things make transformers' `generate` slow on a CPU: growing the cache copies it at every token, and top-p sorts
the whole vocabulary. Here the cache is allocated once and top-p works on the top-k tokens only. Layers with a sliding
window keep all keys, too, and attend to those in the window.
Shapes: B batch, V vocabulary, L cache length.
"""

from collections.abc import Callable, Sequence

import torch
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.cache_utils import Cache, StaticLayer

from steersman.modeling.attention import grouped_attention
from steersman.protocols import Generated, Sampling


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
    end_tokens: Sequence[int],
    generator: torch.Generator,
    on_step: Callable[[int], None],
) -> list[list[int]]:
    """Return the new token ids of each prompt; one of `end_tokens` closes the response and is kept as its last id.

    `on_step` is called after each position with the tokens it settled: one per open response, and all that remain of
    a response that ended there. They add up to `max_new_tokens` per prompt.
    """
    ids_BT, is_real_BT = _left_padded(prompts, pad=end_tokens[0], device=model.device)
    length = ids_BT.shape[1] + sampling.max_new_tokens
    cache = _empty_cache(model.config, length=length)
    is_seen = torch.zeros(len(prompts), length, dtype=torch.bool, device=model.device)
    is_seen[:, : ids_BT.shape[1]] = is_real_BT
    positions = (is_real_BT.cumsum(dim=-1) - 1).clamp(min=0)
    ends = torch.tensor(list(end_tokens), device=model.device)
    found: list[list[int]] = [[] for _ in prompts]
    is_open = torch.ones(len(prompts), dtype=torch.bool, device=model.device)
    with grouped_attention(model):
        start = 0
        for left in reversed(range(sampling.max_new_tokens)):
            logits = model(
                input_ids=ids_BT,
                attention_mask=_step_mask(is_seen, start=start, count=ids_BT.shape[1], dtype=model.dtype),
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]
            drawn = draw_tokens(logits, sampling=sampling, generator=generator)
            _append(found, drawn, is_open)
            ended = is_open & torch.isin(drawn, ends)
            on_step(int(is_open.sum()) + left * int(ended.sum()))
            is_open = is_open & ~ended
            if not left or not bool(is_open.any()):
                break
            start += ids_BT.shape[1]
            is_seen[:, start] = True
            ids_BT, positions = drawn[:, None], positions[:, -1:] + 1
    return found


def _empty_cache(config: PreTrainedConfig, *, length: int) -> Cache:
    # a layer of transformers' own StaticCache with a window would hold that many keys only, in places that move
    num_layers = config.get_text_config().num_hidden_layers
    return Cache(layers=[StaticLayer(max_cache_len=length) for _ in range(num_layers)])


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


def to_generated(text: str, *, ids: Sequence[int], end_tokens: Sequence[int]) -> Generated:
    """Return the record of a response from its decoded text and ids."""
    return Generated(text.strip(), len(ids), bool(ids) and ids[-1] in end_tokens)
