"""Scores of a file: one row per row, in order, whatever the file calls its rows."""

import math
from pathlib import Path
from typing import Literal

import polars as pl
import pytest
from reward_models import saved_reward_model
from tiny_loop import rows_of

from steersman.config.scoring import ScoreSettings
from steersman.errors import ConfigError, DataError, PluginError, RunError
from steersman.pipeline import score
from steersman.pipeline.scorers import limited, open_scorer
from steersman.records import ATTRIBUTES, GOODNESS_WEIGHTS
from steersman.reward.spec import RewardSpec
from steersman.store.files import read_table, write_jsonl
from steersman.tables import Table

pytest_plugins = ("loop_fixtures",)
pytestmark = pytest.mark.usefixtures("own_cache")

ROWS: list[dict[str, object]] = [
    {"prompt": "one?", "response": "first"},
    {"prompt": "one?", "response": "second, longer"},
    {"prompt": "two?", "response": "first"},
]


@pytest.fixture
def model(finished_run: Path) -> str:
    return str(finished_run / "reward")


def scored(
    model: str, rows: list[dict[str, object]], *, folder: Path, settings: ScoreSettings | None = None
) -> list[dict[str, object]]:
    write_jsonl(folder / "rows.jsonl", rows)
    result = score.run(model, folder / "rows.jsonl", out=folder / "scores.jsonl", settings=settings)
    assert result["rows"] == len(rows)
    return rows_of(folder / "scores.jsonl")


def test_each_row_gets_its_number_five_outputs_and_a_reward(model: str, tmp_path: Path) -> None:
    found = scored(model, ROWS, folder=tmp_path)
    assert [each["row"] for each in found] == [0, 1, 2]
    assert all(list(each) == ["row", *ATTRIBUTES, "reward"] for each in found)


def test_the_reward_is_the_papers_goodness_score(model: str, tmp_path: Path) -> None:
    for each in scored(model, ROWS, folder=tmp_path):
        expected = sum(weight * float(str(each[name])) for name, weight in GOODNESS_WEIGHTS.items())
        assert each["reward"] == pytest.approx(expected, rel=1e-5)


def test_a_score_does_not_depend_on_the_rows_around_it(model: str, tmp_path: Path) -> None:
    together = scored(model, ROWS, folder=tmp_path)
    for row, found in zip(ROWS, together, strict=True):
        (alone,) = scored(model, [row], folder=tmp_path)
        # packed beside a longer response the numbers are summed in another order
        assert alone["reward"] == pytest.approx(found["reward"], rel=0.02, abs=0.02)


def test_ids_of_responses_are_carried_over(model: str, tmp_path: Path) -> None:
    rows = [{**row, "response_id": f"r{number}"} for number, row in enumerate(ROWS)]
    assert [each["response_id"] for each in scored(model, rows, folder=tmp_path)] == ["r0", "r1", "r2"]


def test_parquet_in_and_out_gives_the_same_scores(model: str, tmp_path: Path) -> None:
    lines = scored(model, ROWS, folder=tmp_path)
    pl.DataFrame(ROWS).with_columns(response_id=pl.lit("x")).write_parquet(tmp_path / "rows.parquet")
    score.run(model, tmp_path / "rows.parquet", out=tmp_path / "scores.parquet")
    found = pl.read_parquet(tmp_path / "scores.parquet")
    assert found.drop("response_id").to_dicts() == lines
    assert found["response_id"].to_list() == ["x"] * 3


def test_a_run_folder_and_its_checkpoint_are_the_same_model(model: str, tmp_path: Path) -> None:
    assert scored(model, ROWS, folder=tmp_path) == scored(f"{model}/checkpoint", ROWS, folder=tmp_path)


def test_scores_never_replace_the_file_they_are_about(model: str, tmp_path: Path) -> None:
    data, link = tmp_path / "rows.jsonl", tmp_path / "link.jsonl"
    write_jsonl(data, ROWS)
    link.symlink_to(data)
    for out in (data, link):
        with pytest.raises(RunError, match="is the file to be scored"):
            score.run(model, data, out=out)
    assert rows_of(data) == ROWS


def test_ids_may_be_numbers_and_some_may_be_missing(model: str, tmp_path: Path) -> None:
    rows = [{**row, "response_id": number or None} for number, row in enumerate(ROWS, start=-1)]
    assert [each["response_id"] for each in scored(model, rows, folder=tmp_path)] == [-1, None, 1]


def test_the_data_are_read_to_their_end_once(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Path] = []

    def counted(path: Path, *, table: Table) -> pl.DataFrame:
        reads.append(path)
        return read_table(path, table=table)

    monkeypatch.setattr(score, "read_table", counted)
    monkeypatch.setattr("steersman.store.files.read_rows", lambda path: pytest.fail("read a second time"))
    scored(model, [{**row, "response_id": "x"} for row in ROWS], folder=tmp_path)
    assert reads == [tmp_path / "rows.jsonl"]


@pytest.mark.parametrize("name", ["scores.csv", "scores.CSV", "scores.xlsx"])
def test_a_format_that_is_not_written_is_refused_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError, match=r"scores are JSON lines or Parquet; choose a name such as scores.jsonl"):
        score.run("no-such-model", tmp_path / "rows.jsonl", out=tmp_path / name)


