"""A reward model trained the plain way, for tests to compare with: padded rows, transformers' own model, AdamW.

Shapes: B conversations, T tokens of the longest, A outputs.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from steersman.modeling.chat import Group

# Returns the mean loss of the scores of a batch's conversations, (B, A).
LossOf = Callable[[torch.Tensor], torch.Tensor]

Conversation = tuple[int, ...]


def conversations(groups: Sequence[Group]) -> list[Conversation]:
    """Return each pair's two conversations whole, chosen before rejected."""
    return [(*group.prefix, *response.ids) for group in groups for response in group.responses]


def loaded(folder: Path) -> PreTrainedModel:
    """Return the classification model in `folder`, float32."""
    return cast(PreTrainedModel, AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32))


def plain_scores(model: PreTrainedModel, conversations: Sequence[Conversation]) -> torch.Tensor:
    """Return the outputs at the last token of each conversation, (B, A), from rows padded on the right."""
    lengths_B = torch.tensor([len(each) for each in conversations])
    ids_BT = nn.utils.rnn.pad_sequence(
        [torch.tensor(each) for each in conversations], batch_first=True, padding_value=model.config.pad_token_id
    )
    mask_BT = torch.arange(ids_BT.shape[1]) < lengths_B[:, None]
    states_BTD = model.base_model(input_ids=ids_BT, attention_mask=mask_BT.long(), use_cache=False).last_hidden_state
    scores_BA: torch.Tensor = cast(nn.Linear, model.score)(states_BTD[torch.arange(len(lengths_B)), lengths_B - 1])
    return scores_BA


def bradley_terry(scores_BA: torch.Tensor) -> torch.Tensor:
    """Return the mean -log P(chosen beats rejected); chosen and rejected take turns in the batch."""
    margins_P = scores_BA[0::2, 0] - scores_BA[1::2, 0]
    return -nn.functional.logsigmoid(margins_P).mean()


def squared_error(labels_BA: torch.Tensor) -> LossOf:
    """Return the mean squared error over the labels that are there, as a loss of scores; a missing one is NaN."""
    return lambda scores_BA: (scores_BA - labels_BA)[~labels_BA.isnan()].square().mean()


def plain_gradients(
    model: PreTrainedModel, conversations: Sequence[Conversation], *, loss_of: LossOf
) -> dict[str, torch.Tensor]:
    """Return the gradient of one batch's loss by every parameter's name."""
    model.zero_grad()
    loss_of(plain_scores(model, conversations)).backward()
    return {name: each.grad.clone() for name, each in model.named_parameters() if each.grad is not None}


def plain_losses(
    model: PreTrainedModel,
    batches: Sequence[tuple[Sequence[Conversation], LossOf]],
    *,
    learning_rate: float,
    weight_decay: float,
    clip_norm: float,
) -> list[float]:
    """Train `model` in place at a constant rate, a step a batch, and return the loss before each step."""
    decayed = [each for each in model.parameters() if each.ndim >= 2]
    others = [each for each in model.parameters() if each.ndim < 2]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}], lr=learning_rate
    )
    losses = []
    for conversations, loss_of in batches:
        optimiser.zero_grad()
        loss = loss_of(plain_scores(model, conversations))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
        optimiser.step()
        losses.append(loss.item())
    return losses
