"""Write docs/tables.md from steersman.tables, so that the page cannot differ from the check at the door."""

from steersman.tables import Column, Table, imported, schemas

_INTRODUCTION = """# Tables

Every bulk table is a JSON lines file (`.jsonl`, `.jsonl.gz`) or a Parquet file with the columns below. A table that
comes from outside is checked when it is read: all faults of a file are reported at once, each with its line. Keys that
a table does not name are passed over. A column that "may be missing" may also be null.

This page is generated: change `steersman/tables/schemas.py` or `imported.py`, then run `make format`.
"""
# One sentence per table; a table without one stops the generator.
_ROWS = {
    "prompts": "One row per prompt: a conversation that ends with a user turn.",
    "responses": "One row per response; a prompt has two, next to each other.",
    "ratings": "One row per annotator and response. An attribute the annotator did not rate is null. "
    "`position` is the place of the response in its task, from 0; `task_id` is the `prompt_id` of the prompt.",
    "preference ratings": "One row per annotator and pair. `strength` runs from -3 (the first response is much better) "
    "to 3 (the second is); null means that neither response is valid.",
    "examples": "One row per rated response, in the shape HelpSteer2 was released in. Rows 2k and 2k+1 share a prompt.",
    "disagreements": "The examples before their ratings were merged: each attribute is the list of single ratings.",
    "pairs": "One row per preference. A tie is never a pair, so `margin` is above 0.",
    "prompts with responses": "One row per response to be scored.",
    "preference tasks": "One row per task of a table of preference ratings: its texts and its split.",
    "conversations": "One row per conversation to learn the assistant's turns from. It may begin with a system turn.",
    "units": "One row per text that unit scores speak of. Its prompt is null where it is not known.",
    "unit scores": "One row per unit, rater and attribute, on a scale of its own from `low` to `high`. Without a rater "
    "the score is the mean of `count` of them.",
}
_PROMPT_TEXT = """
## Prompts as text

A `prompt` column holds a whole conversation in HelpSteer2's text form: the first user turn as it is, then
`<extra_id_1>Assistant` or `<extra_id_1>User` alone on a line before each further turn. Where a user's own text holds
the marker, one backslash stands before its name (`<\\extra_id_1>`), so that no text can forge a turn.
"""
_KINDS = {
    "text": "text",
    "integer": "whole number",
    "number": "number",
    "flag": "true or false",
    "texts": "list of texts",
    "integers": "list of whole numbers",
    "messages": "list of `{role, content}`",
}


def tables_page() -> str:
    """Return the page, a section per table in the order of steersman.tables."""
    found = [value for module in (schemas, imported) for value in vars(module).values() if isinstance(value, Table)]
    return "\n".join([_INTRODUCTION, *map(_section, found)]) + _PROMPT_TEXT


def _section(table: Table) -> str:
    rows = [
        f"| `{name}` | {_KINDS[column.kind]}{_limits(column)} | {_presence(column)} |"
        for name, column in table.columns.items()
    ]
    head = ["| column | holds | presence |", "|---|---|---|"]
    return "\n".join([f"## {table.name.capitalize()}", "", _ROWS[table.name], "", *head, *rows, ""])


def _limits(column: Column) -> str:
    if column.low is None:
        return ""
    return f", at least {column.low:g}" if column.high is None else f", {column.low:g} to {column.high:g}"


def _presence(column: Column) -> str:
    if not column.required:
        return "may be missing"
    return "required, may be null" if column.nullable else "required"
