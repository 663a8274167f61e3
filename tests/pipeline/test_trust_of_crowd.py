"""The default rules of trust on the modelled crowd, whose spammers are known."""

import numpy as np
import polars as pl
import pytest

from steersman.annotation.crowd import draw_crowd, simulate_ratings
from steersman.config.cleaning import TrustSettings
from steersman.config.sections import CrowdSettings
from steersman.dataset.reading import read_ratings_table
from steersman.dataset.trust import judge_annotators

WORDS = np.array(
    ["bread", "water", "oven", "flour", "yeast", "dough", "loaf", "crust", "heat", "rise", "knead", "warm"]
)


def tasks(number: int, *, rng: np.random.Generator) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "task_id": f"task-{task}",
                "prompt": f"How do I bake bread number {task}?",
                "response_id": f"task-{task}/{position}",
                "response": " ".join(rng.choice(WORDS, size=int(rng.integers(4, 120)))),
                "position": position,
                "is_finished": bool(rng.integers(2)),
            }
            for task in range(number)
            for position in (0, 1)
        ]
    )


@pytest.mark.parametrize("with_times", [True, False])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_spammers_of_the_modelled_crowd_are_found_and_nobody_else(seed: int, with_times: bool) -> None:
    crowd = CrowdSettings.model_validate({"annotators": 30, "spammer_share": 0.1})
    people = draw_crowd(crowd, rng=np.random.default_rng(seed))
    # the crowd is drawn first, so that the same seed gives the same people
    ratings = simulate_ratings(tasks(200, rng=np.random.default_rng(9)), crowd=crowd, rng=np.random.default_rng(seed))
    if not with_times:
        ratings = ratings.with_columns(seconds=pl.lit(None, dtype=pl.Float64))
    trust = judge_annotators(read_ratings_table(ratings), rules=TrustSettings.model_validate({}))
    removed = trust.figures.filter(~pl.col("is_trusted"))["annotator"].to_list()
    assert removed == [f"annotator-{number + 1:02d}" for number in np.flatnonzero(people.is_spammer).tolist()]
    assert len(removed) == 3
