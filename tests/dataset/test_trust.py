"""Who is found untrustworthy among people planted as such, and what shrinkage and rounds change."""

import tracemalloc
from collections.abc import Callable, Mapping

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import cohen_kappa_score

from steersman.config.cleaning import TrustSettings
from steersman.dataset.reading import read_ratings_table
from steersman.dataset.trust import (
    CONSTANT,
    FAILED_GOLD,
    LOW_AGREEMENT,
    RELIABILITY_UNIT,
    TOO_FAST,
    Trust,
    judge_annotators,
)
from steersman.errors import DataError
from steersman.records import ATTRIBUTES
from steersman.tables import RATINGS, table_from_rows

Row = dict[str, object]
Scores = list[int | None]
# what somebody gives a response, by its number and the truth
Habit = Callable[[int, int], Scores]


def honest(number: int, truth: int) -> Scores:
    # off by one on every seventh response, so that agreement is high and not perfect
    return [min(4, truth + (number % 7 == 0))] * 5


def constant(number: int, truth: int) -> Scores:
    del number, truth
    return [3, 3, 4, 2, 1]


def contrary(number: int, truth: int) -> Scores:
    return [4 - truth if number % 2 else truth, *[4 - truth] * 4]


def table(people: Mapping[str, Habit], *, responses: int = 60, **columns: Callable[[str, int], object]) -> pl.DataFrame:
    truths = np.random.default_rng(5).integers(0, 5, size=responses).tolist()
    rows: list[Row] = [
        {
            "task_id": f"t{number // 2:03d}",
            "prompt": f"p{number // 2}",
            "response_id": f"r{number:03d}",
            "response": "text",
            "position": number % 2,
            "annotator": name,
            **dict(zip(ATTRIBUTES, habit(number, truth), strict=True)),
            **{column: value(name, number) for column, value in columns.items()},
        }
        for number, truth in enumerate(truths)
        for name, habit in people.items()
    ]
    return table_from_rows(rows, table=RATINGS, source="test")


def judged(ratings: pl.DataFrame, *, is_named: bool = True, **rules: object) -> Trust:
    return judge_annotators(read_ratings_table(ratings, is_named=is_named), rules=TrustSettings.model_validate(rules))


def reasons(trust: Trust) -> dict[str, str | None]:
    return dict(zip(trust.figures["annotator"].to_list(), trust.reasons, strict=True))


HONEST: dict[str, Habit] = dict.fromkeys("abcd", honest)


def test_honest_annotators_are_all_trusted() -> None:
    trust = judged(table(HONEST))
    assert trust.is_trusted.all()
    assert trust.figures["reason"].null_count() == 4


def test_whoever_answers_always_the_same_is_removed_as_constant() -> None:
    assert reasons(judged(table({**HONEST, "z": constant}))) == {**dict.fromkeys("abcd"), "z": CONSTANT}


def test_whoever_disagrees_with_everybody_is_removed_for_low_agreement() -> None:
    assert reasons(judged(table({**HONEST, "z": contrary})))["z"] == LOW_AGREEMENT


def test_too_little_evidence_removes_nobody() -> None:
    ratings = table({**HONEST, "z": constant}, responses=18)
    assert judged(ratings).is_trusted.all()
    assert not judged(ratings, min_responses=18, prior_responses=0).is_trusted.all()


def test_a_prior_of_the_crowd_protects_those_with_few_responses() -> None:
    # the constant one has a share of 1 of 30 responses; the honest ones give each of five answers about equally often
    ratings = table({**HONEST, "z": constant}, responses=30)
    figures = judged(ratings, enabled=False).figures
    crowd = float(figures["constant_share"].to_numpy() @ figures["responses"].to_numpy() / figures["responses"].sum())
    limit = (30 * 1.0 + 40 * crowd) / (30 + 40)
    assert not judged(ratings, prior_responses=40, max_constant=limit - 0.01, min_agreement=-1).is_trusted.all()
    assert judged(ratings, prior_responses=40, max_constant=limit + 0.01, min_agreement=-1).is_trusted.all()


