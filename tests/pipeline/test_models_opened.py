"""Models by name: made once in the cache, or a folder of the user's with what is known of its origin."""

import shutil
from functools import partial
from pathlib import Path

import pytest
from huggingface_hub import snapshot_download

from steersman.errors import PluginError
from steersman.pipeline.models import model_sha256, open_model
from steersman.sources import models as sources
from steersman.store.cache import CACHE_VARIABLE

pytest_plugins = ("loop_fixtures",)
pytestmark = pytest.mark.usefixtures("own_cache")


def test_a_model_is_made_once_and_then_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    first = open_model("tiny-random", role="responses")
    written = (first.folder / "model.safetensors").stat().st_mtime_ns
    again = open_model("tiny-random", role="responses")
    assert again.folder == first.folder
    assert (again.folder / "model.safetensors").stat().st_mtime_ns == written


def test_the_random_model_is_the_same_in_every_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sums = []
    for name in ("one", "two"):
        monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / name))
        sums.append(model_sha256(open_model("tiny-random", role="responses").folder))
    assert sums[0] == sums[1]


def test_the_role_of_a_model_is_what_it_is_used_for() -> None:
    (ancestor,) = open_model("tiny-random", role="starting policy").ancestors
    assert (ancestor.role, ancestor.licence) == ("starting policy", "CC0-1.0")


def test_a_checkpoint_of_a_run_knows_that_its_ratings_were_simulated(finished_run: Path) -> None:
    # the lineage lies beside the checkpoint's folder, in the stage that made it
    opened = open_model(str(finished_run / "align" / "checkpoint"), role="policy")
    assert opened.is_simulated
    assert "steersman-simulated-crowd" in [each.work for each in opened.ancestors]


def test_a_trained_model_has_a_licence_only_where_all_it_was_made_from_share_it(finished_run: Path) -> None:
    base = open_model("tiny-random", role="policy")
    trained = open_model(str(finished_run / "align" / "checkpoint"), role="policy")
    # its base is CC0, the crowd that rated for it states no licence
    assert {each.licence for each in trained.ancestors} == {"CC0-1.0", None}
    assert (base.licence, trained.licence) == ("CC0-1.0", None)


def test_a_folder_that_was_copied_away_has_no_known_licence(finished_run: Path, tmp_path: Path) -> None:
    shutil.copytree(finished_run / "align" / "checkpoint", tmp_path / "mine")
    opened = open_model(str(tmp_path / "mine"), role="policy")
    assert [(each.work, each.licence) for each in opened.ancestors] == [("mine", None)]


@pytest.mark.parametrize("name", ["no-such-model", "./no/such/folder", "/no/such/folder", "a/b/c"])
def test_a_name_that_is_nothing_lists_what_is_known(name: str) -> None:
    with pytest.raises(PluginError, match="smollm2-135m-instruct, tiny-random"):
        open_model(name, role="responses")


def test_a_hub_that_cannot_be_reached_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # a port that nobody listens on: the real library, without a network
    monkeypatch.setattr(sources, "snapshot_download", partial(snapshot_download, endpoint="http://127.0.0.1:1"))
    with pytest.raises(PluginError, match=r"model 'owner/name': the hub cannot be reached .*; give a folder"):
        open_model("owner/name", role="responses")


@pytest.mark.parametrize(
    ("inside", "words"), [("checkpoint", "the model that it made is"), ("resume", "made no model")]
)
def test_the_folder_of_a_run_is_told_from_a_model(inside: str, words: str, tmp_path: Path) -> None:
    shutil.copytree(open_model("tiny-random", role="responses").folder, tmp_path / "run" / inside)
    (tmp_path / "run" / "config.yaml").write_text("seed: 1", encoding="utf-8")
    with pytest.raises(PluginError, match=words):
        open_model(str(tmp_path / "run"), role="base model")
