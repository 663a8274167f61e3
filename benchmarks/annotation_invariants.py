"""Look into an annotation database for what must never happen, whatever was killed: each function returns faults.

The tables are read as they are, by statements of this file's own: counters and states are compared with the rows that
they stand for, and the audit log is played back and compared with the leases.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select, text

from steersman.annotation.escalation import ratings_needed
from steersman.records import ATTRIBUTES
from steersman.store.database.answer_tables import AUDIT

# helpfulness to verbosity of the left response, then of the right one
Scores = tuple[int, ...]
# a lease, and how many answers were given under it before
Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Said:
    """An answer as it was sent, by whom, and what the server said of it; `surplus` None means no reply came."""

    user: str
    scores: Scores
    surplus: bool | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer as it is in the database."""

    task_key: int
    user: str
    scores: Scores
    left_slot: int
    surplus: bool
    withdrawn: bool

    def helpfulness(self, slot: int) -> int:
        """Return what was said of the response in a slot."""
        return self.scores[0 if slot == self.left_slot else len(ATTRIBUTES)]


# what each event of the audit log does to a lease: from which states, and to which
_MOVES: Mapping[str, tuple[tuple[str | None, ...], str]] = {
    "task.claimed": ((None, "expired"), "active"),
    "lease.expired": (("active",), "expired"),
    "lease.renewed": (("expired",), "active"),
    "task.skipped": (("active", "expired"), "skipped"),
}
_OF_LEASES = (*_MOVES, "answer.submitted", "answer.undone", "answer.rejected")


def all_faults(connection: Connection, said: Mapping[Key, Said], *, undone: Mapping[Key, bool]) -> list[str]:
    """Return every fault of a database after all work is done and every lease has expired.

    `undone` tells of answers whether their undoing was acknowledged, or is possible.
    """
    kept = read_answers(connection)
    return [
        *lost_faults(kept, said),
        *undo_faults(kept, undone=undone),
        *counter_faults(connection, kept),
        *repeat_faults(connection),
        *unfinished_faults(connection),
        *audit_faults(connection, kept),
        *file_faults(connection),
    ]


def read_answers(connection: Connection) -> dict[Key, list[Kept]]:
    """Return all answers by lease and revision; more than one under a key is a fault."""
    names = ", ".join(f"l.{name}" for name in ATTRIBUTES) + ", " + ", ".join(f"r.{name}" for name in ATTRIBUTES)
    rows = connection.execute(
        text(
            f"SELECT a.lease, s.revision, s.task_key, a.user_id, a.left_slot, s.surplus, w.answer_id, {names} "
            "FROM answers s JOIN assignments a ON a.assignment_id = s.assignment_id "
            "LEFT JOIN withdrawals w ON w.answer_id = s.answer_id "
            "JOIN ratings l ON l.answer_id = s.answer_id AND l.position = 0 "
            "JOIN ratings r ON r.answer_id = s.answer_id AND r.position = 1 ORDER BY s.answer_id"
        )
    )
    kept: dict[Key, list[Kept]] = defaultdict(list)
    for lease, revision, task_key, user, left_slot, surplus, withdrawal, *scores in rows:
        is_withdrawn = withdrawal is not None
        kept[lease, revision].append(Kept(task_key, user, tuple(scores), left_slot, bool(surplus), is_withdrawn))
    return kept


def lost_faults(kept: Mapping[Key, Sequence[Kept]], said: Mapping[Key, Said]) -> Iterator[str]:
    """Yield acknowledged answers that are not there once as they were sent, and answers that nobody sent."""
    for key, sent in said.items():
        found = kept.get(key, ())
        if len(found) != 1 and (sent.surplus is not None or found):
            yield f"lost: {key} was acknowledged and is in the database {len(found)} times"
        for each in found:
            if (each.user, each.scores) != (sent.user, sent.scores):
                yield f"lost: {key} was sent as {sent} and kept as {each}"
            if sent.surplus is not None and sent.surplus != each.surplus:
                yield f"lost: {key} was acknowledged with surplus {sent.surplus} and kept with {each.surplus}"
    yield from (f"invented: {key} was never sent" for key in kept if key not in said)


def undo_faults(kept: Mapping[Key, Sequence[Kept]], *, undone: Mapping[Key, bool]) -> Iterator[str]:
    """Yield answers that were taken back unasked, and those whose undoing was acknowledged and did not happen."""
    for key, answers in kept.items():
        if any(each.withdrawn for each in answers) and key not in undone:
            yield f"lost: {key} was taken back, which nobody asked for"
    for key, is_certain in undone.items():
        if is_certain and not all(each.withdrawn for each in kept.get(key, ())):
            yield f"lost: the undoing of {key} was acknowledged, and the answer still counts"


