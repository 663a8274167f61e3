"""A scorer on one of our reward models: rows are sorted by length and packed, rows of one prompt share its tokens."""

from collections.abc import Sequence

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from steersman.backends.row_groups import RowGroup, filled, row_groups, windows
from steersman.modeling.packed_attention import packed_attention
from steersman.modeling.packing import pack
from steersman.modeling.precision import Precision
from steersman.modeling.rows import Row, autocast
from steersman.protocols import Advance, FloatArray, Scored
from steersman.reward.heads import Outputs
from steersman.reward.model import RewardModel
from steersman.reward.spec import NUM_LEVELS, RewardSpec
from steersman.reward.values import has_levels, level_probabilities, preferences, rewards, values

ROW_TOKENS = 8_192
# rows are sorted by length within so many packed rows, and no more than that is held as tokens
_WINDOW_ROWS = 64


class RewardScorer:
    """A `Scorer` by a reward model: its attributes' values and its reward; `advance` counts rows.

    Nothing is cut: a conversation longer than the model was trained on is scored whole. Up to `row_tokens` tokens run
    at once, of a longer conversation all; `LimitedScorer` bounds that. A score does not depend on what runs beside it,
    up to rounding.
    """

    def __init__(
        self,
        model: RewardModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        precision: Precision,
        row_tokens: int = ROW_TOKENS,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._precision: Precision = precision
        self._row_tokens = row_tokens

    @property
    def spec(self) -> RewardSpec:
        """What the model predicts."""
        return self._model.spec

    def score(self, prompts: Sequence[str], responses: Sequence[str], *, advance: Advance) -> Scored:
        """Return attribute outputs and rewards, one row per prompt and response, in order.

        A model that compares reads rows 2k and 2k+1 as the two responses to a prompt. Raises ValueError when there are
        not as many responses as prompts, DataError when such rows are no pairs.
        """
        spec, device = self.spec, self._model.device
        found = _Found(spec, len(prompts))
        groups = row_groups(self._tokenizer, prompts, responses, form=spec.form, most_tokens=self._row_tokens)
        with (
            torch.inference_mode(),
            packed_attention(self._model.backbone),
            autocast(device, precision=self._precision),
        ):
            for window in windows(groups, most_tokens=_WINDOW_ROWS * self._row_tokens):
                for together in filled(window, most_tokens=self._row_tokens):
                    outputs: Outputs = self._model(Row(pack([each.group for each in together]).to(device), None))
                    found.put(together, outputs)
                    advance(sum(len(each.rows) for each in together))
        return found.scored()

    def lengths(self, prompts: Sequence[str], responses: Sequence[str]) -> list[int]:
        """Return the tokens of each prompt with its response, one per row, in order.

        Raises as `score` does.
        """
        return lengths(self._tokenizer, prompts, responses, spec=self.spec)


def lengths(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], responses: Sequence[str], *, spec: RewardSpec
) -> list[int]:
    """Return the tokens of each prompt with its response, as a model of this `spec` reads them, in order."""
    groups = row_groups(tokenizer, prompts, responses, form=spec.form, most_tokens=ROW_TOKENS)
    return [length for each in groups for length in each.lengths]


class _Found:
    """Scores that come in any order, and are put where their rows are."""

    def __init__(self, spec: RewardSpec, num_rows: int) -> None:
        self._spec = spec
        size = len(spec.attributes)
        self._values = np.zeros((num_rows, size), dtype=np.float32)
        self._rewards = np.zeros(num_rows, dtype=np.float32)
        self._levels = np.zeros((num_rows, size, NUM_LEVELS), dtype=np.float32) if has_levels(spec) else None
        self._preferences = np.zeros(num_rows, dtype=np.float32) if spec.form == "comparison" else None
        self._num_tokens = 0

    def put(self, groups: Sequence[RowGroup], outputs: Outputs) -> None:
        """Keep the outputs of some groups' responses, in order."""
        rows = [row for each in groups for row in each.rows]
        self._values[rows] = _array(values(outputs, spec=self._spec))
        self._rewards[rows] = _array(rewards(outputs, spec=self._spec))
        if self._levels is not None:
            self._levels[rows] = _array(level_probabilities(outputs, spec=self._spec))
        if self._preferences is not None:
            self._preferences[rows] = _array(preferences(outputs, spec=self._spec))
        self._num_tokens += sum(each.group.num_tokens for each in groups)

    def scored(self) -> Scored:
        """Return all of them."""
        return Scored(
            self._spec.attributes,
            self._values,
            self._rewards,
            self._num_tokens,
            levels=self._levels,
            preferences=self._preferences,
        )


def _array(tensor: torch.Tensor) -> FloatArray:
    found: FloatArray = tensor.float().cpu().numpy()
    return found
