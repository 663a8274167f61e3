"""Cached features: what the reward model reads, under a key that holds all that decides them."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from planted import CPU, planted, strong, terms_of
from torch.testing import assert_close
from transformers import PreTrainedModel

from steersman.modeling.loading import load_tokenizer
from steersman.modeling.rows import GroupRows
from steersman.reward.features import FeatureSpace, cache_features, read_features
from steersman.reward.heads import Head
from steersman.reward.model import RewardModel
from steersman.reward.train import predictions
from steersman.store.arrays import FolderArrayStore

SPACE = FeatureSpace("0" * 64, None, "last", "float32")


def test_a_head_over_cached_features_gives_the_outputs_of_the_model(tiny_model_folder: Path, tmp_path: Path) -> None:
    groups = [each.group for each in planted(load_tokenizer(tiny_model_folder))[:5]]
    store, spec = FolderArrayStore(tmp_path), terms_of("regression").spec
    backbone = strong(tiny_model_folder)
    head = Head(backbone.config.hidden_size, spec=spec)
    torch.nn.init.uniform_(head.linear.weight)
    cache_features(lambda: backbone, groups, space=SPACE, store=store, row_tokens=64, advance=lambda _: None)
    with torch.no_grad():
        found = head(*read_features(groups, space=SPACE, store=store)).raw
    model = RewardModel(backbone, head, spec=spec).eval()
    expected = predictions(model, GroupRows(groups, [], store, CPU), range(5), budget=1, precision="float32")
    assert_close(found, expected.raw, atol=1e-4, rtol=1e-4)


def test_only_what_is_missing_is_computed_and_all_of_it_is_counted(tiny_model_folder: Path, tmp_path: Path) -> None:
    groups = [each.group for each in planted(load_tokenizer(tiny_model_folder))[:4]]
    store = FolderArrayStore(tmp_path)
    loads: list[int] = []

    def load() -> PreTrainedModel:
        loads.append(1)
        return strong(tiny_model_folder)

    counted: list[int] = []
    for part in (groups[:3], groups, groups):
        cache_features(load, part, space=SPACE, store=store, row_tokens=64, advance=counted.append)
    assert len(loads) == 2
    assert sum(counted) == sum(group.num_tokens for part in (groups[:3], groups, groups) for group in part)


@pytest.mark.parametrize(
    "other",
    [
        replace(SPACE, model_sha256="1" * 64),
        replace(SPACE, num_layers=1),
        replace(SPACE, pooling="mean"),
        replace(SPACE, precision="bfloat16"),
    ],
)
def test_whatever_decides_the_features_is_in_their_key(other: FeatureSpace, tiny_model_folder: Path) -> None:
    first, second = (each.group for each in planted(load_tokenizer(tiny_model_folder))[:2])
    assert len({SPACE.key(first), other.key(first), SPACE.key(second)}) == 3


def test_features_that_are_not_kept_are_no_features(tiny_model_folder: Path, tmp_path: Path) -> None:
    group = planted(load_tokenizer(tiny_model_folder))[0].group
    with pytest.raises(KeyError):
        read_features([group], space=SPACE, store=FolderArrayStore(tmp_path))
