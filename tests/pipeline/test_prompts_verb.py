"""`steersman prompts`: which rows of a table go on, and what they are said to come from."""

from pathlib import Path

import pytest
from tiny_loop import rows_of

from steersman.config.sections import PromptsSettings
from steersman.errors import DataError
from steersman.pipeline import licences, prompts
from steersman.store.files import write_jsonl
from steersman.store.lineage import Ancestor, Lineage, read_lineage, write_lineage

Row = dict[str, object]
HUB_MODEL = Ancestor("HuggingFaceTB/SmolLM2-135M-Instruct", "model", "prompts", None)


def prompt(name: str, **changes: object) -> Row:
    messages = [{"role": "user", "content": f"question {name}?"}]
    return {"prompt_id": name, "messages": messages, "source": "mine", "licence": "CC0-1.0", **changes}


def source(folder: Path, rows: list[Row], *, ancestors: tuple[Ancestor, ...] = (), simulated: bool = False) -> Path:
    write_jsonl(folder / "prompts.jsonl", rows)
    if ancestors or simulated:
        lineage = Lineage("in", "prompts", "2026-01-01", 0.0, None, "", {}, ancestors, simulated=simulated)
        write_lineage(folder, lineage)
    return folder / "prompts.jsonl"


def collected(path: Path, *, out: Path, limit: int | None = None) -> Path:
    prompts.run(PromptsSettings(source=str(path), limit=limit, held_out=0), seed=1, out=out)
    return out


def test_an_ancestor_whose_licence_is_not_recorded_is_inherited(tmp_path: Path) -> None:
    path = source(tmp_path / "in", [prompt("a"), prompt("b")], ancestors=(HUB_MODEL,))
    out = collected(path, out=tmp_path / "out")
    assert read_lineage(out).ancestors == (Ancestor("mine", "data", "prompts", "CC0-1.0"), HUB_MODEL)
    assert licences.run(out)["commercial_use"] == "forbidden"


def test_the_mark_of_simulation_is_inherited(tmp_path: Path) -> None:
    path = source(tmp_path / "in", [prompt("a"), prompt("b")], simulated=True)
    assert read_lineage(collected(path, out=tmp_path / "out")).simulated


def test_a_table_without_a_lineage_speaks_for_itself(tmp_path: Path) -> None:
    path = source(tmp_path / "in", [prompt("a"), prompt("b", source="theirs", licence="CC BY-NC 4.0")])
    out = collected(path, out=tmp_path / "out")
    assert [(each.work, each.licence) for each in read_lineage(out).ancestors] == [
        ("mine", "CC0-1.0"),
        ("theirs", "CC BY-NC 4.0"),
    ]
    assert not read_lineage(out).simulated


def test_a_source_that_its_lineage_knows_better_is_told_once(tmp_path: Path) -> None:
    known = Ancestor("mine", "data", "prompts", "CC0-1.0", revision="abc")
    path = source(tmp_path / "in", [prompt("a", licence=None), prompt("b", licence=None)], ancestors=(known,))
    assert read_lineage(collected(path, out=tmp_path / "out")).ancestors == (known,)


@pytest.mark.parametrize("limit", [None, 2])
def test_rejected_prompts_are_never_passed_on(tmp_path: Path, limit: int | None) -> None:
    path = source(tmp_path / "in", [prompt("a", kept=False), prompt("b", kept=True), prompt("c")])
    out = collected(path, out=tmp_path / "out", limit=limit)
    assert [row["prompt_id"] for row in rows_of(out / prompts.PROMPTS_FILE)] == ["b", "c"]


def test_a_table_that_keeps_no_prompt_is_told(tmp_path: Path) -> None:
    path = source(tmp_path / "in", [prompt("a", kept=False), prompt("b", kept=False)])
    with pytest.raises(DataError, match=r"prompts\.jsonl: all 2 prompts are marked as not kept"):
        collected(path, out=tmp_path / "out")
