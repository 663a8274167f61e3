"""A modelled crowd at work on a running site."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import cast

import pytest
import uvicorn
from web_site import PROJECT, WebSite, open_web_site

from steersman.cli.server import bind
from steersman.client import AnnotationClient, ProjectClient
from steersman.errors import SteersmanError
from steersman.pipeline.simulate_site import Load, run
from steersman.store.database.connection import reading
from steersman.store.database.exporting import read_preferences, read_ratings

SCOPES = ("read", "review", "manage", "people")
Result = dict[str, object]


@contextmanager
def served(folder: Path, **settings: object) -> Iterator[tuple[WebSite, str]]:
    wanted = {"gold": {"share": 0.0}, **settings}
    with open_web_site(folder, settings=wanted) as site, bind("127.0.0.1", port=0) as listener:
        server = uvicorn.Server(uvicorn.Config(site.app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield site, f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def simulated(site: WebSite, url: str, load: Load) -> Result:
    with ProjectClient(url, site.token(*SCOPES, user_id="owner-1")) as office:
        open_desk = partial(AnnotationClient, url, project=PROJECT)
        return run(office, project=PROJECT, load=load, open_desk=open_desk, progress=lambda _: None)


def test_the_crowd_rates_until_every_task_has_what_it_needs(tmp_path: Path) -> None:
    with served(tmp_path) as (site, url):
        result = simulated(site, url, Load(annotators=6, clients=3))
        with ProjectClient(url, site.token("read")) as reader:
            progress = reader.progress(PROJECT)
        with reading(site.engine) as connection:
            rows = [row for _, row in read_ratings(connection, PROJECT)]
            preferences = list(read_preferences(connection, PROJECT))
    assert (progress.finished, progress.tasks, result["errors"]) == (8, 8, 0)
    answers = Counter(str(row["task_id"]) for row in rows if row["position"] == 0)
    assert set(answers.values()) <= {3, 5}
    assert result["cycles"] == len(preferences) == sum(answers.values())
    assert {row["simulated"] for row in rows} == {True}
    assert {str(row["annotator"]).rpartition("-")[0] for row in rows} == {"simulated"}


def test_the_report_tells_how_fast_the_site_was(tmp_path: Path) -> None:
    with served(tmp_path) as (site, url):
        result = simulated(site, url, Load(annotators=5, clients=2, cycles=4))
    assert result["cycles"] == 4
    for name in ("claim_ms", "submit_ms"):
        times = cast("dict[str, float]", result[name])
        assert 0 < times["p50"] <= times["p99"]


def test_the_same_crowd_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with served(tmp_path) as (site, url):
        first = simulated(site, url, Load(annotators=5, clients=2, cycles=4))
        second = simulated(site, url, Load(annotators=5, clients=2))
        with ProjectClient(url, site.token("read")) as reader:
            members = [each for each in reader.members(PROJECT) if str(each["user"]).startswith("simulated")]
            assert reader.progress(PROJECT).finished == 8
    assert len(members) == 5
    assert sum(cast("int", each["answered"]) for each in members) == cast("int", first["cycles"]) + cast(
        "int", second["cycles"]
    )


def test_a_project_that_asks_for_no_preference_gets_none(tmp_path: Path) -> None:
    with served(tmp_path, form={"preference": "off"}) as (site, url):
        assert simulated(site, url, Load(annotators=5, clients=1))["errors"] == 0


def test_a_site_that_always_refuses_is_not_asked_for_ever(tmp_path: Path) -> None:
    """No justification of the crowd is a thousand characters long."""
    with (
        served(tmp_path, form={"min_justification": 1000}) as (site, url),
        pytest.raises(SteersmanError, match=r"refused 20 times in a row; .* at least 1000 characters"),
    ):
        simulated(site, url, Load(annotators=5, clients=2))


def test_a_token_that_may_not_manage_people_is_told(tmp_path: Path) -> None:
    with (
        served(tmp_path) as (site, url),
        ProjectClient(url, site.token("read")) as office,
        pytest.raises(SteersmanError, match="may not invite and change people"),
    ):
        run(office, project=PROJECT, load=Load(), open_desk=partial(AnnotationClient, url), progress=lambda _: None)
