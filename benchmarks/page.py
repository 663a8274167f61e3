"""Put a table between its markers in docs/results.md."""


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
