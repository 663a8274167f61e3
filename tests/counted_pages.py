"""Load a manager's page once its figures are there: on a busy machine counting may take longer than a page waits."""

from web_site import Browser

_TRIES = 100


def counted_page(browser: Browser, path: str) -> str:
    """Return a page that has figures; each try waits as long as the page does."""
    for _ in range(_TRIES):
        text = browser.get(path).text
        if "being counted" not in text:
            return text
    raise AssertionError(f"{path}: the answers were never counted")
