"""A run folder with known contents, and what its page must say."""

import itertools
import json
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from steersman.errors import DataError, RunError
from steersman.pipeline.report import gather, run
from steersman.records import ATTRIBUTES
from steersman.report.data import AGREEMENT_STAGES, STAGES, Missing
from steersman.store.files import jsonl_bytes, read_json, write_bytes, write_json, write_jsonl, write_text
from steersman.store.lineage import Ancestor, Lineage, read_lineage, write_lineage

NUM_PROMPTS = 40
CROWD = Ancestor("steersman-crowd", "annotators", "ratings", "CC0-1.0", simulated=True)
PROMPTS = Ancestor("steersman-starter-prompts", "data", "prompts", "CC0-1.0")
POLICY = Ancestor("HuggingFaceTB/SmolLM2-135M-Instruct", "model", "base model", "Apache-2.0")


def estimate(value: float, spread: float, count: int = NUM_PROMPTS) -> dict[str, float]:
    return {"estimate": value, "low": value - spread, "high": value + spread, "count": count}


def write_run(folder: Path, *, ancestors: tuple[Ancestor, ...] = (PROMPTS, POLICY, CROWD)) -> Path:
    """Write a finished run of all stages into `folder`."""
    rng = np.random.default_rng(0)
    _write_top(folder, ancestors=ancestors)
    write_jsonl(folder / "prompts" / "prompts.jsonl", [{"prompt_id": str(i)} for i in range(161)])
    write_jsonl(folder / "responses" / "responses.jsonl", [{"response_id": str(i)} for i in range(322)])
    write_jsonl(folder / "ratings" / "ratings.jsonl", [{"annotator": str(i)} for i in range(1242)])
    _write_clean(folder / "clean")
    _write_training(folder / "reward", prefix="reward", start=2.4, end=0.78)
    _write_training(folder / "align", prefix="align", start=0.693, end=0.61)
    _write_evaluation(folder / "evaluate", rng=rng)
    for stage in STAGES:
        write_json(folder / stage / "done", {"fingerprint": "0", "result": {}})
    return folder


def write_bare_run(folder: Path, *, ancestors: tuple[Ancestor, ...]) -> Path:
    """Write a run that made nothing: its page has the banners and no chart of a stage."""
    _write_top(folder, ancestors=ancestors)
    return folder


def _write_top(folder: Path, *, ancestors: tuple[Ancestor, ...]) -> None:
    write_text(folder / "config.yaml", "name: demo\nseed: 7\n")
    lineage = Lineage(
        name="demo",
        stage="run",
        created_at="2026-03-04T09:05:00+00:00",
        seconds=407.5,
        seed=7,
        config_sha256="3f" * 32,
        inputs=dict.fromkeys(STAGES, "a1" * 32),
        ancestors=ancestors,
        simulated=any(each.simulated for each in ancestors),
        versions={"python": "3.11.9", "steersman": "0.1.0", "numpy": "2.3.1", "torch": "2.9.0"},
        commit="0123456789abcdef0123456789abcdef01234567",
        notes=("Ratings come from the modelled crowd of docs/crowd.md.",),
    )
    write_lineage(folder, lineage)
    seconds = (0.4, 118.2, 1.9, 2.2, 96.3, 131.0, 57.5)
    times = zip(STAGES, seconds, strict=True)
    rows = [
        {"stage": stage, "seconds": each, "peak_rss_bytes": 4e8 + 2e7 * each, "reused": stage == "prompts"}
        for stage, each in times
    ]
    write_jsonl(folder / "metrics.jsonl", rows)


def _write_clean(clean: Path) -> None:
    histograms = dict(zip(ATTRIBUTES, ([24, 38, 70, 94, 52], [20, 34, 66, 98, 60], [2, 10, 34, 112, 120],
                                       [60, 124, 76, 16, 2], [44, 96, 92, 38, 8]), strict=True))  # fmt: skip
    statistics: dict[str, object] = {
        "rows": 278,
        "tasks": 139,
        "multi_turn_share": 0.288,
        "turns_in_prompt": {"mean": 1.63},
    }
    statistics["characters"] = {"prompt": 412.6, "response": 733.1}
    for attribute, counts in histograms.items():
        mean = sum(level * count for level, count in enumerate(counts)) / sum(counts)
        statistics[attribute] = {"mean": mean, "std": 1.1, "pearson_helpfulness": 0.62, "histogram": counts}
    write_json(clean / "statistics.json", statistics)
    agreement = {
        attribute: {
            stage: {
                "kappa_quadratic": (kappa := base + gain),
                "kappa_ci95": [kappa - 0.06, kappa + 0.05],
                "alpha_ordinal": kappa - 0.01,
                "random_raters": random,
                "tasks": 139 if stage == "final" else 161,
                "ratings": 834 if stage in ("selected", "final") else 966,
            }
            for stage, gain, random in zip(
                AGREEMENT_STAGES, (0.0, -0.03, 0.2, 0.26), (0.0, -0.001, 0.35, 0.41), strict=True
            )
        }
        for attribute, base in zip(ATTRIBUTES, (0.52, 0.5, 0.31, 0.28, 0.44), strict=True)
    }
    write_json(clean / "agreement.json", agreement)


