"""The remote reward model of OpenRLHF: `--remote_rm_url http://HOST:PORT/get_reward`.

Request as openrlhf/utils/agent.py sends it, answer as openrlhf/cli/serve_rm.py gives it (OpenRLHF 0.10): queries are
prompt and response in the policy's template with all special tokens, `scores` are the rewards again.
"""

from pydantic import BaseModel, ConfigDict

from steersman.errors import DataError
from steersman.serving.batching import Scores
from steersman.serving.bodies import parse
from steersman.serving.results import PREFERRED
from steersman.serving.rows import Rows, Turn, check_rows, rows_of_conversations
from steersman.serving.transcripts import conversation_after, conversation_in, is_nothing_but_marks


class RemoteRewardBody(BaseModel):
    """Queries, and the prompts they begin with where the client knows them; labels are for rules and are not read."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    query: list[str]
    prompts: list[str] | None = None


def parse_remote_reward(body: bytes) -> Rows:
    """Return one row per query; raises DataError for every fault.

    No query gives no row: OpenRLHF deals a single query out over all of its servers, and the others get none.
    """
    asked = parse(body, model=RemoteRewardBody)
    prompts = asked.prompts if asked.prompts is not None else [None] * len(asked.query)
    if len(prompts) != len(asked.query):
        raise DataError(f"{len(asked.query)} query and {len(prompts)} prompts; one prompt belongs to each query")
    queries = list(zip(asked.query, prompts, strict=True))
    if not queries:
        return Rows((), ())
    return check_rows(rows_of_conversations(queries, read=_conversation, name="query"))


def remote_reward_answer(scores: Scores, *, rows: Rows) -> dict[str, object]:
    """Return rewards, and as logs every output and, of a model that compares, how likely each response is preferred."""
    rewards = [float(reward) for reward in scores.rewards]
    logs: dict[str, object] = {
        name: [float(output) for output in column] for name, column in zip(scores.names, scores.outputs.T, strict=True)
    }
    if scores.preferences is not None:
        logs[PREFERRED] = [float(each) for each in scores.preferences]
    return {
        "rewards": rewards,
        "scores": rewards,
        "extra_logs": logs,
        "ignored_system_turns": rows.ignored_system_turns,
    }


def _conversation(query: tuple[str, str | None]) -> list[Turn]:
    text, prompt = query
    place = -1 if prompt is None else text.find(prompt)
    if prompt is None or place < 0 or not is_nothing_but_marks(text[:place]):
        return conversation_in(text)
    return conversation_after(prompt, response=text[place + len(prompt) :])
