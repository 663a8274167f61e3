"""Several annotators at once on one task, each in a browser of their own."""

from pathlib import Path

import pytest
from browsing import Keys, Visitors, as_shown, expect_task
from playwright.sync_api import Page, expect
from served_site import Said, ServedSite, Side, served_site
from web_site import new_task

pytest_plugins = ("browser_fixtures",)
pytestmark = pytest.mark.browser

NAMES = ("mia", "noa", "lee", "kim", "ada", "eve")
PEOPLE = dict.fromkeys(NAMES, "working")
# enough for everybody who has done the first one
TASKS = [new_task(each) for each in range(4)]
# scores of response 0 and response 1 of a task, wherever they stand on the page
SCORES = (Side((4, 4, 4, 2, 2)), Side((1, 0, 3, 1, 4)))
FAR_FROM_IT = (Side((1, 4, 4, 2, 2)), SCORES[1])


def test_two_at_once_see_the_sides_they_were_given_and_a_third_ends_the_task(
    visitors: Visitors, tmp_path: Path
) -> None:
    with served_site(tmp_path, tasks=TASKS, people=PEOPLE) as site:
        pages = [_at(visitors, site, name, left_slot=slot) for slot, name in enumerate(NAMES[:2])]
        assert [as_shown(page, SCORES)[0] for page in pages] == list(SCORES)
        for page in pages:
            _rate(page, SCORES)
        # who had the second response at the left gave its scores at the left
        assert site.said("mia") == [Said("rating-0", SCORES)]
        assert site.said("noa") == [Said("rating-0", (SCORES[1], SCORES[0]))]
        _rate(_at(visitors, site, "lee"), SCORES)
        assert site.counts("rating-0") == (3, 3)
        assert _next_task(visitors, site, "kim") != "rating-0"


def test_disagreement_brings_five_annotators(visitors: Visitors, tmp_path: Path) -> None:
    """Helpfulness of response 0 is 4, 4 and 1 among the first three: further apart than 2."""
    with served_site(tmp_path, tasks=TASKS, people=PEOPLE) as site:
        for name, scores, counts in (
            ("mia", SCORES, (1, 3)),
            ("noa", SCORES, (2, 3)),
            ("lee", FAR_FROM_IT, (3, 5)),
            ("kim", SCORES, (4, 5)),
            ("ada", SCORES, (5, 5)),
        ):
            _rate(_at(visitors, site, name), scores)
            assert site.counts("rating-0") == counts
        assert _next_task(visitors, site, "eve") != "rating-0"


def _at(visitors: Visitors, site: ServedSite, name: str, *, left_slot: int | None = None) -> Page:
    """Return a page with the first task; `left_slot` says how the draw of the sides is to have ended."""
    page = visitors.page(site, name)
    page.goto("/task")
    expect_task(page, "rating-0")
    if left_slot is not None:
        site.set_left_slot("rating-0", name, left_slot)
        page.reload()
        expect_task(page, "rating-0")
    return page


def _next_task(visitors: Visitors, site: ServedSite, name: str) -> str:
    page = visitors.page(site, name)
    page.goto("/task")
    return page.locator("#conversation .prose").inner_text().removeprefix("Prompt of ").removesuffix("?")


def _rate(page: Page, scores: tuple[Side, Side]) -> None:
    keys = Keys(page)
    keys.rate(as_shown(page, scores))
    keys.save()
    expect(page.get_by_text("Prompt of rating-0?")).to_have_count(0)
