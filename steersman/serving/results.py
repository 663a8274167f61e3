"""Scores as JSON: the values common to all answers."""

from collections.abc import Sequence

from steersman.errors import PluginError
from steersman.serving.batching import Scores

REWARD, PREFERRED = "reward", "preferred"


def check_names(names: Sequence[str]) -> None:
    """Raise PluginError when an output is called like what the server adds to the scores of a model that compares."""
    if PREFERRED in names:
        raise PluginError(
            f"its output {PREFERRED!r} is called like what the server adds, the chance of a response to be the better"
            " one; train the model with another name in reward.attributes"
        )


def named_scores(scores: Scores) -> list[dict[str, float]]:
    """Return one `{output name: score, ..., "reward": reward}` per row, in order."""
    return [
        dict(zip(scores.names, map(float, outputs), strict=True)) | {REWARD: float(reward)}
        for outputs, reward in zip(scores.outputs, scores.rewards, strict=True)
    ]


def score_answer(scores: Scores, *, model: str) -> dict[str, object]:
    """Return the body of /v1/score: scores by name, one object per row, and the rows that were cut.

    Of a model that compares, "preferred" is how likely each response is the better one of its pair.
    """
    rows = named_scores(scores)
    if scores.preferences is not None:
        rows = [row | {PREFERRED: float(each)} for row, each in zip(rows, scores.preferences, strict=True)]
    return {"model": model, "scores": rows, "truncated": list(scores.truncated)}
