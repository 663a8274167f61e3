"""Work on labelled examples: preference pairs, the split by prompt, the statistics of HelpSteer2's second table."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from steersman.errors import DataError, join_faults
from steersman.records import ATTRIBUTES, NUM_LEVELS, TURN_MARKER
from steersman.tables import PAIRS

TURNS = "turns_in_prompt"
PROMPT_CHARACTERS = "characters_in_prompt"
RESPONSE_CHARACTERS = "characters_in_response"
_TURN_TAG = rf"\n{TURN_MARKER}(?:User|Assistant)\n"


@dataclass(frozen=True, slots=True)
class Column:
    """How one column of the examples is distributed; `pearson` with helpfulness is None where either is constant.

    `std` divides by the number of rows.
    """

    mean: float
    std: float
    pearson: float | None


@dataclass(frozen=True, slots=True)
class Split:
    """Examples in two parts; no prompt is in both."""

    train: pl.DataFrame
    validation: pl.DataFrame

    @property
    def rows(self) -> dict[str, int]:
        """Rows of each part that has any, training first."""
        parts = {"train": self.train, "validation": self.validation}
        return {name: part.height for name, part in parts.items() if part.height}


def pairs_from_examples(examples: pl.DataFrame, *, attribute: str = "helpfulness") -> pl.DataFrame:
    """Return a PAIRS table, one row per two examples of a prompt, chosen = the one higher on `attribute`.

    Ties make no pair: their number is `examples.height / 2` less the height of the result. Raises DataError when rows
    2k and 2k+1 do not share a prompt.
    """
    first, second = examples.gather_every(2), examples.gather_every(2, offset=1)
    _refuse_unpaired(first, second)
    margin = first[attribute] - second[attribute]
    is_first = margin > 0
    pairs = pl.DataFrame(
        {
            "prompt": first["prompt"],
            "chosen": first["response"].zip_with(is_first, second["response"]),
            "rejected": second["response"].zip_with(is_first, first["response"]),
            "margin": margin.abs().cast(pl.Float64),
        }
    )
    return pairs.filter(pl.col("margin") > 0).select(list(PAIRS.columns))


def _refuse_unpaired(first: pl.DataFrame, second: pl.DataFrame) -> None:
    if first.height != second.height:
        raise DataError(f"examples come in twos, got {first.height + second.height} rows; the last one has no partner")
    differs = (first["prompt"] != second["prompt"]).arg_true().to_list()
    faults = [f"rows {2 * pair + 1} and {2 * pair + 2} have different prompts" for pair in differs]
    if faults:
        raise DataError(f"{join_faults(faults)}. Put the two responses of a prompt on neighbouring rows.")


def split_by_prompt(examples: pl.DataFrame, *, validation_share: float, rng: np.random.Generator) -> Split:
    """Return `examples` with about `validation_share` of the tasks set aside, all tasks of a prompt on one side.

    The choice depends on the set of prompts and `rng`, not on their order. A share above zero sets at least one prompt
    aside where there are two, and training keeps at least one.
    """
    counts = examples.group_by("prompt").len().sort("prompt")
    shuffled = counts[rng.permutation(counts.height)]
    before = shuffled["len"].cum_sum() - shuffled["len"]
    wanted = round(validation_share * examples.height / 2) * 2
    if validation_share > 0:
        wanted = max(wanted, 1)
    chosen = shuffled.filter(before < wanted).head(counts.height - 1)["prompt"]
    is_validation = pl.col("prompt").is_in(chosen.implode())
    return Split(train=examples.filter(~is_validation), validation=examples.filter(is_validation))


def statistics(examples: pl.DataFrame) -> dict[str, object]:
    """Return what statistics.json holds: `describe`, histograms of labels, and the usual sizes."""
    columns = describe(examples)
    found: dict[str, dict[str, object]] = {
        name: {"mean": column.mean, "std": column.std, "pearson_helpfulness": column.pearson}
        for name, column in columns.items()
    }
    for name in ATTRIBUTES:
        found[name]["histogram"] = np.bincount(examples[name].to_numpy(), minlength=NUM_LEVELS).tolist()
    characters = {"prompt": columns[PROMPT_CHARACTERS].mean, "response": columns[RESPONSE_CHARACTERS].mean}
    multi_turn = examples.select(pl.col("prompt").str.contains(_TURN_TAG).mean()).item()
    sizes = {"rows": examples.height, "tasks": examples.height // 2}
    return {**sizes, "multi_turn_share": multi_turn, "characters": characters, **found}


def describe(examples: pl.DataFrame) -> dict[str, Column]:
    """Return mean, spread and correlation with helpfulness of every attribute, turns and lengths in characters.

    A turn is one message of the prompt, user's or assistant's. Raises DataError for no examples.
    """
    if examples.is_empty():
        raise DataError("no examples to describe; check what cleaning dropped")
    measured = examples.select(
        *(pl.col(name).cast(pl.Float64) for name in ATTRIBUTES),
        (pl.col("prompt").str.count_matches(_TURN_TAG) + 1).cast(pl.Float64).alias(TURNS),
        pl.col("prompt").str.len_chars().cast(pl.Float64).alias(PROMPT_CHARACTERS),
        pl.col("response").str.len_chars().cast(pl.Float64).alias(RESPONSE_CHARACTERS),
    )
    helpfulness = measured["helpfulness"].to_numpy()
    return {name: _describe(measured[name].to_numpy(), helpfulness) for name in measured.columns}


def _describe(values: npt.NDArray[np.float64], helpfulness: npt.NDArray[np.float64]) -> Column:
    spread = float(values.std())
    is_constant = spread == 0 or float(helpfulness.std()) == 0
    pearson = None if is_constant else float(np.corrcoef(values, helpfulness)[0, 1])
    return Column(mean=float(values.mean()), std=spread, pearson=pearson)
