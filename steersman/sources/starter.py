"""The prompts that ship with Steersman, written for it and given away under CC0-1.0 (docs/prompts.md)."""

from importlib.resources import as_file, files

import polars as pl

from steersman.store.files import read_table
from steersman.tables import PROMPTS

_FILE = "starter_prompts.jsonl"


def starter_prompts() -> pl.DataFrame:
    """Return the PROMPTS table of the package, in the order of `prompt_id`."""
    with as_file(files("steersman.sources") / _FILE) as path:
        return read_table(path, table=PROMPTS)
