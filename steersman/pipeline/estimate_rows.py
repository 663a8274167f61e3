"""Count the rows of a training for its estimate: by the model's tokenizer, by characters, or as the config says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from steersman.config.estimating import EstimateSettings
from steersman.config.run import TrainDpoSettings, TrainRewardSettings
from steersman.engine.duration import TokenCounts
from steersman.pipeline.examples import PARTS, Part, differing, read_pairs, read_preferences, read_released_preferences
from steersman.store.files import first_row

# of English HelpSteer2 text in the vocabulary of current models
CHARACTERS_PER_TOKEN = 4.3

# objectives that a tied pair adds nothing to
_DROPPING_TIES = ("bradley-terry", "margin", "scaled")

# (prefix, responses) in tokens per group of texts; None where there is no tokenizer
Lengths = Sequence[tuple[int, Sequence[int]]]
CountTokens = Callable[[str, Sequence[str], Sequence[tuple[str, ...]]], Lengths | None]


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Pairs to train on and to validate on, and their tokens; None where nothing is known of them.

    `longest` is the length of the longest pair; `dropped_long` counts pairs with a conversation above max_tokens. Pairs
    of two equal responses are in none of the counts.
    """

    train_pairs: int | None
    validation_pairs: int | None
    train: TokenCounts | None
    validation: TokenCounts | None
    counted_by: Literal["tokenizer", "characters", "config"] | None
    longest: int | None
    dropped_long: int


@dataclass(frozen=True, slots=True)
class _Part:
    lengths: Lengths
    is_exact: bool


def count_rows(
    settings: TrainRewardSettings | TrainDpoSettings, *, count: CountTokens | None, unknown: list[str]
) -> RowCounts:
    """Return the counts of both files, or those that the config states where a file is not on this machine.

    What is missing is added to `unknown`. Raises DataError for a file that is there and cannot be read.
    """
    paths = Path(settings.data.train), Path(settings.data.validation)
    missing = [path for path in paths if not path.is_file()]
    if missing:
        return _stated(settings, missing=missing, unknown=unknown)
    parts = [_part(path, part=part, settings=settings, count=count) for path, part in zip(paths, PARTS, strict=True)]
    most = settings.reward.max_tokens if isinstance(settings, TrainRewardSettings) else settings.align.max_tokens
    kept = [[each for each in part.lengths if each[0] + max(each[1]) <= most] for part in parts]
    train, validation = (TokenCounts.of(each) for each in kept)
    return RowCounts(
        train.groups,
        validation.groups,
        train,
        validation,
        counted_by="tokenizer" if all(part.is_exact for part in parts) else "characters",
        longest=max((prefix + sum(responses) for each in kept for prefix, responses in each), default=None),
        dropped_long=sum(len(part.lengths) for part in parts) - train.groups - validation.groups,
    )


def _part(
    path: Path, *, part: Part, settings: TrainRewardSettings | TrainDpoSettings, count: CountTokens | None
) -> _Part:
    all_prompts, all_responses = _texts(path, part=part, settings=settings)
    kept = differing(all_responses)
    prompts, responses = [all_prompts[number] for number in kept], [all_responses[number] for number in kept]
    model = settings.reward.model if isinstance(settings, TrainRewardSettings) else settings.align.model
    counted = None if count is None else count(model, prompts, responses)
    if counted is not None:
        return _Part(counted, is_exact=True)
    by_characters = [
        (_num_tokens(prompt), [_num_tokens(text) for text in texts])
        for prompt, texts in zip(prompts, responses, strict=True)
    ]
    return _Part(by_characters, is_exact=False)


def _texts(
    path: Path, *, part: Part, settings: TrainRewardSettings | TrainDpoSettings
) -> tuple[Sequence[str], Sequence[tuple[str, ...]]]:
    if isinstance(settings, TrainDpoSettings):
        preferences = read_preferences(path)
        most = settings.align.max_pairs
        return preferences.prompts[:most], preferences.responses[:most]
    first = first_row(path)
    if "chosen" in first:
        preferences = read_preferences(path)
        return preferences.prompts, preferences.responses
    drops_ties = all(each.name in _DROPPING_TIES for each in settings.reward.objectives)
    if "response_1" in first:
        rows, _ = read_released_preferences(path, part=part)
        rows = rows.filter(pl.col("preference_strength") != 0) if drops_ties else rows
        return rows["prompt"].to_list(), list(zip(rows["response_1"], rows["response_2"], strict=True))
    pairs = read_pairs(path)
    reward = settings.reward
    if not drops_ties or reward.preference not in pairs.examples:
        return pairs.prompts, pairs.responses
    labels = pairs.examples[reward.preference]
    untied = (labels.gather_every(2) != labels.gather_every(2, offset=1)).arg_true().to_list()
    return [pairs.prompts[number] for number in untied], [pairs.responses[number] for number in untied]


def _num_tokens(text: str) -> int:
    return max(1, round(len(text) / CHARACTERS_PER_TOKEN))


def _stated(
    settings: TrainRewardSettings | TrainDpoSettings, *, missing: Sequence[Path], unknown: list[str]
) -> RowCounts:
    stated = settings.estimate
    lacking = [
        f"estimate.{name}"
        for name in ("train_pairs", "validation_pairs", "prompt_tokens", "response_tokens")
        if getattr(stated, name) is None
    ]
    if lacking:
        files = " and ".join(str(path) for path in missing)
        unknown.append(f"{files}: no such file; without it the tokens need {', '.join(lacking)}")
    train, validation = (_mean_counts(pairs, stated) for pairs in (stated.train_pairs, stated.validation_pairs))
    return RowCounts(
        stated.train_pairs,
        stated.validation_pairs,
        train,
        validation,
        counted_by=None if train is None else "config",
        longest=None,
        dropped_long=0,
    )


def _mean_counts(pairs: int | None, stated: EstimateSettings) -> TokenCounts | None:
    if pairs is None or stated.prompt_tokens is None or stated.response_tokens is None:
        return None
    return TokenCounts.of_mean(pairs, prefix=stated.prompt_tokens, response=stated.response_tokens)
