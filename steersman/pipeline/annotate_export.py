"""Write the ratings of an annotation project, and what people said beside them, at constant memory."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import msgspec

from steersman.pipeline.annotate_projects import chosen_project
from steersman.pipeline.lineages import Inheritance
from steersman.pipeline.ratings_place import STAGE, check_place
from steersman.records import ATTRIBUTES, MAX_SCORE, MIN_SCORE
from steersman.store.database.connection import Transaction, open_database, reading
from steersman.store.database.exporting import count_rated_tasks, read_preferences, read_ratings
from steersman.store.database.origin import Origin, read_origin
from steersman.store.database.reviewed import read_adjudications
from steersman.store.files import write_lines
from steersman.store.lineage import Lineage, merge_ancestors, software_versions, source_commit, write_lineage
from steersman.tables import PREFERENCE_RATINGS, RATINGS, Column, Table

# the input that only a lineage of exported ratings records
ANSWERS = "answers"
_ROWS_PER_BLOCK = 2000
_ADJUDICATIONS = Table(
    "adjudications",
    {
        "task_id": Column("text"),
        "response_id": Column("text"),
        **dict.fromkeys(ATTRIBUTES, Column("integer", low=MIN_SCORE, high=MAX_SCORE)),
        "reviewer": Column("text"),
        "note": Column("text", nullable=True),
        "created_at": Column("text"),
    },
)
_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class _Counts:
    """What an export counts and hashes while its rows go by."""

    ratings: int = 0
    surplus: int = 0
    flagged: int = 0
    is_simulated: bool = False
    annotators: set[str] = field(default_factory=set)
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def add(self, row: Mapping[str, object]) -> None:
        self.ratings += 1
        self.surplus += row["surplus"] is True
        self.flagged += bool(row["flags"])
        self.is_simulated = self.is_simulated or row["simulated"] is True
        self.annotators.add(str(row["annotator"]))


def export(place: str | Path, *, out: Path, project_id: str | None = None) -> dict[str, object]:
    """Write every rating of a project as a ratings table, in order of submission.

    `created_at` is UTC; `seconds` is that of the whole task, the same in both its rows; flagged tasks have no scores;
    surplus ratings, given when the task was already finished, are marked. Preferences go into a file beside `out`,
    where anybody gave one. The lineage of prompts and responses goes into the folder of `out`. Raises ConfigError where
    several projects are there and none is named, RunError when the folder holds the lineage of something else, or when
    `out` is a file that no export wrote.
    """
    others = check_place(out, is_own=_is_own)
    engine = open_database(place)
    counts = _Counts()
    try:
        with reading(engine) as connection:
            chosen = chosen_project(connection, project_id)
            origin = read_origin(connection, chosen)

            def blocks() -> Iterator[bytes]:
                yield from _rating_blocks(connection, chosen, counts=counts)
                # before the file takes its place: ratings never lie there without the word of where they came from
                write_lineage(out.parent, _lineage(counts, origin=origin, others=others, name=out.stem))

            write_lines(out, blocks(), table=RATINGS)
            tasks = count_rated_tasks(connection, chosen)
            preferences = _write_beside(
                _beside(out, "preferences"),
                (row for _, row in read_preferences(connection, chosen)),
                table=PREFERENCE_RATINGS,
            )
            adjudications = _write_beside(
                _beside(out, "adjudications"), read_adjudications(connection, chosen), table=_ADJUDICATIONS
            )
    finally:
        engine.dispose()
    return {
        "project": chosen,
        "ratings": counts.ratings,
        "preferences": preferences,
        "adjudications": adjudications,
        "tasks": tasks,
        "annotators": len(counts.annotators),
        "surplus": counts.surplus,
        "flagged": counts.flagged,
        "out": str(out),
    }


def _rating_blocks(connection: Transaction, project_id: str, *, counts: _Counts) -> Iterator[bytes]:
    lines: list[bytes] = []
    for _, row in read_ratings(connection, project_id):
        counts.add(row)
        lines.append(_encode(row))
        if len(lines) == _ROWS_PER_BLOCK:
            yield _hashed(lines, counts=counts)
            lines = []
    if lines:
        yield _hashed(lines, counts=counts)


def _hashed(lines: list[bytes], *, counts: _Counts) -> bytes:
    block = b"\n".join([*lines, b""])
    counts.digest.update(block)
    return block


def _write_beside(out: Path, rows: Iterator[dict[str, object]], *, table: Table) -> int:
    """Write what else people said, in a file of its own where there is any; return how many rows it has."""
    first = next(rows, None)
    if first is None:
        # what an earlier export left there is no longer so
        out.unlink(missing_ok=True)
        return 0
    count = 0

    def lines() -> Iterator[bytes]:
        nonlocal count
        for row in chain([first], rows):
            count += 1
            yield _encode(row) + b"\n"

    write_lines(out, lines(), table=table)
    return count


def _beside(out: Path, what: str) -> Path:
    name, *suffixes = out.name.split(".")
    return out.with_name(".".join([f"{name}-{what}", *suffixes]))


def _is_own(lineage: Lineage) -> bool:
    return lineage.stage == STAGE and ANSWERS in lineage.inputs


def _lineage(counts: _Counts, *, origin: Origin, others: Inheritance, name: str) -> Lineage:
    return Lineage(
        name=name,
        stage=STAGE,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=0.0,
        seed=None,
        config_sha256="",
        inputs={**origin.inputs, ANSWERS: counts.digest.hexdigest()},
        ancestors=merge_ancestors([others.ancestors, origin.ancestors]),
        simulated=others.simulated or origin.simulated or counts.is_simulated,
        versions=software_versions(),
        commit=source_commit(),
    )
