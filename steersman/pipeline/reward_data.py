"""Read what a reward model is trained on: rated responses, preferences as they were released, or pairs.

Shapes: n pairs of responses, A attributes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from steersman.config.reward import RewardSettings
from steersman.errors import DataError, join_faults
from steersman.pipeline.examples import Part, differing, read_released_preferences
from steersman.pipeline.lineages import inherited
from steersman.records import ATTRIBUTES, MAX_SCORE, MIN_SCORE
from steersman.reward.agreement_weights import agreement_weights, dispersion_of
from steersman.reward.scalarise import refuse_benchmark
from steersman.sources.helpsteer2 import check_pairs
from steersman.store.files import first_row, read_table
from steersman.tables import PAIRS, Column, Table

Numbers = npt.NDArray[np.float64]
_TEXT = Column("text")
_NEMO_MISSING = -100


@dataclass(frozen=True, slots=True, eq=False)
class RewardData:
    """Pairs of responses and what people said of them.

    `labels` (n, 2, A) are NaN where there is none, `weights` (n, 2, A) how much each counts. `strengths` (n,) say by
    how much the first response is preferred: below zero the second is, 0 is a tie, NaN means that nobody compared.
    Left out are `other_splits` pairs of the file that belong to another part, and `num_equal` of two equal responses.
    """

    source: str
    prompts: list[str]
    responses: list[tuple[str, ...]]
    labels: Numbers
    strengths: Numbers
    weights: Numbers | None = None
    other_splits: int = 0
    num_equal: int = 0


def read_reward_data(path: Path, *, part: Part, reward: RewardSettings) -> RewardData:
    """Return the pairs of two different responses in `path`; its first row tells of what kind they are.

    Of a file with splits, those of `part`. Raises DataError for rows that are faulty or have no partner, when nothing
    of what `reward` names is there, when no pair has two different responses, and when weights by agreement are asked
    of data without lists of ratings; ConfigError when the weights of the reward are to be fitted to a benchmark.
    """
    if part == "validation" and reward.weights == "fitted":
        _refuse_benchmarks(path)
    first = first_row(path)
    if "chosen" in first:
        found = _of_pairs(path, num_attributes=len(reward.attributes))
    elif "response_1" in first:
        found = _of_preferences(path, part=part, num_attributes=len(reward.attributes))
    else:
        return _without_equal(_of_ratings(path, part=part, reward=reward, first=first))
    if _needs_weights(part, reward):
        raise _no_lists(path)
    return _without_equal(found)


def _without_equal(found: RewardData) -> RewardData:
    kept = differing(found.responses)
    if not kept:
        raise DataError(f"{found.source}: no pair has two different responses, so there is nothing to tell apart")
    return replace(
        found,
        prompts=[found.prompts[number] for number in kept],
        responses=[found.responses[number] for number in kept],
        labels=found.labels[kept],
        strengths=found.strengths[kept],
        weights=None if found.weights is None else found.weights[kept],
        num_equal=len(found.responses) - len(kept),
    )


def _refuse_benchmarks(path: Path) -> None:
    # a file tells little by its own name: by that of its folder, and by what it was made from, more
    for name in (path.name, path.absolute().parent.name, *(each.work for each in inherited([path], role="").ancestors)):
        refuse_benchmark(name)


def _of_pairs(path: Path, *, num_attributes: int) -> RewardData:
    pairs = read_table(path, table=PAIRS)
    strengths = pairs["margin"].to_numpy()
    ties = [f"{path}: pair {row + 1}" for row in np.flatnonzero(strengths == 0)]
    if ties:
        raise DataError(
            f"{join_faults(ties)}: the margin is 0, but a tie is no pair; leave it out, or give the margin 1 where"
            " it is not known by how much the chosen response is better"
        )
    responses: list[tuple[str, ...]] = list(zip(pairs["chosen"].to_list(), pairs["rejected"].to_list(), strict=True))
    return RewardData(
        str(path), pairs["prompt"].to_list(), responses, _no_labels(pairs.height, num_attributes), strengths
    )


def _of_preferences(path: Path, *, part: Part, num_attributes: int) -> RewardData:
    own, other_splits = read_released_preferences(path, part=part)
    # in HelpSteer2's files a strength above zero prefers the second response
    strengths = -own["preference_strength"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    responses: list[tuple[str, ...]] = list(zip(own["response_1"].to_list(), own["response_2"].to_list(), strict=True))
    return RewardData(
        str(path),
        own["prompt"].to_list(),
        responses,
        _no_labels(own.height, num_attributes),
        strengths,
        other_splits=other_splits,
    )


def _of_ratings(path: Path, *, part: Part, reward: RewardSettings, first: dict[str, object]) -> RewardData:
    asked = dict.fromkeys([*reward.attributes, reward.preference_column])
    has_lists = any(isinstance(first.get(name), list) for name in asked)
    columns = {name: _label_column(name, reward=reward, has_lists=has_lists) for name in asked}
    rows = read_table(path, table=Table("examples", {"prompt": _TEXT, "response": _TEXT, **columns}))
    check_pairs({path: rows})
    _refuse_missing_marks(path, rows, names=asked)
    labels = _labels(rows, names=reward.attributes)
    preferred = _labels(rows, names=[reward.preference_column])[..., 0]
    if np.isnan(labels).all() and np.isnan(preferred).all():
        raise DataError(
            f"{path}: no row has one of the labels {list(asked)}; name the columns of labels in reward.attributes, and"
            " in reward.preference the one whose difference says which response is better"
        )
    strengths = preferred[:, 0] - preferred[:, 1]
    responses: list[tuple[str, ...]] = list(
        zip(
            rows["response"].gather_every(2).to_list(),
            rows["response"].gather_every(2, offset=1).to_list(),
            strict=True,
        )
    )
    if _needs_weights(part, reward) and not has_lists:
        raise _no_lists(path)
    weights = _weights(rows, names=reward.attributes) if _needs_weights(part, reward) else None
    return RewardData(str(path), rows["prompt"].gather_every(2).to_list(), responses, labels, strengths, weights)


def _refuse_missing_marks(path: Path, rows: pl.DataFrame, *, names: Iterable[str]) -> None:
    faults = [
        f"{path}: row {row + 1}: {name!r} is {_NEMO_MISSING}"
        for name in names
        if not _is_list(rows, name)
        for row in np.flatnonzero((rows[name] == _NEMO_MISSING).fill_null(value=False).to_numpy())
    ]
    if faults:
        raise DataError(
            f"{join_faults(faults)}: with this number NeMo-Aligner marks a missing label, and here it would be learnt;"
            " leave such labels out, or give null"
        )


def _label_column(name: str, *, reward: RewardSettings, has_lists: bool) -> Column:
    is_level = name in ATTRIBUTES or reward.head in ("ordinal", "categorical")
    low, high = (MIN_SCORE, MAX_SCORE) if is_level else (None, None)
    return Column("integers" if has_lists else "number", required=False, nullable=True, low=low, high=high)


def _labels(rows: pl.DataFrame, *, names: Sequence[str]) -> Numbers:
    """Return the labels of two rows each, (n, 2, names); a list of ratings stands for its mean."""
    columns = [pl.col(name).list.mean() if _is_list(rows, name) else pl.col(name) for name in names]
    found: Numbers = rows.select(each.cast(pl.Float64).fill_null(float("nan")) for each in columns).to_numpy()
    return found.reshape(-1, 2, len(names))


def _is_list(rows: pl.DataFrame, name: str) -> bool:
    return isinstance(rows.schema[name], pl.List)


def _weights(rows: pl.DataFrame, *, names: Sequence[str]) -> Numbers:
    most = max(cast("int", rows[name].list.len().max() or 0) for name in names)
    ratings = [
        rows.select(
            pl.col(name).list.get(place, null_on_oob=True).cast(pl.Float64).fill_null(float("nan")).alias(str(place))
            for place in range(most)
        ).to_numpy()
        for name in names
    ]
    weights_BA: torch.Tensor = agreement_weights(dispersion_of(np.stack(ratings, axis=1)))
    found: Numbers = weights_BA.double().numpy().reshape(-1, 2, len(names))
    return found


def _needs_weights(part: Part, reward: RewardSettings) -> bool:
    # the loss that chooses the step counts every label once
    return part == "train" and reward.sample_weights == "agreement"


def _no_lists(path: Path) -> DataError:
    return DataError(
        f"{path}: holds no lists of ratings, which reward.sample_weights 'agreement' needs; give data.train the"
        " disagreements of the data set, or set reward.sample_weights: none"
    )


def _no_labels(num_pairs: int, num_attributes: int) -> Numbers:
    return np.full((num_pairs, 2, num_attributes), np.nan)
