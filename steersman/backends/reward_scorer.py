"""A scorer on one of our reward models: responses of one prompt in consecutive rows share its tokens."""

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from steersman.modeling.chat import Group, ResponseTokens, group_tokens
from steersman.modeling.packed_attention import packed_attention
from steersman.modeling.packing import pack
from steersman.modeling.precision import Precision
from steersman.modeling.rows import Row, autocast
from steersman.protocols import Advance, FloatArray, Scored
from steersman.records import text_to_messages
from steersman.reward.model import RewardModel
from steersman.reward.values import rewards, values

_MOST_RESPONSES = 16
# The mask of a packed group has the square of so many entries.
_MOST_PACKED_TOKENS = 8_192


class RewardScorer:
    """A `Scorer` by a reward model: its attributes' values and its reward; `advance` counts rows.

    Nothing is cut: a conversation longer than the model was trained on is scored whole. Memory grows with the square
    of the longest conversation; `LimitedScorer` bounds that.
    """

    def __init__(self, model: RewardModel, tokenizer: PreTrainedTokenizerBase, *, precision: Precision) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._precision: Precision = precision

    def score(self, prompts: Sequence[str], responses: Sequence[str], *, advance: Advance) -> Scored:
        """Return attribute outputs and rewards, one row per prompt and response, in order.

        Raises ValueError when there are not as many responses as prompts.
        """
        names = self._model.spec.attributes
        outputs = np.zeros((len(prompts), len(names)), dtype=np.float32)
        found = np.zeros(len(prompts), dtype=np.float32)
        first_row = num_tokens = 0
        for group in self._groups(prompts, responses):
            next_row = first_row + len(group.responses)
            outputs[first_row:next_row], found[first_row:next_row] = self._score_group(group)
            num_tokens += group.num_tokens
            advance(len(group.responses))
            first_row = next_row
        return Scored(names, outputs, found, num_tokens)

    @torch.inference_mode()
    def _score_group(self, group: Group) -> tuple[FloatArray, FloatArray]:
        device, spec = self._model.device, self._model.spec
        row = Row(pack([group]).to(device), None)
        with packed_attention(self._model.backbone), autocast(device, precision=self._precision):
            made = self._model(row)
        return values(made, spec=spec).cpu().numpy(), rewards(made, spec=spec).cpu().numpy()

    def lengths(self, prompts: Sequence[str], responses: Sequence[str]) -> list[int]:
        """Return the tokens of each prompt with its response, one per row, in order.

        Raises ValueError when there are not as many responses as prompts.
        """
        groups = self._groups(prompts, responses)
        return [len(group.prefix) + len(response.ids) for group in groups for response in group.responses]

    def _groups(self, prompts: Sequence[str], responses: Sequence[str]) -> Iterator[Group]:
        if len(prompts) != len(responses):
            raise ValueError(f"{len(prompts)} prompts and {len(responses)} responses; one of each makes a row")
        for rows in _runs_of_one_prompt(prompts):
            messages = text_to_messages(prompts[rows[0]])
            yield from _parts(group_tokens(self._tokenizer, messages, [responses[row] for row in rows]))


def _runs_of_one_prompt(prompts: Sequence[str]) -> Iterator[list[int]]:
    for _, run in groupby(range(len(prompts)), key=lambda row: prompts[row]):
        rows = list(run)
        for start in range(0, len(rows), _MOST_RESPONSES):
            yield rows[start : start + _MOST_RESPONSES]


def _parts(group: Group) -> Iterator[Group]:
    """Yield the responses of `group`, in order, in groups of bounded length; one response always fits."""
    taken: list[ResponseTokens] = []
    for response in group.responses:
        together = Group(group.prefix, (*taken, response))
        if taken and together.num_tokens > _MOST_PACKED_TOKENS:
            yield Group(group.prefix, tuple(taken))
            taken = []
        taken.append(response)
    yield Group(group.prefix, tuple(taken))
