"""Scores as JSON: the values common to all answers."""

from steersman.serving.batching import Scores

REWARD = "reward"


def named_scores(scores: Scores) -> list[dict[str, float]]:
    """Return one `{output name: score, ..., "reward": reward}` per row, in order."""
    return [
        dict(zip(scores.names, map(float, outputs), strict=True)) | {REWARD: float(reward)}
        for outputs, reward in zip(scores.outputs, scores.rewards, strict=True)
    ]


def score_answer(scores: Scores, *, model: str) -> dict[str, object]:
    """Return the body of /v1/score: scores by name, one object per row, and the rows that were cut."""
    return {"model": model, "scores": named_scores(scores), "truncated": list(scores.truncated)}
