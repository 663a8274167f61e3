"""Read SQuALITY's human evaluation: summaries of a story, each rated by three people from 0 to 100 on three attributes.

Published are passages with their questions and systems nested; a flat form, one summary a row, is read too.
"""

from collections.abc import Iterator, Sequence

from steersman.sources.cells import Row, list_at, number_at, object_at, objects_at, text_at
from steersman.sources.items import How, Item, ShapeError, SourceRow, TableRow, row_by_row

ATTRIBUTES = ("correctness", "selection", "overall")
LOW, HIGH = 0.0, 100.0


def _row(row: SourceRow, how: How) -> Iterator[Item]:
    yield from _flat(row.value) if "item_id" in row.value else _passage(row.value)


def _passage(value: Row) -> Iterator[Item]:
    passage = text_at(value, "passage-id")
    questions = object_at(value, "questions")
    for number in questions:
        systems = object_at(questions, number)
        for system in systems:
            summary = object_at(systems, system)
            unit = f"{passage}-{number}-{system}"
            yield _unit(unit, text_at(summary, "response"))
            for review in objects_at(summary, "reviews"):
                scores = [number_at(review, f"{name}-rating", low=LOW, high=HIGH) for name in ATTRIBUTES]
                yield from _scores(unit, text_at(review, "worker_id"), scores)


def _flat(value: Row) -> Iterator[Item]:
    unit = text_at(value, "item_id")
    yield _unit(unit, text_at(value, "response"))
    raters = list_at(value, "workers")
    columns = [list_at(value, name) for name in ATTRIBUTES]
    if any(len(column) != len(raters) for column in columns):
        raise ShapeError(f"'workers' and {', '.join(ATTRIBUTES)} must be lists of one length")
    for rater, *scores in zip(raters, *columns, strict=True):
        cells: Row = {"workers": rater, **dict(zip(ATTRIBUTES, scores, strict=True))}
        checked = [number_at(cells, name, low=LOW, high=HIGH) for name in ATTRIBUTES]
        yield from _scores(unit, text_at(cells, "workers"), checked)


def _unit(unit: str, response: str) -> TableRow:
    # what was asked, and the story, are in other files of the collection
    return TableRow("units", {"unit": unit, "prompt": None, "response": response})


def _scores(unit: str, rater: str, scores: Sequence[float]) -> Iterator[TableRow]:
    for attribute, score in zip(ATTRIBUTES, scores, strict=True):
        scale = {"score": score, "low": LOW, "high": HIGH, "count": None}
        yield TableRow("unit_scores", {"unit": unit, "rater": rater, "attribute": attribute, **scale})


read_squality = row_by_row(_row)
