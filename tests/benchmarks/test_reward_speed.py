"""The benchmark of training speed counts what it says it counts, and all its rows train the same."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import reward_speed
import torch
from reward_speed_data import MAX_TOKENS, TINY, Prepared, made_pairs, prepare
from reward_speed_ours import optimiser_settings, shuffled_for, unshared
from reward_speed_peak import operations
from reward_speed_records import Measured, Row, Terms, conversations, read_groups
from reward_speed_row import read_task, train, write_task
from reward_speed_table import Circumstances, Figures, computed_tokens, loss_difference, ratios, table_text
from reward_speed_ways import DEFAULT_PAIRS, rivals, trl_row

from steersman.engine.batching import batches
from steersman.errors import RunError
from steersman.modeling.chat import Group, ResponseTokens
from steersman.modeling.packing import pack

ONE_PAIR = Group((5, 6), (ResponseTokens((1, 2, 3), 3), ResponseTokens((4,), 1)))
LONG_PAIR = Group((7,), (ResponseTokens((1,), 1), ResponseTokens(tuple(range(9)), 9)))
SIZES = Prepared(model="a model", pairs="pairs", products=100, layers=2, attention_width=8, hidden=8, feedforward=16)


def terms(folder: Path, *, device: str = "cpu", steps: int = 2) -> Terms:
    return Terms(folder, device, warm_up_steps=1, steps=steps, batch_pairs=4, learning_rate=1e-2, threads=None)


def measured(name: str, *, seconds: tuple[float, ...], losses: tuple[float, ...] = (1.0, 1.0)) -> Measured:
    return Measured(name, seconds, losses, peak_bytes=10, before_bytes=1, weight_bytes=2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the tiny model and three steps of pairs."""
    prepare(tmp_path, model=TINY, num_pairs=12, is_made=True, seed=1)
    return tmp_path


ROWS = [
    Row("TRL", "trl", precision="float32", pairs=4, checkpointing=True),
    Row("TRL, two at a time", "trl", precision="float32", pairs=2),
    Row("plain", "plain", precision="float32", pairs=4, checkpointing=True),
    Row("ours", "ours", precision="float32"),
    Row("ours, a pair a row", "ours", precision="float32", row_tokens=1),
    Row("ours, unshared", "ours", precision="float32", shares=False),
    Row("ours, checkpointing", "ours", precision="float32", checkpointing=True),
]


