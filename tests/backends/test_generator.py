"""The transformers generator keeps order, remembers batches and loads no model it does not need."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from steersman.backends.transformers_generator import TransformersGenerator
from steersman.modeling.chat import render_prompt
from steersman.modeling.loading import load_policy, load_tokenizer
from steersman.protocols import Generated, Sampling
from steersman.records import Message

GREEDY = Sampling(temperature=0, top_p=1, top_k=None, max_new_tokens=6)
HOT = Sampling(temperature=2, top_p=1, top_k=None, max_new_tokens=6)
CONVERSATIONS = [
    [Message("user", "mid length")],
    [Message("user", "a")],
    [Message("user", "the longest of them all")],
    [Message("user", "one"), Message("assistant", "two"), Message("user", "three four")],
    [Message("user", "bc")],
]


class Loader:
    """Loads the tiny model, its layers strengthened so that texts differ, and counts how often it was asked to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def __call__(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        self.count += 1
        model = load_policy(self.folder, dtype=torch.float32, device=torch.device("cpu"))
        with torch.no_grad():
            for name, weights in model.named_parameters():
                if "layers" in name and weights.ndim == 2:
                    weights.mul_(10)
        return model, load_tokenizer(self.folder)


class Memory:
    """Remembers batches, as the pipeline's cache does."""

    def __init__(self) -> None:
        self.batches: dict[tuple[int, ...], list[Generated]] = {}

    def recall(self, rows: Sequence[int]) -> list[Generated] | None:
        return self.batches.get(tuple(rows))

    def keep(self, rows: Sequence[int], responses: list[Generated]) -> None:
        self.batches[tuple(rows)] = responses


@pytest.fixture
def load(tiny_model_folder: Path) -> Loader:
    return Loader(tiny_model_folder)


def generator(load: Loader, *, batch_size: int = 2, system: str | None = None) -> TransformersGenerator:
    return TransformersGenerator(load, name="tiny", licence="CC0-1.0", batch_size=batch_size, system=system)


def generate(
    backend: TransformersGenerator,
    *,
    sampling: Sampling = GREEDY,
    seed: int = 0,
    memory: Memory | None = None,
    counts: list[int] | None = None,
) -> list[Generated]:
    used = Memory() if memory is None else memory
    seen: list[int] = [] if counts is None else counts
    return backend.generate_with_memory(
        CONVERSATIONS, sampling=sampling, seed=seed, advance=seen.append, recall=used.recall, keep=used.keep
    )


def test_responses_come_in_the_order_of_the_conversations(load: Loader) -> None:
    together = generate(generator(load))
    alone = [
        generator(load).generate([each], sampling=GREEDY, seed=0, advance=lambda _: None)[0] for each in CONVERSATIONS
    ]
    assert together == alone
    assert len({each.text for each in alone}) > 1


def test_longer_conversations_are_decoded_first_and_the_last_batch_may_be_smaller(load: Loader) -> None:
    memory = Memory()
    generate(generator(load), memory=memory)
    # characters per conversation: 10, 1, 23, 16, 2
    assert list(memory.batches) == [(2, 3), (0, 4), (1,)]


def test_a_text_is_the_decoded_tokens_of_the_rendered_prompt(load: Loader) -> None:
    model, tokenizer = load()
    ids = tokenizer(render_prompt(tokenizer, CONVERSATIONS[1], system="Be brief"), return_tensors="pt")
    whole = cast("Callable[..., torch.Tensor]", model.generate)(
        **ids, do_sample=False, max_new_tokens=GREEDY.max_new_tokens
    )[0]
    expected = str(tokenizer.decode(whole[ids["input_ids"].shape[1] :], skip_special_tokens=True)).strip()
    assert generate(generator(load, system="Be brief"))[1].text == expected


def test_the_same_seed_gives_the_same_texts_and_another_does_not(load: Loader) -> None:
    backend = generator(load)
    first = generate(backend, sampling=HOT, seed=1)
    assert generate(backend, sampling=HOT, seed=1) == first
    assert generate(backend, sampling=HOT, seed=2) != first


def test_batches_draw_differently(load: Loader) -> None:
    same = [CONVERSATIONS[1]] * 4
    texts = generator(load).generate(same, sampling=HOT, seed=0, advance=lambda _: None)
    assert texts[:2] != texts[2:]


def test_what_is_recalled_is_not_decoded_again(load: Loader) -> None:
    memory = Memory()
    first = generate(generator(load), memory=memory)
    assert load.count == 1
    assert generate(generator(load), memory=memory) == first
    assert load.count == 1


def test_an_interrupted_run_goes_on_with_the_same_texts(load: Loader) -> None:
    memory = Memory()
    whole = generate(generator(load), sampling=HOT, memory=memory)
    del memory.batches[(0, 4)]
    assert generate(generator(load), sampling=HOT, memory=memory) == whole
    assert set(memory.batches) == {(2, 3), (0, 4), (1,)}


def test_progress_counts_the_tokens_of_every_response_recalled_or_not(load: Loader) -> None:
    memory, decoded, recalled = Memory(), list[int](), list[int]()
    generate(generator(load), memory=memory, counts=decoded)
    generate(generator(load), memory=memory, counts=recalled)
    assert sum(decoded) == sum(recalled) == len(CONVERSATIONS) * GREEDY.max_new_tokens


def test_no_conversations_need_no_model(load: Loader) -> None:
    assert generator(load).generate([], sampling=GREEDY, seed=0, advance=lambda _: None) == []
    assert load.count == 0
