"""Read HelpSteer2's three kinds of file: rated responses, the ratings behind them, and preferences.

Its prompts are in the text form of a conversation already and are taken as they are.
"""

from collections.abc import Iterable, Iterator, Mapping

from steersman.sources.cells import Row, objects_at, optional_text_at, text_at, whole_at
from steersman.sources.items import Fault, How, Item, ShapeError, SourceRow, TableRow, Tie, row_by_row
from steersman.sources.ranking import pair
from steersman.tables import DISAGREEMENTS, EXAMPLES, Table, row_faults

NEITHER_VALID = -100
_SPLITS: Mapping[str, str] = {"train": "train", "val": "validation"}


def read_examples(rows: Iterable[SourceRow], how: How) -> Iterator[Item]:
    """Yield examples as they stand; rows 2k and 2k+1 must share a prompt."""
    first: SourceRow | None = None
    for row in rows:
        if first is None:
            first = row
            continue
        yield from _example_pair(first, row)
        first = None
    if first is not None:
        yield Fault(first.place, "the last row has no partner that shares its prompt")


def _example_pair(first: SourceRow, second: SourceRow) -> Iterator[Item]:
    faults = [Fault(row.place, text) for row in (first, second) for text in row_faults(row.value, table=EXAMPLES)]
    if not faults and first.value["prompt"] != second.value["prompt"]:
        faults = [Fault(first.place, "its prompt differs from that of the next row; the two must share one")]
    yield from faults
    if not faults:
        yield from (TableRow("examples", _columns(row, EXAMPLES)) for row in (first, second))


def _disagreement(row: SourceRow, how: How) -> Iterator[Item]:
    faults = row_faults(row.value, table=DISAGREEMENTS)
    if faults:
        raise ShapeError("; ".join(faults))
    yield TableRow("disagreements", _columns(row, DISAGREEMENTS))


def _preference(row: SourceRow, how: How) -> Iterator[Item]:
    value, task = row.value, f"helpsteer2-{row.number:05d}"
    split = _split(value)
    texts = {name: text_at(value, name) for name in ("prompt", "response_1", "response_2")}
    yield TableRow("preference_tasks", {"task_id": task, "split": split, **texts}, split)
    strength = whole_at(value, "preference_strength", low=-3, high=3)
    if strength == 0:
        yield Tie()
    else:
        chosen, rejected = ("response_2", "response_1") if strength > 0 else ("response_1", "response_2")
        yield _in_split(
            pair(texts["prompt"], chosen=texts[chosen], rejected=texts[rejected], margin=abs(strength)), split
        )
    for place, rating in enumerate(objects_at(value, "all_preferences_unprocessed")):
        said = {
            "task_id": task,
            "annotator": f"place-{place:04d}",
            "strength": _strength(rating),
            "justification": optional_text_at(rating, "justification"),
        }
        yield TableRow("preference_ratings", said, split)


read_disagreements = row_by_row(_disagreement)
read_preferences = row_by_row(_preference)


def _columns(row: SourceRow, table: Table) -> dict[str, object]:
    return {name: row.value.get(name) for name in table.columns}


def _in_split(row: TableRow, split: str) -> TableRow:
    return TableRow(row.table, row.values, split)


def _split(value: Row) -> str:
    name = text_at(value, "split")
    if name not in _SPLITS:
        raise ShapeError(f"'split' must be one of {', '.join(_SPLITS)}, got {name[:40]!r}")
    return _SPLITS[name]


def _strength(rating: Row) -> int | None:
    if rating.get("strength") == NEITHER_VALID:
        return None
    return whole_at(rating, "strength", low=-3, high=3)
