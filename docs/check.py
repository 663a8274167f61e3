"""Check that the documents tell the truth about the tree: links, paths, verbs, tables, rooms, changelog, banned words.

Run `python docs/check.py` in the repository; it lists every fault and exits with 1 when there is one.
`python docs/check.py --write` regenerates docs/tables.md from steersman.tables first.

What a document must look like to be checkable:
- rooms: a heading with the word "Rooms" or "Map", and below it a table whose first cell is `name/` or `name.py`;
- verbs: `steersman VERB ...` in code; what is not built yet stands below a heading, or on a line, with "planned".
"""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from tables_page import tables_page

ROOT = Path(__file__).resolve().parent.parent
TABLES_PAGE = "docs/tables.md"
MAPS_OF_ROOMS = ("README.md", "ARCHITECTURE.md")

# The parts are split so that this file does not hold what it forbids.
_FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w./*-])/(?:work|root|farm|opt|home/\w+)(?=/|\b(?![-\w]))"),
    "a neighbour of the repository": re.compile(r"\.\./" + "shared"),
    "the address of a package index": re.compile(r"https?://(?!pypi\.org)[^\s/]*(?:pypi|registry|artifact|nexus)"),
    "a secret": re.compile(r"\b(?:hf_|sk-|ghp_)[A-Za-z0-9]{24,}"),
    "an open end": re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME)\b"),
}
_ALLOWED = {(".ci/run", "a neighbour of the repository")}
_LINK = re.compile(r"(?<!`)\[[^\]]*\]\(([^)\s]+)\)")
_NAMED_PAGE = re.compile(r"\bdocs/[\w./-]+\.md\b")
_CODE = re.compile(r"`([^`\n]+)`")
_VERB = re.compile(r"(?:^|[ /])steersman ((?:[a-z][a-z0-9-]*\|?)+)(?: ((?:[a-z][a-z0-9-]*\|?)+))?")
_ROOM_CELL = re.compile(r"^\| *`([\w]+(?:/|\.py))`")

Texts = Mapping[str, str]
Verbs = Mapping[str, frozenset[str]]


def read_texts(root: Path) -> dict[str, str]:
    """Return the texts of all files git knows or would add, by path; files that are not UTF-8 are left out."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    texts = {}
    for name in sorted(filter(None, listed.split("\0"))):
        try:
            texts[name] = (root / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue
    return texts


def prose(text: str) -> str:
    """Return a Markdown text without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(text: str) -> set[str]:
    """Return the anchors a Markdown page offers, as GitHub derives them from headings."""
    headings = re.findall(r"^#+ +(.+?) *$", prose(text), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def link_faults(texts: Texts, *, root: Path) -> list[str]:
    """Return the links between Markdown pages and to files of the repository that lead nowhere."""
    faults = []
    for page, text in texts.items():
        for target in _LINK.findall(prose(text)) if page.endswith(".md") else []:
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            path = (root / page).parent.joinpath(name).resolve() if name else root / page
            if not path.exists():
                faults.append(f"{page}: link to {target}: no such file")
            elif anchor and anchor not in anchors(path.read_text(encoding="utf-8")):
                faults.append(f"{page}: link to {target}: no such heading")
    return faults


def named_page_faults(texts: Texts) -> list[str]:
    """Return the pages below docs/ that code, messages or pages name and that do not exist."""
    return [
        f"{page}: names {name}, which does not exist"
        for page, text in texts.items()
        if not page.startswith("tests/")
        for name in sorted(set(_NAMED_PAGE.findall(text)))
        if name not in texts
    ]


def built_lines(text: str) -> Iterator[str]:
    """Yield the lines of a page that speak of what is built: not below a heading, nor on a line, with 'planned'."""
    is_planned = False
    for line in text.splitlines():
        if line.startswith("#"):
            is_planned = "planned" in line.lower()
        if not is_planned and "planned" not in line.lower():
            yield line


def code_of(text: str) -> Iterator[str]:
    """Yield the code of a page that speaks of what is built: fenced or indented lines and inline code."""
    is_fenced = False
    for line in built_lines(text):
        if line.startswith("```"):
            is_fenced = not is_fenced
        elif is_fenced or line.startswith("    "):
            yield line.strip()
        else:
            yield from _CODE.findall(line)


def verb_faults(texts: Texts, *, verbs: Verbs) -> list[str]:
    """Return the `steersman VERB` commands of the pages that the command line does not know."""
    faults = []
    for page, text in texts.items():
        for code in code_of(text) if page.endswith(".md") else []:
            for verb, second in _VERB.findall(code):
                faults += [f"{page}: 'steersman {each}' is no verb" for each in verb.split("|") if each not in verbs]
                inner = verbs.get(verb, frozenset())
                faults += [
                    f"{page}: 'steersman {verb} {each}' is no verb"
                    for each in (second.split("|") if second and inner else [])
                    if each not in inner
                ]
    return faults


def command_tree() -> dict[str, frozenset[str]] | None:
    """Return every verb of the command line with its inner verbs; None where it cannot be imported yet."""
    try:
        from steersman.cli.main import cli
    except ImportError:
        return None
    return {name: frozenset(getattr(verb, "commands", {})) for name, verb in cli.commands.items()}


def room_faults(texts: Texts, *, rooms: frozenset[str]) -> list[str]:
    """Return where a map of rooms and the package differ; `rooms` are written `name/` or `name.py`."""
    faults = []
    for page in MAPS_OF_ROOMS:
        if page not in texts:
            faults.append(f"{page}: is missing")
            continue
        mapped = set(mapped_rooms(texts[page]))
        faults += [f"{page}: the map of rooms lacks {room}" for room in sorted(rooms - mapped)]
        faults += [f"{page}: the map names {room}, which is not in steersman/" for room in sorted(mapped - rooms)]
    return faults


def mapped_rooms(text: str) -> Iterator[str]:
    """Yield the rooms in the first cells of the tables below headings with 'Rooms' or 'Map'."""
    is_map = False
    for line in built_lines(text):
        if line.startswith("#"):
            is_map = re.search(r"\b(rooms|map)\b", line.lower()) is not None
        found = _ROOM_CELL.match(line) if is_map else None
        if found:
            yield found[1]


def rooms_of(texts: Texts) -> frozenset[str]:
    """Return the rooms of the package: its folders as `name/`, its modules as `name.py`."""
    parts = [PurePosixPath(name).parts[1:] for name in texts if name.startswith("steersman/") and name.endswith(".py")]
    return frozenset(f"{part[0]}/" if len(part) > 1 else part[0] for part in parts) - {"__init__.py", "__main__.py"}


def word_faults(texts: Texts) -> list[str]:
    """Return the lines that hold what no file of the repository may hold."""
    return [
        f"{name}:{number}: {what}: {found[0]}"
        for name, text in texts.items()
        for what, pattern in _FORBIDDEN.items()
        if (name, what) not in _ALLOWED
        for number, line in enumerate(text.splitlines(), start=1)
        if (found := pattern.search(line))
    ]


def changelog_faults(texts: Texts) -> list[str]:
    """Return what is wrong with the changelog: it needs an Unreleased section with something in it."""
    section = re.search(r"^## \[?Unreleased\]?.*?$(.*?)(?=^## |\Z)", texts.get("CHANGELOG.md", ""), re.M | re.S)
    if section is None:
        return ["CHANGELOG.md: no '## Unreleased' section"]
    return [] if "- " in section[1] else ["CHANGELOG.md: the Unreleased section is empty"]


def type_counts(texts: Texts) -> tuple[int, int]:
    """Return how many `type: ignore` comments and how many `Any` the Python files hold."""
    code = [text for name, text in texts.items() if name.endswith(".py") and name != "docs/check.py"]
    ignores = sum(len(re.findall(r"# type: ignore", text)) for text in code)
    return ignores, sum(len(re.findall(r"\bAny\b", text)) for text in code)


def tables_page_faults(texts: Texts) -> list[str]:
    """Return whether docs/tables.md is other than what steersman.tables says."""
    stale = texts.get(TABLES_PAGE) != tables_page()
    return [f"{TABLES_PAGE}: stale; run python docs/check.py --write"] if stale else []


def all_faults(texts: Texts, *, root: Path) -> list[str]:
    """Return the faults of every check."""
    verbs = command_tree()
    if verbs is None:
        print("docs: the command line cannot be imported; verbs are not checked")
    return [
        *link_faults(texts, root=root),
        *named_page_faults(texts),
        *(verb_faults(texts, verbs=verbs) if verbs is not None else []),
        *room_faults(texts, rooms=rooms_of(texts)),
        *changelog_faults(texts),
        *word_faults(texts),
        *tables_page_faults(texts),
    ]


def main(arguments: list[str]) -> int:
    """Check, print and return the exit code."""
    if arguments == ["--write"]:
        (ROOT / TABLES_PAGE).write_text(tables_page(), encoding="utf-8")
    texts = read_texts(ROOT)
    faults = all_faults(texts, root=ROOT)
    for fault in faults:
        print(f"docs: {fault}")
    ignores, anys = type_counts(texts)
    print(f"docs: {len(texts)} files, {len(faults)} faults; {ignores} type: ignore, {anys} Any")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
