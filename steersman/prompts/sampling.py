"""Choose prompts and tasks by chance, evenly, and the same way whatever the order they come in.

HelpSteer2 samples its prompts uniformly over topics and over five levels of complexity, the highest level with double
weight (paper, section 2.1). How the two are combined is not published; here topics take turns, and each takes its next
prompt from the level that is furthest behind its share.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl

from steersman.errors import DataError
from steersman.prompts.statistics import is_multi_turn

Level = int | None
LEVEL_WEIGHTS: Mapping[Level, int] = {1: 1, 2: 1, 3: 1, 4: 1, 5: 2, None: 1}


def sample_prompts(prompts: pl.DataFrame, *, count: int, rng: np.random.Generator) -> pl.DataFrame:
    """Return `count` different prompts of a PROMPTS table, sorted by `prompt_id`.

    Topics get equal numbers, levels of complexity the ratio 1:1:1:1:2, both as far as the prompts go round; a missing
    topic or level is a group of its own. Rejected prompts (`kept` false) are never drawn. The result does not depend
    on the order of the rows, and with an equal generator a larger sample holds the smaller one.
    Raises DataError for ids that repeat or a count that is below one or above what is available.
    """
    pool = _sorted_by_id(prompts).filter(pl.col("kept").fill_null(value=True))
    if not 1 <= count <= pool.height:
        rejected = prompts.height - pool.height
        raise DataError(
            f"cannot sample {count} prompts: {pool.height} are available ({rejected} more were rejected); "
            "ask for fewer, at least one, or add prompts"
        )
    turns = _take_turns(_shuffled_cells(pool, rng=rng), rng=rng)
    chosen = [next(turns) for _ in range(count)]
    return pool[sorted(chosen)]


def hold_out(prompts: pl.DataFrame, *, count: int, rng: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the prompts to keep and `count` held-out ones, both sorted by `prompt_id`.

    Every group of one topic and one kind (single or multi-turn), and each kind as a whole, is held out in proportion
    to its size, rounded up or down (systematic sampling). The order of the rows does not matter. Of prompts with the
    same messages only the first by id is in either side, so that none is on both.
    Raises DataError for ids that repeat or a count that would leave either side empty.
    """
    pool = _sorted_by_id(prompts).unique("messages", keep="first", maintain_order=True)
    if not 1 <= count < pool.height:
        raise DataError(
            f"cannot hold out {count} of {pool.height} prompts: both sides need at least one; change the count"
        )
    strata = pool.select("topic", multi=is_multi_turn(), chance=rng.permutation(pool.height))
    order = strata.with_row_index("row").sort("multi", "topic", "chance")["row"].to_numpy()
    # equal steps from a random start: a stretch of the order gets its share, rounded up or down
    steps = np.floor((rng.random() + np.arange(count)) * (pool.height / count)).astype(np.int64)
    is_held_out = np.zeros(pool.height, dtype=np.bool_)
    is_held_out[order[steps]] = True
    return pool.filter(~is_held_out), pool.filter(is_held_out)


def sample_tasks(examples: pl.DataFrame, *, count: int, rng: np.random.Generator) -> pl.DataFrame:
    """Return both rows of `count` tasks of an EXAMPLES table (or one in its shape), in their order there.

    Raises DataError when rows 2k and 2k+1 do not share a prompt, or `count` is below one or above the tasks there are.
    """
    prompts = examples["prompt"]
    if not prompts.gather_every(2).equals(prompts.gather_every(2, offset=1)):
        raise DataError("tasks cannot be sampled: rows 2k and 2k+1 must share a prompt; put both of a task together")
    tasks = examples.height // 2
    if not 1 <= count <= tasks:
        raise DataError(f"cannot sample {count} tasks: {tasks} are available; ask for fewer, at least one")
    first_rows = 2 * np.sort(rng.choice(tasks, size=count, replace=False))
    return examples[np.stack([first_rows, first_rows + 1], axis=1).ravel()]


def _sorted_by_id(prompts: pl.DataFrame) -> pl.DataFrame:
    repeated = prompts.filter(pl.col("prompt_id").is_duplicated())["prompt_id"].unique().sort()
    if repeated.len():
        raise DataError(f"{repeated.len()} prompt ids repeat, first {repeated[0]!r}; give each prompt an id of its own")
    return prompts.sort("prompt_id")


def _shuffled_cells(pool: pl.DataFrame, *, rng: np.random.Generator) -> list[dict[Level, list[int]]]:
    # for each topic, sorted: the rows of each of its levels in random order
    rows = pool.select("topic", "complexity", row=pl.int_range(pl.len()), chance=rng.permutation(pool.height))
    cells = rows.sort("topic", "complexity", "chance").group_by("topic", "complexity", maintain_order=True).agg("row")
    topics: dict[str | None, dict[Level, list[int]]] = {}
    for topic, level, members in cells.iter_rows():
        topics.setdefault(topic, {})[level] = members
    return list(topics.values())


def _take_turns(topics: list[dict[Level, list[int]]], *, rng: np.random.Generator) -> Iterator[int]:
    """Yield all rows: each round asks every topic once, in a new random order, until all are empty."""
    drawn: dict[Level, int] = dict.fromkeys(LEVEL_WEIGHTS, 0)
    while topics:
        for index in rng.permutation(len(topics)).tolist():
            levels = topics[index]
            level = max(levels, key=lambda each: LEVEL_WEIGHTS[each] / (2 * drawn[each] + 1))
            drawn[level] += 1
            yield levels[level].pop()
            if not levels[level]:
                del levels[level]
        topics = [levels for levels in topics if levels]
