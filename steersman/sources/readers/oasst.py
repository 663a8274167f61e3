"""Read Open Assistant: trees of messages whose replies people ranked and labelled, as trees or as a list of messages.

Each reply that can be used is a unit with the means of its labels; ranked siblings give pairs. Left out, with the
reason: what was deleted or failed review, what a model wrote, and what hangs below any of these or below a message that
is not in the file.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from steersman.records import Message, Role, prompt_to_text
from steersman.sources.cells import (
    Row,
    list_at,
    number_at,
    object_at,
    objects_at,
    optional_flag_at,
    optional_text_at,
    optional_whole_at,
    text_at,
    whole_at,
)
from steersman.sources.items import Fault, How, Item, LeftOut, ShapeError, SourceRow, TableRow
from steersman.sources.ranking import Scored, ranked_pairs
from steersman.sources.turns import prompt_problem

DELETED = "deleted"
REJECTED = "rejected_in_review"
SYNTHETIC = "synthetic"
PARENT_MISSING = "parent_missing"
PARENTS_IN_A_CIRCLE = "parents_in_a_circle"
UNRANKED_REPLY = "unranked_reply"
_LABEL_LISTS = ("name", "value", "count")
_ROLES: Mapping[str, Role] = {"prompter": "user", "assistant": "assistant"}


@dataclass(frozen=True, slots=True)
class _Label:
    name: str
    mean: float
    count: int


@dataclass(frozen=True, slots=True)
class _Node:
    message_id: str
    parent_id: str | None
    message: Message
    rank: int | None
    problem: str | None
    labels: tuple[_Label, ...]


def read_oasst(rows: Iterable[SourceRow], how: How) -> Iterator[Item]:
    """Yield the units, label means and pairs of a file; a rank of 0 is the best, margins are differences of ranks.

    Means run from 0 to 1 and say how many people they are of; who gave which label is not published.
    """
    nodes: dict[str, _Node] = {}
    for row in rows:
        try:
            for node in _nodes(row.value):
                if node.message_id in nodes:
                    raise ShapeError(f"the message '{node.message_id}' is there twice")
                nodes[node.message_id] = node
        except ShapeError as error:
            yield Fault(row.place, str(error))
    yield from _items(nodes, how)


def _items(nodes: Mapping[str, _Node], how: How) -> Iterator[Item]:
    replies: dict[str | None, list[_Node]] = {}
    for node in nodes.values():
        if node.message.role == "assistant":
            replies.setdefault(node.parent_id, []).append(node)
    for siblings in replies.values():
        thread = _thread(siblings[0], nodes)
        if isinstance(thread, LeftOut):
            yield from (thread for _ in siblings)
            continue
        yield from (LeftOut(node.problem) for node in siblings if node.problem)
        usable = [node for node in siblings if node.problem is None]
        prompt = prompt_to_text(thread)
        for node in usable:
            yield from _unit(node, prompt)
        yield from _ranked(usable, prompt, how)


def _thread(node: _Node, nodes: Mapping[str, _Node]) -> tuple[Message, ...] | LeftOut:
    """Return the turns before `node`, from the first, or why they are no prompt."""
    above: dict[str, Message] = {}
    parent_id = node.parent_id
    while parent_id is not None:
        parent = nodes.get(parent_id)
        if parent is None:
            return LeftOut(PARENT_MISSING)
        if parent_id in above:
            return LeftOut(PARENTS_IN_A_CIRCLE)
        if parent.problem is not None:
            return LeftOut(f"below_{parent.problem}")
        above[parent_id] = parent.message
        parent_id = parent.parent_id
    turns = tuple(reversed(above.values()))
    problem = prompt_problem(turns)
    return LeftOut(problem) if problem else turns


def _unit(node: _Node, prompt: str) -> Iterator[Item]:
    yield TableRow("units", {"unit": node.message_id, "prompt": prompt, "response": node.message.content})
    for label in node.labels:
        scale = {"score": label.mean, "low": 0.0, "high": 1.0, "count": label.count}
        yield TableRow("unit_scores", {"unit": node.message_id, "rater": None, "attribute": label.name, **scale})


def _ranked(usable: list[_Node], prompt: str, how: How) -> Iterator[Item]:
    if len(usable) < 2:
        # an only reply has nothing to be preferred to
        return
    yield from (LeftOut(UNRANKED_REPLY) for node in usable if node.rank is None)
    scored = [Scored(node.message.content, -node.rank) for node in usable if node.rank is not None]
    yield from ranked_pairs(prompt, scored, choose=how.pairs)


def _nodes(value: Row) -> Iterator[_Node]:
    if "prompt" not in value:
        yield _node(value, parent_id=optional_text_at(value, "parent_id"))
        return
    waiting: list[tuple[Row, str | None]] = [(object_at(value, "prompt"), None)]
    while waiting:
        message, parent_id = waiting.pop()
        node = _node(message, parent_id=parent_id)
        yield node
        replies = objects_at(message, "replies") if message.get("replies") else []
        waiting += [(reply, node.message_id) for reply in reversed(replies)]


def _node(value: Row, *, parent_id: str | None) -> _Node:
    role = text_at(value, "role")
    if role not in _ROLES:
        raise ShapeError(f"'role' must be one of {', '.join(_ROLES)}, got {role[:40]!r}")
    return _Node(
        message_id=text_at(value, "message_id"),
        parent_id=parent_id,
        message=Message(_ROLES[role], text_at(value, "text")),
        rank=optional_whole_at(value, "rank"),
        problem=_problem(value),
        labels=tuple(_labels(value)),
    )


def _problem(value: Row) -> str | None:
    if optional_flag_at(value, "deleted"):
        return DELETED
    if optional_flag_at(value, "review_result") is False:
        return REJECTED
    return SYNTHETIC if optional_flag_at(value, "synthetic") else None


def _labels(value: Row) -> Iterator[_Label]:
    """Yield the labels of a message: three lists in the flat files, an object of objects in the nested ones."""
    if value.get("labels") is None:
        return
    labels = object_at(value, "labels")
    if "name" not in labels:
        for name in labels:
            yield _label(name, object_at(labels, name))
        return
    lists = [list_at(labels, key) for key in _LABEL_LISTS]
    if len({len(each) for each in lists}) > 1:
        raise ShapeError(f"'labels' must hold lists of one length: {', '.join(_LABEL_LISTS)}")
    for values in zip(*lists, strict=True):
        label = dict(zip(_LABEL_LISTS, values, strict=True))
        yield _label(text_at(label, "name"), label)


def _label(name: str, value: Row) -> _Label:
    return _Label(name, number_at(value, "value", low=0, high=1), whole_at(value, "count", low=1))