def _write_training(stage: Path, *, prefix: str, start: float, end: float) -> None:
    rng = np.random.default_rng(1)
    rows: list[dict[str, object]] = []
    for step in range(121):
        level = end + (start - end) * float(np.exp(-step / 25))
        row: dict[str, object] = {"step": step, f"{prefix}/train_loss": level * float(rng.normal(0.97, 0.06))}
        if step % 12 == 0:
            row[f"{prefix}/validation_loss"] = level * 1.03 + step * 0.0004
            row[f"{prefix}/margin"] = 0.004 * step
            row[f"{prefix}/validation_accuracy"] = 0.5 + 0.13 * (1 - float(np.exp(-step / 30)))
        rows.append(row)
    write_jsonl(stage / "metrics.jsonl", rows)
    result: dict[str, object] = {"steps": 120, "seconds": 96.3, "tokens": 181_344, "best_step": 96, "metrics": {}}
    result |= {"dropped_long": 3, "train_pairs": 122, "validation_pairs": 14}
    if prefix == "reward":
        result["constant_predictor_mse"] = 1.12
        accuracies = zip(ATTRIBUTES, (0.69, 0.66, 0.58, 0.61, 0.74), strict=True)
        result["accuracy"] = {name: estimate(accuracy, 0.1, 64) for name, accuracy in accuracies}
    write_json(stage / "result.json", result)


def _write_evaluation(stage: Path, *, rng: np.random.Generator) -> None:
    before = rng.normal(3.4, 0.7, NUM_PROMPTS)
    after = before + rng.normal(0.18, 0.4, NUM_PROMPTS)
    samples = [
        {
            "prompt_id": f"held-out-{i:03d}",
            "prompt": "How do I keep basil alive indoors?\n<extra_id_1>Assistant\nGive it light and little water."
            "\n<extra_id_1>User\nMy window faces north. What then?",
            "before": "Basil likes the sun. Basil likes the sun. Put it where the sun is.\n\n" * (1 + i % 3),
            "after": "A north window is rarely enough. Two things help:\n\n1. A small grow light, 12 hours a day.\n"
            "2. Water only when the top centimetre of soil is dry.",
            "reward_before": float(before[i]),
            "reward_after": float(after[i]),
        }
        for i in range(NUM_PROMPTS)
    ]
    write_jsonl(stage / "samples.jsonl", samples)
    result: dict[str, object] = {"prompts": NUM_PROMPTS, "win_share": estimate(0.65, 0.14)}
    result |= {"reward_before": estimate(3.4, 0.21), "reward_after": estimate(3.58, 0.2)}
    result |= {"reward_difference": estimate(0.18, 0.12), "length_before": estimate(610, 70)}
    result |= {"length_after": estimate(655, 75), "scorer_note": "Scored by the reward model of this run."}
    write_json(stage / "result.json", result)


class _Page(HTMLParser):
    """Collects the tags, ids and outside references of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "xlink:href", "action", "srcset", "data"):
                self.references.append(value or "")


def parsed(page: str) -> _Page:
    parser = _Page()
    parser.feed(page)
    parser.close()
    return parser


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    return write_run(tmp_path / "demo")


@pytest.fixture(scope="module")
def demo_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of the full run, for tests that only read it."""
    return page_of(write_run(tmp_path_factory.mktemp("runs") / "demo"))


def page_of(folder: Path) -> str:
    return run([folder], out=None).read_text(encoding="utf-8")


def test_the_page_goes_into_the_run_folder_and_leaves_nothing_half_written(demo: Path) -> None:
    before = {path.name for path in demo.iterdir()}
    assert run([demo], out=None) == demo / "report.html"
    assert {path.name for path in demo.iterdir()} - before == {"report.html"}


def test_out_may_be_a_file_or_a_folder(tmp_path: Path) -> None:
    demo = write_bare_run(tmp_path / "demo", ancestors=(PROMPTS,))
    assert run([demo], out=tmp_path / "new" / "page.html") == tmp_path / "new" / "page.html"
    assert run([demo], out=tmp_path) == tmp_path / "report.html"


