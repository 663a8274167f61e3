import json

import pytest
from httpx2 import Response
from web_site import PROJECT, WebSite

from steersman.store.database.connection import reading
from steersman.store.database.reviewed import read_reviewed_task
from steersman.store.database.tasks import count_kind
from steersman.web.guard import CSRF_FIELD
from steersman.web.manage.uploading import MAX_UPLOAD_BYTES

pytest_plugins = ("web_fixtures",)
PATH = "/manage/settings/tasks"
MESSAGES = [{"role": "user", "content": "Why is the sky blue?"}]


def prompt(name: str, **more: object) -> dict[str, object]:
    return {"prompt_id": name, "messages": MESSAGES, "source": "ours", "licence": "CC-BY-4.0", **more}


def responses(name: str, **more: object) -> list[dict[str, object]]:
    return [
        {"prompt_id": name, "response_id": f"{name}-{slot}", "response": f"Text {slot}", "generator": "m", **more}
        for slot in range(2)
    ]


def lines(rows: list[dict[str, object]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def upload(site: WebSite, files: dict[str, str], *, user: str = "manager-1", **fields: str) -> Response:
    browser = site.browser(user)
    sent = {name: (f"{name}.jsonl", text.encode(), "application/jsonl") for name, text in files.items()}
    return browser.post(PATH, data={**fields, CSRF_FIELD: browser.csrf}, files=sent)


def count(site: WebSite, kind: str = "rating") -> int:
    with reading(site.engine) as connection:
        return count_kind(connection, PROJECT, kind=kind)


def test_prompts_and_responses_become_tasks_of_a_delivery(web_site: WebSite) -> None:
    files = {
        "prompts": lines([prompt("a"), prompt("b"), prompt("c", kept=False)]),
        "responses": lines([*responses("a"), *responses("b")]),
    }
    before = count(web_site)
    assert "2 tasks are imported." in upload(web_site, files, delivery="june", priority="3").text
    assert count(web_site) == before + 2
    with reading(web_site.engine) as connection:
        task = read_reviewed_task(connection, PROJECT, "b")
    assert (task.delivery, task.responses) == ("june", ("Text 0", "Text 1"))


def test_known_scores_come_with_the_responses(web_site: WebSite) -> None:
    known = dict(
        zip(("helpfulness", "correctness", "coherence", "complexity", "verbosity"), (4, 3, 2, 1, 0), strict=True)
    )
    files = {"prompts": lines([prompt("a")]), "responses": lines(responses("a", explanation="It says so.", **known))}
    before = count(web_site, "training")
    assert upload(web_site, files, kind="training").status_code == 200
    assert count(web_site, "training") == before + 1
    with reading(web_site.engine) as connection:
        assert read_reviewed_task(connection, PROJECT, "a").known == ((4, 3, 2, 1, 0),) * 2


def test_whole_tasks_are_taken_as_the_api_takes_them(web_site: WebSite) -> None:
    whole: dict[str, object] = {
        "task_id": "a",
        "messages": MESSAGES,
        "source": "ours",
        "responses": [{key: value for key, value in row.items() if key != "prompt_id"} for row in responses("a")],
    }
    before = count(web_site)
    upload(web_site, {"tasks": lines([whole])})
    assert count(web_site) == before + 1


def test_the_same_upload_again_adds_nothing(web_site: WebSite) -> None:
    files = {"prompts": lines([prompt("a")]), "responses": lines(responses("a"))}
    upload(web_site, files)
    before = count(web_site)
    assert "1 were there already" in upload(web_site, files).text
    assert count(web_site) == before


@pytest.mark.parametrize(
    ("prompts", "answers", "named"),
    [
        ([prompt("a"), prompt("b")], responses("a"), "prompts, line 2: responses"),
        ([prompt("a")], [*responses("a"), *responses("b")], "responses, line 3: there is no prompt"),
        ([prompt("a"), prompt("b", source="")], [*responses("a"), *responses("b")], "prompts, line 2: source"),
        ([prompt("a"), prompt("a")], responses("a"), "2 tasks have this id"),
        ([prompt("a", kind="gold")], responses("a"), "needs known scores"),
        ([prompt("a")], responses("a", helpfulness=5), "known.0.helpfulness"),
    ],
)
def test_a_fault_is_named_with_its_line_and_nothing_is_half_imported(
    web_site: WebSite, prompts: list[dict[str, object]], answers: list[dict[str, object]], named: str
) -> None:
    before = count(web_site)
    answer = upload(web_site, {"prompts": lines(prompts), "responses": lines(answers)}, delivery="june")
    assert answer.status_code == 422
    assert named in answer.text
    assert 'value="june"' in answer.text
    assert count(web_site) == before


@pytest.mark.parametrize("text", ["{", "[1]", "\xff", "7" * 5000])
def test_what_is_no_json_lines_is_named(web_site: WebSite, text: str) -> None:
    answer = upload(web_site, {"tasks": f"{{}}\n{text}\n"})
    assert answer.status_code == 422
    assert "tasks, line 2: not a JSON object" in answer.text


def test_an_upload_without_files_says_what_to_choose(web_site: WebSite) -> None:
    assert "choose a file of tasks" in upload(web_site, {"prompts": lines([prompt("a")])}).text


def test_too_large_an_upload_is_refused(web_site: WebSite) -> None:
    assert upload(web_site, {"tasks": " " * MAX_UPLOAD_BYTES}).status_code == 413


def test_an_upload_without_the_text_of_the_session_imports_nothing(web_site: WebSite) -> None:
    browser, before = web_site.browser("manager-1"), count(web_site)
    files = {"prompts": lines([prompt("a")]), "responses": lines(responses("a"))}
    sent = {name: (name, text.encode()) for name, text in files.items()}
    assert browser.post(PATH, data={"kind": "rating"}, files=sent).status_code == 403
    assert count(web_site) == before


def test_a_reviewer_imports_nothing(web_site: WebSite) -> None:
    files = {"prompts": lines([prompt("a")]), "responses": lines(responses("a"))}
    assert upload(web_site, files, user="reviewer-1").status_code == 403
