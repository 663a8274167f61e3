import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from steersman.records import ATTRIBUTES, Message, prompt_to_text
from steersman.store.database.connection import create_database, open_database, reading, writing
from steersman.store.database.content import NewResponse, NewTask, add_annotator, add_tasks, read_ratings
from steersman.web.app import create_app

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
SITE = "http://testserver"
PROMPT = prompt_to_text([Message("user", "Hello there"), Message("assistant", "Hi"), Message("user", "Say *more*")])
SIDES = ("left", "right")


def site_file(folder: Path, *, response: str = "An **answer**") -> tuple[Path, str]:
    """Return a database with one task and the token of its annotator."""
    path = folder / "site.sqlite"
    engine = create_database(path)
    first = NewResponse("hidden-id-one", response, "hidden-model-one", None)
    second = NewResponse("hidden-id-two", "Another answer", "hidden-model-two", None)
    with writing(engine) as connection:
        add_tasks(connection, [NewTask("t1", PROMPT, (first, second))], need=3)
        token = add_annotator(connection, "ann", now=NOON)
    engine.dispose()
    return path, token


@pytest.fixture
def site(tmp_path: Path) -> tuple[Path, str]:
    return site_file(tmp_path)


@pytest.fixture
def browser(site: tuple[Path, str]) -> Iterator[TestClient]:
    path, token = site
    with TestClient(create_app(path, now=lambda: NOON), base_url=SITE, headers={"origin": SITE}) as client:
        assert client.post("/login", data={"token": token}).status_code == 200
        yield client


def saved(path: Path) -> list[dict[str, object]]:
    engine = open_database(path)
    with reading(engine) as connection:
        rows = list(read_ratings(connection))
    engine.dispose()
    return rows