def test_the_page_refers_to_nothing_outside_itself(demo_page: str) -> None:
    page = demo_page
    found = parsed(page)
    assert found.references
    assert all(reference.startswith("#") for reference in found.references)
    assert "http://" not in page
    assert "https://" not in page
    assert "@import" not in page
    assert "script" not in found.tags


def test_every_anchor_has_its_target_and_every_id_is_unique(demo: Path, tmp_path: Path) -> None:
    page = run([demo, write_run(tmp_path / "second")], out=tmp_path / "both.html").read_text(encoding="utf-8")
    found = parsed(page)
    assert len(set(found.ids)) == len(found.ids)
    assert {reference.removeprefix("#") for reference in found.references} <= set(found.ids)


def test_two_renderings_are_equal_byte_by_byte(demo: Path, demo_page: str) -> None:
    assert page_of(demo) == demo_page


def test_on_paper_a_hash_and_its_name_may_wrap(demo_page: str) -> None:
    """Two tables stand side by side there, each of half an A4 page: 336 px, of which a hash and its name took 363."""
    on_paper = demo_page.split("@media print {")[1].split("</style>")[0]
    assert "td code { min-width: 0; }" in on_paper
    assert ".nowrap { white-space: normal; }" in on_paper


def test_headings_descend_one_level_at_a_time(demo_page: str) -> None:
    levels = [int(tag[1]) for tag in parsed(demo_page).tags if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit()]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))


def test_the_counts_on_the_arrows_are_rows_of_the_tables(demo: Path) -> None:
    counts = gather(demo).counts
    assert (counts.prompts, counts.responses, counts.ratings) == (161, 322, 1242)
    assert (counts.kept_tasks, counts.pairs, counts.rewards) == (139, 122 + 14, 2 * NUM_PROMPTS)


def test_simulated_ratings_are_announced(demo_page: str) -> None:
    assert "Ratings were simulated; nothing here measures people." in demo_page


def test_human_ratings_get_no_announcement_of_simulation(tmp_path: Path) -> None:
    assert "Ratings were simulated" not in page_of(write_bare_run(tmp_path / "human", ancestors=(PROMPTS,)))


def test_an_ancestor_simulated_in_one_stage_marks_the_run(tmp_path: Path) -> None:
    folder = write_bare_run(tmp_path / "mixed", ancestors=(PROMPTS,))
    write_lineage(
        folder / "ratings", Lineage("mixed", "ratings", "2026-03-04T09:05:00+00:00", 1.0, 7, "", {}, (CROWD,), False)
    )
    assert gather(folder).simulated


def test_a_page_replaces_pages_only(tmp_path: Path) -> None:
    folder = write_bare_run(tmp_path / "demo", ancestors=())
    (tmp_path / "page.html").write_text("old", encoding="utf-8")
    assert "<h1" in run([folder], out=tmp_path / "page.html").read_text(encoding="utf-8")
    before = (folder / "lineage.json").read_bytes()
    with pytest.raises(RunError, match="exists and is no HTML page"):
        run([folder], out=folder / "lineage.json")
    assert (folder / "lineage.json").read_bytes() == before


def test_an_empty_response_is_said_to_be_empty(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "demo")
    assert "An empty response." not in run([folder], out=None).read_text(encoding="utf-8")
    rows = [{"prompt_id": "p", "prompt": "why?", "before": "because", "after": ""}]
    write_jsonl(folder / "evaluate" / "samples.jsonl", rows)
    assert run([folder], out=None).read_text(encoding="utf-8").count("An empty response.") == 1


@pytest.mark.parametrize(
    ("licence", "verdict"), [("CC0-1.0", "clear"), (None, "unclear"), ("CC-BY-NC-4.0", "forbidden")]
)
def test_the_banner_shows_the_verdict_on_the_licences(tmp_path: Path, licence: str | None, verdict: str) -> None:
    work = Ancestor("some/work", "data", "prompts", licence)
    page = page_of(write_bare_run(tmp_path / verdict, ancestors=(work,)))
    assert f'<div class="banner {verdict}" role="note">\n<p class="lead">Commercial use: {verdict}</p>' in page


@pytest.mark.parametrize("stage", ["clean", "reward", "align", "evaluate"])
def test_a_stage_that_was_not_part_of_the_run_is_named_as_such(demo: Path, stage: str) -> None:
    shutil.rmtree(demo / stage)
    found = gather(demo)
    sections = {"clean": found.statistics, "reward": found.reward, "align": found.align, "evaluate": found.evaluation}
    missing = {name for name, section in sections.items() if isinstance(section, Missing)}
    assert missing == {stage}
    assert stage not in found.stages


