from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from steersman.config.sections import CleanSettings
from steersman.dataset.card import CardFacts, card_text
from steersman.dataset.chance import Design, design_of, random_raters
from steersman.dataset.examples import describe, pairs_from_examples, split_by_prompt, statistics
from steersman.dataset.grid import grid_from_array
from steersman.errors import DataError
from steersman.records import ATTRIBUTES, Message, prompt_to_text
from steersman.tables import EXAMPLES, table_from_rows


def examples(helpfulness: Sequence[int], *, prompts: Sequence[str] | None = None) -> pl.DataFrame:
    names = prompts or [f"prompt {row // 2}" for row in range(len(helpfulness))]
    rows = [
        {"prompt": name, "response": f"response {row}", **dict.fromkeys(ATTRIBUTES, 2), "helpfulness": score}
        for row, (name, score) in enumerate(zip(names, helpfulness, strict=True))
    ]
    return table_from_rows(rows, table=EXAMPLES, source="test")


def test_the_more_helpful_response_is_chosen_and_ties_make_no_pair() -> None:
    pairs = pairs_from_examples(examples([1, 4, 3, 2, 2, 2]))
    assert pairs.rows() == [
        ("prompt 0", "response 1", "response 0", 3.0),
        ("prompt 1", "response 2", "response 3", 1.0),
    ]


def test_pairs_can_follow_another_attribute() -> None:
    assert pairs_from_examples(examples([1, 4]), attribute="verbosity").height == 0


def test_neighbours_with_different_prompts_are_refused() -> None:
    with pytest.raises(DataError, match="rows 3 and 4 have different prompts"):
        pairs_from_examples(examples([1, 2, 3, 4], prompts=["a", "a", "b", "c"]))


def test_a_last_row_without_partner_is_refused() -> None:
    with pytest.raises(DataError, match="the last one has no partner"):
        pairs_from_examples(examples([1, 2, 3]))


def test_no_prompt_is_on_both_sides_of_the_split() -> None:
    names = [f"prompt {row // 4}" for row in range(80)]
    split = split_by_prompt(examples([1] * 80, prompts=names), validation_share=0.25, rng=np.random.default_rng(0))
    assert not set(split.train["prompt"]) & set(split.validation["prompt"])
    assert split.rows == {"train": 60, "validation": 20}


def test_the_split_depends_on_no_order_of_tasks() -> None:
    table = examples([1] * 40)
    backwards = pl.concat([table[row : row + 2] for row in range(38, -1, -2)])
    first = split_by_prompt(table, validation_share=0.2, rng=np.random.default_rng(3)).validation
    second = split_by_prompt(backwards, validation_share=0.2, rng=np.random.default_rng(3)).validation
    assert set(first["prompt"]) == set(second["prompt"])


def test_a_small_share_still_sets_one_prompt_aside_and_none_sets_nothing_aside() -> None:
    rng = np.random.default_rng(0)
    assert split_by_prompt(examples([1] * 6), validation_share=0.01, rng=rng).rows == {"train": 4, "validation": 2}
    assert split_by_prompt(examples([1] * 6), validation_share=0.0, rng=rng).rows == {"train": 6}


def test_training_keeps_the_only_prompt() -> None:
    split = split_by_prompt(examples([1, 2]), validation_share=0.9, rng=np.random.default_rng(0))
    assert split.rows == {"train": 2}


def test_statistics_are_those_of_the_columns() -> None:
    found = describe(examples([0, 1, 2, 3]))
    assert found["helpfulness"].mean == pytest.approx(1.5)
    assert found["helpfulness"].std == pytest.approx(np.sqrt(1.25))
    assert found["helpfulness"].pearson == pytest.approx(1.0)
    assert found["verbosity"].pearson is None


def test_every_turn_of_a_prompt_is_counted() -> None:
    prompt = prompt_to_text([Message("user", "one"), Message("assistant", "two"), Message("user", "three")])
    found = statistics(examples([0, 1, 2, 3], prompts=[prompt, prompt, "x", "x"]))
    assert found["turns_in_prompt"] == {"mean": 2.0, "std": 1.0, "pearson_helpfulness": pytest.approx(-2 / np.sqrt(5))}
    assert found["multi_turn_share"] == 0.5


def test_labels_are_counted_by_level() -> None:
    found = statistics(examples([0, 1, 3, 3]))["helpfulness"]
    assert isinstance(found, dict)
    assert found["histogram"] == [1, 1, 0, 2, 0]


def test_no_examples_cannot_be_described() -> None:
    with pytest.raises(DataError, match="no examples"):
        describe(examples([]))


def facts(*, simulated: bool) -> CardFacts:
    stage = {"kappa_quadratic": 0.5, "random_raters": 0.25}
    return CardFacts(
        licence="CC-BY-4.0",
        sources=["ratings: crowd (CC0-1.0)"],
        simulated=simulated,
        tasks=(3, 2),
        ratings=(18, 12),
        dropped={"spread": 1},
        splits={"train": 4},
        columns=describe(examples([0, 1, 2, 3])),
        agreement={name: {"first_three": None, "all": stage} for name in ATTRIBUTES},
        rules=CleanSettings.model_validate({}),
    )


def test_the_title_of_a_simulated_dataset_says_so() -> None:
    assert "# mine (SIMULATED ratings)" in card_text(facts(simulated=True), name="mine").splitlines()
    assert "SIMULATED" not in card_text(facts(simulated=False), name="mine")


def test_the_card_puts_chance_beside_kappa_and_names_what_is_not_known() -> None:
    assert "| helpfulness | not known | 0.500 (0.250) |" in card_text(facts(simulated=False), name="mine")


def needed(ratings: Sequence[Sequence[int | None]]) -> int:
    spreads = [max(known) - min(known) for each in ratings if (known := [score for score in each if score is not None])]
    return 5 if max(spreads) > 2 else 3


def test_a_design_that_adds_raters_on_dispute_is_recognised() -> None:
    scores = np.random.default_rng(0).integers(0, 5, size=(200, 2, 5, 5))
    raters = np.array([needed(task) for task in scores[:, :, :3, 0].tolist()])
    assert design_of(grid_from_array(scores, raters=raters), needed=needed).is_extended


def test_a_design_with_one_number_of_raters_is_not_taken_for_it() -> None:
    scores = np.random.default_rng(0).integers(0, 5, size=(200, 2, 5, 5))
    for number in (2, 3, 5):
        assert not design_of(grid_from_array(scores, raters=np.full(200, number)), needed=needed).is_extended


def test_random_raters_come_in_the_numbers_of_the_design() -> None:
    design = Design(np.array([2, 2, 2, 4]), is_extended=False)
    grid = random_raters(design, needed=needed, keep=3, rng=np.random.default_rng(1))
    sizes = np.bincount(grid.response)
    assert set(sizes.tolist()) == {2, 4}
    assert (sizes == 4).mean() == pytest.approx(0.25, abs=0.02)
    assert grid.num_tasks >= 20_000
