"""Write many tables at once from rows that come mixed, in bounded memory."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from steersman.sources.items import TABLES, TableRow
from steersman.store.table_writer import TableWriter, open_table
from steersman.tables import table_from_rows

_FRAME_ROWS = 4096
_SUFFIX = ".jsonl.gz"


class TableFiles:
    """The files of a folder, one per table and split; made by `open_tables`."""

    def __init__(self, folder: Path, *, opened: ExitStack) -> None:
        """Write into `folder`; `opened` closes the files."""
        self._folder = folder
        self._opened = opened
        self._tables: dict[str, str] = {}
        self._waiting: dict[str, list[TableRow]] = {}
        self._writers: dict[str, TableWriter] = {}
        self._num_rows: Counter[str] = Counter()

    @property
    def num_rows(self) -> dict[str, int]:
        """Rows by the name of their file without its suffix, in order of names."""
        return {name.removesuffix(_SUFFIX): number for name, number in sorted(self._num_rows.items())}

    def add(self, row: TableRow, *, split: str | None) -> None:
        """Take a row of `split`, unless it names its own; the rows of one file keep their order."""
        name = file_name(row.table, split=row.split or split)
        self._tables[name] = row.table
        self._num_rows[name] += 1
        waiting = self._waiting.setdefault(name, [])
        waiting.append(row)
        if len(waiting) == _FRAME_ROWS:
            self._write(name)

    def write_rest(self) -> None:
        """Write the rows that wait for others."""
        for name in list(self._waiting):
            self._write(name)

    def _write(self, name: str) -> None:
        rows = [row.values for row in self._waiting.pop(name)]
        if name not in self._writers:
            self._writers[name] = self._opened.enter_context(open_table(self._folder / name))
        self._writers[name].write(table_from_rows(rows, table=TABLES[self._tables[name]], source=name))


@contextmanager
def open_tables(folder: Path) -> Iterator[TableFiles]:
    """Give the files of `folder` to fill; none of them comes into place when the block ends by an error."""
    with ExitStack() as opened:
        files = TableFiles(folder, opened=opened)
        yield files
        files.write_rest()


def file_name(table: str, *, split: str | None) -> str:
    """Return the name of a table's file: TABLE.SPLIT.jsonl.gz; examples are named as HelpSteer2 names them."""
    words = ([] if table == "examples" and split else [table]) + ([split] if split else [])
    return ".".join(words) + _SUFFIX
