"""Frozen features of a language model: its normed hidden state at the last token of each response."""

from pathlib import Path

import numpy as np
import torch

from steersman.config.sections import TuneSettings
from steersman.modeling.evaluating import evaluating
from steersman.modeling.loading import load_classifier, load_tokenizer
from steersman.pipeline.examples import read_pairs
from steersman.pipeline.models import open_model
from steersman.pipeline.training import prepare_states, tokenise
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
    states, _ = prepare_states(
        lambda dtype: load_classifier(base.folder, num_outputs=1, dtype=dtype),
        tokens.groups,
        base=base,
        tune=tune,
        progress=progress,
    )
    features = np.full((pairs.examples.height, states.model.config.hidden_size), np.nan, dtype=np.float32)
    with progress("features", len(tokens.groups), "pair") as advance, evaluating(states.model):
        for index, number in enumerate(tokens.numbers):
            packed, states_TD = states.of(index)
            last = torch.tensor([end - 1 for end in packed.ends], device=states_TD.device)
            features[2 * number : 2 * number + 2] = states_TD[last].cpu().numpy()
            advance(1)
    write_array(out, features)
    return {"rows": pairs.examples.height, "missing": 2 * tokens.num_too_long}
