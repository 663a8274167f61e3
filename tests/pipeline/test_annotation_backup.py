"""`steersman annotate backup` and `restore`: what they print, and where they refuse."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from database_work import NAMES, fill, new_task, rate, ratings, saw
from sqlalchemy import Engine

from steersman.cli.main import main
from steersman.errors import EXIT_DONE, EXIT_USER_INPUT
from steersman.store.database.connection import open_database
from steersman.store.database.copying import contents

pytest_plugins = ("database_fixtures",)


@pytest.fixture
def worked(engine: Engine) -> Engine:
    """Return the engine of a database in which three people have rated a task."""
    fill(engine, tasks=[new_task("t1")])
    for name in NAMES[:3]:
        rate(engine, name)
    return engine


def test_a_backup_and_its_restoring_tell_how_much_was_compared(
    worked: Engine, place: str, new_place: Callable[[str], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = saw(worked, contents)
    told = {"tables": len(held), "rows": sum(each.rows for each in held.values()), "checked": True}
    file, other = str(tmp_path / "monday.sqlite"), new_place("postgresql")
    assert main(["annotate", "backup", place, "--out", file, "--json"]) == EXIT_DONE
    result = json.loads(capsys.readouterr().out)
    assert {key: result[key] for key in told} == told
    assert result["out"] == file
    assert main(["annotate", "restore", file, "--out", other, "--json"]) == EXIT_DONE
    result = json.loads(capsys.readouterr().out)
    assert {key: result[key] for key in told} == told
    found = open_database(other)
    assert ratings(found) == ratings(worked)
    found.dispose()


def test_people_read_how_many_rows_there_are(
    worked: Engine, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "monday.sqlite"
    num_rows = sum(each.rows for each in saw(worked, contents).values())
    assert main(["annotate", "backup", place, "--out", str(file)]) == EXIT_DONE
    assert capsys.readouterr().out.startswith(f"{num_rows} rows of ")


def test_a_backup_over_a_file_ends_with_one_line_on_stderr(
    worked: Engine, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "monday.sqlite"
    file.touch()
    assert main(["annotate", "backup", place, "--out", str(file)]) == EXIT_USER_INPUT
    assert capsys.readouterr().err == f"steersman: {file}: already exists and may hold answers; choose another --out\n"


def test_a_restore_where_something_stands_names_it(
    worked: Engine, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(tmp_path / "monday.sqlite")
    main(["annotate", "backup", place, "--out", file])
    assert main(["annotate", "restore", file, "--out", place]) == EXIT_USER_INPUT
    assert "already" in capsys.readouterr().err


def test_a_restore_of_no_file_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "none.sqlite"
    assert main(["annotate", "restore", str(missing), "--out", str(tmp_path / "site.sqlite")]) == EXIT_USER_INPUT
    assert f"{missing}: no such" in capsys.readouterr().err
