"""Turn several responses to one prompt, each with a score, into pairs of a preferred and another response."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from steersman.sources.items import Item, LeftOut, PairChoice, TableRow, Tie

SAME_RESPONSE = "same_response"


@dataclass(frozen=True, slots=True)
class Scored:
    """A response and its score, higher is better, in the source's own units; a rank is its negative."""

    response: str
    score: float


def ranked_pairs(prompt: str, scored: Sequence[Scored], *, choose: PairChoice) -> Iterator[Item]:
    """Yield a row of `pairs` for each preference: its margin is the difference of the scores.

    Equal scores are ties. Two responses of one text cannot be preferred to each other and are left out. `choose` "ends"
    compares only the best with the worst; among equals the first counts.
    """
    for first, second in combinations(scored, 2) if choose == "all" else _ends(scored):
        if first.score == second.score:
            yield Tie()
        elif first.response == second.response:
            yield LeftOut(SAME_RESPONSE)
        else:
            better, worse = (first, second) if first.score > second.score else (second, first)
            yield pair(prompt, chosen=better.response, rejected=worse.response, margin=better.score - worse.score)


def pair(prompt: str, *, chosen: str, rejected: str, margin: float) -> TableRow:
    """Return a row of `pairs`."""
    return TableRow("pairs", {"prompt": prompt, "chosen": chosen, "rejected": rejected, "margin": margin})


def _ends(scored: Sequence[Scored]) -> list[tuple[Scored, Scored]]:
    if len(scored) < 2:
        return []
    return [(max(scored, key=_score), min(scored, key=_score))]


def _score(scored: Scored) -> float:
    return scored.score
