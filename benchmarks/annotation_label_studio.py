"""Label Studio as a rival: start it as its own command does, and give it a project, tasks and people.

It is installed into a virtual environment of its own (`python -m venv PLACE; PLACE/bin/pip install
label-studio==1.23.2`); nothing of it is imported here. Reports to its makers and checks for a newer version are
switched off, in its favour.
"""

import asyncio
import os
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import cast

from annotation_client import Browser, form_fields
from annotation_cycles import SIDES, CycleError, Visit, names
from annotation_made import PASSWORD, MadeTask

_OWNER = "owner@example.com"
_IMPORTED_AT_ONCE = 250
_QUIET = {
    "COLLECT_ANALYTICS": "false",
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
    "LATEST_VERSION_CHECK": "false",
    "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "false",
}


def label_studio_environment() -> dict[str, str]:
    """Return the variables to start it with; those of this process that make Python find other packages are emptied."""
    return {**_QUIET, **{name: "" for name in ("PYTHONPATH", "DJANGO_SETTINGS_MODULE") if name in os.environ}}


def label_studio_command(python: Path, *, folder: Path, port: int) -> list[str]:
    """Return the command that starts it with a SQLite database in `folder`."""
    program = python.with_name("label-studio")
    words = ["start", "--no-browser", "--port", str(port), "--data-dir", str(folder)]
    return [str(program), *words, "--username", _OWNER, "--password", PASSWORD]


def set_up(url: str, tasks: Sequence[MadeTask], *, people: int, overlap: int, name: str) -> list[Visit]:
    """Make a project of these tasks for `overlap` annotators each, sign people up, and return their visits.

    `name` keeps the people of several projects apart.
    """
    return asyncio.run(_set_up(url, tasks, people=[f"{name}-{index}" for index in range(people)], overlap=overlap))


def over_assigned(folder: Path, *, project: int, overlap: int) -> tuple[int, int]:
    """Return how many tasks of a project have more annotations than wanted, and how many have any."""
    query = "SELECT task_id FROM task_completion WHERE project_id = ?"
    with closing(sqlite3.connect(f"file:{folder / 'label_studio.sqlite3'}?mode=ro", uri=True)) as connection:
        counts = Counter(task for (task,) in connection.execute(query, (project,)))
    return sum(count > overlap for count in counts.values()), len(counts)


async def _set_up(url: str, tasks: Sequence[MadeTask], *, people: Sequence[str], overlap: int) -> list[Visit]:
    owner = await _entered(url, "/user/login/", _OWNER)
    headers = {"X-CSRFToken": owner.cookies["csrftoken"]}
    settings = {"title": "A benchmark", "label_config": labelling_config(), "maximum_annotations": overlap}
    made = await owner.post_json("/api/projects/", settings, headers=headers)
    project = int(str(cast("dict[str, object]", made.json())["id"]))
    for first in range(0, len(tasks), _IMPORTED_AT_ONCE):
        part = tasks[first : first + _IMPORTED_AT_ONCE]
        rows = [dict(prompt=task.prompt, **dict(zip(SIDES, task.responses, strict=True))) for task in part]
        reply = await owner.post_json(f"/api/projects/{project}/import", rows, headers=headers)
        if reply.status != 201:
            raise CycleError(f"the import failed: {reply.status} {reply.body[:200]!r}")
    found = []
    for name in people:
        browser = await _entered(url, "/user/signup/", f"{name}@example.com")
        found.append(Visit(url, "label-studio pages", cookies=dict(browser.cookies), project=project))
        browser.close()
    owner.close()
    return found


async def _entered(url: str, page: str, email: str) -> Browser:
    """Return the browser of somebody who has logged in or signed up by a form."""
    browser = Browser(url)
    fields = form_fields((await browser.get(page)).text)
    reply = await browser.post_form(page, {**fields, "email": email, "password": PASSWORD})
    if reply.status != 302:
        raise CycleError(f"{page} refused {email}: {reply.status} {reply.body[:200]!r}")
    return browser


def labelling_config() -> str:
    """Return the page of a task: a prompt and two responses, each with five ratings."""
    rated = {side: [name for name in names() if name.startswith(side)] for side in SIDES}
    parts = ['<Text name="prompt" value="$prompt"/>']
    for side, ratings in rated.items():
        parts.append(f'<Text name="{side}" value="${side}"/>')
        parts += [f'<Rating name="{name}" toName="{side}" maxRating="5" required="true"/>' for name in ratings]
    return f"<View>{''.join(parts)}</View>"
