"""Read HelpSteer3's preferences: two responses to a conversation, an overall preference, up to three single ones."""

from collections.abc import Iterator, Mapping

from steersman.records import Role, prompt_to_text
from steersman.sources.cells import objects_at, optional_text_at, text_at, whole_at
from steersman.sources.items import How, Item, LeftOut, SourceRow, TableRow, Tie, row_by_row
from steersman.sources.ranking import pair
from steersman.sources.turns import messages_of, prompt_problem

_ROLES: Mapping[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}


def _preference(row: SourceRow, how: How) -> Iterator[Item]:
    value = row.value
    messages = messages_of(objects_at(value, "context"), role="role", content="content", roles=_ROLES)
    overall = whole_at(value, "overall_preference", low=-3, high=3)
    first, second = text_at(value, "response1"), text_at(value, "response2")
    task = f"helpsteer3-{how.split or 'all'}-{row.number:05d}"
    ratings = list(_ratings(row, task))
    problem = prompt_problem(messages)
    if problem is not None:
        yield LeftOut(problem)
        return
    prompt = prompt_to_text(messages)
    texts = {"prompt": prompt, "response_1": first, "response_2": second}
    yield TableRow("preference_tasks", {"task_id": task, "split": how.split or "all", **texts})
    if overall == 0:
        yield Tie()
    else:
        chosen, rejected = (second, first) if overall > 0 else (first, second)
        yield pair(prompt, chosen=chosen, rejected=rejected, margin=abs(overall))
    yield from ratings


def _ratings(row: SourceRow, task: str) -> Iterator[TableRow]:
    for place, rating in enumerate(objects_at(row.value, "individual_preference")):
        said = {
            "task_id": task,
            "annotator": f"place-{place:04d}",
            "strength": whole_at(rating, "score", low=-3, high=3),
            "justification": optional_text_at(rating, "reasoning"),
        }
        yield TableRow("preference_ratings", said)


read_helpsteer3 = row_by_row(_preference)
