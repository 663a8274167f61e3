"""`steersman clean`: a file of ratings in, a dataset folder in HelpSteer2's shape out."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from steersman.config.cleaning import CleanSettings
from steersman.config.loading import dump_settings
from steersman.dataset.agreement import Bootstrap
from steersman.dataset.card import card_text
from steersman.dataset.statistics import statistics
from steersman.errors import ConfigError, DataError, RunError
from steersman.pipeline.agreement import agreement_figures, read_and_clean
from steersman.pipeline.dataset_card import Origin, annotators_removed, card_facts
from steersman.pipeline.dataset_folder import (
    ANNOTATORS_FILE,
    DECISIONS_FILE,
    DISAGREEMENTS_FILE,
    TASKS_FILE,
    Cleaned,
    write_fates,
    write_tables,
)
from steersman.pipeline.preferences import PREFERENCE_DECISIONS_FILE, PREFERENCES_FILE, open_preferences
from steersman.pipeline.ratings_file import RatingsFile
from steersman.pipeline.stage import Product
from steersman.store.disk import LOCK_FILE
from steersman.store.files import (
    explained_disk_errors,
    sha256_file,
    whole_folder,
    write_json,
    write_text,
)
from steersman.store.lineage import (
    LINEAGE_FILE,
    Ancestor,
    Lineage,
    merge_ancestors,
    read_lineage,
    software_versions,
    source_commit,
    write_lineage,
)

STAGE = "clean"
RULES_FILE = "rules.yaml"
BOOTSTRAP_ROUNDS = 1000
# Every name below a dataset folder of ours; a folder with any other is not replaced.
_WRITTEN = frozenset(
    {
        "train.jsonl.gz",
        "validation.jsonl.gz",
        "disagreements",
        DISAGREEMENTS_FILE,
        DECISIONS_FILE,
        TASKS_FILE,
        ANNOTATORS_FILE,
        "preference",
        PREFERENCES_FILE,
        PREFERENCE_DECISIONS_FILE,
        "agreement.json",
        "statistics.json",
        "README.md",
        RULES_FILE,
        LINEAGE_FILE,
        LOCK_FILE,
    }
)
_MAX_NAMES_SHOWN = 5


def run(
    path: Path,
    *,
    out: Path,
    rules: CleanSettings,
    seed: int,
    preferences: Path | None = None,
    licence: str | None = None,
) -> dict[str, object]:
    """Clean the ratings in `path` into the folder `out`, whole or not at all, and return the counts `--json` prints.

    `preferences` is a table of preference ratings of the same tasks. Ancestors of a lineage beside either are
    inherited; `licence` is that of what has none. Every file but lineage.json is the same for the same input, rules,
    seed and name of `out`. Raises DataError for a file that cannot be read or when no task is left, ConfigError for a
    licence that nothing needs, RunError when `out` holds anything but an earlier result.
    """
    started = monotonic()
    inputs = (path,) if preferences is None else (path, preferences)
    _refuse_foreign(out, inputs=inputs)
    _refuse_needless(licence, inputs=inputs)
    name = Path(os.path.realpath(out)).name
    with ThreadPoolExecutor(1) as aside:
        sums = aside.submit(_sums, inputs)
        cleaned = _clean(path, rules=rules, preferences=preferences)
        origin = _origin(inputs, given=cleaned.given, licence=licence)
        with whole_folder(out) as folder:
            _write_dataset(folder, cleaned, origin=origin, rules=rules, seed=seed, name=name)
            lineage = _lineage(sums.result(), rules=rules, origin=origin, name=name, seed=seed)
            write_lineage(folder, replace(lineage, seconds=round(monotonic() - started, 3)))
    return counts(cleaned)


def fill(folder: Path, path: Path, *, rules: CleanSettings, seed: int, name: str) -> Product:
    """Clean the ratings in `path` into the stage folder `folder`; the dataset calls itself `name`."""
    cleaned = _clean(path, rules=rules)
    origin = _origin((path,), given=cleaned.given, licence=None)
    _write_dataset(folder, cleaned, origin=origin, rules=rules, seed=seed, name=name)
    return Product(counts(cleaned), origin.ancestors, origin.simulated)


def _clean(path: Path, *, rules: CleanSettings, preferences: Path | None = None) -> Cleaned:
    given, result = read_and_clean(path, rules=rules)
    if result.tasks_out == 0:
        raise DataError(
            f"{path}: no task is left after cleaning ({_words(result.dropped)}); of the ratings,"
            f" {_words(result.ratings_left_out)}; see docs/cleaning.md"
        )
    if preferences is None:
        return Cleaned(given, result)
    return Cleaned(given, result, open_preferences(preferences, result=result, rules=rules.preferences))


def _write_dataset(
    folder: Path, cleaned: Cleaned, *, origin: Origin, rules: CleanSettings, seed: int, name: str
) -> None:
    bootstrap = Bootstrap(seed, BOOTSTRAP_ROUNDS)
    with ThreadPoolExecutor(1) as aside:
        # neither needs the texts, whose passes leave a core free at times
        fates = aside.submit(write_fates, folder, cleaned.result)
        figures = aside.submit(agreement_figures, cleaned.result, given=cleaned.given, rules=rules, bootstrap=bootstrap)
        written = write_tables(folder, cleaned, rules=rules, seed=seed)
        fates.result()
        agreement = figures.result()
    write_text(folder / RULES_FILE, dump_settings(rules))
    write_json(folder / "agreement.json", agreement)
    write_json(folder / "statistics.json", statistics(written.measured))
    facts = card_facts(cleaned, rules=rules, origin=origin, agreement=agreement, written=written)
    write_text(folder / "README.md", card_text(facts, name=name))


def counts(cleaned: Cleaned) -> dict[str, object]:
    """Return the counts of `steersman clean --json`.

    `dropped` counts tasks, `ratings_left_out` ratings and `annotators_removed` annotators, by reason. `ignored_columns`
    are those of the ratings that no table of ours has.
    """
    result, preferences = cleaned.result, cleaned.preferences
    return {
        "tasks_in": result.tasks_in,
        "tasks_out": result.tasks_out,
        "rows_out": result.labels.height,
        "ratings_in": result.ratings_in,
        "ratings_kept": result.ratings_kept,
        "dropped": result.dropped,
        "ratings_left_out": result.ratings_left_out,
        "annotators_removed": annotators_removed(result),
        "ignored_columns": list(cleaned.given.ignored),
        **({} if preferences is None else {"preferences": preferences.counts}),
    }


def _words(dropped: Mapping[str, int]) -> str:
    return ", ".join(f"{reason}: {number}" for reason, number in dropped.items())


def _refuse_foreign(out: Path, *, inputs: Sequence[Path]) -> None:
    """Raise RunError when replacing `out` would destroy anything but an earlier result of this verb."""
    with explained_disk_errors(out):
        if out.is_symlink():
            raise RunError(f"{out}: is a link; give the folder it points to as --out")
        if not out.is_dir():
            return
        if any(Path(os.path.realpath(path)).is_relative_to(os.path.realpath(out)) for path in inputs):
            raise RunError(f"{out}: holds the ratings themselves; choose another --out")
        found = {entry.relative_to(out).as_posix() for entry in out.rglob("*")}
    foreign = sorted(found - _WRITTEN)
    if not foreign and found and (LINEAGE_FILE not in found or read_lineage(out).stage != STAGE):
        foreign = sorted(found)
    if foreign:
        names = ", ".join(foreign[:_MAX_NAMES_SHOWN])
        raise RunError(f"{out}: holds what steersman clean did not write ({names}); choose another --out")


def _refuse_needless(licence: str | None, *, inputs: Sequence[Path]) -> None:
    if licence is not None and all((path.parent / LINEAGE_FILE).exists() for path in inputs):
        said = inputs[0].parent / LINEAGE_FILE
        raise ConfigError(f"--licence {licence}: {said} says already where the ratings come from; leave it out")


def _origin(inputs: Sequence[Path], *, given: RatingsFile, licence: str | None) -> Origin:
    is_simulated = bool(given.ratings["simulated"].any())
    found: list[tuple[Ancestor, ...]] = []
    for path in inputs:
        if (path.parent / LINEAGE_FILE).exists():
            lineage = read_lineage(path.parent)
            found.append(lineage.ancestors)
            is_simulated = is_simulated or lineage.simulated
        else:
            own = Ancestor(work=path.name, kind="data", role="ratings", licence=licence, simulated=is_simulated)
            found.append((own,))
    return Origin(merge_ancestors(found), is_simulated)


def _sums(inputs: Sequence[Path]) -> dict[str, str]:
    return {path.name: sha256_file(path) for path in inputs}


def _lineage(sums: Mapping[str, str], *, rules: CleanSettings, origin: Origin, name: str, seed: int) -> Lineage:
    return Lineage(
        name=name,
        stage=STAGE,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=0.0,
        seed=seed,
        config_sha256=hashlib.sha256(dump_settings(rules).encode()).hexdigest(),
        inputs=dict(sums),
        ancestors=origin.ancestors,
        simulated=origin.simulated,
        versions=software_versions(),
        commit=source_commit(),
    )
