"""Read UltraFeedback: four responses to an instruction, each rated by GPT-4 from 1 to 5 on four aspects.

A response is scored by the mean of its four ratings, not by `overall_score`: Argilla found that score wrong for many
rows of an earlier revision (docs/sources.md).
"""

from collections.abc import Iterator

from steersman.sources.cells import Row, object_at, objects_at, text_at
from steersman.sources.items import How, Item, LeftOut, ShapeError, SourceRow, row_by_row
from steersman.sources.ranking import Scored, ranked_pairs
from steersman.sources.turns import one_turn_prompt

ASPECTS = ("helpfulness", "honesty", "instruction_following", "truthfulness")
UNRATED_RESPONSE = "unrated_response"
FEWER_THAN_TWO_RESPONSES = "fewer_than_two_responses"
_RATINGS = ("1", "2", "3", "4", "5")
_NOT_RATED = "N/A"


def _instruction(row: SourceRow, how: How) -> Iterator[Item]:
    prompt = one_turn_prompt(text_at(row.value, "instruction"))
    completions = objects_at(row.value, "completions")
    scores = [_score(completion) for completion in completions]
    texts = [text_at(completion, "response") for completion in completions]
    scored = [Scored(response, score) for response, score in zip(texts, scores, strict=True) if score is not None]
    yield from (LeftOut(UNRATED_RESPONSE) for score in scores if score is None)
    if len(scored) < 2:
        yield LeftOut(FEWER_THAN_TWO_RESPONSES)
    yield from ranked_pairs(prompt, scored, choose=how.pairs)


def _score(completion: Row) -> float | None:
    annotations = object_at(completion, "annotations")
    ratings = [_rating(annotations, aspect) for aspect in ASPECTS]
    given = [rating for rating in ratings if rating is not None]
    # a mean over fewer aspects would be compared with one over all of them
    return sum(given) / len(ASPECTS) if len(given) == len(ASPECTS) else None


def _rating(annotations: Row, aspect: str) -> int | None:
    if annotations.get(aspect) is None:
        return None
    rating = text_at(object_at(annotations, aspect), "Rating")
    if rating == _NOT_RATED:
        return None
    if rating not in _RATINGS:
        raise ShapeError(f"'Rating' of '{aspect}' must be 1 to 5 or {_NOT_RATED}, got {rating[:40]!r}")
    return int(rating)


read_ultrafeedback = row_by_row(_instruction)
