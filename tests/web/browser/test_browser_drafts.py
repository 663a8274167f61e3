"""What is half filled in comes back in a real browser: after a reload, a crash, and on another machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import Keys, Visitors, expect_task
from playwright.sync_api import Page, expect
from served_site import Said, ServedSite, Side, served_site

pytest_plugins = ("browser_fixtures",)
pytestmark = pytest.mark.browser

SIDES = (Side((4, 3, 4, 2, 1), confidence=2), Side((1, 0, 3, 1, 4), confidence=0))
REASON = "A is right; B is not."
BACK = "What you had filled in is back."
DRAFT = "**/task/draft"
MINUTE_MS = 60_000


@pytest.fixture
def site(tmp_path: Path) -> Iterator[ServedSite]:
    with served_site(tmp_path, people={"mia": "working"}) as served:
        yield served


def test_a_reload_brings_back_what_the_server_never_heard_of(site: ServedSite, visitors: Visitors) -> None:
    page = _half_done(visitors.page(site, "mia"), is_heard=False)
    page.reload()
    _finish(page)
    assert site.said("mia") == [Said("rating-0", SIDES, strength=-1, justification=REASON)]
    visitors.forgive("Failed to load resource")


def test_another_browser_shows_the_draft_of_the_server(site: ServedSite, visitors: Visitors) -> None:
    page = _half_done(visitors.page(site, "mia"), is_heard=True)
    other = visitors.page(site, "mia")
    other.goto("/task")
    _finish(other)
    assert site.said("mia") == [Said("rating-0", SIDES, strength=-1, justification=REASON)]
    page.close()


def test_a_browser_that_crashed_loses_nothing_that_was_saved(site: ServedSite, visitors: Visitors) -> None:
    page = _half_done(visitors.page(site, "mia"), is_heard=True)
    page.context.close()
    again = visitors.page(site, "mia")
    again.goto("/task")
    _finish(again)
    assert site.said("mia") == [Said("rating-0", SIDES, strength=-1, justification=REASON)]


def test_the_newer_of_two_drafts_is_shown(site: ServedSite, visitors: Visitors) -> None:
    """Another browser went further: this one, which kept less, must not bring back its own older state."""
    old = visitors.page(site, "mia")
    old.goto("/task")
    expect_task(old, "rating-0")
    Keys(old).press("4")
    expect(old.get_by_role("status").filter(has_text="Saved.")).to_be_visible()
    _half_done(visitors.page(site, "mia"), is_heard=True, presses=("p",))
    old.reload()
    expect_task(old, "rating-0")
    expect(old.locator("[name=right_verbosity]:checked")).to_have_value("4")


def test_an_answer_that_was_sent_leaves_no_draft_in_the_browser(site: ServedSite, visitors: Visitors) -> None:
    page = _half_done(visitors.page(site, "mia"), is_heard=True)
    Keys(page).save()
    expect_task(page, "rating-1")
    assert page.evaluate("Object.keys(localStorage).filter(key => key.includes('draft'))") == []


def test_a_page_that_nobody_works_on_gives_its_task_back(site: ServedSite, visitors: Visitors) -> None:
    """It stands open in sight for an hour: it renews its lease for a quarter of it, and again after a key."""
    page = visitors.page(site, "mia")
    page.clock.install()
    page.goto("/task")
    expect_task(page, "rating-0")
    beats: list[str] = []
    page.on("request", lambda request: beats.append(request.url) if request.url.endswith("/heartbeat") else None)
    page.clock.run_for(10 * MINUTE_MS)
    assert len(beats) > 0
    page.clock.run_for(6 * MINUTE_MS)
    before = len(beats)
    page.clock.run_for(44 * MINUTE_MS)
    assert len(beats) == before
    page.keyboard.press("Shift")
    page.clock.run_for(2 * MINUTE_MS)
    assert len(beats) > before


def _half_done(page: Page, *, is_heard: bool, presses: tuple[str, ...] = ()) -> Page:
    """Rate both responses and say why; wait until the server has the draft, or cut it off."""
    if not is_heard:
        page.route(DRAFT, lambda route: route.abort())
    page.goto("/task")
    expect_task(page, "rating-0")
    keys = Keys(page)
    keys.press(*presses)
    keys.rate(SIDES)
    keys.press("3")
    keys.write(REASON)
    words = "Saved." if is_heard else "Offline: your work is kept here."
    expect(page.get_by_role("status").filter(has_text=words)).to_be_visible()
    return page


def _finish(page: Page) -> None:
    expect_task(page, "rating-0")
    expect(page.get_by_role("status").filter(has_text=BACK)).to_be_visible()
    expect(page.get_by_label("Why? At least")).to_have_value(REASON)
    Keys(page).save()
    expect_task(page, "rating-1")
