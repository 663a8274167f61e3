"""Open a file of ratings so that its numbers fit into memory and its texts never have to, all at once.

One pass over the file takes ids, scores and times, and a hash in place of each text: cleaning only compares texts. The
texts of the rows that are left are read in a second pass, in the order the dataset needs them.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from steersman.dataset.lists import is_already_selected, ratings_from_disagreements
from steersman.dataset.rating_times import check_times
from steersman.dataset.reading import NARROW_COLUMNS
from steersman.errors import DataError
from steersman.store.files import first_row, iter_table, read_table
from steersman.tables import DISAGREEMENTS, EXAMPLES, RATINGS

GROUPS = ("guideline_version", "delivery")
_TEXTS = ("prompt", "response")
_OF_RATINGS = frozenset({"task_id", "response_id", "annotator"})
_COLUMNS = (*_TEXTS, *NARROW_COLUMNS, *GROUPS, "simulated")


@dataclass(frozen=True, slots=True)
class RatingsFile:
    """Ratings without their texts.

    `ratings` has the columns that cleaning and agreement read, with hashes as `prompt` and `response`. `texts()` gives
    frames of row (from 0), prompt and response, rows ascending. `is_list` says that lists of scores were given, whose
    places stand in for annotators; `is_selected` that they hold only ratings already selected. `ignored` names columns
    of the first row that the table does not know, such as a sixth attribute.
    """

    ratings: pl.DataFrame
    texts: Callable[[], Iterator[pl.DataFrame]]
    is_list: bool
    is_selected: bool
    ignored: tuple[str, ...] = ()


def open_ratings(path: Path, *, keep: int) -> RatingsFile:
    """Return the ratings in `path`, one row per rating or HelpSteer2's lists, told apart by the first row.

    Raises DataError that names every faulty row, also those whose time cannot be read. `texts()` raises it when the
    file is not the same any more.
    """
    first = first_row(path)
    if isinstance(first.get("helpfulness"), list):
        return _open_lists(path, keep=keep, ignored=_unknown(first))
    if EXAMPLES.columns.keys() <= first.keys() and not _OF_RATINGS & first.keys():
        raise DataError(f"{path}: holds labels and no annotators; give the single ratings they were made from")
    ratings = pl.concat([_narrow(chunk) for chunk in iter_table(path, table=RATINGS, columns=_COLUMNS)])
    with named_in_faults(path):
        check_times(ratings)
    hashes = ratings.select(_TEXTS)
    ignored = _unknown(first)
    return RatingsFile(ratings, lambda: _texts(path, hashes), is_list=False, is_selected=False, ignored=ignored)


def ignored_columns(path: Path) -> tuple[str, ...]:
    """Return what `open_ratings` says is `ignored`, without reading more than the first row."""
    return _unknown(first_row(path))


@contextmanager
def named_in_faults(path: Path) -> Iterator[None]:
    """Name the file in whatever is found wrong with its ratings."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _unknown(row: Mapping[str, object]) -> tuple[str, ...]:
    table = DISAGREEMENTS if isinstance(row.get("helpfulness"), list) else RATINGS
    return tuple(sorted(name for name in row if name not in table.columns))


def _open_lists(path: Path, *, keep: int, ignored: tuple[str, ...]) -> RatingsFile:
    lists = read_table(path, table=DISAGREEMENTS)
    with named_in_faults(path):
        ratings = ratings_from_disagreements(lists, keep=keep)
    whole = ratings.select(_TEXTS).with_row_index("row")
    return RatingsFile(
        _narrow(ratings.select(_COLUMNS)),
        lambda: iter([whole]),
        is_list=True,
        is_selected=is_already_selected(lists, keep=keep),
        ignored=ignored,
    )


def _narrow(chunk: pl.DataFrame) -> pl.DataFrame:
    return chunk.with_columns(pl.col(_TEXTS).hash())


def _texts(path: Path, hashes: pl.DataFrame) -> Iterator[pl.DataFrame]:
    start = 0
    for chunk in iter_table(path, table=RATINGS, columns=_TEXTS):
        if not chunk.select(pl.col(_TEXTS).hash()).equals(hashes[start : start + chunk.height]):
            raise DataError(f"{path}: changed while it was read; start again when nobody writes to it")
        yield chunk.with_row_index("row", offset=start)
        start += chunk.height
