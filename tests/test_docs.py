"""The check of the documents finds what it is for; each test gives it a small set of texts with one fault."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"
VERBS = {"demo": frozenset[str](), "train": frozenset({"reward", "dpo"})}


@pytest.fixture(scope="module")
def check() -> ModuleType:
    sys.path.insert(0, str(DOCS))
    spec = importlib.util.spec_from_file_location("docs_check", DOCS / "check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path.remove(str(DOCS))
    return module


@pytest.mark.parametrize(
    ("link", "num_faults"),
    [
        ("other.md", 0),
        ("other.md#a-heading-with-code", 0),
        ("#here", 0),
        ("https://example.org", 0),
        ("absent.md", 1),
        ("other.md#absent", 1),
        ("#absent", 1),
    ],
)
def test_a_link_that_leads_nowhere_is_a_fault(check: ModuleType, tmp_path: Path, link: str, num_faults: int) -> None:
    texts = {"page.md": f"# Here\n[see]({link})\n", "other.md": "## A heading, with `code`\n"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert len(check.link_faults(texts, root=tmp_path)) == num_faults


def test_a_page_named_in_a_message_must_exist(check: ModuleType) -> None:
    texts = {"steersman/a.py": '"see docs/crowd.md and docs/here.md"', "docs/here.md": ""}
    assert check.named_page_faults(texts) == ["steersman/a.py: names docs/crowd.md, which does not exist"]


@pytest.mark.parametrize(
    ("text", "num_faults"),
    [
        ("`steersman demo --data PATH`", 0),
        ("`steersman train reward|dpo CONFIG.yaml`", 0),
        ("`.venv/bin/steersman demo`", 0),
        ("`steersman dance`", 1),
        ("`steersman train ppo`", 1),
        ("`steersman demo here`", 0),
        ("    steersman demo|dance", 1),
        ("```\nsteersman dance\n```", 1),
        ("In words, steersman dances.", 0),
        ("`steersman dance` (planned)", 0),
        ("## Planned\n`steersman dance`", 0),
        ("## Planned\n## Built\n`steersman dance`", 1),
    ],
)
def test_a_verb_in_code_must_exist_or_be_planned(check: ModuleType, text: str, num_faults: int) -> None:
    assert len(check.verb_faults({"page.md": text}, verbs=VERBS)) == num_faults


def section(page: str, heading: str) -> str:
    """Return the text below a heading of a page of the repository, up to the next heading."""
    text = (DOCS.parent / page).read_text(encoding="utf-8")
    return text.split(f"\n{heading}\n")[1].split("\n#")[0]


def test_the_readme_says_of_every_planned_verb_that_it_is_not_there() -> None:
    planned = section("ARCHITECTURE.md", "### Verbs planned")
    rows = [line.split("|") for line in section("README.md", "### Planned, not there yet").splitlines() if "|" in line]
    said = {verb: row[2] for row in rows for verb in re.findall(r"`steersman ([a-z ]+)`", row[1])}
    for verb, kinds in re.findall(r"steersman ([a-z]+)(?: ([a-z0-9|-]+))?", planned):
        assert {kind for kind in kinds.split("|") if f"`{kind}`" not in said[verb]} <= {""}


def test_nothing_that_the_readme_calls_planned_is_there() -> None:
    surface = (DOCS.parent / "tests" / "surface" / "cli.txt").read_text(encoding="utf-8")
    missing = re.findall(r"`(?:simulate )?(--[a-z]+)`", section("README.md", "### Planned, not there yet"))
    assert {"--json", "--ray"} <= set(missing)
    # these are there for some verbs and missing for others
    assert [option for option in set(missing) - {"--json", "--ray"} if f"{option}," in surface] == []


def test_the_maps_of_rooms_equal_the_tree(check: ModuleType) -> None:
    texts = {
        "README.md": "## Map\n| `store/` | x |\n| `gone/` | x |\n## Other\n| `elsewhere/` | x |\n",
        "ARCHITECTURE.md": "## Rooms\n| `store/` | x |\n| `errors.py` | x |\n### Rooms planned\n| `web/` | x |\n",
        "steersman/store/files.py": "",
        "steersman/errors.py": "",
        "steersman/__init__.py": "",
    }
    assert check.room_faults(texts, rooms=check.rooms_of(texts)) == [
        "README.md: the map of rooms lacks errors.py",
        "README.md: the map names gone/, which is not in steersman/",
    ]


@pytest.mark.parametrize(
    ("line", "num_faults"),
    [
        ("/" + "work/main/runs", 1),
        ("at /" + "root.", 1),
        ("see ../" + "shared/data", 1),
        ("https://py" + "pi.example.org/simple", 1),
        ("https://pypi.org/project/steersman", 0),
        ("hf_" + "a" * 30, 1),
        ("# TO" + "DO later", 1),
        ("docs/work/plan and network/root", 0),
        ("/workers and /rooted", 0),
    ],
)
def test_what_belongs_to_one_machine_stays_out(check: ModuleType, line: str, num_faults: int) -> None:
    assert len(check.word_faults({"a.py": line})) == num_faults


def test_only_the_continuous_check_may_name_the_data_beside_the_repository(check: ModuleType) -> None:
    assert check.word_faults({".ci/run": "../" + "shared/data"}) == []


@pytest.mark.parametrize(
    ("text", "num_faults"),
    [("## Unreleased\n- x\n", 0), ("## [Unreleased]\n- x\n", 0), ("## Unreleased\n## 0.1.0\n- x\n", 1), ("", 1)],
)
def test_the_changelog_says_what_is_unreleased(check: ModuleType, text: str, num_faults: int) -> None:
    assert len(check.changelog_faults({"CHANGELOG.md": text})) == num_faults


def test_a_stale_page_of_tables_is_a_fault(check: ModuleType) -> None:
    texts = {"docs/tables.md": check.tables_page()}
    stale = {"docs/tables.md": texts["docs/tables.md"] + "more\n"}
    assert (len(check.tables_page_faults(texts)), len(check.tables_page_faults(stale))) == (0, 1)
