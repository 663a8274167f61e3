"""`steersman import`: whole tables with their lineage, every row accounted for, or nothing at all."""

import gzip
import json
from pathlib import Path

import pytest

from steersman.cli.main import main
from steersman.config.importing import ImportSettings
from steersman.errors import DataError, RunError
from steersman.pipeline import import_data, licences
from steersman.pipeline.examples import read_pairs
from steersman.records import ATTRIBUTES
from steersman.sources.helpsteer2 import read_folder
from steersman.store.files import read_table, sha256_file
from steersman.store.lineage import read_lineage
from steersman.tables import EXAMPLES, PAIRS

Row = dict[str, object]


def run(source: str, where: Path, *, out: Path, pairs: str = "all") -> dict[str, object]:
    settings = {"source": source, "where": str(where), "pairs": pairs}
    return import_data.run(ImportSettings.model_validate(settings), out=out)


def written(path: Path, rows: list[Row]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def dialogue(number: int, response: str = "yes") -> str:
    return f"\n\nHuman: question {number}?\n\nAssistant: {response}"


def comparison(number: int) -> Row:
    return {"chosen": dialogue(number), "rejected": dialogue(number, "no")}


SAME: Row = {"chosen": dialogue(0), "rejected": dialogue(0)}


def rated(prompt: str, number: int, level: int) -> Row:
    return {"prompt": prompt, "response": f"answer {number}", **dict.fromkeys(ATTRIBUTES, level)}


def helpsteer(folder: Path) -> Path:
    for name, prompts in (("train", "abc"), ("validation", "xy")):
        rows = [rated(prompt, number, number) for prompt in prompts for number in range(4)]
        written(folder / f"{name}.jsonl", rows)
    return folder


def test_every_table_and_split_gets_a_file_and_everything_is_counted(tmp_path: Path) -> None:
    written(tmp_path / "hh/helpful-base/train.jsonl.gz", [comparison(1), SAME, comparison(2)])
    written(tmp_path / "hh/harmless-base/test.jsonl.gz", [comparison(3)])
    result = run("hh-rlhf", tmp_path / "hh", out=tmp_path / "out")
    assert result["tables"] == {"pairs.test": 1, "pairs.train": 2}
    assert result["left_out"] == {"same_response": 1}
    assert (result["rows_in"], result["ties"], result["commercial_use"]) == (4, 0, "clear")
    pairs = read_table(tmp_path / "out" / "pairs.train.jsonl.gz", table=PAIRS)
    assert pairs.to_dicts()[1] == {"prompt": "question 2?", "chosen": "yes", "rejected": "no", "margin": 1.0}


def test_rows_keep_their_order_past_the_first_part(tmp_path: Path) -> None:
    path = written(tmp_path / "train.jsonl", [comparison(number) for number in range(9000)])
    run("hh-rlhf", path, out=tmp_path / "out")
    pairs = read_table(tmp_path / "out" / "pairs.train.jsonl.gz", table=PAIRS)
    assert pairs["prompt"].to_list() == [f"question {number}?" for number in range(9000)]


def test_the_lineage_names_the_work_its_licence_and_what_to_know(tmp_path: Path) -> None:
    run("hh-rlhf", written(tmp_path / "train.jsonl", [comparison(1)]), out=tmp_path / "out")
    lineage = read_lineage(tmp_path / "out")
    assert [(each.work, each.licence) for each in lineage.ancestors] == [("Anthropic/hh-rlhf", "MIT")]
    assert any("the margin of every pair is 1" in note for note in lineage.notes)
    assert licences.run(tmp_path / "out" / "pairs.train.jsonl.gz")["commercial_use"] == "clear"


def test_data_labelled_by_gpt_4_is_forbidden_whatever_its_own_licence(tmp_path: Path) -> None:
    answers = [{"answer": "a", "model": "m", "rank": 1}, {"answer": "b", "model": "m", "rank": 2}]
    path = written(tmp_path / "mine.jsonl", [{"prompt": dialogue(1, ""), "answers": answers}])
    assert run("nectar", path, out=tmp_path / "out")["commercial_use"] == "forbidden"
    assert licences.run(tmp_path / "out")["commercial_use"] == "forbidden"


def test_examples_can_be_trained_on_as_they_come(tmp_path: Path) -> None:
    run("helpsteer", helpsteer(tmp_path / "hs"), out=tmp_path / "out")
    pairs = read_pairs(tmp_path / "out" / "train.jsonl.gz")
    assert (len(pairs.prompts), pairs.prompts[:2]) == (3 * 2, ["a", "a"])


def test_imported_examples_are_a_folder_in_helpsteer2s_shape_with_a_known_licence(tmp_path: Path) -> None:
    run("helpsteer", helpsteer(tmp_path / "hs"), out=tmp_path / "out")
    data = read_folder(tmp_path / "out")
    assert (data.train.height, data.validation.height) == (12, 8)
    assert [each.licence for each in data.ancestors] == ["CC-BY-4.0"]


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    path = written(tmp_path / "train.jsonl", [comparison(number) for number in range(50)])
    sums = set()
    for name in ("one", "two"):
        run("hh-rlhf", path, out=tmp_path / name)
        sums.add(sha256_file(tmp_path / name / "pairs.train.jsonl.gz"))
    assert len(sums) == 1


def test_only_the_ends_of_a_ranking_are_paired_when_asked(tmp_path: Path) -> None:
    answers = [{"answer": f"answer {rank}", "model": "m", "rank": rank} for rank in range(1, 8)]
    path = written(tmp_path / "mine.jsonl", [{"prompt": dialogue(1, ""), "answers": answers}])
    # seven answers make 7 * 6 / 2 pairs
    assert run("nectar", path, out=tmp_path / "all")["tables"] == {"pairs": 21}
    assert run("nectar", path, out=tmp_path / "ends", pairs="ends")["tables"] == {"pairs": 1}


def test_ties_are_counted_and_make_no_pair(tmp_path: Path) -> None:
    answers = [{"answer": f"answer {number}", "model": "m", "rank": rank} for number, rank in enumerate([1, 2, 2])]
    path = written(tmp_path / "mine.jsonl", [{"prompt": dialogue(1, ""), "answers": answers}] * 2)
    result = run("nectar", path, out=tmp_path / "out")
    assert (result["ties"], result["tables"]) == (2, {"pairs": 4})


def test_the_faults_of_all_files_are_told_at_once_and_nothing_is_written(tmp_path: Path) -> None:
    written(tmp_path / "hh/helpful-base/test.jsonl", [comparison(1), {"chosen": dialogue(1)}])
    path = written(tmp_path / "hh/helpful-base/train.jsonl", [comparison(number) for number in range(5000)])
    path.write_bytes(path.read_bytes() + b"{broken\n")
    with pytest.raises(DataError) as caught:
        run("hh-rlhf", tmp_path / "hh", out=tmp_path / "out")
    assert "helpful-base/test.jsonl:2: no 'rejected'" in str(caught.value)
    assert "helpful-base/train.jsonl:5001: not JSON" in str(caught.value)
    assert list((tmp_path / "out").glob("*.jsonl*")) == []


def test_a_collection_of_which_nothing_is_left_says_why(tmp_path: Path) -> None:
    path = written(tmp_path / "train.jsonl", [SAME, SAME])
    with pytest.raises(DataError, match=r"hh-rlhf: no row is left \(2 same_response\)"):
        run("hh-rlhf", path, out=tmp_path / "out")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text("\n", encoding="utf-8")
    with pytest.raises(DataError, match="holds no rows"):
        run("hh-rlhf", tmp_path / "train.jsonl", out=tmp_path / "out")


def test_a_folder_with_other_things_in_it_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(RunError, match="holds what steersman did not write"):
        run("hh-rlhf", written(tmp_path / "train.jsonl", [comparison(1)]), out=tmp_path / "out")


def test_changed_files_are_imported_anew(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    run("hh-rlhf", written(path, [comparison(1)]), out=tmp_path / "out")
    assert run("hh-rlhf", written(path, [comparison(1), comparison(2)]), out=tmp_path / "out")["rows_in"] == 2


def test_the_verb_prints_its_counts_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "train.jsonl", [comparison(1), SAME])
    assert main(["import", "hh-rlhf", str(path), "--out", str(tmp_path / "out"), "--json"]) == 0
    told = capsys.readouterr()
    result = json.loads(told.out)
    assert (result["tables"], result["left_out"]) == ({"pairs.train": 1}, {"same_response": 1})
    assert "note: the margin of every pair is 1" in told.err


def test_the_verb_tells_people_what_was_left_out_and_whether_it_may_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "train.jsonl", [comparison(1), SAME])
    assert main(["import", "hh-rlhf", str(path), "--out", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "left out: 1 same response" in out
    assert "commercial use: clear" in out


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["nothing", "x.jsonl"], "no source 'nothing'; known are helpsteer"),
        (["hh-rlhf", "absent/x.jsonl"], "needs --revision, the 40 hexadecimal digits"),
        (["hh-rlhf", "absent.jsonl"], "no such file or folder"),
    ],
)
def test_wrong_input_ends_with_code_two_and_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: list[str], words: str
) -> None:
    assert main(["import", *given, "--out", str(tmp_path / "out")]) == 2
    assert words in capsys.readouterr().err


