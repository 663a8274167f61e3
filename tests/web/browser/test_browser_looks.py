"""What every page must hold to in a real browser: axe-core finds nothing, and nothing makes the page scroll sideways.

Light and dark, on a wide screen and on a phone. All rules of axe run twice for each page, wide in light and narrow in
dark; the two other pairs can only differ in colours and in sizes, and only the rules for these run again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import Visitors, load_until
from playwright.sync_api import Page
from served_site import ServedSite
from site_pages import PageOf, all_pages, filled_site, pages_left_out

pytest_plugins = ("browser_fixtures",)
pytestmark = pytest.mark.browser

# the rules of WCAG 2.2 AA that a program can check, and what axe calls best practice
ALL_RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
RULES_OF_LOOKS = ("color-contrast", "target-size", "link-in-text-block", "scrollable-region-focusable")
WIDE, PHONE, NARROWEST = 1280, 390, 320
HEIGHT = 800


@dataclass(frozen=True, slots=True)
class _Look:
    scheme: Literal["light", "dark"]
    width: int
    rules: Sequence[str]


LOOKS = (
    _Look("light", WIDE, ALL_RULES),
    _Look("dark", WIDE, RULES_OF_LOOKS),
    _Look("dark", PHONE, ALL_RULES),
    _Look("light", PHONE, RULES_OF_LOOKS),
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    with filled_site(tmp_path_factory.mktemp("looks")) as served:
        yield served


def test_no_page_has_a_fault_that_axe_finds_or_scrolls_sideways(site: ServedSite, visitors: Visitors) -> None:
    axe = Axe()
    pages: dict[str | None, Page] = {}
    found: dict[tuple[str, str, int], object] = {}
    for wanted in all_pages(site):
        if wanted.user_id not in pages:
            pages[wanted.user_id] = visitors.page(site, wanted.user_id)
        page = pages[wanted.user_id]
        _open(page, wanted)
        for look in LOOKS:
            _put_on(page, look)
            faults = _faults(axe, page, rules=look.rules)
            if faults:
                found[wanted.name, look.scheme, look.width] = faults
        for width in (WIDE, PHONE, NARROWEST):
            page.set_viewport_size({"width": width, "height": HEIGHT})
            if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
                found[wanted.name, "sideways", width] = True
    assert found == {}
    # the browser's own words for the two pages of errors
    for status in ("403", "404"):
        visitors.forgive(status)


def test_the_list_of_pages_holds_every_page(site: ServedSite) -> None:
    assert pages_left_out(site) == []


def _open(page: Page, wanted: PageOf) -> None:
    answer = load_until(page, wanted.path, page.locator(wanted.shows))
    assert (wanted.name, answer.status) == (wanted.name, wanted.status)


def _put_on(page: Page, look: _Look) -> None:
    page.emulate_media(color_scheme=look.scheme)
    page.set_viewport_size({"width": look.width, "height": HEIGHT})


def _faults(axe: Axe, page: Page, *, rules: Sequence[str]) -> list[tuple[str, list[str]]]:
    violations = axe.run(page, options={"runOnly": list(rules), "resultTypes": ["violations"]}).response["violations"]
    return [(each["id"], [node["html"] for node in each["nodes"]]) for each in violations]
