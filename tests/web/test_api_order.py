"""Whoever streams ratings and goes on behind the last one loses none, whatever other transactions do meanwhile."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import cast

from fastapi.testclient import TestClient
from web_site import PROJECT, WebSite, open_web_site

from steersman.annotation.escalation import ratings_needed
from steersman.records import ATTRIBUTES
from steersman.store.database.answers import Answer, AnswerRules, ResponseScores, submit
from steersman.store.database.connection import writing

pytest_plugins = ("database_fixtures",)

SCORES = dict.fromkeys(ATTRIBUTES, 2)
SAID = ResponseScores((2, 2, 2, 2, 2))
# until then a reader that does not wait has long ended
SECONDS = 2.0
Row = dict[str, object]


def claimed(client: TestClient) -> str:
    return str(client.post("/api/v1/claim").json()["task"]["lease"])


def stream(client: TestClient, *, after: int = 0) -> list[Row]:
    answer = client.get(f"/api/v1/projects/{PROJECT}/ratings?after={after}")
    return [cast("Row", json.loads(line)) for line in answer.text.splitlines()]


def read_twice(site: WebSite) -> list[Row]:
    """Read while an older transaction is open and a younger one has ended, and go on when the older has ended too."""
    older, younger = (site.program("annotate", user_id=f"annotator-{number}") for number in (1, 2))
    # two on one task would wait for each other
    younger.post("/api/v1/skip", json={"lease": claimed(younger)})
    leases = claimed(older), claimed(younger)
    reader, rows = site.program("read"), list[Row]()
    reading = threading.Thread(target=lambda: rows.extend(stream(reader)))
    with writing(site.engine) as connection:
        answer, rules = Answer(leases[0], (SAID, SAID)), AnswerRules("1", ratings_needed)
        submit(connection, answer, user_id="annotator-1", now=site.clock(), rules=rules)
        said = {"lease": leases[1], "responses": [SCORES, SCORES]}
        assert younger.post("/api/v1/submit", json=said).status_code == 200
        reading.start()
        reading.join(SECONDS)
    reading.join()
    last = cast("int", rows[-1]["rating_id"]) if rows else 0
    return rows + stream(reader, after=last)


def test_a_row_that_appears_behind_a_younger_one_is_not_lost(tmp_path: Path, new_place: Callable[[str], str]) -> None:
    with open_web_site(tmp_path, place=new_place("postgresql")) as site:
        rows = read_twice(site)
    assert sorted(str(row["annotator"]) for row in rows) == ["annotator-1"] * 2 + ["annotator-2"] * 2