def test_agreement_is_the_mean_over_attributes_of_kappa_with_everybody_else() -> None:
    ratings = table({"a": honest, "b": honest, "z": contrary})
    wide = ratings.pivot(on="annotator", index="response_id", values=list(ATTRIBUTES))
    kappas = []
    for name in ATTRIBUTES:
        own = wide[f"{name}_z"].to_list() * 2
        others = wide[f"{name}_a"].to_list() + wide[f"{name}_b"].to_list()
        kappas.append(cohen_kappa_score(own, others, weights="quadratic"))
    trust = judged(ratings, enabled=False)
    figures = trust.figures.filter(annotator="z")
    assert figures["agreement"].item() == pytest.approx(np.mean(kappas), abs=1e-12)
    assert figures["responses"].item() == 60
    everybody = trust.figures["agreement"].to_numpy()
    shrunk = (60 * np.mean(kappas) + 20 * everybody.mean()) / 80
    assert trust.reliability[2] * RELIABILITY_UNIT == pytest.approx(shrunk, abs=RELIABILITY_UNIT)


def test_spammers_who_make_each_other_look_usual_go_in_a_later_round() -> None:
    # while x, y and z are among them, honest annotators agree so little on average that nobody falls short but x
    def weaker(number: int, truth: int) -> Scores:
        return contrary(number, truth) if number % 5 else [truth] * 5

    people: dict[str, Habit] = {**HONEST, "x": contrary, "y": weaker}
    trust = judged(table(people), min_agreement=0.0, prior_responses=0)
    rounds = dict(zip(trust.figures["annotator"].to_list(), trust.figures["round"].to_list(), strict=True))
    alone = judged(table({**HONEST, "y": weaker}), min_agreement=0.0, prior_responses=0)
    assert reasons(trust)["x"] == LOW_AGREEMENT
    assert (rounds["x"], rounds["a"]) == (1, None)
    # the fixed point does not depend on who was found first
    assert reasons(trust)["y"] == reasons(alone)["y"]


def test_whoever_takes_a_tenth_of_the_others_time_is_too_fast() -> None:
    ratings = table(
        {**HONEST, "z": honest}, seconds=lambda name, number: (6.0 if name == "z" else 60.0) * (1 + number % 3)
    )
    trust = judged(ratings, prior_responses=0)
    assert reasons(trust) == {**dict.fromkeys("abcd"), "z": TOO_FAST}
    assert trust.figures.filter(annotator="z")["speed_ratio"].item() == pytest.approx(0.1)
    # (60 / 60+20) of the logarithm of a tenth is 0.18
    assert judged(ratings, min_speed_ratio=0.17).is_trusted.all()
    assert not judged(ratings, min_speed_ratio=0.18).is_trusted.all()


def test_without_times_nobody_is_too_fast() -> None:
    trust = judged(table(HONEST))
    assert trust.figures["speed_ratio"].null_count() == 4


def gold_rows(ratings: pl.DataFrame, *, tasks: int) -> pl.DataFrame:
    return ratings.with_columns(gold=pl.col("task_id") < f"t{tasks:03d}")


def test_gold_is_failed_where_helpfulness_is_off_by_more_than_one_level() -> None:
    def careless(number: int, truth: int) -> Scores:
        return [(truth + 2) % 5] * 5 if number < 12 else honest(number, truth)

    trust = judged(gold_rows(table({**HONEST, "z": careless}), tasks=6), prior_responses=0)
    figures = trust.figures.filter(annotator="z")
    # five people answered, four of them alike: the median is theirs
    truths = np.random.default_rng(5).integers(0, 5, size=60)[:12].tolist()
    apart = [abs((honest(n, t)[0] or 0) - (t + 2) % 5) for n, t in enumerate(truths)]
    expected = sum(each > 1 for each in apart) / 12
    assert (figures["gold_answers"].item(), figures["gold_failure_share"].item()) == (12, expected)
    assert reasons(trust) == {**dict.fromkeys("abcd"), "z": FAILED_GOLD}


