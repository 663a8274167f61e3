"""Turn labelled examples into preference pairs."""

import polars as pl

from steersman.errors import DataError, join_faults
from steersman.tables import PAIRS


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
