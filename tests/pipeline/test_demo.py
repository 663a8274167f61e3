"""The settings of the demo: the shipped config, human labels instead, and overrides on top."""

import pytest
from tiny_loop import ROOT

from steersman.config.loading import load_settings
from steersman.config.run import RunSettings
from steersman.errors import ConfigError
from steersman.pipeline import demo


def test_the_demo_is_the_config_a_user_can_copy() -> None:
    path = ROOT / "configs" / "demo.yaml"
    copied = load_settings(path.read_text(encoding="utf-8"), model=RunSettings, source=str(path))
    assert demo.settings(data=None, overrides=()) == copied


def test_human_labels_take_the_place_of_prompts_and_ratings_of_our_own() -> None:
    found = demo.settings(data="labels", overrides=())
    assert found.data is not None
    assert (found.data.path, found.data.prompts) == ("labels", 200)


def test_overrides_come_after_what_human_labels_change() -> None:
    found = demo.settings(data="labels", overrides=("data.prompts=20", "seed=3", "reward.optimiser.epochs=5"))
    assert found.data is not None
    assert found.reward.optimiser is not None
    assert (found.data.prompts, found.seed, found.reward.optimiser.epochs) == (20, 3, 5)


def test_an_unknown_override_names_the_nearest_key() -> None:
    with pytest.raises(ConfigError, match="did you mean 'epochs'"):
        demo.settings(data=None, overrides=("reward.optimiser.epoch=5",))
