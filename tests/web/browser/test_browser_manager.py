"""Manager and reviewer in a real browser: the dashboard while others work, and the settling of a task."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import Keys, Visitors, as_shown, expect_task, load_until
from playwright.sync_api import Page, expect
from served_site import ServedSite, Side, served_site

pytest_plugins = ("browser_fixtures",)
pytestmark = pytest.mark.browser

NAMES = ("mia", "noa", "lee", "kim")
SIDES = (Side((4, 3, 4, 2, 1)), Side((1, 0, 3, 1, 4)))
FINAL = ((3, 3, 4, 2, 1), (1, 0, 2, 1, 4))
# how often the page refreshes itself; the server counts anew every three seconds at most
REFRESH_MS = 5000
MOST_REFRESHES = 150
PAUSE_MS = 200
ATTRIBUTES = ("Helpfulness", "Correctness", "Coherence", "Complexity", "Verbosity")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[ServedSite]:
    with served_site(tmp_path, people=dict.fromkeys(NAMES, "working")) as served:
        yield served


def test_the_dashboard_shows_new_answers_while_annotators_work(site: ServedSite, visitors: Visitors) -> None:
    board = visitors.page(site, "mara")
    board.clock.install()
    board.goto("/manage")
    _expect_answers(board, 0)
    board.evaluate("window.isTheSamePage = true")
    _rate(visitors, site, "mia")
    _expect_answers(board, 1)
    _rate(visitors, site, "noa")
    _expect_answers(board, 2)
    assert board.evaluate("window.isTheSamePage") is True


def test_a_dashboard_whose_server_cannot_be_reached_says_so_and_comes_back(
    site: ServedSite, visitors: Visitors
) -> None:
    board = visitors.page(site, "mara")
    board.clock.install()
    board.goto("/manage")
    board.context.set_offline(True)
    board.clock.run_for(REFRESH_MS)
    expect(board.get_by_text("The page could not be refreshed")).to_be_visible()
    board.context.set_offline(False)
    board.clock.run_for(REFRESH_MS)
    expect(board.get_by_text("The page could not be refreshed")).to_be_hidden()
    visitors.forgive("Failed to load resource")


def test_a_reviewer_rejects_an_answer_and_settles_the_task(site: ServedSite, visitors: Visitors) -> None:
    for name in ("mia", "noa"):
        site.answer(name, SIDES)
    site.flag("lee", "pii")
    page = visitors.page(site, "rene")
    # a task without open places and with a flag waits among the disagreements
    link = page.get_by_role("region", name="Disagreements").get_by_role("link", name="rating-0").first
    load_until(page, "/manage/review", link)
    link.click()
    page.get_by_label("Note on the answer of lee").fill("It is a famous person.")
    lee = page.locator("form", has=page.get_by_label("Note on the answer of lee"))
    lee.get_by_role("button", name="Reject").click()
    expect(page.get_by_text("The answer is rejected.")).to_be_visible()
    # it counts no longer, and its place is free again
    assert site.counts("rating-0") == (2, 3)
    assert [said.is_withdrawn for said in site.said("lee")] == [True]
    expect(page.get_by_text("It is a famous person.")).to_be_visible()

    for number, scores in enumerate(FINAL, start=1):
        response = page.get_by_role("group", name=f"Response {number}")
        for name, score in zip(ATTRIBUTES, scores, strict=True):
            response.get_by_label(name).select_option(str(score))
    page.get_by_role("button", name="Keep these final scores").click()
    expect(page.get_by_text("The final scores are kept.")).to_be_visible()
    assert site.final_scores() == list(FINAL)
    _rate(visitors, site, "kim")
    assert site.counts("rating-0") == (3, 3)


def _expect_answers(board: Page, count: int) -> None:
    """Let the page refresh itself, by a clock that is wound on, until it shows so many answers."""
    tile = board.locator(".tiles div", has=board.get_by_text("Answers", exact=True)).locator("dd")
    words = f"{count}{2 * count} rated responses"
    for _ in range(MOST_REFRESHES):
        if tile.count() and words in tile.inner_text().replace("\n", ""):
            return
        board.clock.run_for(REFRESH_MS)
        board.wait_for_timeout(PAUSE_MS)
    raise AssertionError(f"the dashboard shows {tile.inner_text()!r}, not {words!r}")


def _rate(visitors: Visitors, site: ServedSite, name: str) -> None:
    page = visitors.page(site, name)
    page.goto("/task")
    expect_task(page, "rating-0")
    keys = Keys(page)
    keys.rate(as_shown(page, SIDES))
    keys.save()
    expect_task(page, "rating-1")
