"""What every training verb does first: tokens, dropped rows, trainable weights, cached lower activations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from steersman.config.engine import EngineSettings
from steersman.config.sections import TuneSettings
from steersman.engine.processes import num_processes, of_all, rank
from steersman.errors import ConfigError, DataError
from steersman.modeling.activations import activation_key, cache_lower
from steersman.modeling.chat import Group, group_tokens
from steersman.modeling.encoder import check_lengths, context_tokens
from steersman.modeling.layers import check_split
from steersman.modeling.loading import read_config
from steersman.modeling.packing import pack
from steersman.modeling.precision import Precision, default_device, fast_precision, placed, torch_dtype
from steersman.modeling.rows import GroupRows
from steersman.modeling.support import check_packing
from steersman.modeling.tuning import make_trainable, num_frozen_layers
from steersman.pipeline.models import ModelFolder, model_sha256
from steersman.protocols import Progress
from steersman.records import Message, text_to_messages
from steersman.store.arrays import FolderArrayStore
from steersman.store.cache import cache_folder

Load = Callable[[torch.dtype], PreTrainedModel]
GroupOf = Callable[[PreTrainedTokenizerBase, Sequence[Message], Sequence[str]], Group]


@dataclass(frozen=True, slots=True)
class TokenGroups:
    """Groups short enough to train on: `groups` and, for each, its number among the pairs given; the rest counted."""

    groups: list[Group]
    numbers: list[int]
    num_too_long: int


def tokenise(
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    responses: Sequence[tuple[str, ...]],
    *,
    max_tokens: int,
    source: str,
    group_of: GroupOf = group_tokens,
) -> TokenGroups:
    """Return the groups whose longest conversation has at most `max_tokens` tokens, in order.

    `group_of` puts a prompt and its responses into tokens.

    Raises DataError when none is left.
    """
    groups, numbers = [], []
    for number, (prompt, texts) in enumerate(zip(prompts, responses, strict=True)):
        group = group_of(tokenizer, text_to_messages(prompt), texts)
        if group.longest <= max_tokens:
            groups.append(group)
            numbers.append(number)
    if not groups:
        raise DataError(f"{source}: no conversation fits into max_tokens={max_tokens}; raise it or give shorter rows")
    return TokenGroups(groups, numbers, len(prompts) - len(groups))


def check_context(base: ModelFolder, *parts: TokenGroups, key: str) -> None:
    """Raise ConfigError when a conversation is longer than the model `base` was made to read.

    It is the limit that scoring has. `key` is the setting by which longer conversations are dropped and counted.
    """
    limit = context_tokens(read_config(base.folder))
    lengths = [group.longest for part in parts for group in part.groups]
    if limit is None or max(lengths) <= limit:
        return
    count = sum(length > limit for length in lengths)
    raise ConfigError(
        f"{count} pairs have conversations of up to {max(lengths)} tokens, and {base.name} reads at most {limit}, in"
        f" scoring too; set {key}: {limit}, by which longer ones are dropped and counted"
    )


@dataclass(frozen=True, slots=True)
class Prepared:
    """A model to train and its rows; `trained` is the model or its adapters, `num_lower` layers are cached."""

    model: PreTrainedModel
    trained: torch.nn.Module
    rows: GroupRows
    num_lower: int
    precision: Precision


def prepare(
    load: Load,
    groups: Sequence[Group],
    *,
    base: ModelFolder,
    tune: TuneSettings,
    engine: EngineSettings,
    progress: Progress,
) -> Prepared:
    """Return the model that `load` gives with what is trained set, and the rows of `groups` for it.

    With tune.mode 'upper' the lower layers run once, in the fast number format, and their activations are cached.
    """
    device = default_device()
    precision = fast_precision(device) if engine.precision == "auto" else engine.precision
    is_split = engine.strategy == "fsdp" and num_processes() > 1
    # a model that is to be split goes to the device one layer at a time, once it is laid over the processes
    model = placed(load(torch.float32), torch.device("cpu") if is_split else device)
    shortest = min(groups, key=lambda group: group.num_tokens)
    check_packing(model, shortest)
    check_lengths(model, [group.longest for group in groups])
    num_lower = num_frozen_layers(model, tune=tune)
    store = FolderArrayStore(cache_folder() / "activations")
    keys: list[str] = []
    if num_lower:
        check_split(model, pack([shortest]).to(model.device), num_lower=num_lower)
        sha256 = model_sha256(base.folder)
        keys = [
            activation_key(group, model_sha256=sha256, num_lower=num_lower, precision=precision) for group in groups
        ]

        def cache(share: slice, advance: Callable[[int], None]) -> None:
            cache_lower(
                lambda: placed(load(torch_dtype(precision)), device),
                groups[share],
                keys=keys[share],
                num_lower=num_lower,
                store=store,
                advance=advance,
            )

        mine = slice(rank(), None, num_processes())
        with progress("activations", sum(group.num_tokens for group in groups[mine]), "token") as advance:
            cache(mine, advance)
        if len(of_all(None)) > 1:
            # what the others computed is there, unless they are on a machine with another cache folder
            cache(slice(None), lambda _: None)
    trained = make_trainable(model, tune=tune)
    return Prepared(model, trained, GroupRows(groups, keys, store, device), num_lower, precision)
