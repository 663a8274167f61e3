import pytest
from routes_of_site import stated_routes
from web_site import PEOPLE, WebSite

from steersman.store.database.people_tables import ROLES
from steersman.web.navigation import navigation
from steersman.web.permissions import PERMISSIONS

pytest_plugins = ("web_fixtures",)

MANAGING = ["Dashboard", "Annotators", "Review", "People", "Settings", "Export", "Rate"]


def titles(role: str) -> list[str]:
    return [link.title for link in navigation(role, PERMISSIONS[role], path="/")]


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        ("annotator", ["Rate", "Guideline", "My statistics"]),
        ("reviewer", ["Dashboard", "Annotators", "Review", "Export", "Rate"]),
        ("manager", MANAGING),
        ("owner", MANAGING),
    ],
)
def test_the_bar_shows_what_a_role_works_with(role: str, expected: list[str]) -> None:
    assert titles(role) == expected


@pytest.mark.parametrize("role", ROLES)
def test_every_link_leads_to_a_page_that_its_reader_may_open(web_site: WebSite, role: str) -> None:
    stated = {route.path: route.permission for route in stated_routes(web_site.app) if route.method == "GET"}
    links = navigation(role, PERMISSIONS[role], path="/")
    assert {link.path for link in links} <= set(stated)
    assert all(stated[link.path] in PERMISSIONS[role] for link in links)


@pytest.mark.parametrize(
    ("path", "current"),
    [
        ("/manage", ["Dashboard"]),
        ("/manage/annotators", ["Annotators"]),
        ("/manage/annotators/annotator-1", ["Annotators"]),
        ("/manage/unlisted", ["Dashboard"]),
        ("/password", []),
    ],
)
def test_the_link_of_the_page_itself_is_marked(path: str, current: list[str]) -> None:
    links = navigation("owner", PERMISSIONS["owner"], path=path)
    assert [link.title for link in links if link.is_current] == current


@pytest.mark.parametrize("user_id", PEOPLE)
def test_the_bar_is_on_every_page_with_a_name_and_a_way_out(web_site: WebSite, user_id: str) -> None:
    page = web_site.browser(user_id).get("/password").text
    assert all(f">{title}</a>" in page for title in titles(PEOPLE[user_id]))
    assert f">{user_id}</a>" in page
    assert 'action="/logout"' in page


def test_somebody_who_has_not_logged_in_sees_no_bar(web_site: WebSite) -> None:
    page = web_site.stranger().get("/login").text
    assert "<nav" not in page
    assert "Log out" not in page
