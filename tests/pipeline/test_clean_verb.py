import json
import shutil
from dataclasses import replace
from pathlib import Path

import datasets
import polars as pl
import pytest
from crowd_tasks import tasks

from steersman.config.cleaning import CleanSettings
from steersman.config.loading import load_settings
from steersman.config.sections import CrowdSettings
from steersman.errors import DataError, RunError
from steersman.pipeline import agreement, clean, simulate
from steersman.records import ATTRIBUTES
from steersman.store.files import read_table, sha256_file, write_jsonl, write_table
from steersman.store.lineage import Ancestor, read_lineage, write_lineage
from steersman.tables import DISAGREEMENTS, EXAMPLES, RATINGS

RULES = CleanSettings.model_validate({})
CROWD = CrowdSettings.model_validate({"annotators": 12})
PROMPTS = Ancestor(work="steersman-starter-prompts", kind="data", role="prompts", licence="CC0-1.0")


@pytest.fixture(scope="module")
def ratings_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ratings") / "ratings.jsonl"
    simulate.run(tasks(40), crowd=CROWD, seed=1, out=path, ancestors=(PROMPTS,))
    return path


def test_simulated_ratings_lie_beside_a_lineage_that_says_so(ratings_file: Path) -> None:
    lineage = read_lineage(ratings_file.parent)
    assert lineage.simulated
    assert [each.work for each in lineage.ancestors] == ["steersman-starter-prompts", "steersman-simulated-crowd"]


def test_simulating_counts_what_it_wrote(tmp_path: Path) -> None:
    made = simulate.run(tasks(8), crowd=CROWD, seed=1, out=tmp_path / "ratings.parquet")
    written = read_table(tmp_path / "ratings.parquet", table=RATINGS)
    assert (made["tasks"], made["rows"], made["ratings"]) == (8, 16, written.height)


def test_ratings_are_not_simulated_into_a_folder_of_something_else(ratings_file: Path, tmp_path: Path) -> None:
    clean.run(ratings_file, out=tmp_path / "clean", rules=RULES, seed=0)
    with pytest.raises(RunError, match="a folder of their own"):
        simulate.run(tasks(2), crowd=CROWD, seed=1, out=tmp_path / "clean" / "ratings.jsonl")


