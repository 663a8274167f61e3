"""Replaying compares labels, tasks, agreement and statistics; every figure here is derived from a hand-made release."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from steersman.config.cleaning import CleanSettings
from steersman.errors import DataError, RunError
from steersman.pipeline import replay
from steersman.pipeline.replay import NO_LISTS
from steersman.records import ATTRIBUTES
from steersman.store.lineage import read_lineage

RULES = CleanSettings.model_validate({})
# the JSON of a result, read as whoever prints it would
Json = Any

# response -> its list of scores, the same for all attributes
LISTS: dict[str, Sequence[int]] = {
    "A1": (3, 3, 4),  # 10/3
    "A2": (1, 1, 1),
    "B1": (1, 2, 4),  # spread 3: nobody keeps it
    "B2": (2, 2, 2),
    "C1": (2, 3),  # 2.5, which we round up
    "C2": (4, 4, 4),
    "D1": (0, 0, 0),  # kept by us alone
    "D2": (2, 2, 2),
    "E1": (0, 0, 3),  # spread 3, and kept by the release all the same
    "E2": (2, 2, 1),
}
RELEASED = {"A1": 3, "A2": 1, "C1": 2, "C2": 4, "E1": 1, "E2": 2, "F1": 0, "F2": 0}


def rows(values: Mapping[str, object]) -> list[dict[str, object]]:
    return [
        {"prompt": f"prompt {name[0]}", "response": f"response {name}", **dict.fromkeys(ATTRIBUTES, value)}
        for name, value in values.items()
    ]


def write(path: Path, table: Sequence[Mapping[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in table), encoding="utf-8")


def release(folder: Path, *, lists: Sequence[Mapping[str, object]] | None = None) -> str:
    labelled = rows(RELEASED)
    write(folder / "train.jsonl", labelled[:4])
    write(folder / "validation.jsonl", labelled[4:])
    write(folder / "disagreements" / "disagreements.jsonl", rows(LISTS) if lists is None else lists)
    return str(folder)


def replayed(source: str, *, rules: CleanSettings = RULES) -> Json:
    return replay.run(source, out=None, rules=rules)


def literal_kappa(lists: Sequence[Sequence[int]]) -> float:
    """Return the pooled quadratic kappa from every ordered pair of ratings of a response, weighted 1/(m - 1)."""
    pairs = [
        (one, other, 1 / (len(scores) - 1))
        for scores in lists
        for place, one in enumerate(scores)
        for beside, other in enumerate(scores)
        if place != beside
    ]
    total = sum(weight for _, _, weight in pairs)
    observed = sum(weight * (one - other) ** 2 for one, other, weight in pairs) / total
    expected = sum(
        weight * other_weight * (one - other) ** 2 for one, _, weight in pairs for _, other, other_weight in pairs
    )
    return 1 - observed / (expected / total**2)


def test_labels_are_compared_row_by_row(tmp_path: Path) -> None:
    """A and C are in both: of their four rows only C1 differs, 3 against 2."""
    labels = replayed(release(tmp_path))["labels"]
    assert set(labels) == set(ATTRIBUTES)
    for found in labels.values():
        assert found == {"rows": 4, "identical": 3, "share": 0.75, "by_difference": {"+1": 1}}


def test_another_rounding_meets_the_released_label(tmp_path: Path) -> None:
    rules = CleanSettings.model_validate({"rounding": "half_down"})
    assert replayed(release(tmp_path), rules=rules)["labels"]["coherence"]["share"] == 1.0


def test_tasks_are_counted_by_who_kept_them(tmp_path: Path) -> None:
    assert replayed(release(tmp_path))["tasks"] == {
        "both": 2,
        "ours_only": 1,
        "theirs_only": 1,
        "neither": 1,
        "dropped": {"spread": 2},
    }


def test_a_task_of_which_the_release_holds_one_response_alone_was_not_kept_by_it(tmp_path: Path) -> None:
    source = release(tmp_path)
    labelled = rows(RELEASED)[:4]
    write(tmp_path / "train.jsonl", [labelled[0], {**labelled[1], "response": "edited"}, *labelled[2:]])
    found = replayed(source)
    assert (found["tasks"]["both"], found["tasks"]["ours_only"]) == (1, 2)
    assert found["lists"]["only_released"] == 3


def test_rows_and_lengths_are_counted(tmp_path: Path) -> None:
    found = replayed(release(tmp_path))
    assert found["lists"] == {"lengths": {"2": 1, "3": 9}, "left_out": 0, "only_released": 2}
    assert found["rows"] == {
        "train": {"found": 4, "published": 20324},
        "validation": {"found": 4, "published": 1038},
        "lists": {"found": 10, "published": 23652},
    }


def test_agreement_stands_beside_the_published_stage(tmp_path: Path) -> None:
    """All ten rows beside 'after improvements', those of A, C and E beside 'post-processing' (paper, table 1)."""
    kappa = replayed(release(tmp_path))["kappa"]["helpfulness"]
    everything = literal_kappa(list(LISTS.values()))
    kept = literal_kappa([scores for name, scores in LISTS.items() if name[0] in "ACE"])
    for rows_of, expected, published in (("all_rows", everything, 0.706), ("released_rows", kept, 0.791)):
        assert kappa[rows_of]["lists"] == pytest.approx(expected)
        assert kappa[rows_of]["selected"] == pytest.approx(expected)
        assert kappa[rows_of]["published"] == published
        assert kappa[rows_of]["difference"] == pytest.approx(expected - published)


def test_lists_that_were_not_selected_are_selected_first(tmp_path: Path) -> None:
    """Of (0, 0, 0, 0, 4) three zeros are kept; the pairs with 4 count only in the lists as they came."""
    lists = {**LISTS, "A1": (3, 3, 3, 3, 0)}
    found = replayed(release(tmp_path, lists=rows(lists)))
    assert found["lists"]["lengths"] == {"2": 1, "3": 8, "5": 1}
    kappa = found["kappa"]["verbosity"]["all_rows"]
    assert kappa["lists"] == pytest.approx(literal_kappa(list(lists.values())))
    assert kappa["selected"] == pytest.approx(literal_kappa(list({**lists, "A1": (3, 3, 3)}.values())))
    assert found["labels"]["verbosity"]["by_difference"] == {"+1": 1}


def test_statistics_stand_beside_the_published_ones(tmp_path: Path) -> None:
    """Released helpfulness is (3, 1, 2, 4, 1, 2, 0, 0), mean 13/8; ours (3, 1, 3, 4, 0, 2), mean 13/6."""
    column = replayed(release(tmp_path))["columns"]["helpfulness"]
    assert column["published"] == {"mean": 2.8655, "std": 1.2703, "pearson": 1.0}
    assert column["released"]["mean"] == pytest.approx(13 / 8)
    assert column["replayed"]["mean"] == pytest.approx(13 / 6)
    # the mean of the squares is 39/6
    assert column["replayed"]["std"] == pytest.approx((39 / 6 - (13 / 6) ** 2) ** 0.5)
    assert column["released_difference"]["mean"] == pytest.approx(13 / 8 - 2.8655)
    assert column["replayed_difference"]["mean"] == pytest.approx(13 / 6 - 2.8655)
    assert column["replayed_difference"]["pearson"] == pytest.approx(0.0)
    turns = replayed(str(tmp_path))["columns"]["turns_in_prompt"]
    assert (turns["released"]["mean"], turns["released"]["pearson"]) == (1.0, None)
    assert turns["released_difference"]["pearson"] is None


def test_exact_duplicates_match_one_to_one(tmp_path: Path) -> None:
    """The release has two rows with the same texts; matched crosswise there would be four."""
    same = [{**row, "response": "same"} for row in rows({"H1": (1, 1, 1), "H2": (2, 2, 2)})]
    labelled = [{**row, "response": "same"} for row in rows({"H1": 1, "H2": 2})]
    source = release(tmp_path, lists=same)
    write(tmp_path / "train.jsonl", labelled)
    found = replayed(source)
    assert found["labels"]["helpfulness"] == {"rows": 2, "identical": 2, "share": 1.0, "by_difference": {}}
    assert found["tasks"]["both"] == 1


def test_rows_whose_scores_belong_to_nobody_are_left_out_with_their_prompt(tmp_path: Path) -> None:
    ragged = rows({"G1": (1, 1, 1, 1), "G2": (2, 2, 2)})
    ragged[0]["coherence"] = (1, 1, 1)
    found = replayed(release(tmp_path, lists=[*rows(LISTS), *ragged]))
    assert found["lists"]["left_out"] == 2
    assert found["lists"]["lengths"] == {"2": 1, "3": 10, "4": 1}
    assert found["tasks"]["both"] == 2


def test_lists_none_of_which_can_be_cleaned_are_refused(tmp_path: Path) -> None:
    ragged = [{**row, "coherence": (1, 1, 1)} for row in rows({"G1": (1, 1, 1, 1), "G2": (2, 2, 2, 2)})]
    with pytest.raises(DataError, match="no row of the disagreements can be cleaned"):
        replayed(release(tmp_path, lists=ragged))


def test_without_lists_only_statistics_are_compared_and_that_is_said(tmp_path: Path) -> None:
    source = release(tmp_path)
    (tmp_path / "disagreements" / "disagreements.jsonl").unlink()
    found = replayed(source)
    assert (found["labels"], found["tasks"], found["lists"], found["kappa"]) == (None, None, None, None)
    assert found["columns"]["helpfulness"]["released"]["mean"] == pytest.approx(13 / 8)
    assert found["columns"]["helpfulness"]["replayed"] is None
    assert NO_LISTS in found["notes"]


def test_the_folder_holds_the_figures_a_page_and_their_origin(tmp_path: Path) -> None:
    source, out = release(tmp_path / "release"), tmp_path / "replay"
    found = replay.run(source, out=out, rules=RULES)
    assert json.loads((out / "replay.json").read_text(encoding="utf-8")) == found
    page = (out / "replay.md").read_text(encoding="utf-8")
    assert "| kept by us | 2 | 1 |\n| removed by us | 1 | 1 |" in page
    assert "| complexity | 4 | 3 | 0.7500 | +1: 1 |" in page
    assert "| lists | 10 | 23652 |" in page
    assert "| helpfulness | mean | 2.8655 | 1.6250 | -1.2405 | 2.1667 | -0.6988 |" in page
    lineage = read_lineage(out)
    assert (lineage.stage, [each.work for each in lineage.ancestors]) == ("replay", ["release"])
    # an earlier replay is replaced
    assert replay.run(source, out=out, rules=RULES) == found


def test_a_folder_with_anything_else_is_left_alone(tmp_path: Path) -> None:
    source, out = release(tmp_path / "release"), tmp_path / "out"
    out.mkdir()
    (out / "thesis.tex").write_text("", encoding="utf-8")
    with pytest.raises(RunError, match=r"holds what a replay did not write \(thesis.tex\)"):
        replay.run(source, out=out, rules=RULES)


def test_offline_the_reason_and_the_way_out_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEERSMAN_CACHE", str(tmp_path))
    # port 9 is for discarding; nobody listens there
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(RunError, match=r"nvidia/HelpSteer2: .* cannot be fetched .* give a local folder") as caught:
        replay.run("helpsteer2", out=None, rules=RULES)
    assert caught.value.exit_code == 2


@pytest.mark.data
def test_the_real_labels_are_compared_as_far_as_they_go(data_folder: Path) -> None:
    """The data at hand holds 1,368 and 224 rows and no rating lists."""
    found = replayed(str(data_folder / "helpsteer2"))
    assert [found["rows"][name]["found"] for name in ("train", "validation", "lists")] == [1368, 224, None]
    assert NO_LISTS in found["notes"]
    released = found["columns"]["correctness"]
    # HelpSteer2's two leading attributes go together everywhere: 0.943 in the paper
    assert released["released"]["pearson"] == pytest.approx(released["published"]["pearson"], abs=0.02)
    assert found["kappa"] is None
