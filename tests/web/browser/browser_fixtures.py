"""Fixtures of tests in a real browser: one browser a file, contexts of their own for each test.

A test file takes them by `pytest_plugins = ("browser_fixtures",)` and marks itself `browser`.
"""

from collections.abc import Iterator

import pytest
from browsing import NO_BROWSER, PATIENCE_MS, Visitors, find_browser
from playwright.sync_api import Browser, expect, sync_playwright


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Give a browser; skips where there is none."""
    path = find_browser()
    if path is None:
        pytest.skip(NO_BROWSER)
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        yield browser
        browser.close()


@pytest.fixture
def visitors(chromium: Browser) -> Iterator[Visitors]:
    """Give pages that are watched; nothing may have gone wrong in them at the end.

    A test names its site before this fixture: pages that outlive their server complain.
    """
    made = Visitors(chromium)
    yield made
    made.close()
    assert made.faults == []