REAL = [
    ("hh-rlhf", "hh_rlhf", {"pairs.test": 2303}, {"same_role_twice": 9}),
    (
        "oasst",
        "oasst1",
        {"pairs.validation": 1021, "unit_scores.validation": 15270, "units.validation": 1185},
        {"below_deleted": 8, "deleted": 20, "parent_missing": 2, "rejected_in_review": 28, "same_response": 1},
    ),
    ("pandalm", "pandalm", {"preference_ratings": 2997, "preference_tasks": 999}, {}),
    ("squality", "squality", {"unit_scores": 2700, "units": 300}, {}),
    ("helpsteer2", "helpsteer2", {"train": 1368, "validation": 224}, {}),
]


@pytest.mark.data
@pytest.mark.parametrize(("source", "folder", "tables", "left_out"), REAL, ids=[each[0] for each in REAL])
def test_real_collections_are_read_whole(
    data_folder: Path, tmp_path: Path, source: str, folder: str, tables: dict[str, int], left_out: dict[str, int]
) -> None:
    result = run(source, data_folder / folder, out=tmp_path / "out")
    assert (result["tables"], result["left_out"]) == (tables, left_out)


@pytest.mark.data
def test_real_examples_come_out_as_they_went_in(data_folder: Path, tmp_path: Path) -> None:
    run("helpsteer2", data_folder / "helpsteer2", out=tmp_path / "out")
    for name in ("train", "validation"):
        before = read_table(data_folder / "helpsteer2" / f"{name}.jsonl", table=EXAMPLES)
        assert read_table(tmp_path / "out" / f"{name}.jsonl.gz", table=EXAMPLES).equals(before)