def lease_of(page: str) -> str:
    found = re.search(r'name="lease" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def full_form(lease: str, *, score: int = 3) -> dict[str, str]:
    scores = {f"{side}_{attribute}": str(score) for side in SIDES for attribute in ATTRIBUTES}
    return {"lease": lease, "action": "rate", **scores}


def test_the_login_link_shows_the_token_but_logs_nobody_in(site: tuple[Path, str]) -> None:
    with TestClient(create_app(site[0], now=lambda: NOON)) as client:
        page = client.get("/login", params={"token": 'a"<b'})
        assert "set-cookie" not in page.headers
        assert 'value="a&#34;&lt;b"' in page.text


def test_the_cookie_is_hidden_from_scripts_and_other_sites(site: tuple[Path, str]) -> None:
    with TestClient(create_app(site[0], now=lambda: NOON), headers={"origin": SITE}) as client:
        answer = client.post("/login", data={"token": site[1]}, follow_redirects=False)
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_a_wrong_token_is_told_so(site: tuple[Path, str]) -> None:
    with TestClient(create_app(site[0], now=lambda: NOON), headers={"origin": SITE}) as client:
        answer = client.post("/login", data={"token": "wrong"})
    assert answer.status_code == 401
    assert "no access with this token" in answer.text


def test_without_a_cookie_the_task_page_leads_to_the_login(site: tuple[Path, str]) -> None:
    with TestClient(create_app(site[0], now=lambda: NOON)) as client:
        assert client.get("/task", follow_redirects=False).headers["location"] == "/login"


def test_the_page_has_every_scale_with_the_meaning_of_each_level(browser: TestClient) -> None:
    page = browser.get("/task").text
    for side in SIDES:
        for attribute in ATTRIBUTES:
            assert len(re.findall(rf'type="radio" name="{side}_{attribute}"', page)) == 5
    assert page.count("<legend>") == 2 * (len(ATTRIBUTES) + 1)
    assert "Say <em>more</em>" in page


def test_the_page_hides_who_generated_what(browser: TestClient) -> None:
    assert "hidden" not in browser.get("/task").text.replace('type="hidden"', "")


@pytest.mark.parametrize(
    ("written", "forbidden"),
    [
        ("<script>alert(1)</script>", "<script>alert"),
        ("<img src=x onerror=alert(1)>", "<img"),
        ("![x](https://example.org/pixel.png)", "<img"),
        ("[x](javascript:alert(1))", 'href="javascript'),
    ],
)
def test_a_response_cannot_bring_its_own_html(tmp_path: Path, written: str, forbidden: str) -> None:
    path, token = site_file(tmp_path, response=written)
    with TestClient(create_app(path, now=lambda: NOON), headers={"origin": SITE}) as client:
        page = client.post("/login", data={"token": token}).text
    assert forbidden not in page


def test_pages_load_nothing_from_elsewhere_and_forbid_it(browser: TestClient) -> None:
    answer = browser.get("/task")
    assert re.findall(r'(?:src|href)="(?!/|#)[^"]*"', answer.text) == []
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["cache-control"] == "no-store"
    assert [browser.get(f"/static/{name}").status_code for name in ("site.css", "site.js")] == [200, 200]


def test_a_full_answer_is_saved_and_the_next_page_says_so(browser: TestClient, site: tuple[Path, str]) -> None:
    lease = lease_of(browser.get("/task").text)
    answer = browser.post("/task/submit", data={**full_form(lease), "right_unsafe": "1", "left_confidence": "2"})
    assert "Saved. Thank you." in answer.text
    assert "Nothing for you right now" in answer.text
    rows = saved(site[0])
    assert [row[attribute] for row in rows for attribute in ATTRIBUTES] == [3] * 10
    assert [(row["position"], row["safe"], row["confidence"]) for row in rows] == [(0, True, 2), (1, False, None)]


def test_a_missing_score_is_named_and_the_rest_stays_chosen(browser: TestClient, site: tuple[Path, str]) -> None:
    form = full_form(lease_of(browser.get("/task").text))
    del form["right_coherence"], form["right_verbosity"]
    answer = browser.post("/task/submit", data=form)
    assert answer.status_code == 422
    assert "Response B: choose a level of coherence, verbosity" in answer.text
    assert answer.text.count(" checked") == 8
    assert saved(site[0]) == []


def test_a_flag_ends_the_task_without_scores(browser: TestClient, site: tuple[Path, str]) -> None:
    form = {**full_form(lease_of(browser.get("/task").text)), "action": "flag", "flag": ["pii", "needs_code"]}
    assert browser.post("/task/submit", data=form).status_code == 200
    rows = saved(site[0])
    assert [row["flags"] for row in rows] == [["needs_code", "pii"]] * 2
    assert {row[attribute] for row in rows for attribute in ATTRIBUTES} == {None}
    assert "Nothing for you right now" in browser.get("/task").text


def test_flagging_without_a_reason_is_refused(browser: TestClient, site: tuple[Path, str]) -> None:
    form = {"lease": lease_of(browser.get("/task").text), "action": "flag"}
    answer = browser.post("/task/submit", data=form)
    assert answer.status_code == 422
    assert "at least one reason" in answer.text
    assert saved(site[0]) == []


def test_sending_a_form_twice_saves_it_once(browser: TestClient, site: tuple[Path, str]) -> None:
    form = full_form(lease_of(browser.get("/task").text))
    assert [browser.post("/task/submit", data=form).status_code for _ in range(2)] == [200, 200]
    assert len(saved(site[0])) == 2


def test_a_second_different_answer_is_refused(browser: TestClient) -> None:
    lease = lease_of(browser.get("/task").text)
    browser.post("/task/submit", data=full_form(lease))
    answer = browser.post("/task/submit", data=full_form(lease, score=1))
    assert answer.status_code == 409
    assert "the first answer is kept" in answer.text


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", "", "ftp://testserver", "http://["])
def test_a_form_from_another_site_is_refused(browser: TestClient, site: tuple[Path, str], origin: str) -> None:
    form = full_form(lease_of(browser.get("/task").text))
    assert browser.post("/task/submit", data=form, headers={"origin": origin}).status_code == 403
    assert saved(site[0]) == []


def test_an_endless_form_is_refused(browser: TestClient) -> None:
    assert browser.post("/task/submit", data={"lease": "x" * 20_000}).status_code == 413


def test_logging_out_forgets_the_token(browser: TestClient) -> None:
    browser.post("/logout", data={})
    assert browser.get("/task", follow_redirects=False).headers["location"] == "/login"
