"""Frozen features of a language model: its normed hidden state at the last token of each response."""

from pathlib import Path

import numpy as np

from steersman.config.engine import EngineSettings
from steersman.config.sections import TuneSettings
from steersman.modeling.evaluating import evaluating
from steersman.modeling.loading import load_backbone, load_tokenizer
from steersman.modeling.packed_attention import packed_attention
from steersman.modeling.precision import default_device
from steersman.modeling.rows import autocast, states_of
from steersman.pipeline.examples import read_pairs
from steersman.pipeline.models import open_model
from steersman.pipeline.training import prepare, tokenise
from steersman.protocols import Progress, no_progress
from steersman.store.arrays import write_array


def run(
    model: str, data: Path, *, out: Path, max_tokens: int, tune: TuneSettings, progress: Progress = no_progress
) -> dict[str, object]:
    """Write float32 features as the .npy file `out`, shape (rows, hidden size), for the examples table `data`.

    A pair with a conversation longer than `max_tokens` has rows of NaN. `tune` says at which layer to split, so that
    a reward model trained with it shares the cached activations.
    """
    base = open_model(model, role="features")
    tokenizer = load_tokenizer(base.folder)
    pairs = read_pairs(data)
    tokens = tokenise(tokenizer, pairs.prompts, pairs.responses, max_tokens=max_tokens, source=str(data))
    prepared = prepare(
        lambda dtype: load_backbone(base.folder, dtype=dtype, device=default_device()),
        tokens.groups,
        base=base,
        tune=tune,
        engine=EngineSettings.model_validate({}),
        progress=progress,
    )
    network = prepared.model
    features = np.full((pairs.examples.height, network.config.hidden_size), np.nan, dtype=np.float32)
    with (
        progress("features", len(tokens.groups), "pair") as advance,
        evaluating(network),
        packed_attention(network),
        autocast(network.device, precision=prepared.precision),
    ):
        for index, number in enumerate(tokens.numbers):
            row = prepared.rows.of([index])
            states_TD = states_of(network, row, num_lower=prepared.num_lower)
            features[2 * number : 2 * number + 2] = states_TD[list(row.packed.last_tokens)].cpu().numpy()
            advance(1)
    write_array(out, features)
    return {"rows": pairs.examples.height, "missing": 2 * tokens.num_too_long}
