"""`steersman import`: a published collection in, our tables with its lineage out."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from steersman.config.importing import ImportSettings
from steersman.errors import DataError, join_faults
from steersman.pipeline.stage import Product, Stage, run_stage
from steersman.pipeline.table_files import TableFiles, open_tables
from steersman.protocols import Progress, no_progress
from steersman.sources.files import read_rows
from steersman.sources.items import Fault, How, LeftOut, SourceRow, TableRow, Tie
from steersman.sources.locating import Located, SourceFile, locate
from steersman.sources.registry import Source, find_source
from steersman.store.cache import cache_folder
from steersman.store.ledger import judge

STAGE = "import"


@dataclass(slots=True)
class _Counts:
    """What became of the rows of a source apart from those that our tables hold."""

    rows_in: int = 0
    ties: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


def run(settings: ImportSettings, *, out: Path, progress: Progress = no_progress) -> dict[str, object]:
    """Read a collection into the folder `out` and return the counts `--json` prints.

    Every table has one file per split; examples bear the names HelpSteer2 was released under, so that the folder can be
    trained on as it is. A finished import of the same files is not repeated. Raises DataError that lists the faults of
    all files with their lines, or says that nothing was left.
    """
    source = find_source(settings.source)
    where = None if settings.where is None else Path(settings.where)
    inputs = {"data": where} if where is not None and where.exists() else {}
    stage = Stage(STAGE, out, settings, 0, inputs, places=("where",) if inputs else ())
    return run_stage(stage, lambda folder: _make(folder, source, settings=settings, progress=progress)).result


def _make(folder: Path, source: Source, *, settings: ImportSettings, progress: Progress) -> Product:
    located = locate(source, where=settings.where, revision=settings.revision, cache=cache_folder() / "hub")
    with open_tables(folder) as tables:
        counts = _read(located, tables=tables, settings=settings, progress=progress)
        if not tables.num_rows:
            raise DataError(f"{source.name}: no row is left ({_words(counts)}); see docs/sources.md")
    notes = (*source.notes, *located.notes)
    result: dict[str, object] = {
        "source": source.name,
        "files": [file.name for file in located.files],
        "rows_in": counts.rows_in,
        "tables": tables.num_rows,
        "ties": counts.ties,
        "left_out": dict(sorted(counts.left_out.items())),
        "commercial_use": judge(located.ancestors).commercial_use,
        "notes": list(notes),
    }
    return Product(result, located.ancestors, located.simulated, notes)


def _read(located: Located, *, tables: TableFiles, settings: ImportSettings, progress: Progress) -> _Counts:
    counts, faults = _Counts(), list[str]()
    with progress("import", len(located.files), "file") as advance:
        for file in located.files:
            faults += _read_file(file, tables=tables, counts=counts, settings=settings)
            advance(1)
    if faults:
        raise DataError(f"{join_faults(faults)}. docs/sources.md says what the files of {settings.source} hold.")
    return counts


def _read_file(file: SourceFile, *, tables: TableFiles, counts: _Counts, settings: ImportSettings) -> list[str]:
    """Put the rows of a file into `tables`, count the rest in `counts`, and return its faults."""
    faults: list[Fault] = []
    rows = _counted(read_rows(file.path, on_fault=faults.append), counts)
    before = counts.rows_in
    for item in file.convert(rows, How(file.split, settings.pairs)):
        if isinstance(item, TableRow):
            tables.add(item, split=file.split)
        elif isinstance(item, LeftOut):
            counts.left_out[item.reason] += 1
        elif isinstance(item, Tie):
            counts.ties += 1
        else:
            faults.append(item)
    if counts.rows_in == before and not faults:
        raise DataError(f"{file.path}: holds no rows")
    return [f"{fault.place}: {fault.text}" for fault in faults]


def _counted(rows: Iterator[SourceRow], counts: _Counts) -> Iterator[SourceRow]:
    for row in rows:
        counts.rows_in += 1
        yield row


def _words(counts: _Counts) -> str:
    reasons = {**counts.left_out, **({"ties": counts.ties} if counts.ties else {})}
    return ", ".join(f"{number} {reason}" for reason, number in sorted(reasons.items()))
