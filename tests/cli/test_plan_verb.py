"""`steersman annotate plan`: options over a config, tables for people, JSON for programs."""

import json
from pathlib import Path

import pytest
from tiny_loop import Said, steersman

from steersman.cli.plan_table import plan_text
from steersman.store.files import write_jsonl

Capture = pytest.CaptureFixture[str]
QUICK = ("--tasks", 40, "--replicates", 2)


def plan(capfd: Capture, *arguments: object) -> Said:
    return steersman(capfd, "annotate", "plan", *arguments)


def test_the_result_is_one_json_object_and_progress_goes_to_stderr(capfd: Capture) -> None:
    said = plan(capfd, *QUICK, "--json")
    assert said.code == 0, said.err
    result = json.loads(said.out)
    assert [each["name"] for each in result["designs"]] == ["always 3", "3 -> 5", "always 5"]
    assert result["simulated"] is True
    assert "simulated projects" in said.err


def test_people_get_a_line_for_each_figure_and_what_it_rests_on(capfd: Capture) -> None:
    said = plan(capfd, *QUICK, "--pay-per-hour", 20, "--currency", "NO")
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    figures = {line[:34].strip() for line in lines}
    assert {"ratings per response", "kappa, first three", "random raters", "RMSE of a label, levels"} <= figures
    assert {"pairs in the right order", "hours of rating", "cost, NO", "cost per kept task, NO"} <= figures
    (hours,) = [line for line in lines if line.startswith("hours of rating")]
    # 40 tasks of two responses by three annotators, 90 seconds each
    assert hours.split()[3:4] == ["6.0"]
    assert any(line.startswith("- Simulated: no person rated anything") for line in lines)


def test_without_a_pay_no_cost_is_shown(capfd: Capture) -> None:
    assert "\ncost" not in plan(capfd, *QUICK).out


def test_options_stand_over_the_config_and_set_over_nothing_else(tmp_path: Path, capfd: Capture) -> None:
    config = tmp_path / "plan.yaml"
    config.write_text("seed: 3\ntasks: 40\nreplicates: 2\ndesign: {first: 4, most: 6}\n", encoding="utf-8")
    chosen = ("--config", config, "--first", 2, "--set", "quality.pair_correlation=0.5", "--difference", 0.3)
    said = plan(capfd, *chosen, "--json")
    assert said.code == 0, said.err
    result = json.loads(said.out)
    (asked,) = [each for each in result["designs"] if each["asked"]]
    assert (asked["first"], asked["most"]) == (2, 6)
    assert any("correlation 0.5" in each for each in result["assumptions"])
    needed = result["power"]["helpfulness"]["tasks_needed"]
    assert [each["difference"] for each in needed] == [0.3]


def test_the_seed_of_a_config_counts_unless_one_is_given(tmp_path: Path, capfd: Capture) -> None:
    config = tmp_path / "plan.yaml"
    config.write_text("seed: 3\ntasks: 40\nreplicates: 2\n", encoding="utf-8")
    by_config = plan(capfd, "--config", config, "--json").json
    assert by_config == plan(capfd, *QUICK, "--seed", 3, "--json").json
    assert by_config != plan(capfd, "--config", config, "--seed", 0, "--json").json
    assert plan(capfd, *QUICK, "--json").json == plan(capfd, *QUICK, "--seed", 0, "--json").json


def test_a_folder_is_written_and_shown_again_without_simulating(tmp_path: Path, capfd: Capture) -> None:
    first = plan(capfd, *QUICK, "--out", tmp_path / "plan")
    assert first.code == 0, first.err
    assert first.out.endswith(f"The page is {tmp_path / 'plan' / 'plan.html'}\n")
    again = plan(capfd, *QUICK, "--out", tmp_path / "plan")
    assert (again.out, "simulated projects" in again.err) == (first.out, False)
    written = json.loads((tmp_path / "plan" / "plan.json").read_text(encoding="utf-8"))
    assert plan(capfd, *QUICK, "--out", tmp_path / "plan", "--json").json == written


def test_a_pilot_is_shown_beside_what_was_fitted_to_it(tmp_path: Path, capfd: Capture) -> None:
    """Three people who lean by -1, 0 and 1 around a truth of 1, 2 or 3, on 60 tasks; complexity is never rated."""
    rows = [
        {
            "task_id": str(task),
            "prompt": f"prompt {task}",
            "response_id": f"{task}/{position}",
            "response": f"response {task} {position}",
            "position": position,
            "annotator": f"person {leaning}",
            **dict.fromkeys(("helpfulness", "correctness", "coherence"), 1 + (task + position) % 3 + leaning),
            "complexity": None,
            "verbosity": 2,
        }
        for task in range(60)
        for leaning in (-1, 0, 1)
        for position in (0, 1)
    ]
    write_jsonl(tmp_path / "pilot.jsonl", rows)
    said = plan(capfd, *QUICK, "--pilot", tmp_path / "pilot.jsonl")
    assert said.code == 0, said.err
    table = said.out.split("fitted to the pilot: noise sd")[1].splitlines()
    shown = {line.split()[0]: line.split()[1:] for line in table[2:7]}
    # truth and leaning each have the variance 2/3, and leanings of two people the mean product -1/3: kappa, here the
    # covariance of two ratings over the variance of one, is (2/3 - 1/3) / (2/3 + 2/3)
    assert (shown["helpfulness"][0], shown["helpfulness"][2]) == ("0.25", "2.00")
    assert shown["complexity"][::2] == ["-", "-", "-"]
    assert shown["verbosity"][:3:2] == ["-", "2.00"]


def test_without_a_defined_kappa_nothing_is_said_of_power(capfd: Capture) -> None:
    result = json.loads(plan(capfd, *QUICK, "--json").out)
    assert "two versions of the guidelines" in plan_text(result)
    assert "two versions of the guidelines" not in plan_text({**result, "power": {}})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "'tasks' is missing"),
        (("--tasks", 40, "--first", 5, "--most", 4), "design.most must be at least design.first, got 4 and 5"),
        (("--tasks", 40, "--annotators", 6, "--most", 8), "crowd.annotators must be at least design.most"),
        (("--tasks", 40, "--set", "crowd.noise=1"), "unknown key 'crowd.noise'; did you mean 'noise_sd'?"),
        (("--tasks", 40, "--difference", 2), "differences"),
        (("--tasks", 40, "--config", "absent.yaml"), "absent.yaml: no such file"),
        (("--tasks", 40, "--pilot", "absent.jsonl"), "absent.jsonl"),
    ],
)
def test_bad_input_is_one_clear_line(arguments: tuple[object, ...], words: str, capfd: Capture) -> None:
    said = plan(capfd, *arguments)
    assert said.code == 2
    assert words in said.fault
