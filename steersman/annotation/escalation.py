"""Decide how many annotators a task needs: three, or five when the first three disagree (HelpSteer2 paper, 3.5)."""

from collections.abc import Sequence

FIRST_ANNOTATORS = 3
MOST_ANNOTATORS = 5
MAX_HELPFULNESS_SPREAD = 2


def ratings_needed(
    helpfulness: Sequence[Sequence[int | None]],
    *,
    first: int = FIRST_ANNOTATORS,
    most: int = MOST_ANNOTATORS,
    max_spread: int = MAX_HELPFULNESS_SPREAD,
) -> int:
    """Return how many annotators a task needs, `first` or `most`.

    `helpfulness` holds, for each response of the task, its ratings in order of submission; None is unrated.
    The need grows when the first ratings of any response differ by more than `max_spread`, and never shrinks again.
    """
    disagree = any(_disagree(ratings[:first], first=first, max_spread=max_spread) for ratings in helpfulness)
    return most if disagree else first


def _disagree(ratings: Sequence[int | None], *, first: int, max_spread: int) -> bool:
    given = [rating for rating in ratings if rating is not None]
    # fewer can already disagree, but the decision falls only once the first ones are all in
    if len(ratings) < first or not given:
        return False
    return max(given) - min(given) > max_spread
