import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from steersman.errors import DataError
from steersman.evaluate.baselines import (
    MAX_FOLDS,
    VECTOR_PENALTIES,
    joint_vectors,
    length_scores,
    tfidf_ridge_scores,
    vector_ridge_scores,
)


def rated(prompts: int, *, good: str, bad: str) -> pl.DataFrame:
    """Return two rows per prompt: a response with `good`, labelled 4, then one with `bad`, labelled 0."""
    return pl.DataFrame(
        {
            "prompt": [f"question {i // 2}" for i in range(2 * prompts)],
            "response": [f"{good} {i}" if i % 2 == 0 else f"{bad} {i}" for i in range(2 * prompts)],
            "helpfulness": [4, 0] * prompts,
        }
    )


def first_beats_second(scores: npt.NDArray[np.float64]) -> list[bool]:
    return [bool(first > second) for first, second in scores.reshape(-1, 2)]


def test_a_longer_response_scores_its_characters() -> None:
    assert length_scores(["", "ab", "abc"]).tolist() == [0.0, 2.0, 3.0]


def test_tfidf_learns_which_word_is_helpful() -> None:
    train = rated(10, good="thorough", bad="sorry")
    validation = pl.DataFrame({"prompt": ["new"] * 2, "response": ["thorough answer", "sorry answer"]})
    assert first_beats_second(tfidf_ridge_scores(train, validation, attribute="helpfulness").scores) == [True]


def test_tfidf_tells_word_order_by_word_pairs() -> None:
    train = rated(10, good="not bad only good", bad="not good only bad")
    validation = pl.DataFrame({"prompt": ["new"] * 2, "response": ["not bad only good", "not good only bad"]})
    assert first_beats_second(tfidf_ridge_scores(train, validation, attribute="helpfulness").scores) == [True]


def test_a_word_of_the_prompt_is_another_feature_than_the_same_word_of_the_response() -> None:
    """Every label is told by the prompt's word; had the response shared it, 'kind' there would be rewarded too."""
    prompts = [f"{'kind' if i % 2 else 'cruel'} {i}" for i in range(20)]
    train = pl.DataFrame(
        {
            "prompt": [prompt for prompt in prompts for _ in range(2)],
            "response": ["cruel kind", "kind cruel"] * 20,
            "helpfulness": [4 if i % 2 else 0 for i in range(20) for _ in range(2)],
        }
    )
    validation = pl.DataFrame({"prompt": ["none"] * 2, "response": ["kind", "cruel"]})
    kind, cruel = tfidf_ridge_scores(train, validation, attribute="helpfulness").scores
    assert kind == pytest.approx(cruel, abs=0.05)


def test_validation_labels_and_order_do_not_reach_the_scores() -> None:
    train = rated(6, good="yes", bad="no")
    validation = rated(3, good="yes", bad="maybe")
    plain = tfidf_ridge_scores(train, validation, attribute="helpfulness").scores
    relabelled = validation.with_columns(helpfulness=pl.lit(2)).reverse()
    assert tfidf_ridge_scores(train, relabelled, attribute="helpfulness").scores[::-1] == pytest.approx(plain)


def test_the_same_rows_give_the_same_scores_to_the_last_bit() -> None:
    train, validation = rated(8, good="yes", bad="no"), rated(4, good="yes", bad="no")
    first = tfidf_ridge_scores(train, validation, attribute="helpfulness")
    second = tfidf_ridge_scores(train, validation, attribute="helpfulness")
    assert first.scores.tobytes() == second.scores.tobytes()


def test_text_without_any_word_is_refused() -> None:
    train = rated(3, good="!", bad="?").with_columns(response=pl.lit("..."))
    with pytest.raises(DataError, match="no word"):
        tfidf_ridge_scores(train, train, attribute="helpfulness")


def test_one_prompt_is_too_few_to_choose_a_penalty() -> None:
    train = rated(1, good="yes", bad="no")
    with pytest.raises(DataError, match="two prompts"):
        tfidf_ridge_scores(train, train, attribute="helpfulness")


def linear_rows(prompts: int, *, noise: float) -> tuple[pl.DataFrame, npt.NDArray[np.float64]]:
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(2 * prompts, 4))
    labels = 3 * vectors[:, 0] - vectors[:, 1] + noise * rng.normal(size=2 * prompts)
    prompt = [str(i // 2) for i in range(2 * prompts)]
    return pl.DataFrame({"prompt": prompt, "helpfulness": labels}), vectors


def test_ridge_on_vectors_finds_a_linear_rule() -> None:
    train, vectors = linear_rows(100, noise=0.0)
    found = vector_ridge_scores(train[:160], vectors[:160], vectors[160:], attribute="helpfulness")
    assert np.corrcoef(found.scores, train["helpfulness"][160:].to_numpy())[0, 1] > 0.999
    assert found.penalty == min(VECTOR_PENALTIES)


def test_vectors_that_tell_nothing_get_a_great_penalty_and_the_mean() -> None:
    train, _ = linear_rows(50, noise=0.0)
    noise = np.random.default_rng(6).normal(size=(100, 40))
    found = vector_ridge_scores(train, noise, noise[:10], attribute="helpfulness")
    assert found.penalty >= 1e3
    assert np.ptp(found.scores) < 0.5 * np.ptp(train["helpfulness"].to_numpy())


def test_the_unit_of_a_dimension_does_not_matter() -> None:
    train, vectors = linear_rows(30, noise=1.0)
    scaled = vectors * [1.0, 1e-3, 1e3, 7.0]
    plain = vector_ridge_scores(train, vectors, vectors, attribute="helpfulness").scores
    assert vector_ridge_scores(train, scaled, scaled, attribute="helpfulness").scores == pytest.approx(plain)


def test_a_dimension_without_variation_is_harmless() -> None:
    train, vectors = linear_rows(30, noise=1.0)
    with_constant = np.column_stack([vectors, np.full(len(vectors), 3.0)])
    plain = vector_ridge_scores(train, vectors, vectors, attribute="helpfulness").scores
    widened = vector_ridge_scores(train, with_constant, with_constant, attribute="helpfulness").scores
    assert widened == pytest.approx(plain)


def test_cross_validation_never_splits_a_prompt() -> None:
    """A vector that names its prompt, whose label is chance, is worth nothing to rows of other prompts.

    Split by row, one half of a prompt would betray the label of the other and the error would fall far below the
    variance of the labels; the halves lie apart, so that cutting the rows in order would split them.
    """
    prompts = 4 * MAX_FOLDS
    labels = np.tile(np.random.default_rng(7).integers(0, 5, size=prompts), 2).astype(float)
    train = pl.DataFrame({"prompt": [str(i % prompts) for i in range(2 * prompts)], "helpfulness": labels})
    names = np.tile(np.eye(prompts), (2, 1))
    found = vector_ridge_scores(train, names, names, attribute="helpfulness")
    assert found.cross_validated_error > 0.9 * labels.var()


def test_vectors_must_meet_their_rows() -> None:
    train, vectors = linear_rows(5, noise=0.0)
    with pytest.raises(ValueError, match="10 rows"):
        vector_ridge_scores(train, vectors[:9], vectors, attribute="helpfulness")


def test_joint_vectors_hold_prompt_response_and_product() -> None:
    joint = joint_vectors(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]))
    assert joint.tolist() == [[1, 2, 3, 4, 3, 8]]


def test_joint_vectors_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        joint_vectors(np.zeros((2, 3)), np.zeros((1, 3)))
