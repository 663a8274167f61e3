import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from steersman.annotation.crowd import draw_crowd, simulate_ratings
from steersman.annotation.escalation import ratings_needed
from steersman.annotation.latent import latent_scores, signals
from steersman.config.cleaning import CleanSettings
from steersman.config.sections import CrowdSettings
from steersman.dataset.cleaning import clean
from steersman.dataset.grid import level_counts
from steersman.errors import DataError
from steersman.records import ATTRIBUTES
from steersman.stats.coefficients import pooled_kappa
from steersman.stats.counts import count_tables
from steersman.store.files import read_table
from steersman.tables import EXAMPLES, RATINGS, check_table

QUESTION = "How do I bake a loaf of bread with yeast and flour?"
GOOD = (
    "Mix flour, water, salt and yeast into a dough. Knead the dough for ten minutes and let it rise. Bake the loaf of"
    " bread in a hot oven until the crust is brown, then let it cool."
)
BAD = "the the the the the the the the the the the the the the the the the the the the the the the the"


def tasks(number: int, *, first: str = GOOD, second: str = BAD) -> pl.DataFrame:
    rows = [
        {
            "task_id": f"task-{task}",
            "prompt": QUESTION,
            "response_id": f"task-{task}/{position}",
            "response": text,
            "position": position,
            "is_finished": position == 0,
        }
        for task in range(number)
        for position, text in enumerate((first, second))
    ]
    return pl.DataFrame(rows)


def simulated(number: int, *, seed: int = 0, crowd: Mapping[str, object] | None = None) -> pl.DataFrame:
    settings = CrowdSettings.model_validate(crowd or {})
    return simulate_ratings(tasks(number), crowd=settings, rng=np.random.default_rng(seed))


QUIET: dict[str, object] = {"bias_sd": 0.0, "noise_sd": 0.0, "careless_share": 0.0, "spammer_share": 0.0}


def test_simulated_ratings_are_a_ratings_table_marked_as_simulated() -> None:
    ratings = simulated(20)
    assert check_table(ratings, table=RATINGS, source="test").equals(ratings)
    assert ratings["simulated"].all()


def test_the_same_seed_gives_the_same_ratings() -> None:
    assert simulated(20, seed=5).equals(simulated(20, seed=5))
    assert not simulated(20, seed=5).equals(simulated(20, seed=6))


def test_a_crowd_without_faults_gives_the_rounded_latent_values() -> None:
    ratings = simulated(1, crowd=QUIET)
    expected = np.floor(latent_scores(tasks(1)) + 0.5).astype(int)
    for position in (0, 1):
        rows = ratings.filter(pl.col("position") == position).select(ATTRIBUTES).rows()
        assert rows == [tuple(expected[position].tolist())] * 3


def test_each_annotator_rates_both_responses_of_a_task_once() -> None:
    counts = simulated(50).group_by("task_id", "annotator").agg(pl.col("response_id").n_unique(), pl.len())
    assert counts.select("response_id", "len").unique().rows() == [(2, 2)]


def test_a_task_has_five_annotators_exactly_when_its_first_three_disagree() -> None:
    for (_,), rows in simulated(100, crowd={"spammer_share": 0.3}).group_by("task_id", maintain_order=True):
        ordered = rows.sort("created_at")
        helpfulness = [ordered.filter(pl.col("position") == each)["helpfulness"].to_list() for each in (0, 1)]
        assert rows["annotator"].n_unique() == ratings_needed(helpfulness)


def test_times_follow_the_order_of_submission() -> None:
    times = [datetime.fromisoformat(text) for text in simulated(10)["created_at"].to_list()]
    assert times == sorted(times)
    assert times[0].utcoffset() is not None


def test_spammers_are_as_many_as_asked_and_half_of_them_constant() -> None:
    settings = CrowdSettings.model_validate({"annotators": 20, "spammer_share": 0.2})
    crowd = draw_crowd(settings, rng=np.random.default_rng(0))
    assert (int(crowd.is_spammer.sum()), int(crowd.is_constant.sum())) == (4, 2)
    assert not (crowd.is_constant & ~crowd.is_spammer).any()


def test_a_constant_spammer_gives_one_score_to_everything() -> None:
    ratings = simulated(60, crowd={"annotators": 5, "spammer_share": 0.2})
    counts = ratings.group_by("annotator").agg(pl.concat_list(ATTRIBUTES).explode().n_unique().alias("scores"))
    assert (counts["scores"] == 1).sum() == 1


def test_careless_ratings_are_spread_over_the_whole_scale() -> None:
    scores = simulated(200, crowd={**QUIET, "careless_share": 1.0})["coherence"].to_numpy()
    shares = np.bincount(scores, minlength=5) / scores.size
    np.testing.assert_allclose(shares, 0.2, atol=0.05)


def test_rows_that_do_not_come_in_twos_are_refused() -> None:
    settings = CrowdSettings.model_validate({})
    with pytest.raises(DataError, match="two neighbouring rows"):
        simulate_ratings(tasks(2)[:3], crowd=settings, rng=np.random.default_rng(0))


def test_an_answer_to_the_question_is_worth_more_than_repetition() -> None:
    latent = latent_scores(tasks(3))
    helpfulness, coherence = ATTRIBUTES.index("helpfulness"), ATTRIBUTES.index("coherence")
    assert latent[0, helpfulness] > latent[1, helpfulness] + 1
    assert latent[0, coherence] > latent[1, coherence] + 1


def test_a_cut_response_is_worth_less_than_a_finished_one() -> None:
    table = tasks(1, first=GOOD, second=GOOD)
    latent = latent_scores(table)
    assert latent[0, 0] > latent[1, 0]
    assert latent[0, 4] == latent[1, 4]


def test_an_empty_response_is_worth_almost_nothing() -> None:
    latent = latent_scores(tasks(3, second=""))
    assert latent[1, 0] < 0.5
    assert latent[1, 4] < 0.5


def test_texts_without_any_word_have_no_known_relevance() -> None:
    table = tasks(1, first="!", second="?").with_columns(prompt=pl.lit("..."))
    assert signals(table)["relevance"].tolist() == [0.5, 0.5]


def real_tasks() -> pl.DataFrame:
    folder = os.environ.get("STEERSMAN_DATA")
    if not folder:
        pytest.skip("STEERSMAN_DATA is not set")
    examples = read_table(Path(folder) / "helpsteer2" / "validation.jsonl", table=EXAMPLES)
    return examples.select("prompt", "response").with_columns(
        task_id=pl.Series([f"task-{row // 2}" for row in range(examples.height)]),
        response_id=pl.Series([f"response-{row}" for row in range(examples.height)]),
        position=pl.Series([row % 2 for row in range(examples.height)]),
        is_finished=pl.col("response").str.contains(r"[.!?:)\"'\]`*>]\s*$"),
    )


@pytest.mark.data
def test_on_real_texts_the_crowd_agrees_about_as_much_as_people_did() -> None:
    ratings = simulate_ratings(real_tasks(), crowd=CrowdSettings.model_validate({}), rng=np.random.default_rng(0))
    result = clean(ratings, rules=CleanSettings.model_validate({}))
    counts = level_counts(result.rated.grid, used=result.stages.first_three, attribute=0)
    kappa = pooled_kappa(count_tables(counts), weights="quadratic").value
    assert kappa is not None
    assert 0.35 < kappa < 0.6


@pytest.mark.data
def test_on_real_texts_helpfulness_and_correctness_go_together() -> None:
    latent = latent_scores(real_tasks())
    assert np.corrcoef(latent[:, 0], latent[:, 1])[0, 1] == pytest.approx(0.9, abs=0.05)