def counter_faults(connection: Connection, kept: Mapping[Key, Sequence[Kept]]) -> Iterator[str]:
    """Yield tasks given to too many annotators, or whose counters differ from their rows."""
    counting: dict[int, list[Kept]] = defaultdict(list)
    for each in (answer for answers in kept.values() for answer in answers):
        if not each.surplus and not each.withdrawn:
            counting[each.task_key].append(each)
    states = Counter(
        connection.execute(text("SELECT task_key FROM assignments WHERE state = 'active'")).scalars().all()
    )
    tasks = connection.execute(text("SELECT task_key, need, num_active, num_done FROM tasks WHERE kind = 'rating'"))
    for task_key, need, num_active, num_done in tasks:
        found = counting[task_key]
        if (states[task_key], len(found)) != (num_active, num_done):
            yield (
                f"counted: task {task_key} says {num_active} active and {num_done} done, "
                f"its rows {states[task_key]} and {len(found)}"
            )
        if states[task_key] + len(found) > need:
            yield f"over-assigned: task {task_key} needs {need}, has {states[task_key]} active and {len(found)} done"
        if need < ratings_needed([[each.helpfulness(slot) for each in found] for slot in (0, 1)]):
            yield f"counted: task {task_key} needs {need}, its ratings ask for more"


def repeat_faults(connection: Connection) -> Iterator[str]:
    """Yield annotators who have a task twice, or two tasks at once."""
    twice = text("SELECT task_key, user_id FROM assignments GROUP BY task_key, user_id HAVING COUNT(*) > 1")
    yield from (f"repeated: task {key} was given to {user} twice" for key, user in connection.execute(twice))
    both = text("SELECT user_id FROM assignments WHERE state = 'active' GROUP BY user_id HAVING COUNT(*) > 1")
    yield from (f"repeated: {user} holds two tasks" for (user,) in connection.execute(both))


def unfinished_faults(connection: Connection) -> Iterator[str]:
    """Yield tasks that have not got their answers, and leases that are still held."""
    stuck = text("SELECT task_key, need, num_done FROM tasks WHERE kind = 'rating' AND num_done < need")
    yield from (f"stuck: task {key} has {done} of {need} answers" for key, need, done in connection.execute(stuck))
    held = text("SELECT lease, user_id FROM assignments WHERE state = 'active'")
    yield from (f"stuck: lease {lease} of {user} is still held" for lease, user in connection.execute(held))


def audit_faults(connection: Connection, kept: Mapping[Key, Sequence[Kept]]) -> Iterator[str]:
    """Yield leases whose history in the audit log does not lead to their state, and answers that it lacks."""
    events: dict[str, list[tuple[str, str]]] = defaultdict(list)
    log = select(AUDIT.c.subject, AUDIT.c.action, AUDIT.c.detail).where(AUDIT.c.action.in_(_OF_LEASES))
    for subject, action, detail in connection.execute(log.order_by(AUDIT.c.event_id)):
        events[str(subject)].append((action, detail))
    num_submitted = Counter({lease: _num(found, "answer.submitted") for lease, found in events.items()})
    num_undone = Counter({lease: _num(found, "answer.undone") for lease, found in events.items()})
    num_kept = Counter(lease for (lease, _), answers in kept.items() for _ in answers)
    num_withdrawn = Counter(lease for (lease, _), answers in kept.items() for each in answers if each.withdrawn)
    states = connection.execute(text("SELECT lease, state FROM assignments"))
    leases = {str(row.lease): str(row.state) for row in states}
    for lease, state in leases.items():
        if num_submitted[lease] != num_kept[lease] or num_undone[lease] != num_withdrawn[lease]:
            yield (
                f"audit: {lease} has {num_kept[lease]} answers, {num_withdrawn[lease]} taken back; the log tells of "
                f"{num_submitted[lease]} and {num_undone[lease]}"
            )
        told = played(events.get(lease, []))
        if told != state:
            yield f"audit: {lease} is {state}, the log leads to {told}"
    yield from (f"audit: the log tells of {lease}, which there is not" for lease in events if lease not in leases)


def played(events: Sequence[tuple[str, str]]) -> str | None:
    """Return the state that events, each an action with its detail, leave a lease in.

    An event that its state does not allow leads to a text that says so.
    """
    state: str | None = None
    for action, detail in events:
        if action in _MOVES:
            before, after = _MOVES[action]
            if state not in before:
                return f"{action} in state {state}"
            state = after
        elif action == "answer.submitted":
            if state not in ("active", "expired", "skipped"):
                return f"{action} in state {state}"
            state = "surplus" if '"surplus": true' in detail else "done"
        else:
            if state not in ("done", "surplus"):
                return f"{action} in state {state}"
            state = "withdrawn" if action == "answer.rejected" else "active" if state == "done" else "expired"
    return state


def file_faults(connection: Connection) -> Iterator[str]:
    """Yield what SQLite finds wrong with its own file; nothing for a server."""
    if connection.dialect.name != "sqlite":
        return
    yield from (f"file: {row[0]}" for row in connection.execute(text("PRAGMA integrity_check")) if row[0] != "ok")
    yield from (f"file: foreign key {tuple(row)}" for row in connection.execute(text("PRAGMA foreign_key_check")))


def _num(events: Sequence[tuple[str, str]], action: str) -> int:
    return sum(found == action for found, _ in events)
