"""Read HelpSteer: rated responses one a row, up to four to a prompt, on HelpSteer2's five attributes and scale."""

from collections.abc import Iterable, Iterator

from steersman.records import ATTRIBUTES, MAX_SCORE, MIN_SCORE
from steersman.sources.cells import text_at, whole_at
from steersman.sources.items import Fault, How, Item, ShapeError, SourceRow, TableRow
from steersman.sources.turns import one_turn_prompt


def read_helpsteer(rows: Iterable[SourceRow], how: How) -> Iterator[Item]:
    """Yield examples in pairs that share a prompt, neighbours in the order of the file.

    A prompt's odd response out goes to `unpaired`. Prompts come in the order of their first row.
    """
    by_prompt: dict[str, list[dict[str, object]]] = {}
    for row in rows:
        try:
            example = _example(row)
        except ShapeError as error:
            yield Fault(row.place, str(error))
            continue
        by_prompt.setdefault(str(example["prompt"]), []).append(example)
    for examples in by_prompt.values():
        paired = len(examples) // 2 * 2
        yield from (TableRow("examples", example) for example in examples[:paired])
        yield from (TableRow("unpaired", example) for example in examples[paired:])


def _example(row: SourceRow) -> dict[str, object]:
    value = row.value
    scores = {name: whole_at(value, name, low=MIN_SCORE, high=MAX_SCORE) for name in ATTRIBUTES}
    return {"prompt": one_turn_prompt(text_at(value, "prompt")), "response": text_at(value, "response"), **scores}
