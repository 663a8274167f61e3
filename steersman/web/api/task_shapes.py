"""Tasks as programs bring them, and what is wrong with a batch of them."""

from collections import Counter
from typing import Annotated, Literal

from pydantic import Field

from steersman.records import ATTRIBUTES, Message, prompt_to_text
from steersman.store.database.tasks import KnownScores, NewResponse, NewTask
from steersman.store.lineage import Ancestor
from steersman.web.api.bodies import Body
from steersman.web.api.shapes import Score, Shown, Turn

MAX_TASKS = 1000
_RESPONSES = 2
_Name = Annotated[str, Field(min_length=1, max_length=200)]
_Licence = Annotated[str, Field(max_length=200)]
_Explanation = Annotated[str, Field(max_length=10_000)]


class NewResponseBody(Body):
    """A response, and what wrote it under which licence; annotators see only the text."""

    response_id: _Name
    response: str
    generator: _Name
    generator_licence: _Licence | None = None


class KnownScoresBody(Body):
    """The scores that a response should get; null where any is fine."""

    helpfulness: Score | None = None
    correctness: Score | None = None
    coherence: Score | None = None
    complexity: Score | None = None
    verbosity: Score | None = None
    explanation: _Explanation | None = None


class NewTaskBody(Body):
    """A prompt with its two responses; every kind but `rating` needs the known scores of both, in the same order."""

    task_id: _Name
    messages: Annotated[list[Turn], Field(min_length=1, max_length=200)]
    source: _Name
    licence: _Licence | None = None
    responses: Annotated[list[NewResponseBody], Field(min_length=_RESPONSES, max_length=_RESPONSES)]
    kind: Literal["rating", "gold", "training", "qualification"] = "rating"
    known: Annotated[list[KnownScoresBody], Field(min_length=_RESPONSES, max_length=_RESPONSES)] | None = None
    priority: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] = 0
    delivery: _Name | None = None


class BatchBody(Body):
    """Tasks to add; all of them or none. `simulated` says that a program modelled what people would have written."""

    tasks: Annotated[list[NewTaskBody], Field(min_length=1, max_length=MAX_TASKS)]
    simulated: bool = False


class Added(Shown):
    """How many tasks were added, and how many were there already just as they came."""

    added: int
    known: int


def batch_faults(batch: BatchBody) -> list[str]:
    """Return everything that is wrong with a batch beside the shape of its parts."""
    times = Counter(each.task_id for each in batch.tasks)
    repeated = [f"task {name!r}: {count} tasks have this id" for name, count in times.items() if count > 1]
    return repeated + [f"task {each.task_id!r}: {fault}" for each in batch.tasks for fault in _task_faults(each)]


def new_task(body: NewTaskBody) -> NewTask:
    """Return a task without faults as the store takes it."""
    first, second = (
        NewResponse(each.response_id, each.response, each.generator, each.generator_licence) for each in body.responses
    )
    known = None
    if body.known is not None:
        one, other = (
            KnownScores(tuple(getattr(each, name) for name in ATTRIBUTES), each.explanation) for each in body.known
        )
        known = (one, other)
    return NewTask(
        body.task_id,
        _prompt(body),
        (first, second),
        kind=body.kind,
        known=known,
        priority=body.priority,
        delivery=body.delivery,
    )


def batch_ancestors(batch: BatchBody) -> tuple[Ancestor, ...]:
    """Return whose prompts and responses a batch holds, each once."""
    prompts = [Ancestor(each.source, "data", "prompts", each.licence) for each in batch.tasks]
    responses = [
        Ancestor(response.generator, "model", "responses", response.generator_licence)
        for each in batch.tasks
        for response in each.responses
    ]
    return tuple(dict.fromkeys([*prompts, *responses]))


def _task_faults(body: NewTaskBody) -> list[str]:
    faults = []
    if len({each.response_id for each in body.responses}) < _RESPONSES:
        faults.append("its responses share an id")
    if (body.known is None) != (body.kind == "rating"):
        faults.append(
            f"a task of kind {body.kind} needs known scores" if body.known is None else "a rating task has none known"
        )
    try:
        _prompt(body)
    except ValueError as error:
        faults.append(str(error))
    return faults


def _prompt(body: NewTaskBody) -> str:
    turns = [Message("user" if turn.role == "user" else "assistant", turn.content) for turn in body.messages]
    return prompt_to_text(turns)
