from dataclasses import replace

from steersman.config.cleaning import CleanSettings
from steersman.dataset.card import CardFacts, Collection, card_text
from steersman.dataset.statistics import describe, measure
from steersman.records import ATTRIBUTES
from steersman.tables import EXAMPLES, table_from_rows

ROWS = [
    {"prompt": f"prompt {row // 2}", "response": "text", **dict.fromkeys(ATTRIBUTES, 2), "helpfulness": row}
    for row in range(4)
]


def facts(*, simulated: bool = False, preferences: bool = False, **rules: object) -> CardFacts:
    stage = {"kappa_quadratic": 0.5, "kappa_ci95": [0.4, 0.6], "random_raters": 0.25}
    return CardFacts(
        licence="CC-BY-4.0",
        sources=["ratings: crowd (CC0-1.0)"],
        simulated=simulated,
        tasks=(3, 2),
        ratings=(18, 12),
        dropped={"spread": 1},
        splits={"train": 4},
        columns=describe(measure(table_from_rows(ROWS, table=EXAMPLES, source="test"))),
        agreement={name: {"first_three": None, "all": stage} for name in ATTRIBUTES},
        rules=CleanSettings.model_validate(rules),
        collection=Collection(
            annotators=7,
            annotators_removed={"annotator_too_fast": 2},
            per_response=3.25,
            days=("2026-01-05", "2026-02-06"),
            guideline_versions=["1", "2"],
            deliveries=[],
        ),
        has_preferences=preferences,
    )


def test_the_title_of_a_simulated_dataset_says_so() -> None:
    assert "# mine (SIMULATED ratings)" in card_text(facts(simulated=True), name="mine").splitlines()
    assert "SIMULATED" not in card_text(facts(simulated=False), name="mine")


def test_the_card_puts_chance_beside_kappa_and_names_what_is_not_known() -> None:
    assert "| helpfulness | not known | 0.500, 0.400 to 0.600 (0.250) |" in card_text(facts(), name="mine")


def test_the_card_says_who_rated_and_when() -> None:
    text = card_text(facts(), name="mine")
    assert "7 annotators gave 3.25 ratings per response on average." in text
    assert "They rated from 2026-01-05 to 2026-02-06." in text
    assert "Guideline versions: 1, 2." in text
    assert "Deliveries" not in text
    assert "removed as not trusted: 2 for too fast." in text


def test_ratings_of_one_day_have_no_span() -> None:
    found = facts()
    one_day = replace(found, collection=replace(found.collection, days=("2026-01-05", "2026-01-05")))
    assert "They rated on 2026-01-05." in card_text(one_day, name="mine")


def test_the_card_states_the_rules_that_were_used() -> None:
    text = card_text(facts(criterion="range", select_on="verbosity", rounding="half_even"), name="mine")
    assert "smallest range, the same ratings for all attributes, on verbosity alone" in text
    assert "(half even)" in text


def test_preferences_are_a_configuration_of_their_own_where_there_are_any() -> None:
    assert "- config_name: preference" in card_text(facts(preferences=True), name="mine").splitlines()
    assert "preference" not in card_text(facts(), name="mine")
