"""Say what a collection of prompts consists of."""

import polars as pl

UNKNOWN = "unknown"


def is_multi_turn() -> pl.Expr:
    """Return the expression that is true for a prompt with more than one user turn."""
    return pl.col("messages").list.eval(pl.element().struct.field("role") == "user").list.sum() > 1


def prompt_statistics(prompts: pl.DataFrame) -> pl.DataFrame:
    """Return counts of a PROMPTS table by topic, complexity and turns.

    One row per value, columns `by` ("topic", "complexity", "turns"), `value`, `prompts` (a count) and `share` (of all
    prompts, 0 to 1; the share of `turns` = `multi` is the multi-turn share). Values are sorted; a missing topic or
    complexity counts as "unknown". The turns are always listed, even with no prompt.
    """
    labels = prompts.select(
        topic=pl.col("topic").fill_null(UNKNOWN),
        complexity=pl.col("complexity").cast(pl.String).fill_null(UNKNOWN),
        turns=pl.when(is_multi_turn()).then(pl.lit("multi")).otherwise(pl.lit("single")),
    )
    turns = pl.DataFrame({"by": "turns", "value": ["multi", "single"]})
    counts = labels.unpivot(variable_name="by", value_name="value").group_by("by", "value").len("prompts")
    values = pl.concat([counts.select("by", "value"), turns]).unique()
    order = pl.col("by").replace_strict({"topic": 0, "complexity": 1, "turns": 2}, return_dtype=pl.Int8)
    return (
        values.join(counts, on=["by", "value"], how="left")
        .with_columns(pl.col("prompts").fill_null(0).cast(pl.Int64))
        .with_columns(share=pl.col("prompts") / max(prompts.height, 1))
        .sort(order, "value")
    )
