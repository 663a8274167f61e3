"""Claims stay quick however many tasks are finished: they read the index of open tasks, in its order."""

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import sqlite

from steersman.store.database.connection import create_database, reading
from steersman.store.database.next_task import _NEXT_OPEN


@pytest.mark.parametrize("has_paused_deliveries", [False, True])
def test_a_claim_looks_at_open_tasks_only_and_sorts_none(tmp_path: Path, has_paused_deliveries: bool) -> None:
    given = {"of_project": "p", "of_user": "ann", "paused": ["spring"]}
    query = _NEXT_OPEN[has_paused_deliveries][0].params(given if has_paused_deliveries else {**given, "paused": None})
    words = str(query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
    engine = create_database(tmp_path / "site.sqlite")
    with reading(engine) as connection:
        plan = [str(row[3]) for row in connection.execute(text(f"EXPLAIN QUERY PLAN {words}"))]
    engine.dispose()
    assert any("tasks_open" in step for step in plan)
    assert not any("TEMP B-TREE" in step for step in plan)