def test_stages_that_another_run_left_in_the_folder_are_not_shown(demo: Path) -> None:
    lineage = read_lineage(demo)
    own = dict.fromkeys(("labels", "clean", "reward", "align", "evaluate"), "a1" * 32)
    write_lineage(demo, replace(lineage, inputs=own, ancestors=(PROMPTS,), simulated=False))
    write_lineage(demo / "ratings", replace(lineage, stage="ratings", inputs={}))
    found = gather(demo)
    assert found.stages == {"clean", "reward", "align", "evaluate"}
    assert (found.counts.prompts, found.counts.responses, found.counts.ratings) == (None, None, None)
    assert [time.stage for time in found.times] == ["clean", "reward", "align", "evaluate"]
    assert not found.simulated


def test_a_run_with_no_stage_at_all_still_has_a_page(demo: Path) -> None:
    for stage in STAGES:
        shutil.rmtree(demo / stage)
    (demo / "metrics.jsonl").unlink()
    assert page_of(demo).count("was not part of this run.") == 6


def test_nothing_is_read_from_a_stage_that_had_not_finished(demo: Path) -> None:
    (demo / "evaluate" / "done").unlink()
    (demo / "evaluate" / "samples.jsonl").write_text("half a li", encoding="utf-8")
    evaluation = gather(demo).evaluation
    assert evaluation == Missing("Evaluation had not finished when this report was written.")


def test_ratings_that_were_already_aggregated_show_their_note(demo: Path) -> None:
    write_json(demo / "clean" / "agreement.json", {"note": "The labels were aggregated by their publisher."})
    assert "The labels were aggregated by their publisher." in page_of(demo)


def test_empty_results_say_not_recorded(demo: Path) -> None:
    for name in ("clean/statistics.json", "clean/agreement.json", "reward/result.json", "evaluate/result.json"):
        write_json(demo / name, {})
    assert page_of(demo).count("not recorded") > 10


def test_a_reused_stage_shows_the_time_it_once_took(tmp_path: Path) -> None:
    folder = write_bare_run(tmp_path / "again", ancestors=(PROMPTS,))
    write_lineage(folder / "prompts", Lineage("again", "prompts", "", 12.5, 7, "", {}, (PROMPTS,), False))
    first = gather(folder).times[0]
    assert (first.stage, first.reused, first.seconds) == ("prompts", True, 12.5)


def test_memory_beside_a_stage_is_said_to_be_the_peak_so_far(demo_page: str) -> None:
    # it is that of the whole process, which a small stage inherits from a large one before it
    assert '<th scope="col" class="number">Peak memory so far</th>' in demo_page


def test_a_log_cut_by_a_kill_keeps_its_whole_lines(demo: Path) -> None:
    log = demo / "metrics.jsonl"
    log.write_bytes(log.read_bytes() + b'{"stage": "rep')
    assert [time.stage for time in gather(demo).times] == list(STAGES)


def test_a_fault_in_the_middle_of_a_log_is_named_with_its_line(demo: Path) -> None:
    write_bytes(demo / "metrics.jsonl", b"{}\nnot json\n" + jsonl_bytes([{"stage": "clean", "seconds": 1}]))
    with pytest.raises(DataError, match=r"metrics\.jsonl:2: not JSON"):
        gather(demo)


def test_a_folder_that_is_no_run_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"not a run \(no lineage\.json\)"):
        run([tmp_path], out=None)
    assert list(tmp_path.iterdir()) == []


def test_several_runs_need_a_place_for_their_page(demo: Path) -> None:
    with pytest.raises(RunError, match="add --out"):
        run([demo, demo], out=None)


def test_hostile_texts_of_a_sample_stay_text(demo: Path) -> None:
    hostile = "</style></p><script>alert(1)</script><img src=http://example.org onerror=alert(1)> {{ 7 * 7 }} \ud800"
    row = {"prompt_id": hostile, "prompt": hostile, "before": hostile, "after": hostile}
    (demo / "evaluate" / "samples.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    page = page_of(demo)
    assert {"script", "img"}.isdisjoint(parsed(page).tags)
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 4
    assert "{{ 7 * 7 }}" in page


def test_a_training_that_never_improved_on_its_start_says_so(demo: Path, demo_page: str) -> None:
    told = "No step improved on the start"
    assert told not in demo_page
    result = read_json(demo / "reward" / "result.json")
    assert isinstance(result, dict)
    write_json(demo / "reward" / "result.json", {**result, "best_step": 0})
    assert told in page_of(demo)
