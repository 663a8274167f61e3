"""Classification as vLLM and SGLang serve it: raw outputs as `probs`, one list per input, the reward last.

Shapes: `ClassificationRequest` and `ClassificationResponse` of vLLM (vllm/entrypoints/pooling/classify/protocol.py),
docs.sglang.io/docs/supported-models/classify_models. vLLM puts the outputs of a model through the activation that the
`problem_type` of its config asks for, which is none for `regression`, unless `use_activation` is false. verl reads
`data[-1].probs[-1]` of such an answer as the reward (verl/experimental/reward_loop/reward_loop.py), so it stands there.
"""

from datetime import datetime
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, field_validator

from steersman.errors import DataError
from steersman.serving.batching import Scores
from steersman.serving.bodies import check_model, parse
from steersman.serving.chat import ChatTurn
from steersman.serving.results import REWARD, named_scores
from steersman.serving.rows import Rows, check_rows, rows_of_conversations
from steersman.serving.transcripts import rows_of_texts


class ClassifyBody(BaseModel):
    """Texts in a chat template, or one conversation as messages; the outputs are scores, never probabilities."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    model: str | None = None
    input: str | list[str] | None = None
    messages: list[ChatTurn] | None = None
    use_activation: bool | None = None

    @field_validator("use_activation")
    @classmethod
    def _is_raw(cls, use_activation: bool | None) -> bool | None:
        if use_activation:
            raise ValueError("the scores of a reward model go through no activation; send false, or leave it out")
        return use_activation


def parse_classify(body: bytes, *, served: str) -> Rows:
    """Return one row per input; raises UnknownModelError for another model, DataError for every other fault."""
    asked = parse(body, model=ClassifyBody)
    check_model(asked.model, served=served)
    if (asked.input is None) == (asked.messages is None):
        raise DataError("send either input, texts in a chat template, or messages, one conversation")
    if asked.messages is not None:
        turns = [(turn.role, turn.content) for turn in asked.messages]
        return check_rows(rows_of_conversations([turns], read=list, name="messages"))
    return rows_of_texts(asked.input or [])


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
