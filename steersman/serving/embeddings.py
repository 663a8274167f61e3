"""Embeddings as SGLang serves a reward model: raw outputs as `embedding`, one list per input, the reward last.

Shapes: those of SGLang (python/sglang/srt/entrypoints/openai/serving_embedding.py). verl asks so where its reward model
runs on SGLang, one text a request, and reads `data[-1].embedding[-1]` of the answer as the reward
(verl/experimental/reward_loop/reward_loop.py), so it stands there.
"""

from pydantic import BaseModel, ConfigDict

from steersman.serving.batching import Scores
from steersman.serving.bodies import check_model, parse
from steersman.serving.results import REWARD, named_scores
from steersman.serving.rows import Rows
from steersman.serving.transcripts import rows_of_texts


class EmbeddingsBody(BaseModel):
    """Texts in a chat template; what a client says about the format of numbers is not read, they are floats."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    model: str | None = None
    input: str | list[str]


def parse_embeddings(body: bytes, *, served: str) -> Rows:
    """Return one row per input; raises UnknownModelError for another model, DataError for every other fault."""
    asked = parse(body, model=EmbeddingsBody)
    check_model(asked.model, served=served)
    return rows_of_texts(asked.input)


def embeddings_answer(scores: Scores, *, rows: Rows, model: str) -> dict[str, object]:
    """Return per row all outputs, the reward last, under the key where clients look for them."""
    data = [
        {"object": "embedding", "index": index, "embedding": list(row.values())}
        for index, row in enumerate(named_scores(scores))
    ]
    return {
        "object": "list",
        "model": model,
        "data": data,
        "names": [*scores.names, REWARD],
        "ignored_system_turns": rows.ignored_system_turns,
    }
