"""A scorer on one of our reward models: responses of one prompt in consecutive rows share its tokens."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from steersman.modeling.chat import group_tokens
from steersman.modeling.layers import all_states
from steersman.modeling.packing import pack
from steersman.modeling.precision import Precision
from steersman.modeling.states import autocast
from steersman.protocols import Advance, Scored
from steersman.records import text_to_messages
from steersman.reward.train import predictions


class RewardScorer:
    """A `Scorer`; `weights` turn the attributes `names` into one reward, `advance` counts rows.

    Nothing is cut: a conversation longer than the model was trained on is scored whole.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        names: tuple[str, ...],
        weights: Mapping[str, float],
        precision: Precision,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._names = names
        self._weights = np.array([weights.get(name, 0.0) for name in names], dtype=np.float32)
        self._precision: Precision = precision

    def score(self, prompts: Sequence[str], responses: Sequence[str], *, advance: Advance) -> Scored:
        """Return attribute outputs and rewards, one row per prompt and response, in order.

        Raises ValueError when there are not as many responses as prompts.
        """
        if len(prompts) != len(responses):
            raise ValueError(f"{len(prompts)} prompts and {len(responses)} responses; one of each makes a row")
        outputs = np.zeros((len(prompts), len(self._names)), dtype=np.float32)
        num_tokens = 0
        for rows in _runs_of_one_prompt(prompts):
            messages = text_to_messages(prompts[rows[0]])
            group = group_tokens(self._tokenizer, messages, [responses[row] for row in rows])
            packed = pack(group).to(self._model.device)
            with torch.inference_mode(), autocast(self._model.device, precision=self._precision):
                states_TD = all_states(self._model, packed).float()
            with torch.inference_mode():
                outputs[rows] = predictions(self._model, packed, states_TD).cpu().numpy()
            num_tokens += group.num_tokens
            advance(len(rows))
        return Scored(self._names, outputs, outputs @ self._weights, num_tokens)


def _runs_of_one_prompt(prompts: Sequence[str], *, longest: int = 16) -> Iterator[list[int]]:
    for _, run in groupby(range(len(prompts)), key=lambda row: prompts[row]):
        rows = list(run)
        for start in range(0, len(rows), longest):
            yield rows[start : start + longest]
