"""UltraFeedback's ratings and Nectar's ranks become pairs; both are labelled by GPT-4."""

import pytest
from reading import Row, ends, read

from steersman.sources.readers.nectar import read_nectar
from steersman.sources.readers.ultrafeedback import ASPECTS, read_ultrafeedback


def completion(response: str, *ratings: str) -> Row:
    return {
        "model": "a-model",
        "principle": "honesty",
        "custom_system_prompt": "Be honest.",
        "response": response,
        "critique": "...",
        # the published overall score is not looked at
        "overall_score": 10.0,
        "fine-grained_score": 1.0,
        "annotations": {
            aspect: {"Rating": rating, "Rationale": "..."} for aspect, rating in zip(ASPECTS, ratings, strict=True)
        },
    }


def instruction(*completions: Row) -> Row:
    return {"source": "flan", "instruction": "Do it.", "models": [], "completions": list(completions)}


def nectar(*ranked: tuple[str, float], prompt: str = "\n\nHuman: a\n\nAssistant: ") -> Row:
    answers = [{"answer": text, "model": "m", "rank": rank} for text, rank in ranked]
    return {"prompt": prompt, "answers": answers, "turns": 1, "num_responses": len(answers), "good_natured": True}


def test_the_mean_of_the_four_aspects_decides_and_its_difference_is_the_margin() -> None:
    # 4 + 4 + 5 + 4 = 17 quarters against 5 + 1 + 1 + 1 = 8
    found = read(read_ultrafeedback, [instruction(completion("x", "5", "1", "1", "1"), completion("y", *"4454"))])
    assert found.rows["pairs"] == [{"prompt": "Do it.", "chosen": "y", "rejected": "x", "margin": (17 - 8) / 4}]


def test_four_responses_make_six_comparisons_of_which_equal_ones_are_ties() -> None:
    rated = [completion("a", *"5555"), completion("b", *"3333"), completion("c", *"3333"), completion("d", *"1111")]
    found = read(read_ultrafeedback, [instruction(*rated)])
    assert (len(found.rows["pairs"]), found.ties) == (5, 1)


def test_a_response_that_lacks_an_aspect_is_left_out() -> None:
    rated = [completion("a", *"5555"), completion("b", "5", "N/A", "5", "5"), completion("c", *"1111")]
    found = read(read_ultrafeedback, [instruction(*rated)])
    assert found.left_out == {"unrated_response": 1}
    assert [(each["chosen"], each["rejected"]) for each in found.rows["pairs"]] == [("a", "c")]


def test_an_instruction_with_one_rated_response_is_left_out() -> None:
    assert read(read_ultrafeedback, [instruction(completion("a", *"5555"))]).left_out == {"fewer_than_two_responses": 1}


def test_a_rating_that_is_none_of_the_scale_is_a_fault() -> None:
    found = read(read_ultrafeedback, [instruction(completion("a", "6", *"555"))])
    assert found.faults == [("file:1", "'Rating' of 'helpfulness' must be 1 to 5 or N/A, got '6'")]


def test_a_ranking_gives_every_pair_the_lower_rank_chosen() -> None:
    found = read(read_nectar, [nectar(("best", 1.0), ("middle", 2.0), ("worst", 3.0))])
    assert [(each["chosen"], each["rejected"], each["margin"]) for each in found.rows["pairs"]] == [
        ("best", "middle", 1),
        ("best", "worst", 2),
        ("middle", "worst", 1),
    ]


def test_the_ends_of_a_ranking_are_one_pair() -> None:
    found = read(read_nectar, [nectar(("middle", 2.0), ("worst", 3.0), ("best", 1.0))], how=ends())
    assert [(each["chosen"], each["rejected"], each["margin"]) for each in found.rows["pairs"]] == [
        ("best", "worst", 2)
    ]


def test_a_repeated_response_is_not_preferred_to_itself() -> None:
    # the card: where there were too few responses, one of them fills the seventh place again
    found = read(read_nectar, [nectar(("same", 1.0), ("other", 2.0), ("same", 3.0))])
    assert found.left_out == {"same_response": 1}
    assert len(found.rows["pairs"]) == 2


def test_equal_ranks_are_ties() -> None:
    found = read(read_nectar, [nectar(("a", 1.0), ("b", 1.0))])
    assert (found.ties, found.rows) == (1, {})


def test_the_open_turn_of_the_assistant_is_no_turn() -> None:
    found = read(
        read_nectar, [nectar(("x", 1), ("y", 2), prompt="\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:")]
    )
    assert found.rows["pairs"][0]["prompt"] == "a\n<extra_id_1>Assistant\nb\n<extra_id_1>User\nc"


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ("Human: a", "no_opening_turn"),
        ("\n\nHuman: a\n\nAssistant: b", "ends_with_assistant"),
        ("\n\nAssistant: ", "no_turns"),
    ],
)
def test_a_prompt_that_the_text_form_cannot_hold_is_left_out(prompt: str, reason: str) -> None:
    assert read(read_nectar, [nectar(("x", 1), ("y", 2), prompt=prompt)]).left_out == {reason: 1}


def test_a_rank_below_one_is_a_fault() -> None:
    assert read(read_nectar, [nectar(("x", 0), ("y", 2))]).faults == [("file:1", "'rank' must be at least 1, got 0")]
