"""Chat completions as NVIDIA serves its reward models: the last turn is scored, the answer's text holds the scores.

The request and the text `name:score,name:score` are those of "Use Reward Models with NVIDIA NIM for LLMs"
(docs.nvidia.com/nim/large-language-models/latest/reward-model.html): five attributes for Nemotron-4-340B-Reward,
`reward` alone for Llama-3.1-Nemotron-70B-Reward. Ours has both, and the same pairs as token and log-probability, where
the first hosted version had them.
"""

from datetime import datetime
from typing import Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, field_validator

from steersman.records import joined_parts
from steersman.serving.batching import Scores
from steersman.serving.bodies import check_model, parse
from steersman.serving.results import named_scores
from steersman.serving.rows import Rows, check_rows, rows_of_conversations


class ChatTurn(BaseModel):
    """One turn, its content a text or parts of text; what else a client sends with it is not read."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    role: str
    content: str

    @field_validator("content", mode="before")
    @classmethod
    def _as_text(cls, content: object) -> object:
        return joined_parts(content) if isinstance(content, list) else content


class ChatBody(BaseModel):
    """A conversation that ends with the turn to score; what a client says about sampling is not read."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    model: str
    messages: list[ChatTurn]
    stream: Literal[False] | None = None
    n: Literal[1] | None = None


def parse_chat(body: bytes, *, served: str) -> Rows:
    """Return the one row of a request; raises UnknownModelError for another model, DataError for every other fault."""
    asked = parse(body, model=ChatBody)
    check_model(asked.model, served=served)
    turns = [(turn.role, turn.content) for turn in asked.messages]
    return check_rows(rows_of_conversations([turns], read=list, name="messages"))


def chat_answer(scores: Scores, *, rows: Rows, model: str, now: datetime) -> dict[str, object]:
    """Return the chat completion whose text is `name:score` for every output and the reward, with commas between."""
    pairs = named_scores(scores)[0]
    tokens: list[dict[str, object]] = [
        {"token": name, "logprob": score, "bytes": None, "top_logprobs": []} for name, score in pairs.items()
    ]
    message = {"role": "assistant", "content": ",".join(f"{name}:{score}" for name, score in pairs.items())}
    return {
        "id": f"chatcmpl-{uuid4().hex}",
        "object": "chat.completion",
        "created": int(now.timestamp()),
        "model": model,
        "choices": [
            {"index": 0, "message": message, "logprobs": {"content": tokens}, "finish_reason": "stop"},
        ],
        "ignored_system_turns": rows.ignored_system_turns,
    }
