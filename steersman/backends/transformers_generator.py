"""A generator on a transformers model: prompts sorted by length, decoded in batches, each batch with its own seed."""

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from steersman.modeling.chat import end_of_turn, render_prompt
from steersman.modeling.sampling import decode_batch, to_generated
from steersman.protocols import Advance, Generated, Sampling
from steersman.records import Message

# Called with the rows of a batch before it is decoded; what it returns is taken instead of decoding.
Recall = Callable[[Sequence[int]], list[Generated] | None]
# Called with the rows of a batch and its responses once they are there.
Keep = Callable[[Sequence[int], list[Generated]], None]


class TransformersGenerator:
    """A `Generator` on a model of transformers, loaded when it is first needed."""

    def __init__(
        self,
        load: Callable[[], tuple[PreTrainedModel, PreTrainedTokenizerBase]],
        *,
        name: str,
        licence: str | None,
        batch_size: int,
        system: str | None = None,
    ) -> None:
        self.name = name
        self.licence = licence
        self._load = load
        self._loaded: tuple[PreTrainedModel, PreTrainedTokenizerBase] | None = None
        self._batch_size = batch_size
        self._system = system

    def generate(
        self, conversations: Sequence[Sequence[Message]], *, sampling: Sampling, seed: int, advance: Advance
    ) -> list[Generated]:
        """Return one response per conversation, in order; the same seed and batch size give the same texts."""
        return self.generate_with_memory(
            conversations, sampling=sampling, seed=seed, advance=advance, recall=_nothing, keep=_ignore
        )

    def generate_with_memory(
        self,
        conversations: Sequence[Sequence[Message]],
        *,
        sampling: Sampling,
        seed: int,
        advance: Advance,
        recall: Recall,
        keep: Keep,
    ) -> list[Generated]:
        """Do as `generate`, but take the batches that `recall` knows from there and hand new ones to `keep`.

        The model is loaded only when a batch is missing. A batch's draw depends on `seed` and its first row alone, so
        an interrupted run goes on with the same texts.
        """
        found: dict[int, Generated] = {}
        for rows in self._batches(conversations):
            responses = recall(rows)
            if responses is None:
                batch = [conversations[row] for row in rows]
                batch_seed = int(np.random.SeedSequence([seed, rows[0]]).generate_state(1)[0])
                responses = self._decode(batch, sampling=sampling, seed=batch_seed, advance=advance)
                keep(rows, responses)
            else:
                advance(len(rows) * sampling.max_new_tokens)
            found.update(zip(rows, responses, strict=True))
        return [found[row] for row in range(len(conversations))]

    def _batches(self, conversations: Sequence[Sequence[Message]]) -> list[list[int]]:
        lengths = [sum(len(message.content) for message in messages) for messages in conversations]
        # longest first: a batch that does not fit in memory fails at once, not after an hour
        order = sorted(range(len(conversations)), key=lambda row: (-lengths[row], row))
        return [order[start : start + self._batch_size] for start in range(0, len(order), self._batch_size)]

    def _decode(
        self, conversations: Sequence[Sequence[Message]], *, sampling: Sampling, seed: int, advance: Advance
    ) -> list[Generated]:
        if self._loaded is None:
            self._loaded = self._load()
        model, tokenizer = self._loaded
        texts = [render_prompt(tokenizer, messages, system=self._system) for messages in conversations]
        prompts = [cast("list[int]", tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
        ends = tuple(dict.fromkeys((end_of_turn(tokenizer), cast(int, tokenizer.eos_token_id))))
        generator = torch.Generator(device=model.device).manual_seed(seed)
        ids = decode_batch(model, prompts, sampling=sampling, end_tokens=ends, generator=generator, on_step=advance)
        return [
            to_generated(str(tokenizer.decode(row, skip_special_tokens=True)), ids=row, end_tokens=ends) for row in ids
        ]


def _nothing(_: Sequence[int]) -> None:
    return None


def _ignore(_: Sequence[int], __: list[Generated]) -> None:
    return None
