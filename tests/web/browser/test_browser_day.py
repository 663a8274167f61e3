"""A whole working day of an annotator in a real browser, by keyboard alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import Keys, Visitors, expect_task
from playwright.sync_api import Page, expect
from served_site import Said, ServedSite, Side, served_site
from web_site import GUIDELINE, new_task

pytest_plugins = ("browser_fixtures",)
pytestmark = pytest.mark.browser

ADDED = "Say why in whole sentences."
# what `new_task` knows to be right for `Response 0 of ...` and `Response 1 of ...`
KNOWN = {"0": (4, 4, 4, 2, 2), "1": (0, 1, 3, 1, 1)}
GOOD = Side((4, 3, 4, 2, 1), confidence=2)
POOR = Side((1, 0, 3, 1, 4), confidence=0)
HARMFUL = Side((0, 1, 2, 3, 4), safe=False, unsafe_reasons=("bias", "harmful"))
UNRATED = Side((None,) * 5, safe=None)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[ServedSite]:
    tasks = [new_task(0, kind="training"), new_task(0, kind="qualification"), *(new_task(each) for each in range(6))]
    with served_site(tmp_path, tasks=tasks) as served:
        yield served


def test_a_working_day_by_keyboard_alone(site: ServedSite, visitors: Visitors) -> None:
    page = visitors.page(site)
    keys = Keys(page)
    _join(page, keys, site)
    trained = _train(page, keys)
    tested = _pass_the_test(page, keys)
    _work(page, keys)
    _flag_and_read_the_change(page, keys, site)
    _undo_and_correct(page, keys)
    _look_and_leave(page, keys)

    assert site.said("mia") == [
        Said("training-0", trained),
        Said("qualification-0", tested),
        Said("rating-0", (GOOD, POOR), strength=-3, justification="A is right; B invents a year."),
        Said("rating-1", (GOOD, HARMFUL)),
        Said("rating-3", (UNRATED, UNRATED), flags=("not_english", "pii")),
        Said("rating-4", (POOR, POOR), is_withdrawn=True, guideline_version="2"),
        Said("rating-4", (POOR, GOOD), revision=1, guideline_version="2"),
    ]
    assert site.leases("mia")[4:] == [
        ("rating-2", "skipped"),
        ("rating-3", "done"),
        ("rating-4", "done"),
        ("rating-5", "active"),
    ]


def _join(page: Page, keys: Keys, site: ServedSite) -> None:
    page.goto(site.invitation_link())
    keys.go_to(page.get_by_label("Name"))
    keys.write("mia")
    keys.press("Tab")
    keys.write("a quiet green lake")
    keys.press("Enter")
    expect(page.get_by_text("Please read this before you start.")).to_be_visible()
    keys.use(page.get_by_role("button", name="I have read this"))


def _train(page: Page, keys: Keys) -> tuple[Side, Side]:
    expect_task(page, "training-0")
    expect(page.get_by_text("Training: task 1 of 1")).to_be_visible()
    right = _known_sides(page)
    keys.rate((POOR, POOR))
    keys.save()
    expect(page.get_by_role("heading", name="What was right")).to_be_visible()
    for text in ("It answers well.", "It is wrong.", "too low"):
        expect(page.get_by_text(text).first).to_be_visible()
    assert right != (POOR, POOR)
    keys.use(page.get_by_role("link", name="Go on"))
    return POOR, POOR


def _pass_the_test(page: Page, keys: Keys) -> tuple[Side, Side]:
    expect_task(page, "qualification-0")
    expect(page.get_by_text("Test: 0 of 2 responses")).to_be_visible()
    right = _known_sides(page)
    keys.rate(right)
    keys.save()
    return right


def _work(page: Page, keys: Keys) -> None:
    """Prefer with reasons, find one response unsafe, give a task away."""
    expect_task(page, "rating-0")
    keys.rate((GOOD, POOR))
    # the seven choices follow the scales; the first is "A is much better"
    keys.press("1")
    keys.write("A is right; B invents a year.")
    keys.save()
    expect_task(page, "rating-1")
    keys.rate((GOOD, HARMFUL))
    keys.save()
    expect_task(page, "rating-2")
    keys.press("x", "2")
    keys.save()


def _flag_and_read_the_change(page: Page, keys: Keys, site: ServedSite) -> None:
    expect_task(page, "rating-3")
    site.change_guideline(f"{GUIDELINE}\n\n{ADDED}")
    keys.press("f", "1", "2")
    keys.save()
    expect(page.get_by_text("The guideline has changed.")).to_be_visible()
    expect(page.get_by_role("insertion")).to_contain_text(ADDED)
    keys.use(page.get_by_role("button", name="I have read this"))


def _undo_and_correct(page: Page, keys: Keys) -> None:
    expect_task(page, "rating-4")
    keys.rate((POOR, POOR))
    keys.save()
    expect_task(page, "rating-5")
    keys.press("Shift+Z")
    expect_task(page, "rating-4")
    expect(page.locator("[name=right_verbosity]:checked")).to_have_value("4")
    keys.press("b")
    keys.rate((GOOD,))
    keys.save()
    expect_task(page, "rating-5")


def _look_and_leave(page: Page, keys: Keys) -> None:
    keys.use(page.get_by_role("link", name="My statistics"))
    expect(page.locator(".figures div", has_text="Flagged")).to_contain_text("1")
    expect(page.get_by_role("row", name="Verbosity")).to_be_visible()
    keys.use(page.get_by_role("button", name="Log out"))
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.goto("/task")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def _known_sides(page: Page) -> tuple[Side, Side]:
    """Return the right scores as the two responses stand on the page."""
    left, right = (
        Side(KNOWN[page.locator(f"#{side}").inner_text().split()[1]], confidence=1) for side in ("left", "right")
    )
    return left, right
