import re
from html import unescape

import pytest
from web_site import PROJECT, Browser, WebSite

from steersman.config.annotating import ProjectSettings
from steersman.store.database.connection import reading
from steersman.store.database.projects import project_ids, read_guideline, read_project
from steersman.store.database.versions import settings_versions
from steersman.web.manage.settings_form import (
    SettingsFaultError,
    changed_keys,
    parsed_settings,
    settings_form,
    values_of,
)
from steersman.web.service import project_settings

pytest_plugins = ("web_fixtures",)
PATH = "/manage/settings"
GUIDELINE_PATH = "/manage/settings/guideline"


def sent_as_shown(browser: Browser, **changed: str) -> dict[str, str]:
    """Return what a browser would send from the page of settings when only `changed` were typed in."""
    page = browser.get(PATH).text
    base = re.search(r'name="base" value="(\d+)"', page)
    assert base is not None
    shown = {field.key: field.value for section in settings_form(shown_values(page)) for field in section.fields}
    return {"base": base[1], **shown, **{key.replace("__", "."): value for key, value in changed.items()}}


def shown_values(page: str) -> dict[str, str]:
    inputs = re.findall(r'<input type="(?:number|text)" value="([^"]*)"[^>]* name="([^"]+)"', page)
    checked = re.findall(r'<input type="checkbox" value="yes" id="[^"]+" name="([^"]+)"[^>]* checked', page)
    chosen = re.findall(r'<select id="[^"]+" name="([^"]+)".*?value="([^"]+)" selected', page)
    return {**{key: unescape(value) for value, key in inputs}, **dict.fromkeys(checked, "yes"), **dict(chosen)}


def settings(site: WebSite) -> ProjectSettings:
    with reading(site.engine) as connection:
        return project_settings(connection, PROJECT)


def test_the_form_sent_as_it_is_shown_changes_nothing(web_site: WebSite) -> None:
    browser = web_site.browser("manager-1")
    sent = browser.submit(PATH, sent_as_shown(browser))
    assert sent.headers["location"].endswith("done=nothing")
    with reading(web_site.engine) as connection:
        assert read_project(connection, PROJECT).settings_version == 1


def test_one_change_is_a_new_version_and_leaves_the_rest(web_site: WebSite) -> None:
    before = settings(web_site)
    browser = web_site.browser("manager-1")
    browser.submit(PATH, sent_as_shown(browser, overlap__most="7"))
    assert settings(web_site).overlap.most == 7
    assert settings(web_site).model_copy(update={"overlap": before.overlap}) == before
    with reading(web_site.engine) as connection:
        newest, oldest = settings_versions(connection, PROJECT, limit=9)
    assert (newest.version, newest.created_by) == (2, "manager-1")
    assert changed_keys(oldest.settings, newest.settings) == [("overlap.most", "5", "7")]


@pytest.mark.parametrize(
    ("key", "value", "place"),
    [
        ("overlap__first", "0", "overlap.first"),
        ("overlap__first", "six", "overlap.first"),
        ("gold__share", "0.9", "gold.share"),
        ("pay__currency", "", "pay.currency"),
        # a rule over two keys stands at their section
        ("overlap__most", "1", "overlap"),
    ],
)
def test_a_fault_is_named_at_its_field_and_nothing_typed_is_lost(
    web_site: WebSite, key: str, value: str, place: str
) -> None:
    browser = web_site.browser("manager-1")
    fields = sent_as_shown(browser, **{"lease__minutes": "33", key: value})
    answer = browser.submit(PATH, fields)
    assert answer.status_code == 422
    with pytest.raises(SettingsFaultError) as found:
        parsed_settings(fields)
    assert list(found.value.faults) == [place]
    assert 'value="33"' in answer.text
    marked = f'id="{place}-fault"' if "." in place else '<p class="fault" role="alert">'
    assert marked in answer.text
    assert settings(web_site).lease.minutes != 33


def test_two_managers_do_not_undo_each_others_changes(web_site: WebSite) -> None:
    one, other = web_site.browser("manager-1"), web_site.browser("owner-1")
    late = sent_as_shown(other, gold__window="30")
    one.submit(PATH, sent_as_shown(one, overlap__most="7"))
    answer = other.submit(PATH, late)
    assert answer.status_code == 422
    assert "somebody else changed the settings" in answer.text
    assert (settings(web_site).overlap.most, settings(web_site).gold.window) == (7, 20)


