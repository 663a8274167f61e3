"""Put a table between its markers in docs/results.md; what tables and their notes are made of."""

import argparse
from collections.abc import Sequence


def table_row(*cells: str) -> str:
    """Return a row of a table in Markdown."""
    return f"| {' | '.join(cells)} |"


def table_head(*cells: str) -> list[str]:
    """Return the head of a table and the line below it."""
    return [table_row(*cells), "|" + "---|" * len(cells)]


def command_words(script: str, options: argparse.Namespace, *, plain: argparse.Namespace, hidden: Sequence[str]) -> str:
    """Return the command that `options` come from: those that differ from `plain`, but for the `hidden`.

    Of a path only the name is told.
    """
    words = [f"python benchmarks/{script}"]
    for name, value in vars(options).items():
        if name not in hidden and _listed(value) != _listed(getattr(plain, name)):
            words += [f"--{name.replace('_', '-')}", *(str(each).rpartition("/")[2] for each in _listed(value))]
    return " ".join(words)


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else [value]


def page_with_table(page: str, table: str, *, name: str, section: str) -> str:
    """Return `page` with `table` between the markers called `name`.

    Where the markers are not there yet they are made, below `section`, a heading and its introduction, which is added
    when its heading is not there either.
    """
    begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
    block = f"{begin}\n{table}\n{end}"
    head, found, rest = page.partition(begin)
    if found:
        return f"{head}{block}{rest.partition(end)[2]}"
    heading = section.strip().splitlines()[0]
    before, is_there, after = page.partition(f"{heading}\n")
    if not is_there:
        return f"{page.rstrip()}\n\n{section.strip()}\n\n{block}\n"
    own, next_heading, others = after.partition("\n## ")
    return f"{before}{heading}\n{own.rstrip()}\n\n{block}\n{next_heading}{others}"
