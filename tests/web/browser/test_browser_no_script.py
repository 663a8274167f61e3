"""The rating page in a real browser without scripts: a plain form that works."""

from pathlib import Path

import pytest
from browsing import Visitors
from playwright.sync_api import Page, expect
from served_site import Said, Side, served_site

pytest_plugins = ("browser_fixtures",)
pytestmark = pytest.mark.browser

SIDES = (Side((4, 3, 4, 2, 1)), Side((1, 0, 3, 1, 4), safe=False, unsafe_reasons=("illegal",)))
NAMES = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")


def test_a_task_is_rated_without_scripts(visitors: Visitors, tmp_path: Path) -> None:
    with served_site(tmp_path, people={"mia": "working"}) as site:
        page = visitors.page(site, "mia", has_scripts=False)
        page.goto("/task")
        for name, side in zip(("left", "right"), SIDES, strict=True):
            _fill(page, name, side)
        page.get_by_role("radio", name="2 A is better").check()
        page.get_by_label("Why? At least").fill("A is right; B is not.")
        page.get_by_role("button", name="Save and go on").click()
        expect(page.locator("#conversation")).to_contain_text("Prompt of rating-1?")
        expect(page.get_by_text("Your last answer is saved.")).to_be_visible()
        assert site.said("mia") == [Said("rating-0", SIDES, strength=-2, justification="A is right; B is not.")]


def test_what_is_missing_is_said_and_nothing_is_lost_without_scripts(visitors: Visitors, tmp_path: Path) -> None:
    with served_site(tmp_path, people={"mia": "working"}) as site:
        page = visitors.page(site, "mia", has_scripts=False)
        page.goto("/task")
        for name, side in zip(("left", "right"), SIDES, strict=True):
            _fill(page, name, side)
        page.get_by_role("radio", name="2 A is better").check()
        page.get_by_label("Why? At least").fill("short")
        page.get_by_role("button", name="Save and go on").click()
        expect(page.get_by_role("alert")).to_contain_text("Nothing was saved yet; your work is below.")
        expect(page.locator("[name=right_verbosity]:checked")).to_have_value("4")
        expect(page.get_by_label("Why? At least")).to_have_value("short")
        assert site.said("mia") == []
        visitors.forgive("422")


def _fill(page: Page, name: str, side: Side) -> None:
    for attribute, score in zip(NAMES, side.scores, strict=True):
        page.locator(f"[name={name}_{attribute}][value='{score}']").check()
    page.locator(f"[name={name}_unsafe][value='{int(not side.safe)}']").check()
    for reason in side.unsafe_reasons:
        page.locator(f"[name={name}_unsafe_reason][value={reason}]").check()
