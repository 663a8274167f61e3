"""A small site for tests of its verbs: two prompts with two responses each."""

import json
from pathlib import Path
from typing import cast

from fastapi.testclient import TestClient

from steersman.config.annotating import ProjectSettings
from steersman.pipeline.annotate import NewProject, init
from steersman.records import ATTRIBUTES

SCORES = dict.fromkeys(ATTRIBUTES, 2)
# no test, and no gold tasks by chance
SETTINGS = ProjectSettings.model_validate({"gold": {"share": 0.0}})
Fields = dict[str, object]


def prompt(name: str, **changes: object) -> Fields:
    messages = [{"role": "user", "content": f"question {name}"}]
    return {"prompt_id": name, "messages": messages, "source": "test", "licence": None, **changes}


def answer(name: str, number: int) -> Fields:
    return {"prompt_id": name, "response_id": f"{name}-{number}", "response": f"answer {number}", "generator": "g"}


def write(path: Path, rows: list[Fields]) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def tables(folder: Path, *names: str) -> tuple[Path, Path]:
    """Write the tables of some prompts into a folder."""
    prompts = write(folder / "prompts.jsonl", [prompt(name) for name in names])
    responses = write(folder / "responses.jsonl", [answer(name, number) for number in (0, 1) for name in names])
    return prompts, responses


def new_site(folder: Path, *, annotators: int = 5, place: str | None = None) -> Fields:
    """Make a site of two tasks."""
    project = NewProject(SETTINGS, "# Rate")
    out = folder / "site.sqlite" if place is None else place
    return init(*tables(folder, "p1", "p2"), out=out, annotators=annotators, project=project)


def annotators_of(made: Fields) -> list[dict[str, str]]:
    return cast("list[dict[str, str]]", made["annotators"])


def rate(client: TestClient, token: str, **changes: object) -> Fields:
    """Answer the next task of an annotator, and return what was claimed."""
    headers = {"authorization": f"Bearer {token}"}
    task = cast("Fields", client.post("/api/v1/claim", headers=headers).json()["task"])
    said = {"lease": task["lease"], **({} if "flags" in changes else {"responses": [SCORES, SCORES]}), **changes}
    sent = client.post("/api/v1/submit", headers=headers, json=said)
    assert sent.status_code == 200, sent.text
    return task
