"""Decide how many annotators a task needs: three, or five when the first three disagree (HelpSteer2 paper, 3.5)."""

from collections.abc import Sequence

FIRST_ANNOTATORS = 3
MOST_ANNOTATORS = 5
MAX_HELPFULNESS_SPREAD = 2


def ratings_needed(helpfulness: Sequence[Sequence[int | None]]) -> int:
    """Return how many annotators a task needs, 3 or 5.

    `helpfulness` holds, for each response of the task, its ratings in order of submission; None is unrated.
    The need grows when the first three ratings of any response differ by more than 2, and never shrinks again.
    """
    return (
        MOST_ANNOTATORS if any(_disagree(ratings[:FIRST_ANNOTATORS]) for ratings in helpfulness) else FIRST_ANNOTATORS
    )


def _disagree(ratings: Sequence[int | None]) -> bool:
    given = [rating for rating in ratings if rating is not None]
    # fewer than three can already disagree, but the decision falls only once the first three are in
    if len(ratings) < FIRST_ANNOTATORS or not given:
        return False
    return max(given) - min(given) > MAX_HELPFULNESS_SPREAD