def test_every_row_has_the_same_losses(folder: Path) -> None:
    found = {row.name: train(row, terms=terms(folder)) for row in ROWS}
    expected = found["plain"].losses
    assert len(expected) == 3
    assert all(len(each.seconds) == 2 and min(each.seconds) > 0 for each in found.values())
    for each in found.values():
        assert each.losses == pytest.approx(expected, abs=1e-5), each.row


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_has_the_losses_of_a_cpu_on_a_gpu(folder: Path, row: Row) -> None:
    expected = train(Row("plain", "plain", precision="float32", pairs=4), terms=terms(folder)).losses
    found = train(row, terms=terms(folder, device="cuda"))
    assert found.losses == pytest.approx(expected, abs=1e-3)
    assert found.peak_bytes > 3 * found.weight_bytes


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_trains_a_shape_of_a_tenth_of_a_billion(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--device", "cuda", "--shape", "0.1b", "--repeats", "1", "--steps", "2", "--micro-batches", "8"]
    assert reward_speed.main([*options, "--rows", "engine", "--out", str(tmp_path / "run")]) == 0
    assert "| **Steersman** |" in capsys.readouterr().out


@pytest.mark.slow
def test_the_whole_benchmark_runs_on_the_tiny_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--small", "--repeats", "1", "--steps", "1", "--search-steps", "1", "--micro-batches", "8"]
    assert reward_speed.main([*options, "--rows", "engine", "--out", str(tmp_path / "run")]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split("|")[1].strip() for line in lines if line.startswith("| ")]
    assert names[1:2] + names[3:] == ["TRL, default settings", "plain loop, as TRL's default", "**Steersman**"]
    assert not (tmp_path / "run").exists()


def test_operations_are_those_of_a_shared_prompt() -> None:
    # tokens: 2 + 3 + 1. Seen: the prompt 1 + 2, the responses 3 + 4 + 5 and 3; scores and values, each three products
    # of a multiplication and an addition
    assert operations([ONE_PAIR], prepared=SIZES) == 6 * 100 * 6 + 12 * 2 * 8 * (3 + 12 + 3)


def test_tokens_a_row_computes_count_padding_and_repeated_prompts() -> None:
    figures = figures_of({}, groups=[ONE_PAIR, LONG_PAIR] * 2, batch_pairs=2)
    assert figures.useful_tokens == 6 + 11
    assert computed_tokens(Row("", "ours"), figures) == 17
    # the second token of a prompt of two is passed twice
    assert computed_tokens(Row("", "ours", shares=False), figures) == 18
    # four conversations as long as the longest, of ten tokens; and two of five, two of ten
    assert computed_tokens(Row("", "trl", pairs=2), figures) == 40
    assert computed_tokens(Row("", "plain", pairs=1), figures) == 2 * 5 + 2 * 10


def figures_of(repeats: dict[str, list[Measured]], *, groups: list[Group], batch_pairs: int) -> Figures:
    rows = tuple(Row(name, "trl") for name in repeats)
    of_run = replace(terms(Path()), steps=1, batch_pairs=batch_pairs)
    return Figures(rows, repeats, {}, {"bfloat16": 1e4, "float32": 1e4}, groups, SIZES, of_run)


def test_ratios_are_taken_within_a_repeat() -> None:
    # a machine that is twice as slow in the second repeat leaves the ratio alone
    repeats = {
        "default": [measured("default", seconds=(4.0,)), measured("default", seconds=(8.0,))],
        "ours": [measured("ours", seconds=(1.0, 3.0)), measured("ours", seconds=(4.0, 4.0))],
    }
    figures = figures_of(repeats, groups=[ONE_PAIR] * 2, batch_pairs=1)
    assert ratios(figures, "default", "ours") == [2.0, 2.0]


def test_a_loss_differs_by_the_most_over_steps_and_repeats() -> None:
    repeats = {
        "default": [measured("default", seconds=(1.0,), losses=(1.0, 2.0))],
        "ours": [measured("ours", seconds=(1.0,), losses=each) for each in ((1.0, 2.25), (0.5, 2.0))],
    }
    assert loss_difference(figures_of(repeats, groups=[ONE_PAIR], batch_pairs=1), "ours") == 0.5


def test_a_line_gives_speed_and_share_of_the_peak_by_what_is_useful() -> None:
    names = ("default", "best", "ours")
    repeats = {name: [measured(name, seconds=(2.0,))] for name in names}
    figures = figures_of(repeats, groups=[ONE_PAIR] * 2, batch_pairs=1)
    table = table_text(figures, circumstances=Circumstances("a command", "a commit", "a machine", "versions"))
    cells = [cell.strip() for cell in table.splitlines()[4].split("|")]
    # six useful tokens in two seconds; 7,056 operations (above) in two seconds, of 10,000 a second
    assert cells[1:7] == ["ours", "2", "1.00", "1.00", "3", "35%"]


def test_trls_best_setting_is_the_fastest_that_has_memory_enough() -> None:
    slow, fast, short = (trl_row(pairs, checkpointing=False) for pairs in (1, 2, 4))
    search = [(slow, measured("", seconds=(3.0,))), (fast, measured("", seconds=(2.0,))), (short, None)]
    default, best, plain = rivals(search, precision="float32", batch_pairs=8)
    assert (best.trainer, best.pairs, best.checkpointing) == ("trl", 2, False)
    # RewardConfig's defaults
    assert (default.trainer, default.pairs, default.checkpointing) == ("trl", 8, True)
    assert plain == replace(default, name=plain.name, trainer="plain")
    with pytest.raises(RunError, match="memory"):
        rivals([(short, None)], precision="float32", batch_pairs=8)


def test_trls_defaults_are_those_of_the_default_row(tmp_path: Path) -> None:
    from trl.trainer.reward_config import RewardConfig

    given = RewardConfig(output_dir=str(tmp_path), use_cpu=True)
    assert given.per_device_train_batch_size == DEFAULT_PAIRS
    assert given.gradient_checkpointing
    assert given.bf16
    assert given.max_length == MAX_TOKENS
    settings = optimiser_settings(terms(tmp_path))
    assert (given.weight_decay, given.max_grad_norm) == (settings.weight_decay, settings.clip_norm)
    assert (given.adam_beta1, given.adam_beta2) == settings.betas


def test_memory_beyond_weights_leaves_out_the_process_the_weights_and_both_moments() -> None:
    found = measured("", seconds=(1.0,))
    assert found.beyond_optimiser_bytes == 10 - 1 - 3 * 2
    assert found.beyond_gradient_bytes == 10 - 1 - 4 * 2


def test_the_engine_takes_the_pairs_in_the_order_of_the_others(folder: Path) -> None:
    groups = read_groups(folder)
    settings = optimiser_settings(terms(folder))
    placed = shuffled_for(groups, optimiser=settings)
    taken = [placed[index] for batch in batches(12, optimiser=settings, seed=0) for index in batch]
    assert taken == groups


def test_a_pair_that_shares_nothing_holds_the_same_conversations() -> None:
    apart = unshared(ONE_PAIR)
    assert conversations(apart) == conversations(ONE_PAIR)
    assert apart.num_tokens == sum(map(len, conversations(ONE_PAIR))) - 1
    # read at the same place: the last token of each response
    assert [pack([apart]).ids[0, last] for last in pack([apart]).last_tokens] == [3, 4]


def test_made_pairs_are_as_long_as_helpsteer2s_and_have_no_control_tokens() -> None:
    groups = made_pairs(1000, 400, longest=1024, rng=np.random.default_rng(0))
    assert max(group.longest for group in groups) <= 1024
    # the median of the prompts drawn is 57; those of long conversations are dropped
    assert 40 < np.median([len(group.prefix) for group in groups]) < 70
    used = {token for group in groups for each in conversations(group) for token in each}
    assert used & {256, 257, 258} == set()
    assert max(used) == 999


def test_a_task_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_task(tmp_path / "task.json", ROWS[0], terms=terms(tmp_path))
    assert read_task(tmp_path / "task.json") == (ROWS[0], terms(tmp_path))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_missing_gpu_is_named_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert reward_speed.main(["--device", "cuda", "--shape", "0.1b"]) == 2
    assert "no CUDA device" in capsys.readouterr().err


@pytest.mark.parametrize("given", [["--micro-batches", "3"], ["--repeats", "0"]])
def test_impossible_options_are_refused_at_once(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert reward_speed.main([*given, "--small"]) == 2
    assert given[0] in capsys.readouterr().err
