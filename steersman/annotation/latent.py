"""What the modelled crowd sees in a response: signals measured on its text, and a latent value per attribute.

The formulas are stated and argued in docs/crowd.md. They are plausible, not true: they make a crowd that agrees about
as much as people do, on grounds that a reward model can find in the text.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.feature_extraction.text import TfidfVectorizer

from steersman.records import ATTRIBUTES, MAX_SCORE, text_to_messages

FloatArray = npt.NDArray[np.float64]

# A latent value is 4 / (1 + exp(-x)), x = base + sum of weight * (signal - centre).
CENTRES: Mapping[str, float] = {
    "relevance": 0.58,
    "distinct": 0.90,
    "familiar": -0.02,
    "fullness": 0.95,
    "finished": 0.95,
    "word_length": 4.8,
    "length_ratio": 1.1,
}
BASES: Mapping[str, float] = {
    "helpfulness": 0.9,
    "correctness": 1.0,
    "coherence": 2.2,
    "complexity": -0.35,
    "verbosity": 0.0,
}
WEIGHTS: Mapping[str, Mapping[str, float]] = {
    "helpfulness": {"relevance": 2.5, "distinct": 4.0, "familiar": 6.0, "fullness": 3.0, "finished": 1.5},
    "correctness": {"relevance": 1.8, "distinct": 3.0, "familiar": 9.0, "fullness": 2.5, "length_ratio": 0.25},
    "coherence": {"distinct": 5.0, "familiar": 10.0, "finished": 1.0},
    "complexity": {"word_length": 0.9, "length_ratio": 0.2},
    "verbosity": {"length_ratio": 0.55},
}
_WORD = re.compile(r"\w+")
_PHRASE_WORDS = 3
_FULL_WORDS = 20.0
_EXPECTED_WORDS = 60.0
_EXPECTED_PER_PROMPT_WORD = 0.5
_MOST_PROMPT_WORDS = 280
_LENGTH_RATIO_RANGE = (-4.0, 4.0)
_RELEVANCE_UNKNOWN = 0.5


def latent_scores(tasks: pl.DataFrame) -> FloatArray:
    """Return the latent value of each row on each attribute, shape (rows, 5), from 0 to 4.

    `tasks` has the columns prompt, response and is_finished. How rare a word is is counted on the table itself, so a
    row's value depends a little on the other rows.
    """
    found = signals(tasks)
    columns = []
    for attribute in ATTRIBUTES:
        terms = (weight * (found[name] - CENTRES[name]) for name, weight in WEIGHTS[attribute].items())
        columns.append(MAX_SCORE / (1.0 + np.exp(-(BASES[attribute] + sum(terms)))))
    return np.stack(columns, axis=1)


def signals(tasks: pl.DataFrame) -> dict[str, FloatArray]:
    """Return what is measured on each row, by name, each of shape (rows,)."""
    questions = [text_to_messages(prompt)[-1].content for prompt in tasks["prompt"].to_list()]
    responses: list[str] = tasks["response"].to_list()
    words = [_words(response) for response in responses]
    number = np.array([len(each) for each in words], dtype=np.float64)
    return {
        "relevance": _coverage(questions, responses),
        "distinct": np.array([_distinct_share(each) for each in words]),
        "familiar": _familiar_share(words, questions),
        "fullness": 1.0 - np.exp(-number / _FULL_WORDS),
        "finished": tasks["is_finished"].to_numpy().astype(np.float64),
        "word_length": np.array([float(np.mean([len(word) for word in each])) if each else 0.0 for each in words]),
        "length_ratio": _length_ratio(number, questions),
    }


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _coverage(questions: Sequence[str], responses: Sequence[str]) -> FloatArray:
    """Return the share, weighted by TF-IDF, of a question's content words that its response uses."""
    vectorizer = TfidfVectorizer(sublinear_tf=True, stop_words="english", token_pattern=r"\w\w+")
    try:
        vectorizer.fit([*dict.fromkeys(questions), *responses])
    except ValueError:  # a table of texts without any content word has no vocabulary
        return np.full(len(questions), _RELEVANCE_UNKNOWN)
    asked = vectorizer.transform(questions)
    is_used = vectorizer.transform(responses) > 0
    covered = np.asarray(asked.multiply(is_used).sum(axis=1), dtype=np.float64).ravel()
    whole = np.asarray(asked.sum(axis=1), dtype=np.float64).ravel()
    return np.where(whole > 0, covered / np.where(whole > 0, whole, 1.0), _RELEVANCE_UNKNOWN)


def _distinct_share(words: Sequence[str]) -> float:
    phrases = list(zip(*(words[start:] for start in range(_PHRASE_WORDS)), strict=False))
    return len(set(phrases)) / len(phrases) if phrases else 1.0


def _familiar_share(words: Sequence[Sequence[str]], questions: Sequence[str]) -> FloatArray:
    """Return the share of a response's words that another text of the table uses as well, less the table's median.

    The median is taken away because in a small table most words of every response are its own.
    """
    texts = [set(each) for each in words] + [set(_words(question)) for question in dict.fromkeys(questions)]
    used_in = Counter(word for text in texts for word in text)
    shares = np.array([sum(used_in[word] > 1 for word in each) / len(each) if each else 0.0 for each in words])
    return np.asarray(shares - np.median(shares), dtype=np.float64)


def _length_ratio(number: FloatArray, questions: Sequence[str]) -> FloatArray:
    """Return by how many doublings a response is longer than a short answer to its question would be."""
    asked = np.minimum([len(_words(question)) for question in questions], _MOST_PROMPT_WORDS)
    ratio = np.log2((number + 1.0) / (_EXPECTED_WORDS + _EXPECTED_PER_PROMPT_WORD * asked))
    return np.clip(ratio, *_LENGTH_RATIO_RANGE)
