import pytest

from steersman.store.database.reviewed import GivenAnswer, GivenScores
from steersman.web.manage.comparing import medians, preference_words, score_table

NOT_RATED = GivenScores((None,) * 5, None, None, ())


def given(
    helpfulness: int | None,
    *,
    withdrawn: str | None = None,
    surplus: bool = False,
    flags: tuple[str, ...] = (),
    compared: bool = False,
    strength: int | None = None,
) -> GivenAnswer:
    """Return an answer whose first response got this helpfulness and two for all else."""
    first = NOT_RATED if helpfulness is None else GivenScores((helpfulness, 2, 2, 2, 2), None, None, ())
    return GivenAnswer(1, "ann", (first, NOT_RATED), flags, compared, strength, None, 9.0, "", surplus, withdrawn)


def test_the_median_leaves_out_what_does_not_count() -> None:
    answers = [given(4), given(3), given(0, withdrawn="rejected"), given(0, surplus=True), given(None, flags=("pii",))]
    # the median of 4 and 3
    assert medians(answers, slot=0) == (3.5, 2.0, 2.0, 2.0, 2.0)
    assert medians(answers, slot=1) == (None,) * 5


def test_two_levels_from_the_median_stand_apart() -> None:
    rows = score_table([given(4), given(4), given(3), given(2)], slot=0)
    # the median is 3.5, and the two is 1.5 levels from it
    assert [row.cells[0].is_apart for row in rows] == [False] * 4
    rows = score_table([given(4), given(4), given(2)], slot=0)
    assert [row.cells[0].is_apart for row in rows] == [False, False, True]


def test_what_does_not_count_stands_in_the_table_but_never_apart() -> None:
    rows = score_table([given(4), given(4), given(0, withdrawn="rejected")], slot=0)
    assert [(row.cells[0].score, row.cells[0].is_apart) for row in rows] == [(4, False), (4, False), (0, False)]


def test_a_flagged_answer_has_no_row() -> None:
    assert score_table([given(None, flags=("pii",))], slot=0) == []


@pytest.mark.parametrize(
    ("compared", "strength", "words"),
    [
        (False, None, "not asked"),
        (True, None, "neither is valid"),
        (True, 3, "response 2 is much better"),
        (True, -1, "response 1 is slightly better"),
    ],
)
def test_a_preference_in_words(compared: bool, strength: int | None, words: str) -> None:
    assert preference_words(given(3, compared=compared, strength=strength)) == words
