from steersman.config.cleaning import CleanSettings
from steersman.dataset.card import CardFacts, card_text
from steersman.dataset.statistics import describe, measure
from steersman.records import ATTRIBUTES
from steersman.tables import EXAMPLES, table_from_rows

ROWS = [
    {"prompt": f"prompt {row // 2}", "response": "text", **dict.fromkeys(ATTRIBUTES, 2), "helpfulness": row}
    for row in range(4)
]


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
        columns=describe(measure(table_from_rows(ROWS, table=EXAMPLES, source="test"))),
        agreement={name: {"first_three": None, "all": stage} for name in ATTRIBUTES},
        rules=CleanSettings.model_validate({}),
    )


def test_the_title_of_a_simulated_dataset_says_so() -> None:
    assert "# mine (SIMULATED ratings)" in card_text(facts(simulated=True), name="mine").splitlines()
    assert "SIMULATED" not in card_text(facts(simulated=False), name="mine")


def test_the_card_puts_chance_beside_kappa_and_names_what_is_not_known() -> None:
    assert "| helpfulness | not known | 0.500 (0.250) |" in card_text(facts(simulated=False), name="mine")
