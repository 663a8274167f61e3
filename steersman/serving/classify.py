"""Classification as vLLM and SGLang serve it: raw outputs as `probs`, one list per input, the reward last.

Shapes: `ClassificationRequest` and `ClassificationResponse` of vLLM (vllm/entrypoints/pooling/classify/protocol.py),
docs.sglang.io/docs/supported-models/classify_models. verl reads `data[-1].probs[-1]` of such an answer as the reward
(verl/experimental/reward_loop/reward_loop.py), so it stands there.
"""

from datetime import datetime
from typing import Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict

from steersman.errors import DataError
from steersman.serving.batching import Scores
from steersman.serving.bodies import check_model, parse
from steersman.serving.chat import ChatTurn
from steersman.serving.results import REWARD, named_scores
from steersman.serving.rows import Rows, check_rows, rows_of_conversations
from steersman.serving.transcripts import conversation_in


class ClassifyBody(BaseModel):
    """Texts in a chat template, or one conversation as messages; the outputs are scores, never probabilities."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    model: str | None = None
    input: str | list[str] | None = None
    messages: list[ChatTurn] | None = None
    use_activation: Literal[False] | None = None


def parse_classify(body: bytes, *, served: str) -> Rows:
    """Return one row per input; raises UnknownModelError for another model, DataError for every other fault."""
    asked = parse(body, model=ClassifyBody)
    check_model(asked.model, served=served)
    if (asked.input is None) == (asked.messages is None):
        raise DataError("send either input, texts in a chat template, or messages, one conversation")
    if asked.messages is not None:
        turns = [(turn.role, turn.content) for turn in asked.messages]
        return check_rows(rows_of_conversations([turns], read=list, name="messages"))
    texts = [asked.input] if isinstance(asked.input, str) else asked.input or []
    return check_rows(rows_of_conversations(texts, read=conversation_in, name="input"))


def classify_answer(scores: Scores, *, rows: Rows, model: str, now: datetime) -> dict[str, object]:
    """Return the classification: per row all outputs, the reward last, under the key where clients look for them."""
    data = [
        {"index": index, "label": None, "probs": list(row.values()), "num_classes": len(row)}
        for index, row in enumerate(named_scores(scores))
    ]
    return {
        "id": f"classify-{uuid4().hex}",
        "object": "list",
        "created": int(now.timestamp()),
        "model": model,
        "data": data,
        "names": [*scores.names, REWARD],
        "ignored_system_turns": rows.ignored_system_turns,
    }