def test_the_key_of_gold_outweighs_the_majority_and_is_judged_by_nobody() -> None:
    def key(number: int, truth: int) -> Scores:
        return [4 - truth] * 5

    ratings = gold_rows(table({**HONEST, "gold": key}), tasks=10)
    trust = judged(ratings.filter((pl.col("annotator") != "gold") | pl.col("gold")), prior_responses=0)
    # the truth and its mirror are 4 or 2 apart, 0 where the truth is 2; the honest are never off by more than one
    truths = np.random.default_rng(5).integers(0, 5, size=60)[:20]
    apart = np.abs(
        np.array([honest(number, truth)[0] or 0 for number, truth in enumerate(truths.tolist())]) + truths - 4
    )
    figures = trust.figures.filter(annotator="a")
    assert figures["gold_failure_share"].item() == pytest.approx(float((apart > 1).mean()))
    assert trust.figures.filter(annotator="gold")["gold_answers"].item() == 0


def test_places_in_lists_are_nobody_and_nobody_is_judged() -> None:
    trust = judged(table({**HONEST, "z": constant}), is_named=False)
    assert trust.is_trusted.all()
    assert trust.reliability.tolist() == [0] * 5


def test_names_and_order_of_rows_change_no_verdict() -> None:
    ratings = table({**HONEST, "z": constant, "y": contrary})
    shuffled = ratings.sample(fraction=1.0, shuffle=True, seed=3)
    renamed = shuffled.with_columns(annotator=pl.col("annotator").replace({"a": "zz", "z": "aa"}))
    found = {
        ("zz" if name == "a" else "aa" if name == "z" else name): why for name, why in reasons(judged(ratings)).items()
    }
    assert reasons(judged(renamed)) == found


def test_one_score_too_many_does_not_weigh_as_much_as_sixty() -> None:
    # verbosity of one response only, on which they are as far apart as can be: a kappa of 0 from a single pair
    def of_one(number: int, truth: int) -> Scores:
        return [*[truth] * 4, 0 if number == 0 else None]

    def other(number: int, truth: int) -> Scores:
        return [*[truth] * 4, 4 if number == 0 else None]

    figures = judged(table({"a": of_one, "b": other}), enabled=False).figures
    assert figures["agreement"].to_list() == pytest.approx([(4 * 60 * 1.0 + 1 * 0.0) / 241] * 2)


def test_one_time_is_too_little_to_be_too_fast() -> None:
    def seconds(name: str, number: int) -> float | None:
        return (0.5 if name == "z" else 60.0) if number < 10 or name != "z" else None

    ratings = table({**HONEST, "z": honest}, seconds=seconds)
    trust = judged(ratings, prior_responses=0)
    assert trust.figures.filter(annotator="z")["timed_responses"].item() == 10
    assert trust.is_trusted.all()
    # with ten of them as evidence, ten and ten of the crowd's make the square root of 1/120
    assert judged(ratings, prior_responses=10, min_responses=10, min_speed_ratio=0.0913).reasons[-1] == TOO_FAST
    assert judged(ratings, prior_responses=10, min_responses=10, min_speed_ratio=0.0912).is_trusted.all()


def test_a_crowd_of_many_who_rated_little_needs_no_table_of_all_their_answers() -> None:
    people = {f"annotator-{number:06d}": honest for number in range(20_000)}
    ratings = table(people, responses=1)
    tracemalloc.start()
    figures = judged(ratings, enabled=False).figures
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert figures["constant_share"].to_list() == [1.0] * 20_000
    # all answers of all people, 6 ** 5 of 8 bytes each, would be 1.2 GB
    assert most < 20_000 * 6**5


def test_gold_answered_twice_is_refused() -> None:
    gold = gold_rows(table(HONEST), tasks=6)
    with pytest.raises(DataError, match="annotator 'a' rated response 'r000' of task 't000' 2 times"):
        judged(pl.concat([gold, gold.head(1)]))