def test_counts_of_tasks_and_ratings_add_up(ratings_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "clean"
    result = clean.run(ratings_file, out=out, rules=RULES, seed=0)
    dropped, left_out = result["dropped"], result["ratings_left_out"]
    assert isinstance(dropped, dict)
    assert isinstance(left_out, dict)
    assert result["tasks_in"] == result["tasks_out"] + sum(dropped.values()) == 40  # type: ignore[operator]
    assert result["ratings_in"] == result["ratings_kept"] + sum(left_out.values())  # type: ignore[operator]
    rows = [read_table(out / f"{name}.jsonl.gz", table=EXAMPLES).height for name in ("train", "validation")]
    assert sum(rows) == result["rows_out"]


def test_the_dataset_inherits_ancestors_and_the_mark_of_simulation(ratings_file: Path, tmp_path: Path) -> None:
    clean.run(ratings_file, out=tmp_path / "clean", rules=RULES, seed=0)
    lineage = read_lineage(tmp_path / "clean")
    assert lineage.simulated
    assert lineage.ancestors == read_lineage(ratings_file.parent).ancestors
    assert lineage.inputs == {"ratings.jsonl": sha256_file(ratings_file)}
    assert "(SIMULATED ratings)" in (tmp_path / "clean" / "README.md").read_text(encoding="utf-8")


def test_a_second_run_writes_the_same_bytes(ratings_file: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        clean.run(ratings_file, out=tmp_path / name / "clean", rules=RULES, seed=0)
    first, second = tmp_path / "one" / "clean", tmp_path / "two" / "clean"
    files = sorted(file.relative_to(first) for file in first.rglob("*") if file.is_file())
    assert len(files) == 11
    for file in files:
        if file.name != "lineage.json":
            assert (first / file).read_bytes() == (second / file).read_bytes(), file


def test_the_rules_beside_the_dataset_are_those_it_was_cleaned_by(ratings_file: Path, tmp_path: Path) -> None:
    rules = CleanSettings.model_validate({"max_spread": 1, "trust": {"min_agreement": 0.3}, "near_duplicates": None})
    clean.run(ratings_file, out=tmp_path / "clean", rules=rules, seed=0)
    written = (tmp_path / "clean" / "rules.yaml").read_text(encoding="utf-8")
    assert load_settings(written, model=CleanSettings, source="rules.yaml") == rules


def test_every_task_has_its_reason_beside_the_dataset(ratings_file: Path, tmp_path: Path) -> None:
    rules = CleanSettings.model_validate({"max_spread": 0})
    result = clean.run(ratings_file, out=tmp_path / "clean", rules=rules, seed=0)
    tasks = pl.read_ndjson(tmp_path / "clean" / "tasks.jsonl")
    assert (tasks["task_id"].n_unique(), tasks["kept"].sum()) == (result["tasks_in"], result["tasks_out"])
    reasons = tasks.filter(~pl.col("kept"))["reason"].value_counts()
    assert dict(reasons.rows()) == result["dropped"] == {"spread": len(tasks) - tasks["kept"].sum()}


def test_a_second_run_takes_the_place_of_the_first(ratings_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "clean"
    clean.run(ratings_file, out=out, rules=RULES, seed=0)
    whole = clean.run(ratings_file, out=out, rules=CleanSettings.model_validate({"validation_share": 0}), seed=0)
    assert not (out / "validation.jsonl.gz").exists()
    assert read_table(out / "train.jsonl.gz", table=EXAMPLES).height == whole["rows_out"]


def test_a_folder_of_other_files_is_not_replaced(ratings_file: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(RunError, match="did not write"):
        clean.run(ratings_file, out=tmp_path, rules=RULES, seed=0)
    with pytest.raises(RunError, match="holds the ratings themselves"):
        clean.run(ratings_file, out=ratings_file.parent, rules=RULES, seed=0)


@pytest.mark.parametrize("name", [".git/config", ".gitattributes", "NOTES.md", "disagreements/mine", "done"])
def test_what_was_added_to_an_earlier_result_is_not_lost(ratings_file: Path, tmp_path: Path, name: str) -> None:
    added = tmp_path / "clean" / name
    clean.run(ratings_file, out=tmp_path / "clean", rules=RULES, seed=0)
    added.parent.mkdir(exist_ok=True)
    added.write_text("mine", encoding="utf-8")
    with pytest.raises(RunError, match=f"did not write .*{added.name}"):
        clean.run(ratings_file, out=tmp_path / "clean", rules=RULES, seed=0)
    assert added.read_text(encoding="utf-8") == "mine"


def test_a_folder_of_the_same_names_without_a_lineage_of_ours_is_not_replaced(
    ratings_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "README.md").write_text("mine", encoding="utf-8")
    with pytest.raises(RunError, match=r"did not write \(README.md\)"):
        clean.run(ratings_file, out=tmp_path, rules=RULES, seed=0)
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "mine"


def test_a_folder_that_another_verb_locked_is_replaced(ratings_file: Path, tmp_path: Path) -> None:
    for _ in range(2):
        clean.run(ratings_file, out=tmp_path / "clean", rules=RULES, seed=0)
        (tmp_path / "clean" / ".lock").touch()


@pytest.mark.parametrize("is_dangling", [True, False])
def test_a_link_is_not_replaced(ratings_file: Path, tmp_path: Path, is_dangling: bool) -> None:
    if not is_dangling:
        clean.run(ratings_file, out=tmp_path / "clean", rules=RULES, seed=0)
    (tmp_path / "link").symlink_to(tmp_path / "clean")
    with pytest.raises(RunError, match="is a link"):
        clean.run(ratings_file, out=tmp_path / "link", rules=RULES, seed=0)
    assert (tmp_path / "link").is_symlink()


def test_nothing_is_written_when_no_task_is_left(ratings_file: Path, tmp_path: Path) -> None:
    one_each = read_table(ratings_file, table=RATINGS).unique(["task_id", "response_id"], maintain_order=True)
    write_table(tmp_path / "few.jsonl", one_each)
    with pytest.raises(DataError, match=r"no task is left after cleaning \(too_few_ratings: 40\)"):
        clean.run(tmp_path / "few.jsonl", out=tmp_path / "clean", rules=RULES, seed=0)
    assert not (tmp_path / "clean").exists()


def test_ratings_without_lineage_have_no_known_licence(ratings_file: Path, tmp_path: Path) -> None:
    rows = read_table(ratings_file, table=RATINGS).with_columns(simulated=pl.lit(None, dtype=pl.Boolean))
    write_table(tmp_path / "mine.jsonl", rows)
    clean.run(tmp_path / "mine.jsonl", out=tmp_path / "clean", rules=RULES, seed=0)
    lineage = read_lineage(tmp_path / "clean")
    assert (lineage.simulated, [each.licence for each in lineage.ancestors]) == (False, [None])


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


@pytest.mark.usefixtures("offline")
def test_the_datasets_library_loads_the_folder(ratings_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "clean"
    result = clean.run(ratings_file, out=out, rules=RULES, seed=0)
    loaded = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert sum(split.num_rows for split in loaded.values()) == result["rows_out"]
    assert loaded["train"].column_names == list(EXAMPLES.columns)
    lists = datasets.load_dataset(str(out), "disagreements", cache_dir=str(tmp_path / "cache"))["train"]
    assert lists.num_rows == read_table(out / "disagreements" / "disagreements.jsonl.gz", table=DISAGREEMENTS).height


def test_agreement_has_every_figure_of_the_contract(ratings_file: Path) -> None:
    result = agreement.run(ratings_file, rules=RULES, seed=0, rounds=100)
    wanted = {"kappa_quadratic", "kappa_ci95", "alpha_ordinal", "random_raters", "tasks", "ratings"}
    assert list(result) == list(ATTRIBUTES)
    for stages in result.values():
        assert list(stages) == ["first_three", "all", "selected", "final"]
        assert all(figures is not None and wanted <= set(figures) for figures in stages.values())
    first = result["helpfulness"]["first_three"]
    assert first is not None
    assert (first["tasks"], first["ratings"], first["order"]) == (40, 240, "time")
    assert json.loads(json.dumps(result)) == result


def test_the_interval_holds_the_estimate_and_selection_raises_random_raters(ratings_file: Path) -> None:
    stages = agreement.run(ratings_file, rules=RULES, seed=0, rounds=200)["helpfulness"]
    chance = []
    for figures in stages.values():
        assert figures is not None
        interval, kappa = figures["kappa_ci95"], figures["kappa_quadratic"]
        assert isinstance(interval, list)
        assert interval[0] <= kappa <= interval[1]
        chance.append(figures["random_raters"])
    assert chance[0] == pytest.approx(0.0, abs=0.01)
    assert isinstance(chance[2], float)
    assert chance[2] > 0.25


def test_agreement_of_a_cleaned_dataset_is_that_of_its_ratings(ratings_file: Path, tmp_path: Path) -> None:
    clean.run(ratings_file, out=tmp_path / "clean", rules=RULES, seed=0)
    path = tmp_path / "clean" / "disagreements" / "disagreements.jsonl.gz"
    lists = agreement.run(path, rules=RULES, seed=0, rounds=50)["verbosity"]
    ratings = agreement.run(ratings_file, rules=RULES, seed=0, rounds=50)["verbosity"]
    assert lists["first_three"] is None
    for stage in ("selected", "final"):
        one, other = lists[stage], ratings[stage]
        assert one is not None
        assert other is not None
        assert one["kappa_quadratic"] == pytest.approx(other["kappa_quadratic"])
        assert one["ratings"] == other["ratings"]


def test_lists_of_five_have_first_three_by_place_and_say_so(tmp_path: Path) -> None:
    rows = [
        {"prompt": f"p{row // 2}", "response": f"r{row}", **{name: [row % 5, 1, 2, 3, 4] for name in ATTRIBUTES}}
        for row in range(8)
    ]
    write_jsonl(tmp_path / "lists.jsonl", rows)
    first = agreement.run(tmp_path / "lists.jsonl", rules=RULES, seed=0, rounds=50)["helpfulness"]["first_three"]
    assert first is not None
    assert (first["order"], first["tasks"], first["ratings"]) == ("list", 4, 24)


def test_agreement_that_is_undefined_is_null_with_a_reason(tmp_path: Path) -> None:
    rows = [{"prompt": "p", "response": f"r{row}", **{name: [3, 3, 3] for name in ATTRIBUTES}} for row in range(2)]
    write_jsonl(tmp_path / "lists.jsonl", rows)
    final = agreement.run(tmp_path / "lists.jsonl", rules=RULES, seed=0, rounds=50)["helpfulness"]["final"]
    assert final is not None
    assert (final["kappa_quadratic"], final["kappa_ci95"], final["alpha_ordinal"]) == (None, None, None)
    assert "0/0" in str(final["reason"])


def test_parquet_ratings_give_the_figures_of_json_lines(ratings_file: Path, tmp_path: Path) -> None:
    write_table(tmp_path / "ratings.parquet", read_table(ratings_file, table=RATINGS))
    same = agreement.run(ratings_file, rules=RULES, seed=0, rounds=50)
    assert agreement.run(tmp_path / "ratings.parquet", rules=RULES, seed=0, rounds=50) == same


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_text("not parquet", encoding="utf-8")
    with pytest.raises(DataError, match=r"bad.parquet: not a Parquet file"):
        agreement.run(tmp_path / "bad.parquet", rules=RULES, seed=0, rounds=50)


def test_labels_are_not_taken_for_ratings(ratings_file: Path, tmp_path: Path) -> None:
    clean.run(ratings_file, out=tmp_path / "clean", rules=RULES, seed=0)
    with pytest.raises(DataError, match=r"train.jsonl.gz: holds labels .* give the single ratings"):
        agreement.run(tmp_path / "clean" / "train.jsonl.gz", rules=RULES, seed=0, rounds=100)


def test_faults_of_a_file_are_named_by_line(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('not json\n{"helpfulness": 7}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"bad.jsonl:1: not JSON.*bad.jsonl:2: no 'task_id'"):
        agreement.run(tmp_path / "bad.jsonl", rules=RULES, seed=0, rounds=50)


def test_ratings_are_not_simulated_over_those_of_people(ratings_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "ratings.jsonl"
    shutil.copy(ratings_file, out)
    before = out.read_bytes()
    with pytest.raises(RunError, match=r"ratings\.jsonl: already exists and may hold ratings of people"):
        simulate.run(tasks(2), crowd=CROWD, seed=1, out=out)
    write_lineage(tmp_path, replace(read_lineage(ratings_file.parent), simulated=False))
    with pytest.raises(RunError, match="folder of their own"):
        simulate.run(tasks(2), crowd=CROWD, seed=1, out=out)
    assert out.read_bytes() == before
    assert not read_lineage(tmp_path).simulated


def test_simulated_ratings_take_the_place_of_simulated_ones(tmp_path: Path) -> None:
    for number in (2, 3):
        simulate.run(tasks(number), crowd=CROWD, seed=1, out=tmp_path / "ratings.jsonl")
    assert read_table(tmp_path / "ratings.jsonl", table=RATINGS)["task_id"].n_unique() == 3


def test_two_simulated_files_in_one_folder_share_a_lineage_of_both(tmp_path: Path) -> None:
    simulate.run(tasks(2), crowd=CROWD, seed=1, out=tmp_path / "one.jsonl", ancestors=(PROMPTS,))
    simulate.run(tasks(2), crowd=CROWD, seed=1, out=tmp_path / "two.jsonl")
    assert PROMPTS in read_lineage(tmp_path).ancestors


@pytest.mark.parametrize("line", ["[" * 100_000 + "]" * 100_000, '{"helpfulness": ' + "9" * 5000 + "}"])
def test_a_first_line_that_no_parser_can_hold_is_named(line: str, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text(line + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"bad.jsonl:1: not JSON"):
        agreement.run(tmp_path / "bad.jsonl", rules=RULES, seed=0, rounds=50)
    with pytest.raises(DataError, match=r"bad.jsonl:1: not JSON"):
        clean.run(tmp_path / "bad.jsonl", out=tmp_path / "clean", rules=RULES, seed=0)


def test_a_time_that_is_none_is_named_with_its_file_and_row(ratings_file: Path, tmp_path: Path) -> None:
    rows = read_table(ratings_file, table=RATINGS).to_dicts()
    rows[2]["created_at"] = "yesterday"
    write_jsonl(tmp_path / "bad.jsonl", rows)
    with pytest.raises(DataError, match=r"bad.jsonl: row 3: created_at must be ISO 8601"):
        agreement.run(tmp_path / "bad.jsonl", rules=RULES, seed=0, rounds=50)
    with pytest.raises(DataError, match=r"bad.jsonl: row 3: created_at must be ISO 8601"):
        clean.run(tmp_path / "bad.jsonl", out=tmp_path / "clean", rules=RULES, seed=0)


@pytest.mark.parametrize(
    ("model_licence", "header", "verdict"),
    [
        ("Apache-2.0", "license: cc0-1.0", "commercial use: clear"),
        ("CC-BY-NC-4.0", "license: unknown", "commercial use: forbidden (writer"),
        (None, "license: unknown", "commercial use: unclear (writer"),
    ],
)
def test_the_card_states_a_licence_only_where_no_ancestor_stands_in_its_way(
    ratings_file: Path, tmp_path: Path, model_licence: str | None, header: str, verdict: str
) -> None:
    writer = Ancestor(work="writer", kind="model", role="responses", licence=model_licence)
    lineage = read_lineage(ratings_file.parent)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "ratings.jsonl").write_bytes(ratings_file.read_bytes())
    write_lineage(tmp_path / "in", replace(lineage, ancestors=(*lineage.ancestors, writer)))
    clean.run(tmp_path / "in" / "ratings.jsonl", out=tmp_path / "out", rules=RULES, seed=0)
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert card.splitlines()[1] == header
    assert verdict in card
