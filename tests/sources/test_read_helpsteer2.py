"""HelpSteer2's three kinds of file, in the shape of its card."""

from reading import Row, read

from steersman.records import ATTRIBUTES
from steersman.sources.readers.helpsteer2 import read_disagreements, read_examples, read_preferences


def example(prompt: str, response: str, *, score: object = 3) -> Row:
    return {"prompt": prompt, "response": response, **dict.fromkeys(ATTRIBUTES, score)}


def preference(strength: int, *, split: str = "train", given: list[int] | None = None) -> Row:
    strengths = [strength] if given is None else given
    return {
        "split": split,
        "prompt": "p",
        "response_1": "one",
        "response_2": "two",
        "preference_strength": strength,
        "preference_statement": "@Response 2 is better.",
        "preference_elaboration": "It is.",
        "three_most_similar_preferences": [],
        "all_preferences_unprocessed": [{"strength": each, "justification": f"said {each}"} for each in strengths],
    }


def test_examples_are_taken_as_they_are() -> None:
    rows = [example("p", "x"), example("p", "y")]
    assert read(read_examples, rows).rows == {"examples": rows}


def test_examples_out_of_pairs_are_faults_of_their_rows() -> None:
    found = read(read_examples, [example("p", "x"), example("q", "y"), example("r", "z")])
    assert [place for place, _ in found.faults] == ["file:1", "file:3"]
    assert found.rows == {}


def test_lists_of_single_ratings_are_taken_as_they_are() -> None:
    rows = [example("p", "x", score=[1, 2, 4])]
    assert read(read_disagreements, rows).rows == {"disagreements": rows}


def test_a_list_with_a_score_outside_the_scale_is_a_fault() -> None:
    found = read(read_disagreements, [{**example("p", "x", score=[1]), "coherence": [1, 9]}])
    assert found.faults == [("file:1", "'coherence' must be from 0 to 4, got [1, 9]")]


def test_a_positive_strength_prefers_the_second_response() -> None:
    pair = read(read_preferences, [preference(2)]).rows["pairs.train"]
    assert pair == [{"prompt": "p", "chosen": "two", "rejected": "one", "margin": 2}]


def test_a_negative_strength_prefers_the_first_response() -> None:
    pair = read(read_preferences, [preference(-3)]).rows["pairs.train"]
    assert pair == [{"prompt": "p", "chosen": "one", "rejected": "two", "margin": 3}]


def test_no_preference_is_a_tie_and_its_ratings_are_kept() -> None:
    found = read(read_preferences, [preference(0, given=[-1, 1])])
    assert found.ties == 1
    assert "pairs.train" not in found.rows
    assert [each["strength"] for each in found.rows["preference_ratings.train"]] == [-1, 1]


def test_neither_response_valid_is_a_null_strength() -> None:
    ratings = read(read_preferences, [preference(1, given=[-100, 2])]).rows["preference_ratings.train"]
    assert [each["strength"] for each in ratings] == [None, 2]


def test_the_split_named_in_the_row_wins_over_the_file() -> None:
    found = read(read_preferences, [preference(1), preference(1, split="val")])
    assert len(found.rows["pairs.train"]) == len(found.rows["pairs.validation"]) == 1
    assert found.rows["preference_tasks.validation"][0]["split"] == "validation"


def test_ratings_and_texts_of_a_task_share_its_id() -> None:
    found = read(read_preferences, [preference(1), preference(-1)])
    tasks = [each["task_id"] for each in found.rows["preference_tasks.train"]]
    assert tasks == [each["task_id"] for each in found.rows["preference_ratings.train"]]
    assert len(set(tasks)) == 2


def test_an_unknown_split_is_a_fault() -> None:
    found = read(read_preferences, [preference(1, split="test")])
    assert found.faults == [("file:1", "'split' must be one of train, val, got 'test'")]
