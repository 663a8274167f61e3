"""Going through pages by the Tab key in a real browser: everything can be reached, in order, in sight, and marked."""

from collections.abc import Iterator

import pytest
from browsing import Keys, Visitors
from playwright.sync_api import Page
from served_site import ServedSite
from site_pages import filled_site

pytest_plugins = ("browser_fixtures",)
pytestmark = pytest.mark.browser

MOST_STOPS = 200
# of each radio group only one is a stop
STOPS = """() => {
  const groups = new Set();
  return [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex]')].filter(e => {
    if (e.disabled || e.type === 'hidden' || e.tabIndex < 0) return false;
    if (!e.checkVisibility({visibilityProperty: true})) return false;
    if (e.closest('dialog:not([open])') || (e.tagName !== 'SUMMARY' && e.closest('details:not([open])'))) return false;
    if (e.type !== 'radio') return true;
    return groups.has(e.name) ? false : groups.add(e.name);
  }).length;
}"""
# where the focus is: its place in the document, and what is wrong with how it shows
HERE = """() => {
  const e = document.activeElement;
  const box = e.getBoundingClientRect();
  const style = getComputedStyle(e);
  const faults = [];
  if (style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2) faults.push('no outline');
  if (box.bottom < 0 || box.top > innerHeight || box.right < 0 || box.left > innerWidth) faults.push('out of sight');
  const x = Math.min(Math.max((box.left + box.right) / 2, 1), innerWidth - 1);
  const hits = [box.top + 2, (box.top + box.bottom) / 2, box.bottom - 2].map(y => document.elementFromPoint(x, y));
  if (!hits.some(hit => hit && (e.contains(hit) || hit.contains(e)))) faults.push('covered');
  return [[...document.querySelectorAll('*')].indexOf(e), faults.length ? [e.outerHTML.slice(0, 120), ...faults] : []];
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    with filled_site(tmp_path_factory.mktemp("focus")) as served:
        yield served


@pytest.mark.parametrize(
    ("user_id", "path"),
    [
        (None, "/login"),
        ("mia", "/task"),
        ("mia", "/me"),
        ("mara", "/manage"),
        ("mara", "/manage/review/rating-0"),
        ("mara", "/manage/people"),
    ],
)
def test_tab_reaches_everything_in_order_and_shows_where_it_is(
    site: ServedSite, visitors: Visitors, user_id: str | None, path: str
) -> None:
    page = visitors.page(site, user_id)
    page.goto(path)
    if path == "/task":
        page.locator("#keys-button").wait_for()
    places = _walk(page)
    assert places == sorted(places)
    assert len(places) == page.evaluate(STOPS)


def test_tab_is_at_no_time_behind_the_bars_of_a_phone(site: ServedSite, visitors: Visitors) -> None:
    page = visitors.page(site, "noa", width=390, scheme="dark")
    page.goto("/task")
    page.locator("#conversation").wait_for()
    assert len(_walk(page)) == page.evaluate(STOPS)


def test_the_first_stop_jumps_over_the_bar(site: ServedSite, visitors: Visitors) -> None:
    page = visitors.page(site, "mia")
    page.goto("/task")
    keys = Keys(page)
    keys.press("Tab", "Enter", "Tab")
    assert page.evaluate("document.activeElement.id") == "conversation"


def _walk(page: Page) -> list[int]:
    """Press Tab until the page ends; return the places of all stops, and fail where one does not show."""
    keys = Keys(page)
    places: list[int] = []
    wrong = []
    for _ in range(MOST_STOPS):
        keys.press("Tab")
        place, faults = page.evaluate(HERE)
        if page.evaluate("document.activeElement === document.body") or place in places:
            break
        places.append(place)
        if faults:
            wrong.append(faults)
    assert wrong == []
    return places
