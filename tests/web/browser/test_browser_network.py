"""Broken networks in a real browser: nothing is lost, nothing is doubled, and the page says what goes on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import Keys, Visitors, expect_task
from playwright.sync_api import Page, Route, expect
from served_site import Said, ServedSite, Side, served_site

pytest_plugins = ("browser_fixtures",)
pytestmark = pytest.mark.browser

SIDES = (Side((4, 3, 4, 2, 1), confidence=2), Side((1, 0, 3, 1, 4), confidence=0))
SUBMIT = "**/task/submit"
OFFLINE = "Offline: your work is kept here, trying again."
# the browser's own words in the console
FAILED = "Failed to load resource"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[ServedSite]:
    with served_site(tmp_path, people={"mia": "working"}) as served:
        yield served


def test_a_request_that_never_arrived_is_sent_again(site: ServedSite, visitors: Visitors) -> None:
    page = _rated(visitors, site)
    page.route(SUBMIT, lambda route: route.abort(), times=1)
    Keys(page).save()
    # the page waits a second before it tries again: it goes on by itself
    expect_task(page, "rating-1")
    assert site.said("mia") == [Said("rating-0", SIDES)]
    visitors.forgive(FAILED)


def test_an_answer_whose_reply_was_lost_is_kept_once(site: ServedSite, visitors: Visitors) -> None:
    page = _rated(visitors, site)
    kept_before_the_loss = []

    def lose_reply(route: Route) -> None:
        route.fetch()
        kept_before_the_loss.extend(site.said("mia"))
        route.abort()

    page.route(SUBMIT, lose_reply, times=1)
    Keys(page).save()
    expect_task(page, "rating-1")
    assert kept_before_the_loss == [Said("rating-0", SIDES)]
    assert site.said("mia") == kept_before_the_loss
    visitors.forgive(FAILED)


def test_a_page_without_network_says_so_and_goes_on_when_it_is_back(site: ServedSite, visitors: Visitors) -> None:
    page = _rated(visitors, site)
    page.context.set_offline(True)
    Keys(page).save()
    expect(page.get_by_role("status").filter(has_text=OFFLINE)).to_be_visible()
    assert site.said("mia") == []
    # what was chosen is still there to be seen
    expect(page.locator("[name=right_verbosity]:checked")).to_have_value("4")
    page.context.set_offline(False)
    expect_task(page, "rating-1")
    assert site.said("mia") == [Said("rating-0", SIDES)]
    visitors.forgive(FAILED)


def test_a_busy_server_is_asked_again(site: ServedSite, visitors: Visitors) -> None:
    page = _rated(visitors, site)
    page.route(SUBMIT, lambda route: route.fulfill(status=503, body="busy"), times=1)
    Keys(page).save()
    expect_task(page, "rating-1")
    assert site.said("mia") == [Said("rating-0", SIDES)]
    visitors.forgive(FAILED)


def test_pressing_save_many_times_sends_one_answer(site: ServedSite, visitors: Visitors) -> None:
    page = _rated(visitors, site)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.url.endswith("/task/submit") else None)
    keys = Keys(page)
    for _ in range(4):
        keys.save()
    expect_task(page, "rating-1")
    assert site.said("mia") == [Said("rating-0", SIDES)]
    assert len(sent) == 1


def test_work_of_somebody_who_was_logged_out_is_kept_for_after_the_login(site: ServedSite, visitors: Visitors) -> None:
    page = _rated(visitors, site)
    cookies = page.context.cookies()
    page.context.clear_cookies()
    Keys(page).save()
    expect(page.get_by_role("alert")).to_contain_text("You are logged out.")
    page.context.add_cookies([{"name": c["name"], "value": c["value"], "url": site.url} for c in cookies])
    page.reload()
    expect_task(page, "rating-0")
    Keys(page).save()
    expect_task(page, "rating-1")
    assert site.said("mia") == [Said("rating-0", SIDES)]
    visitors.forgive(FAILED)


def _rated(visitors: Visitors, site: ServedSite) -> Page:
    """Return a page in which both responses are rated and nothing is sent."""
    page = visitors.page(site, "mia")
    page.goto("/task")
    expect_task(page, "rating-0")
    Keys(page).rate(SIDES)
    expect(page.locator("[name=right_unsafe]:checked")).to_have_value("0")
    return page
