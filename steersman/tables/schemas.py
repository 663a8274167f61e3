"""The columns of every bulk table: what each holds, whether it must be there, and its range."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from steersman.records import ATTRIBUTES, MAX_SCORE, MIN_SCORE

Kind = Literal["text", "integer", "number", "flag", "texts", "integers", "messages"]

DTYPES: dict[Kind, pl.DataType] = {
    "text": pl.String(),
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "flag": pl.Boolean(),
    "texts": pl.List(pl.String()),
    "integers": pl.List(pl.Int64()),
    "messages": pl.List(pl.Struct({"role": pl.String(), "content": pl.String()})),
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: what it holds, whether it must be there, and the range of its numbers (ends included)."""

    kind: Kind
    required: bool = True
    nullable: bool = False
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A named set of columns."""

    name: str
    columns: Mapping[str, Column] = field(default_factory=dict)

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """Polars types by column name."""
        return {name: DTYPES[column.kind] for name, column in self.columns.items()}


def _optional(kind: Kind, *, low: float | None = None, high: float | None = None) -> Column:
    return Column(kind, required=False, nullable=True, low=low, high=high)


_SCORE = Column("integer", low=MIN_SCORE, high=MAX_SCORE)
_MAYBE_SCORE = Column("integer", nullable=True, low=MIN_SCORE, high=MAX_SCORE)
_TEXT = Column("text")

PROMPTS = Table(
    "prompts",
    {
        "prompt_id": _TEXT,
        "messages": Column("messages"),
        "source": _TEXT,
        "licence": Column("text", nullable=True),
        "topic": _optional("text"),
        "complexity": _optional("integer", low=1, high=5),
        "kept": _optional("flag"),
        "reject_reason": _optional("text"),
    },
)
RESPONSES = Table(
    "responses",
    {
        "prompt_id": _TEXT,
        "response_id": _TEXT,
        "response": _TEXT,
        "generator": _TEXT,
        "generator_licence": _optional("text"),
        "sampling": _optional("text"),
        "seed": _optional("integer"),
    },
)
RATINGS = Table(
    "ratings",
    {
        "task_id": _TEXT,
        "prompt": _TEXT,
        "response_id": _TEXT,
        "response": _TEXT,
        "position": Column("integer", low=0),
        "annotator": _TEXT,
        **dict.fromkeys(ATTRIBUTES, _MAYBE_SCORE),
        "confidence": _optional("integer", low=0, high=2),
        "safe": _optional("flag"),
        "flags": _optional("texts"),
        "seconds": _optional("number", low=0),
        "created_at": _optional("text"),
        "delivery": _optional("text"),
        "guideline_version": _optional("text"),
        "gold": _optional("flag"),
        "surplus": _optional("flag"),
        "simulated": _optional("flag"),
    },
)
PREFERENCE_RATINGS = Table(
    "preference ratings",
    {
        "task_id": _TEXT,
        "annotator": _TEXT,
        "strength": Column("integer", nullable=True, low=-3, high=3),
        "justification": _optional("text"),
        "created_at": _optional("text"),
        "first_response": _optional("text"),
    },
)
EXAMPLES = Table("examples", {"prompt": _TEXT, "response": _TEXT, **dict.fromkeys(ATTRIBUTES, _SCORE)})
DISAGREEMENTS = Table(
    "disagreements",
    {
        "prompt": _TEXT,
        "response": _TEXT,
        **dict.fromkeys(ATTRIBUTES, Column("integers", low=MIN_SCORE, high=MAX_SCORE)),
    },
)
PAIRS = Table("pairs", {"prompt": _TEXT, "chosen": _TEXT, "rejected": _TEXT, "margin": Column("number", low=0)})
PROMPTED_RESPONSES = Table("prompts with responses", {"prompt": _TEXT, "response": _TEXT})
