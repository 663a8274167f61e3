"""Read PandaLM's test set: two responses to an instruction and the verdicts of three people.

Where a text was left empty the published file has NaN, and `true` where it was the word True: a spreadsheet's reading.
A verdict has a direction and no strength: 1 (the first is better), 2 (the second is) or 0 (similar) becomes a strength
of -1, 1 or 0.
"""

from collections.abc import Iterator, Mapping
from math import isnan

from steersman.sources.cells import Row, text_at, whole_at
from steersman.sources.items import How, Item, SourceRow, TableRow, row_by_row
from steersman.sources.turns import one_turn_prompt

_ANNOTATORS = ("annotator1", "annotator2", "annotator3")
_STRENGTHS: Mapping[int, int] = {0: 0, 1: -1, 2: 1}


def _task(row: SourceRow, how: How) -> Iterator[Item]:
    value, task = row.value, f"pandalm-{row.number:04d}"
    asked = [each for each in (text_at(value, "instruction"), _cell(value, "input")) if each]
    texts = {"response_1": _cell(value, "response1"), "response_2": _cell(value, "response2")}
    prompt = one_turn_prompt("\n\n".join(asked))
    yield TableRow("preference_tasks", {"task_id": task, "split": how.split or "test", "prompt": prompt, **texts})
    for annotator in _ANNOTATORS:
        verdict = whole_at(value, annotator, low=0, high=2)
        said = {"task_id": task, "annotator": annotator, "strength": _STRENGTHS[verdict], "justification": None}
        yield TableRow("preference_ratings", said)


def _cell(row: Row, name: str) -> str:
    value = row.get(name)
    if isinstance(value, float) and isnan(value):
        return ""
    return str(value) if isinstance(value, bool) else text_at(row, name)


read_pandalm = row_by_row(_task)
