"""Scorers any reward model must beat: length, TF-IDF ridge, ridge on vectors of a frozen encoder.

Each gives one score per validation row from training rows alone. Ridge chooses its penalty by cross-validation within
the training rows, never splitting a prompt; whatever is fitted (vocabulary, means, deviations) is fitted on each
fold's own training part. Nothing here is random.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar, cast

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

from steersman.errors import DataError

# TF-IDF rows have length one, standardised vectors the square root of their dimensions: other scales, other grids
TFIDF_PENALTIES: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
VECTOR_PENALTIES: tuple[float, ...] = (1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6)
MAX_FOLDS = 5

Vectors = npt.NDArray[np.floating]
Numbers = npt.NDArray[np.float64]
_Matrix: TypeAlias = csr_matrix | Numbers
_Rows = TypeVar("_Rows", pl.DataFrame, Vectors)
# fitted on the first rows, applied to both
_Encode = Callable[[_Rows, _Rows], tuple[_Matrix, _Matrix]]


@dataclass(frozen=True, slots=True)
class RidgeScores:
    """Predicted labels of the validation rows, shape (rows,); the penalty chosen and its cross-validated error."""

    scores: Numbers
    penalty: float
    cross_validated_error: float


def length_scores(responses: Sequence[str]) -> Numbers:
    """Return the characters of each response, shape (rows,): the longer response wins."""
    return np.array([len(response) for response in responses], dtype=np.float64)


def tfidf_ridge_scores(train: pl.DataFrame, validation: pl.DataFrame, *, attribute: str) -> RidgeScores:
    """Return ridge predictions of `attribute` from words and word pairs of the response, and apart, of the prompt.

    Both frames have `prompt` and `response`; `train` has `attribute`. Term counts enter as 1 + log(count). Raises
    DataError when the training rows hold fewer than two prompts or no word.
    """
    columns = ["prompt", "response"]
    return _ridge_scores(
        train.select(columns),
        validation.select(columns),
        labels=_labels(train, attribute),
        groups=train["prompt"].to_list(),
        encode=_tfidf,
        penalties=TFIDF_PENALTIES,
    )


def vector_ridge_scores(
    train: pl.DataFrame, train_vectors: Vectors, validation_vectors: Vectors, *, attribute: str
) -> RidgeScores:
    """Return ridge predictions of `attribute` from given vectors, shapes (rows, dimensions), standardised.

    `train` has `prompt` and `attribute`, one row per row of `train_vectors`. Raises DataError when it holds fewer than
    two prompts, ValueError when shapes do not meet.
    """
    if len(train_vectors) != train.height or train_vectors.shape[1:] != validation_vectors.shape[1:]:
        raise ValueError(f"{train.height} rows, vectors {train_vectors.shape} and {validation_vectors.shape}")
    return _ridge_scores(
        train_vectors,
        validation_vectors,
        labels=_labels(train, attribute),
        groups=train["prompt"].to_list(),
        encode=_standardised,
        penalties=VECTOR_PENALTIES,
    )


def joint_vectors(prompt_vectors: Vectors, response_vectors: Vectors) -> Vectors:
    """Return prompt, response and their product side by side: (rows, dimensions) twice -> (rows, 3 x dimensions).

    The product lets a linear scorer see how the response meets its prompt.
    """
    if prompt_vectors.shape != response_vectors.shape:
        raise ValueError(f"prompts {prompt_vectors.shape} and responses {response_vectors.shape} differ in shape")
    return np.concatenate([prompt_vectors, response_vectors, prompt_vectors * response_vectors], axis=1)


def _labels(train: pl.DataFrame, attribute: str) -> Numbers:
    return train[attribute].cast(pl.Float64).to_numpy()


def _tfidf(train: pl.DataFrame, other: pl.DataFrame) -> tuple[_Matrix, _Matrix]:
    """Encode responses and prompts with a vocabulary each: a word of the prompt is another feature."""
    responses = _tfidf_column(train["response"].to_list(), other["response"].to_list())
    prompts = _tfidf_column(train["prompt"].to_list(), other["prompt"].to_list())
    return hstack([responses[0], prompts[0]], format="csr"), hstack([responses[1], prompts[1]], format="csr")


def _tfidf_column(train: list[str], other: list[str]) -> tuple[csr_matrix, csr_matrix]:
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\b\w+\b")
    try:
        fitted = vectorizer.fit_transform(train)
    except ValueError as error:  # scikit-learn's word for a vocabulary without a term
        raise DataError("the training rows hold no word; TF-IDF needs text") from error
    return fitted, vectorizer.transform(other)


def _standardised(train: Vectors, other: Vectors) -> tuple[_Matrix, _Matrix]:
    scaler = StandardScaler().fit(train.astype(np.float64))
    return scaler.transform(train.astype(np.float64)), scaler.transform(other.astype(np.float64))


def _ridge_scores(
    train: _Rows,
    validation: _Rows,
    *,
    labels: Numbers,
    groups: Sequence[str],
    encode: _Encode[_Rows],
    penalties: Sequence[float],
) -> RidgeScores:
    errors = np.zeros(len(penalties))
    for fitted, held_out in _folds(groups):
        encoded, encoded_held_out = encode(train[fitted], train[held_out])
        for i, penalty in enumerate(penalties):
            predicted = _predict(encoded, labels[fitted], encoded_held_out, penalty=penalty)
            errors[i] += ((predicted - labels[held_out]) ** 2).sum()
    best = int(errors.argmin())
    encoded, encoded_validation = encode(train, validation)
    scores = _predict(encoded, labels, encoded_validation, penalty=penalties[best])
    return RidgeScores(scores, penalty=penalties[best], cross_validated_error=float(errors[best] / len(labels)))


def _folds(groups: Sequence[str]) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    num_groups = len(set(groups))
    if num_groups < 2:
        raise DataError("a baseline needs training rows of at least two prompts")
    folds = GroupKFold(n_splits=min(MAX_FOLDS, num_groups))
    yield from folds.split(np.zeros(len(groups)), groups=groups)


def _predict(train: _Matrix, labels: Numbers, other: _Matrix, *, penalty: float) -> Numbers:
    return cast("Numbers", Ridge(alpha=penalty).fit(train, labels).predict(other))
