"""The help of a training verb names every key of its config, with what it is when left out."""

import subprocess
import sys

import pytest
from tiny_loop import steersman

from steersman.config.describing import described_keys
from steersman.config.loading import valid_keys
from steersman.config.run import RunSettings, TrainDpoSettings, TrainRewardSettings

Capture = pytest.CaptureFixture[str]


def test_every_key_is_described_and_is_one_the_config_takes() -> None:
    for model in (TrainRewardSettings, TrainDpoSettings, RunSettings):
        for key, words in described_keys(model):
            *section, name = key.replace("[]", ".0").split(".")
            assert name in valid_keys(model, section)
            assert words


def test_no_key_of_a_section_is_left_out() -> None:
    keys = {key for key, _ in described_keys(TrainRewardSettings)}
    assert {f"reward.engine.{name}" for name in valid_keys(TrainRewardSettings, ["reward", "engine"])} <= keys
    assert {f"reward.objectives[].{name}" for name in ("name", "weight")} <= keys


def test_a_key_says_its_choices_and_what_it_is_when_left_out() -> None:
    words = dict(described_keys(TrainRewardSettings))
    assert words["seed"].endswith("; needed")
    assert words["reward.pooling"].endswith("; one of last, end_of_turn, mean; default last")
    assert words["reward.bias"].endswith("; default false")
    assert words["reward.weights"].endswith("; default {helpfulness: 0.65, correctness: 0.8, coherence: 0.45}")


@pytest.mark.parametrize(("verb", "key"), [("reward", "reward.backbone_layers"), ("dpo", "align.beta")])
def test_the_help_of_a_training_verb_lists_the_keys_of_its_config(verb: str, key: str, capfd: Capture) -> None:
    told = steersman(capfd, "train", verb, "-h").out
    listed = told[told.index("Keys of CONFIG") :].split()
    assert {key, "data.train", "estimate.devices"} <= set(listed)


def test_that_help_loads_no_torch() -> None:
    shown = "from steersman.cli.main import main; main(['train', 'reward', '-h'])"
    program = f"import sys; {shown}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
