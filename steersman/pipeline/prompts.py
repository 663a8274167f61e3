"""`steersman prompts`: collect prompts, sample them, and set some aside that nothing is trained on."""

from pathlib import Path

import numpy as np
import polars as pl

from steersman.config.sections import PromptsSettings
from steersman.errors import DataError
from steersman.pipeline.lineages import Inheritance
from steersman.pipeline.origins import prompt_sources, prompts_origin
from steersman.pipeline.stage import Outcome, Product, Stage, run_stage
from steersman.prompts.sampling import hold_out, sample_prompts
from steersman.prompts.statistics import prompt_statistics
from steersman.sources.starter import starter_prompts
from steersman.store.files import read_table, write_json, write_table
from steersman.tables import PROMPTS

STARTER = "starter"
PROMPTS_FILE = "prompts.jsonl"
HELD_OUT_FILE = "held_out.jsonl"


def run(settings: PromptsSettings, *, seed: int, out: Path) -> Outcome:
    """Write `prompts.jsonl` and `held_out.jsonl` into the run folder `out`."""
    inputs = {} if settings.source == STARTER else {"source": _file(settings.source)}
    stage = Stage("prompts", out, settings, seed, inputs, places=("source",) if inputs else ())
    return run_stage(stage, lambda folder: _make(folder, settings=settings, seed=seed))


def _file(source: str) -> Path:
    if not Path(source).is_file():
        raise DataError(f"prompts.source: {source!r} is neither 'starter' nor a file")
    return Path(source)


def _make(folder: Path, *, settings: PromptsSettings, seed: int) -> Product:
    pool = starter_prompts() if settings.source == STARTER else read_table(Path(settings.source), table=PROMPTS)
    rng = np.random.default_rng([seed, 0])
    chosen = _kept(pool, settings) if settings.limit is None else sample_prompts(pool, count=settings.limit, rng=rng)
    kept, held_out = (
        hold_out(chosen, count=settings.held_out, rng=rng) if settings.held_out else (chosen, chosen.clear())
    )
    write_table(folder / PROMPTS_FILE, kept)
    write_table(folder / HELD_OUT_FILE, held_out)
    write_json(folder / "statistics.json", prompt_statistics(chosen).to_dicts())
    result = {"prompts": kept.height, "held_out": held_out.height, "topics": chosen["topic"].n_unique()}
    origin = _origin(chosen, settings=settings)
    return Product(result, origin.ancestors, origin.simulated)


def _kept(pool: pl.DataFrame, settings: PromptsSettings) -> pl.DataFrame:
    kept = pool.filter(pl.col("kept").fill_null(value=True))
    if kept.is_empty():
        raise DataError(
            f"{settings.source}: all {pool.height} prompts are marked as not kept; nothing is left to answer"
        )
    return kept


def _origin(prompts: pl.DataFrame, *, settings: PromptsSettings) -> Inheritance:
    if settings.source == STARTER:
        return Inheritance(prompt_sources(prompts), simulated=False)
    return prompts_origin(Path(settings.source), prompts)