def test_every_key_is_in_the_form_with_its_description() -> None:
    fields = [field for section in settings_form({}) for field in section.fields]
    assert {field.key for field in fields} == set(values_of(ProjectSettings.model_validate({})))
    assert all(field.hint for field in fields)


def test_values_survive_the_form() -> None:
    unusual = ProjectSettings.model_validate(
        {
            "form": {"confidence": False, "preference": "required"},
            "gold": {"share": 0.123456789},
            "pay": {"per_hour": 31.5},
            "paused_deliveries": ["one", "two"],
        }
    )
    assert parsed_settings(values_of(unusual)) == unusual


def test_a_new_guideline_is_shown_to_annotators_again(web_site: WebSite) -> None:
    sent = web_site.browser("manager-1").submit(
        GUIDELINE_PATH, {"action": "save", "base": "1", "markdown": "# New\r\n\r\nRead twice."}
    )
    assert sent.status_code == 303
    with reading(web_site.engine) as connection:
        newest = read_guideline(connection, PROJECT)
    assert (newest.version, newest.markdown) == (2, "# New\n\nRead twice.")
    assert web_site.service.open_desk("annotator-1", project_id=PROJECT).task is None


def test_a_preview_is_safe_and_saves_nothing(web_site: WebSite) -> None:
    answer = web_site.browser("manager-1").submit(
        GUIDELINE_PATH, {"action": "preview", "base": "1", "markdown": "**bold** <script>alert(1)</script>"}
    )
    assert "<strong>bold</strong>" in answer.text
    assert "<script>alert" not in answer.text
    with reading(web_site.engine) as connection:
        assert read_guideline(connection, PROJECT).version == 1


@pytest.mark.parametrize(("base", "markdown"), [("0", "My long text"), ("1", "  ")])
def test_a_guideline_that_cannot_be_saved_stays_in_the_editor(web_site: WebSite, base: str, markdown: str) -> None:
    answer = web_site.browser("manager-1").submit(
        GUIDELINE_PATH, {"action": "save", "base": base, "markdown": markdown}
    )
    assert answer.status_code == 422
    assert f">\n{markdown}</textarea>" in answer.text
    with reading(web_site.engine) as connection:
        assert read_guideline(connection, PROJECT).version == 1


def test_an_old_guideline_is_shown(web_site: WebSite) -> None:
    browser = web_site.browser("manager-1")
    browser.submit(GUIDELINE_PATH, {"action": "save", "base": "1", "markdown": "Other words"})
    assert "<em>both</em>" in browser.get(f"{GUIDELINE_PATH}?version=1").text
    assert browser.get(f"{GUIDELINE_PATH}?version=9").status_code == 404


def test_a_guideline_may_be_long(web_site: WebSite) -> None:
    fields = {"action": "save", "base": "1", "markdown": "\u00e9" * 100_000}
    assert web_site.browser("manager-1").submit(GUIDELINE_PATH, fields).status_code == 303
    fields = {"action": "save", "base": "2", "markdown": "e" * 100_001}
    assert web_site.browser("manager-1").submit(GUIDELINE_PATH, fields).status_code == 422


def test_a_new_project_has_settings_and_a_guideline(web_site: WebSite) -> None:
    sent = web_site.browser("manager-1").submit("/manage/settings/new", {"id": "winter", "title": "Winter"})
    assert sent.headers["location"] == "/manage?project=winter&done=created"
    with reading(web_site.engine) as connection:
        assert project_ids(connection) == [PROJECT, "winter"]
        assert read_guideline(connection, "winter").markdown


@pytest.mark.parametrize(("project_id", "status"), [("Not Fit", 400), (PROJECT, 409), ("winter-2", 422)])
def test_a_project_that_cannot_be_made_keeps_what_was_typed(web_site: WebSite, project_id: str, status: int) -> None:
    title = "" if project_id == "winter-2" else "A title"
    answer = web_site.browser("manager-1").submit("/manage/settings/new", {"id": project_id, "title": title})
    assert answer.status_code == status
    assert f'value="{project_id}"' in answer.text
    with reading(web_site.engine) as connection:
        assert project_ids(connection) == [PROJECT]


@pytest.mark.parametrize("path", [PATH, GUIDELINE_PATH, "/manage/settings/new", "/manage/settings/tasks"])
def test_reviewers_change_no_settings(web_site: WebSite, path: str) -> None:
    assert web_site.browser("reviewer-1").get(path).status_code == 403
    assert web_site.browser("reviewer-1").submit(path, {}).status_code == 403
