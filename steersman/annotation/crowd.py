"""A modelled crowd: annotators with leanings, noise, lapses and a few spammers rate responses they never read.

Everything it makes is marked as simulated. docs/crowd.md states every formula. T tasks of two responses, M = 5
annotators at most, A = 5 attributes.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from steersman.annotation.escalation import MOST_ANNOTATORS, ratings_needed
from steersman.annotation.latent import latent_scores
from steersman.config.sections import CrowdSettings
from steersman.errors import DataError
from steersman.records import ATTRIBUTES, MAX_SCORE, MIN_SCORE, NUM_LEVELS
from steersman.tables import RATINGS

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

START = datetime(2024, 1, 1, tzinfo=UTC)
RESPONSES_PER_TASK = 2
# Helpfulness, correctness and coherence of one rating share a part of their noise: a mood, or a halo.
SHARED_NOISE = 0.5
_SHARING = tuple(ATTRIBUTES.index(name) for name in ("helpfulness", "correctness", "coherence"))
_HELPFULNESS = ATTRIBUTES.index("helpfulness")
_READING_WORDS_PER_SECOND = 4.0
_SECONDS_PER_FORM = 40.0
_SECONDS_SPREAD = 0.3
_SECONDS_UNREAD = (4.0, 15.0)


@dataclass(frozen=True, slots=True)
class Crowd:
    """The annotators (N,): `leanings` (N, A) in levels; `is_spammer`; `habits` (N, A), a constant spammer's scores.

    `is_constant` says which spammers give the same scores to everything; the others draw them at random.
    """

    leanings: FloatArray
    is_spammer: BoolArray
    is_constant: BoolArray
    habits: IntArray


def draw_crowd(crowd: CrowdSettings, *, rng: np.random.Generator) -> Crowd:
    """Return the annotators of a crowd; of its spammers every other one is constant."""
    shape = (crowd.annotators, len(ATTRIBUTES))
    spammers = rng.permutation(crowd.annotators)[: round(crowd.spammer_share * crowd.annotators)]
    is_spammer, is_constant = np.zeros((2, crowd.annotators), dtype=np.bool_)
    is_spammer[spammers] = True
    is_constant[spammers[::2]] = True
    return Crowd(
        leanings=rng.normal(0.0, crowd.bias_sd, size=shape),
        is_spammer=is_spammer,
        is_constant=is_constant,
        habits=np.repeat(rng.integers(MIN_SCORE, NUM_LEVELS, size=(crowd.annotators, 1)), len(ATTRIBUTES), axis=1),
    )


def simulate_ratings(
    tasks: pl.DataFrame, *, crowd: CrowdSettings, rng: np.random.Generator, start: datetime = START
) -> pl.DataFrame:
    """Return a RATINGS table for `tasks`, three annotators a task or five where the first three disagree.

    `tasks` has two neighbouring rows per task: task_id, prompt, response_id, response, position (0 or 1), is_finished.
    An annotator rates both responses of a task, and no task twice. Raises DataError when rows do not come in twos.
    """
    _refuse_unpaired(tasks)
    people = draw_crowd(crowd, rng=rng)
    num_tasks = tasks.height // RESPONSES_PER_TASK
    annotators = rng.random((num_tasks, crowd.annotators)).argsort(axis=1)[:, :MOST_ANNOTATORS]
    latent = latent_scores(tasks).reshape(num_tasks, RESPONSES_PER_TASK, 1, len(ATTRIBUTES))
    is_unread = rng.random((num_tasks, RESPONSES_PER_TASK, MOST_ANNOTATORS)) < crowd.careless_share
    scores = crowd_scores(latent, annotators, people=people, is_unread=is_unread, noise_sd=crowd.noise_sd, rng=rng)
    raters = np.array([ratings_needed(each) for each in scores[..., _HELPFULNESS].tolist()], dtype=np.int64)
    seconds = _seconds(tasks, is_unread.all(axis=1) | people.is_spammer[annotators], rng=rng)
    return _table(tasks, annotators=annotators, scores=scores, raters=raters, seconds=seconds, start=start)


def crowd_scores(
    latent: FloatArray,
    annotators: IntArray,
    *,
    people: Crowd,
    is_unread: BoolArray,
    noise_sd: float,
    rng: np.random.Generator,
) -> IntArray:
    """Return what each annotator gives each response, shape (T, 2, M, A).

    `latent` is (T, 2, 1, A), `annotators` (T, M) says who rates a task and `is_unread` (T, 2, M) what was not read.
    """
    shape = (*is_unread.shape, len(ATTRIBUTES))
    noise = rng.normal(0.0, 1.0, size=shape)
    shared = rng.normal(0.0, 1.0, size=(*is_unread.shape, 1))
    for index in _SHARING:
        noise[..., [index]] = np.sqrt(SHARED_NOISE) * shared + np.sqrt(1.0 - SHARED_NOISE) * noise[..., [index]]
    felt = latent + people.leanings[annotators][:, None] + noise_sd * noise
    scores = np.clip(np.floor(felt + 0.5), MIN_SCORE, MAX_SCORE).astype(np.int64)
    drawn = rng.integers(MIN_SCORE, NUM_LEVELS, size=shape)
    is_random = is_unread | people.is_spammer[annotators][:, None]
    scores = np.where(is_random[..., None], drawn, scores)
    is_constant = people.is_constant[annotators][:, None, :, None]
    return np.asarray(np.where(is_constant, people.habits[annotators][:, None], scores), dtype=np.int64)


def _refuse_unpaired(tasks: pl.DataFrame) -> None:
    first, second = tasks["task_id"].gather_every(2), tasks["task_id"].gather_every(2, offset=1)
    if tasks.is_empty() or first.len() != second.len() or (first != second).any() or first.n_unique() != first.len():
        raise DataError("tasks to rate come as two neighbouring rows each, with one task_id that no other task has")


def _seconds(tasks: pl.DataFrame, is_unread: BoolArray, *, rng: np.random.Generator) -> FloatArray:
    """Return how long each annotator took for each task, both responses together, shape (T, M)."""
    words = tasks["response"].str.count_matches(r"\w+").to_numpy().reshape(-1, RESPONSES_PER_TASK).sum(axis=1)
    reading = _SECONDS_PER_FORM + words[:, None] / _READING_WORDS_PER_SECOND
    read = reading * np.exp(rng.normal(0.0, _SECONDS_SPREAD, size=is_unread.shape))
    return np.asarray(np.round(np.where(is_unread, rng.uniform(*_SECONDS_UNREAD, size=is_unread.shape), read), 1))


def _table(
    tasks: pl.DataFrame,
    *,
    annotators: IntArray,
    scores: IntArray,
    raters: IntArray,
    seconds: FloatArray,
    start: datetime,
) -> pl.DataFrame:
    """Return the ratings that count as a table: by task, then annotator in order of submission, then response."""
    task, turn = np.nonzero(np.arange(annotators.shape[1]) < raters[:, None])
    task, turn = np.repeat(task, RESPONSES_PER_TASK), np.repeat(turn, RESPONSES_PER_TASK)
    response = np.tile(np.arange(RESPONSES_PER_TASK), task.size // RESPONSES_PER_TASK)
    spent = seconds[task, turn]
    # one form after the other: a form is submitted when its seconds, and those of all before it, have passed
    elapsed = np.repeat(np.cumsum(spent[::RESPONSES_PER_TASK]), RESPONSES_PER_TASK)
    given = scores[task, response, turn]
    times = [(start + timedelta(seconds=each)).isoformat(timespec="milliseconds") for each in elapsed.tolist()]
    texts = tasks[(task * RESPONSES_PER_TASK + response).tolist()]
    rated = texts.select("task_id", "prompt", "response_id", "response", "position").with_columns(
        pl.Series("annotator", [f"annotator-{number:02d}" for number in (annotators[task, turn] + 1).tolist()]),
        *(pl.Series(name, given[:, index]) for index, name in enumerate(ATTRIBUTES)),
        pl.Series("seconds", spent),
        pl.Series("created_at", times),
        gold=pl.lit(value=False),
        surplus=pl.lit(value=False),
        simulated=pl.lit(value=True),
    )
    absent = [
        pl.lit(None, dtype=kind).alias(name) for name, kind in RATINGS.schema.items() if name not in rated.columns
    ]
    whole: pl.DataFrame = rated.with_columns(absent).select(list(RATINGS.columns)).cast(dict(RATINGS.schema))
    return whole
