"""`steersman clean --replay helpsteer2`: our rules on the released rating lists, beside the released labels."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import polars as pl

from steersman.config.cleaning import CleanSettings
from steersman.config.loading import dump_settings
from steersman.dataset.cleaning import clean
from steersman.dataset.lists import ratings_from_disagreements
from steersman.dataset.replay import Replay, comparable_lists, compare
from steersman.dataset.replay_page import ReplayFacts, replay_json, replay_page
from steersman.dataset.statistics import describe, measure
from steersman.errors import RunError
from steersman.sources.helpsteer2 import HUB_NAME, HumanData, read_helpsteer2
from steersman.store.cache import cache_folder
from steersman.store.disk import LOCK_FILE
from steersman.store.files import explained_disk_errors, whole_folder, write_json, write_text
from steersman.store.lineage import LINEAGE_FILE, Lineage, software_versions, source_commit, write_lineage

STAGE = "replay"
PAGE_FILE = "replay.md"
FIGURES_FILE = "replay.json"
# what `--replay` calls the release
HELPSTEER2 = "helpsteer2"
_WRITTEN = frozenset({PAGE_FILE, FIGURES_FILE, LINEAGE_FILE, LOCK_FILE})
NO_LISTS = (
    "without disagreements/disagreements.jsonl no rule of cleaning can be replayed; only the statistics of the released"
    " labels are compared"
)


def run(source: str, *, out: Path | None, rules: CleanSettings) -> dict[str, object]:
    """Replay cleaning on a release and return the figures that `--json` prints (docs/cleaning.md).

    `source` is 'helpsteer2', fetched from the hub at its pinned revision, or a local folder in the released shape.
    Where `out` is given the figures are written there, as a page too. Raises DataError for data that is missing or
    malformed, RunError when the hub cannot be reached or `out` holds anything but an earlier replay.
    """
    started = monotonic()
    if out is not None:
        _refuse_foreign(out)
    data = read_helpsteer2(HUB_NAME if source == HELPSTEER2 else source, cache=cache_folder() / "hub")
    released = pl.concat([data.train, data.validation])
    notes = data.notes if data.disagreements is not None else (*data.notes, NO_LISTS)
    facts = ReplayFacts(
        source=HUB_NAME if source == HELPSTEER2 else Path(source).resolve().name,
        rows={"train": data.train.height, "validation": data.validation.height},
        released=describe(measure(released)),
        replay=None if data.disagreements is None else _replay(data.disagreements, released=released, rules=rules),
        notes=notes,
    )
    figures = replay_json(facts)
    if out is not None:
        _write(out, facts, figures=figures, lineage=_lineage(out, data, rules=rules, seconds=monotonic() - started))
    return figures


def _replay(lists: pl.DataFrame, *, released: pl.DataFrame, rules: CleanSettings) -> Replay:
    usable = comparable_lists(lists, keep=rules.keep)
    ratings = ratings_from_disagreements(usable, keep=rules.keep)
    result = clean(ratings, rules=rules, is_named=False)
    texts = ratings.select("prompt", "response").with_row_index("row")
    return compare(result, texts=texts, lists=lists, released=released, left_out=lists.height - usable.height)


def _refuse_foreign(out: Path) -> None:
    with explained_disk_errors(out):
        found = sorted(each.name for each in out.iterdir()) if out.is_dir() else []
    foreign = [name for name in found if name not in _WRITTEN]
    if foreign:
        raise RunError(f"{out}: holds what a replay did not write ({', '.join(foreign[:5])}); choose another --out")


def _write(out: Path, facts: ReplayFacts, *, figures: Mapping[str, object], lineage: Lineage) -> None:
    with whole_folder(out) as folder:
        write_json(folder / FIGURES_FILE, figures)
        write_text(folder / PAGE_FILE, replay_page(facts))
        write_lineage(folder, lineage)


def _lineage(out: Path, data: HumanData, *, rules: CleanSettings, seconds: float) -> Lineage:
    return Lineage(
        name=out.resolve().name,
        stage=STAGE,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(seconds, 3),
        seed=None,
        config_sha256=hashlib.sha256(dump_settings(rules).encode()).hexdigest(),
        inputs={},
        ancestors=data.ancestors,
        simulated=data.simulated,
        versions=software_versions(),
        commit=source_commit(),
        notes=data.notes,
    )
