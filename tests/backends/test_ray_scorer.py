"""A Ray cluster scores as one machine does, in order; without Ray there is one line that says how to get it."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from reward_models import SPEC, saved_reward_model

from steersman.backends import ray_scorer
from steersman.backends.ray_scorer import RayScorer
from steersman.backends.reward_scorer import RewardScorer
from steersman.config.loading import validate_settings
from steersman.config.scoring import ScoreSettings
from steersman.errors import ConfigError, DataError, PluginError
from steersman.modeling.loading import load_tokenizer
from steersman.pipeline import score
from steersman.pipeline.reward_folder import load_reward_model
from steersman.pipeline.scorers import open_ray_scorer
from steersman.reward.spec import RewardSpec
from steersman.store.files import write_jsonl

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs Ray: pip install 'steersman[ray]'"
)


COMPARISON = RewardSpec("linear", ("better",), {"better": 1.0}, form="comparison")


def local_scorer(folder: Path) -> RewardScorer:
    model = load_reward_model(folder, dtype=torch.float32, device=torch.device("cpu"))
    return RewardScorer(model, load_tokenizer(folder), precision="float32")


def test_without_ray_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    scorer = RayScorer(lambda: pytest.fail("no model is needed"), measure=lambda *_: [], num_actors=1)
    with pytest.raises(PluginError, match=r"needs ray: pip install 'steersman\[ray\]'"):
        scorer.score(["a"], ["b"], advance=lambda _: None)


def test_lengths_are_counted_without_the_model(tiny_model_folder: Path, tmp_path: Path) -> None:
    saved_reward_model(tiny_model_folder, tmp_path / "model")
    opened = open_ray_scorer(str(tmp_path / "model"))
    rows = ["a?", "a?", "b?"], ["one", "two, longer", ""]
    assert opened.names == SPEC.attributes
    assert opened.scorer.lengths(*rows) == local_scorer(tmp_path / "model").lengths(*rows)


def test_actors_are_of_ray() -> None:
    with pytest.raises(ConfigError, match="ask for ray as well"):
        validate_settings({"actors": 2}, model=ScoreSettings, source="test")


@needs_ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
class TestTwoActors:
    @pytest.fixture(autouse=True)
    def cluster(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Start a cluster of two CPUs on this machine, which an actor each takes, and shards of four rows."""
        import ray

        monkeypatch.setattr(ray_scorer, "SHARD_ROWS", 4)
        monkeypatch.setattr(ray_scorer, "CPUS_PER_ACTOR", 1)
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, ignore_reinit_error=True)

    @pytest.mark.parametrize("form", ["response", "comparison"])
    def test_scores_are_those_of_one_machine_in_order(self, tiny_model_folder: Path, tmp_path: Path, form: str) -> None:
        spec = SPEC if form == "response" else COMPARISON
        saved_reward_model(tiny_model_folder, tmp_path / "model", spec=spec)
        prompts = [f"Question {row // 2}?" for row in range(22)]
        responses = ["x" * (row * 7 % 11) + str(row) for row in range(22)]
        expected = local_scorer(tmp_path / "model").score(prompts, responses, advance=lambda _: None)
        opened = open_ray_scorer(str(tmp_path / "model"), precision="float32", num_actors=2)
        counts: list[int] = []
        found = opened.scorer.score(prompts, responses, advance=counts.append)
        assert found.names == expected.names
        assert found.outputs == pytest.approx(expected.outputs, abs=1e-5)
        assert found.rewards == pytest.approx(expected.rewards, abs=1e-5)
        assert (found.preferences is None) == (form == "response")
        if found.preferences is not None:
            assert found.preferences == pytest.approx(expected.preferences, abs=1e-5)
        # shards of four rows, of which none splits a pair, so every prompt is read once as on one machine
        assert (sorted(counts), found.num_tokens) == ([2, 4, 4, 4, 4, 4], expected.num_tokens)
        assert np.ptp(expected.rewards) > 0.01

    def test_what_an_actor_refuses_is_refused_here(self, tiny_model_folder: Path, tmp_path: Path) -> None:
        saved_reward_model(tiny_model_folder, tmp_path / "model", spec=COMPARISON)
        opened = open_ray_scorer(str(tmp_path / "model"), num_actors=1)
        with pytest.raises(DataError, match=r"^row 0: the model compares two responses"):
            opened.scorer.score(["a?", "b?"], ["yes", "no"], advance=lambda _: None)

    def test_the_verb_writes_the_same_file(self, tiny_model_folder: Path, tmp_path: Path) -> None:
        saved_reward_model(tiny_model_folder, tmp_path / "model", spec=RewardSpec("ordinal", ("a",), {"a": 1.0}))
        rows = [{"prompt": f"{row // 3}?", "response": "y" * row, "response_id": f"r{row}"} for row in range(9)]
        write_jsonl(tmp_path / "rows.jsonl", rows)
        for name, ray in (("one", False), ("many", True)):
            settings = ScoreSettings(ray=ray, probabilities=True, precision="float32", actors=2 if ray else None)
            score.run(
                str(tmp_path / "model"), tmp_path / "rows.jsonl", out=tmp_path / f"{name}.parquet", settings=settings
            )
        import polars as pl
        from polars.testing import assert_frame_equal

        one, many = (pl.read_parquet(tmp_path / f"{name}.parquet") for name in ("one", "many"))
        assert_frame_equal(one, many, abs_tol=1e-5)
        assert one.columns == ["row", "response_id", "a", *(f"a={level}" for level in range(5)), "reward"]
