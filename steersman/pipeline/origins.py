"""What a table of prompts or responses came from: the lineage beside it, and what its own rows say.

A row that names a source or a generator with its licence is never overruled by a lineage that does not record it, so
that no step can make a table look freer than its rows are.
"""

from pathlib import Path

import polars as pl

from steersman.pipeline.lineages import Inheritance, inherited
from steersman.store.files import read_table
from steersman.store.lineage import LINEAGE_FILE, Ancestor, merge_ancestors, read_lineage
from steersman.tables import PROMPTS, RESPONSES

PROMPTS_ROLE = "prompts"
RESPONSES_ROLE = "responses"


def tasks_origin(prompts: Path, responses: Path) -> Inheritance:
    """Return what the tasks of a prompts and a responses table came from; raises DataError for a faulty table."""
    asked = read_table(prompts, table=PROMPTS).filter(pl.col("kept").fill_null(value=True))
    given = read_table(responses, table=RESPONSES).filter(pl.col("prompt_id").is_in(asked["prompt_id"].implode()))
    found = (prompts_origin(prompts, asked), responses_origin(responses, given))
    return Inheritance(merge_ancestors([each.ancestors for each in found]), any(each.simulated for each in found))


def prompts_origin(path: Path, prompts: pl.DataFrame) -> Inheritance:
    """Return what the rows `prompts` of the table in `path` came from; without a lineage they speak for themselves."""
    beside = _beside(path)
    works = {each.work for each in beside.ancestors} if beside else set()
    named = tuple(each for each in prompt_sources(prompts) if each.licence is not None or each.work not in works)
    return Inheritance(named, simulated=False) if beside is None else _joined(named, beside)


def prompt_sources(prompts: pl.DataFrame) -> tuple[Ancestor, ...]:
    """Return the sources that the rows of a PROMPTS table name, each with its licence."""
    named = prompts.select("source", "licence").unique(maintain_order=True).rows()
    return tuple(Ancestor(source, "data", PROMPTS_ROLE, licence) for source, licence in named)


def responses_origin(path: Path, responses: pl.DataFrame) -> Inheritance:
    """Return what the rows `responses` of the table in `path` came from.

    Where the lineage beside it tells of responses, a generator is named only for a licence that is not recorded there:
    its name is a label of the run that wrote it, not the name of a model.
    """
    named = response_sources(responses)
    beside = _beside(path)
    if beside is None:
        return Inheritance(named, simulated=False)
    if _tells_of_responses(path.parent):
        recorded = {None, *(each.licence for each in beside.ancestors)}
        named = tuple(each for each in named if each.licence not in recorded)
    return _joined(named, beside)


def response_sources(responses: pl.DataFrame) -> tuple[Ancestor, ...]:
    """Return the generators that the rows of a RESPONSES table name, each with its licence."""
    named = responses.select("generator", "generator_licence").unique(maintain_order=True).rows()
    return tuple(Ancestor(generator, "model", RESPONSES_ROLE, licence) for generator, licence in named)


def _beside(path: Path) -> Inheritance | None:
    """Return what the file `path` inherits from the lineage in its folder, None where there is none."""
    return inherited([path], role="") if (path.parent / LINEAGE_FILE).is_file() else None


def _joined(named: tuple[Ancestor, ...], beside: Inheritance) -> Inheritance:
    return Inheritance(merge_ancestors([named, beside.ancestors]), beside.simulated)


def _tells_of_responses(folder: Path) -> bool:
    lineage = read_lineage(folder)
    return lineage.stage == RESPONSES_ROLE or any(each.role == RESPONSES_ROLE for each in lineage.ancestors)
