"""Our training of the same pairs: the engine's loop over packed groups."""

from collections.abc import Mapping, Sequence

import torch
from reward_speed_records import MODEL_FOLDER, Measured, Row, Terms
from reward_speed_watch import Watch

from steersman.config.engine import EngineSettings
from steersman.config.sections import OptimiserSettings
from steersman.engine.batching import batches
from steersman.engine.fit import fit
from steersman.engine.objective import Objective, Reports, Schedule
from steersman.errors import RunError
from steersman.modeling.chat import Group, ResponseTokens
from steersman.modeling.compiling import compiled_kernels
from steersman.modeling.kernels import PLAIN, Kernels
from steersman.modeling.packed_attention import packed_attention
from steersman.modeling.rows import GroupRows
from steersman.pipeline.reward_folder import load_reward_model
from steersman.reward.bradley_terry import bradley_terry_loss
from steersman.store.arrays import FolderArrayStore

# AdamW as TRL sets it
_BETAS = (0.9, 0.999)
_CLIP_NORM = 1.0
_SEED = 0


def ours(row: Row, groups: Sequence[Group], *, terms: Terms) -> Measured:
    """Train by the engine on the pairs in their order."""
    optimiser, engine = optimiser_settings(terms), engine_settings(row)
    in_loop = shuffled_for(groups if row.shares else [unshared(each) for each in groups], optimiser=optimiser)
    device = torch.device(terms.device)
    watch = Watch(terms)
    model = load_reward_model(terms.folder / MODEL_FOLDER, dtype=torch.float32, device=device)
    rows = GroupRows(in_loop, [], FolderArrayStore(terms.folder), device)

    def loss_of(indices: Sequence[int]) -> torch.Tensor:
        outputs = model(rows.of(indices)).raw[:, 0]
        return bradley_terry_loss(outputs[0::2], outputs[1::2])[None]

    def on_metrics(metrics: Mapping[str, float]) -> None:
        if "train_loss" in metrics:
            watch.step_done(metrics["train_loss"])

    objective = Objective(
        loss_of,
        evaluate=lambda: {"loss": 0.0},  # nothing is validated: TRL does not by default either
        weights=torch.ones(len(in_loop), 1),
        tokens=[each.num_tokens for each in in_loop],
    )
    # with a folder, as the command line trains: the best weights lie there on a CPU
    resume = terms.folder / "resume"
    schedule = Schedule(optimiser, engine, evaluate_every=1, seed=_SEED, precision=row.precision, resume=resume)
    kernels = _compiled(device) if row.compile else PLAIN
    with packed_attention(model.backbone, kernels=kernels):
        fit(model, objective, schedule=schedule, reports=Reports(on_metrics, lambda _: None))
    return watch.measured(row, model=model)


def _compiled(device: torch.device) -> Kernels:
    kernels = compiled_kernels(device)
    if kernels is PLAIN:
        raise RunError(
            "nothing can be compiled on this machine (a C++ compiler is needed); leave the row out by --rows"
        )
    return kernels


def optimiser_settings(terms: Terms) -> OptimiserSettings:
    """Return TRL's settings of AdamW in our words, at a constant rate."""
    return OptimiserSettings(
        learning_rate=terms.learning_rate,
        epochs=1,
        batch_pairs=terms.batch_pairs,
        warmup_steps=0,
        weight_decay=0.0,
        clip_norm=_CLIP_NORM,
        betas=_BETAS,
    )


def engine_settings(row: Row) -> EngineSettings:
    """Return what `row` asks of the engine."""
    return EngineSettings(
        micro_batch_tokens=row.row_tokens,
        precision=row.precision,
        checkpointing=row.checkpointing,
        compile=row.compile,
    )


def shuffled_for(groups: Sequence[Group], *, optimiser: OptimiserSettings) -> list[Group]:
    """Return `groups` so placed that the engine's own shuffling takes them in their order here."""
    order = [index for batch in batches(len(groups), optimiser=optimiser, seed=_SEED) for index in batch]
    placed = dict(zip(order, groups, strict=True))
    return [placed[index] for index in range(len(groups))]


def unshared(group: Group) -> Group:
    """Return a pair whose responses each bring their own prompt: packed without padding, but nothing is shared."""
    prefix = group.prefix
    both = tuple(
        ResponseTokens((*prefix[1:], *each.ids), each.num_scored + len(prefix) - 1, len(prefix) - 1)
        for each in group.responses
    )
    return Group(prefix[:1], both)