@pytest.mark.parametrize("kind", ["ordinal", "categorical"])
def test_probabilities_of_levels_are_columns(
    tiny_model_folder: Path, tmp_path: Path, kind: Literal["ordinal", "categorical"]
) -> None:
    spec = RewardSpec(kind, ("helpfulness", "clarity"), {"helpfulness": 1.0})
    saved_reward_model(tiny_model_folder, tmp_path / "model", spec=spec)
    asked = ScoreSettings.model_validate({"probabilities": True})
    for row in scored(str(tmp_path / "model"), ROWS, folder=tmp_path, settings=asked):
        levels = {name: [float(str(row[f"{name}={level}"])) for level in range(5)] for name in spec.attributes}
        assert list(row) == ["row", *spec.attributes, *(f"{n}={k}" for n in levels for k in range(5)), "reward"]
        for name, shares in levels.items():
            assert sum(shares) == pytest.approx(1, abs=1e-6)
            assert row[name] == pytest.approx(sum(k * share for k, share in enumerate(shares)), abs=1e-5)
    plain = scored(str(tmp_path / "model"), ROWS, folder=tmp_path)
    assert list(plain[0]) == ["row", "helpfulness", "clarity", "reward"]


def test_a_model_without_levels_has_no_probabilities(model: str, tmp_path: Path) -> None:
    asked = ScoreSettings.model_validate({"probabilities": True})
    with pytest.raises(ConfigError, match="its head is linear, which gives no probabilities of levels"):
        scored(model, ROWS, folder=tmp_path, settings=asked)
    assert not (tmp_path / "scores.jsonl").exists()


def test_a_model_that_compares_says_which_of_a_pair_is_preferred(tiny_model_folder: Path, tmp_path: Path) -> None:
    spec = RewardSpec("linear", ("preference",), {"preference": 1.0}, form="comparison")
    saved_reward_model(tiny_model_folder, tmp_path / "model", spec=spec)
    first, second = scored(str(tmp_path / "model"), ROWS[:2], folder=tmp_path)
    assert list(first) == ["row", "preference", "preferred", "reward"]
    gap = float(str(first["reward"])) - float(str(second["reward"]))
    assert first["preferred"] == pytest.approx(1 / (1 + math.exp(-gap)), abs=1e-5)
    assert float(str(first["preferred"])) + float(str(second["preferred"])) == pytest.approx(1, abs=1e-6)
    with pytest.raises(DataError, match=r"\.jsonl: row 2: the model compares two responses"):
        scored(str(tmp_path / "model"), ROWS, folder=tmp_path)


def test_float32_does_not_depend_on_the_rows_around(model: str, tmp_path: Path) -> None:
    asked = ScoreSettings.model_validate({"precision": "float32"})
    together = scored(model, ROWS, folder=tmp_path, settings=asked)
    for row, found in zip(ROWS, together, strict=True):
        (alone,) = scored(model, [row], folder=tmp_path, settings=asked)
        assert alone["reward"] == pytest.approx(found["reward"], abs=1e-5)


def test_a_policy_is_no_reward_model(finished_run: Path, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="is no reward model, but a LlamaForCausalLM"):
        scored(str(finished_run / "align"), ROWS, folder=tmp_path)
    assert not (tmp_path / "scores.jsonl").exists()


def test_a_conversation_longer_than_the_context_is_refused_by_its_row(model: str, tmp_path: Path) -> None:
    # the tiny model reads 4096 tokens, one for each byte
    long: dict[str, object] = {"prompt": "two?", "response": "x" * 4096}
    with pytest.raises(DataError) as caught:
        scored(model, [*ROWS, long], folder=tmp_path)
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'rows.jsonl'}: row 3 has 4")
    assert "a prompt and its response may have 4096 together" in said
    assert "row 0 has" not in said
    assert "\n" not in said
    assert not (tmp_path / "scores.jsonl").exists()


def test_the_lower_of_context_and_limit_counts(model: str) -> None:
    opened = open_scorer(model)
    for limit, named in ((100, 100), (None, 4096), (1_000_000, 4096)):
        with pytest.raises(DataError, match=f"may have {named} together"):
            limited(opened, max_tokens=limit).score(["one?"], ["x" * 4096], advance=lambda _: None)


def test_a_folder_as_out_is_refused_before_the_model_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="--out names the scores file"):
        score.run("no-such-model", tmp_path / "rows.jsonl", out=tmp_path)


def test_only_a_model_that_compares_asks_for_pairs(model: str, tiny_model_folder: Path, tmp_path: Path) -> None:
    spec = RewardSpec("linear", ("preference",), {"preference": 1.0}, form="comparison")
    saved_reward_model(tiny_model_folder, tmp_path / "model", spec=spec)
    open_scorer(model).check_prompts(["one?"])
    compares = open_scorer(str(tmp_path / "model"))
    compares.check_prompts(["one?", "one?"])
    with pytest.raises(DataError, match=r"row 0: .*no row follows it"):
        compares.check_prompts(["one?"])
