"""From rows of prompts and responses to groups of tokens, which know the rows they are about."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from transformers import PreTrainedTokenizerBase

from steersman.errors import DataError
from steersman.modeling.chat import Group, comparison_group, group_tokens
from steersman.records import text_to_messages
from steersman.reward.spec import Form

_MOST_RESPONSES = 16


@dataclass(frozen=True, slots=True)
class RowGroup:
    """A group and the number of the row that each of its responses is, counted from 0."""

    group: Group
    rows: tuple[int, ...]

    @property
    def lengths(self) -> list[int]:
        """The tokens of each conversation alone."""
        return [len(self.group.prefix) + len(response.ids) for response in self.group.responses]


def row_groups(
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    responses: Sequence[str],
    *,
    form: Form,
    most_tokens: int,
) -> Iterator[RowGroup]:
    """Yield the rows as groups, in order; rows of one prompt that follow each other share it.

    A group has at most `most_tokens`, unless one conversation alone is longer. Where the form is a comparison, rows 2k
    and 2k+1 are the two responses to a prompt, and what stands for each is the text with it first; they stay together.
    Raises ValueError when there are not as many responses as prompts, and DataError when rows to be compared are no
    pairs.
    """
    if len(prompts) != len(responses):
        raise ValueError(f"{len(prompts)} prompts and {len(responses)} responses; one of each makes a row")
    if form == "comparison":
        check_pairs(prompts)
        for rows in ((row, row + 1) for row in range(0, len(prompts), 2)):
            texts = [responses[row] for row in rows]
            yield RowGroup(comparison_group(tokenizer, text_to_messages(prompts[rows[0]]), texts), rows)
        return
    for run in _runs(prompts):
        group = group_tokens(tokenizer, text_to_messages(prompts[run[0]]), [responses[row] for row in run])
        yield from _parts(RowGroup(group, tuple(run)), most_tokens)


def check_pairs(prompts: Sequence[str]) -> None:
    """Raise DataError unless rows 2k and 2k+1 share a prompt."""
    wrong = next(
        (row for row in range(0, len(prompts), 2) if prompts[row : row + 1] != prompts[row + 1 : row + 2]), None
    )
    if wrong is not None:
        other = f"row {wrong + 1} has another" if wrong + 1 < len(prompts) else "no row follows it"
        raise DataError(
            f"row {wrong}: the model compares two responses, so rows 2k and 2k+1 must share a prompt (the first row is"
            f" row 0), and {other}; order the rows in pairs"
        )


def _runs(prompts: Sequence[str]) -> Iterator[list[int]]:
    for _, run in groupby(range(len(prompts)), key=lambda row: prompts[row]):
        rows = list(run)
        for start in range(0, len(rows), _MOST_RESPONSES):
            yield rows[start : start + _MOST_RESPONSES]


def _parts(whole: RowGroup, most_tokens: int) -> Iterator[RowGroup]:
    prefix, taken = whole.group.prefix, RowGroup(Group(whole.group.prefix, ()), ())
    for response, row in zip(whole.group.responses, whole.rows, strict=True):
        together = RowGroup(Group(prefix, (*taken.group.responses, response)), (*taken.rows, row))
        if taken.rows and together.group.num_tokens > most_tokens:
            yield taken
            together = RowGroup(Group(prefix, (response,)), (row,))
        taken = together
    yield taken


def windows(groups: Iterator[RowGroup], *, most_tokens: int) -> Iterator[list[RowGroup]]:
    """Yield `groups` in lists of about `most_tokens`: what is held in memory at a time."""
    window: list[RowGroup] = []
    num_tokens = 0
    for each in groups:
        window.append(each)
        num_tokens += each.group.num_tokens
        if num_tokens >= most_tokens:
            yield window
            window, num_tokens = [], 0
    if window:
        yield window


def filled(window: Sequence[RowGroup], *, most_tokens: int) -> Iterator[list[RowGroup]]:
    """Yield groups of similar length together, the longest first, at most `most_tokens` at a time.

    What needs the most memory comes first, and fails at once where it does not fit.
    """
    together: list[RowGroup] = []
    num_tokens = 0
    for each in sorted(window, key=lambda each: (-each.group.num_tokens, each.rows)):
        if together and num_tokens + each.group.num_tokens > most_tokens:
            yield together
            together, num_tokens = [], 0
        together.append(each)
        num_tokens += each.group.num_tokens
    if together:
        yield together
