"""Find a browser, open pages in it, write down what goes wrong in them, and work by keyboard alone."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Locator,
    Page,
    Request,
    Response,
    expect,
)
from served_site import ServedSite, Side

from steersman.web.requests import COOKIE

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NO_BROWSER = f"no browser is found: install one of {', '.join(NAMES)} (Debian: apt-get install chromium)"
# a busy machine may take long; nothing waits for it to pass
PATIENCE_MS = 30_000
_MOST_STOPS = 120
_MOST_LOADS = 100
_PAUSE_MS = 200
_IS_FOCUSED = "element => element === document.activeElement"


def find_browser() -> str | None:
    """Return where a Chromium of this machine is, None when there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@dataclass(slots=True)
class Visitors:
    """Opens pages of a site in contexts of their own, and holds what went wrong: console, scripts, foreign requests."""

    browser: Browser
    faults: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    def page(
        self,
        site: ServedSite,
        user_id: str | None = None,
        *,
        width: int = 1280,
        scheme: Literal["light", "dark"] = "light",
        has_scripts: bool = True,
    ) -> Page:
        """Return an empty page of somebody who is logged in, or of a stranger."""
        context = self.browser.new_context(
            base_url=site.url,
            viewport={"width": width, "height": 800},
            color_scheme=scheme,
            java_script_enabled=has_scripts,
            # colours that are half way between two are nobody's
            reduced_motion="reduce",
        )
        context.set_default_timeout(PATIENCE_MS)
        self.contexts.append(context)
        if user_id is not None:
            context.add_cookies([{"name": COOKIE, "value": site.session(user_id), "url": site.url}])
        context.on("console", lambda message: self._hear(message))
        context.on("weberror", lambda error: self.faults.append(f"script: {error.error}"))
        context.on("dialog", lambda dialog: self._close(dialog))
        context.on("request", lambda request: self._look_at(request, home=site.url))
        return context.new_page()

    def forgive(self, words: str) -> None:
        """Forget what went wrong as the test wanted; fails when nothing of these words did."""
        kept = [fault for fault in self.faults if words not in fault]
        assert len(kept) < len(self.faults), f"nothing says {words!r} among {self.faults}"
        self.faults[:] = kept

    def close(self) -> None:
        """Close every context."""
        for context in self.contexts:
            context.close()

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"console: {message.text}")

    def _close(self, dialog: Dialog) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _look_at(self, request: Request, *, home: str) -> None:
        if not request.url.startswith(home + "/"):
            self.faults.append(f"foreign request: {request.url}")


@dataclass(frozen=True, slots=True)
class Keys:
    """Hands that have a keyboard only."""

    page: Page

    def press(self, *keys: str) -> None:
        """Press keys one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def write(self, text: str) -> None:
        """Type a text."""
        self.page.keyboard.type(text)

    def go_to(self, wanted: Locator) -> None:
        """Press Tab until an element has the focus; fails when it is never reached."""
        wanted.wait_for()
        for _ in range(_MOST_STOPS):
            if wanted.evaluate(_IS_FOCUSED):
                return
            self.press("Tab")
        raise AssertionError(f"the keyboard does not reach {wanted}")

    def use(self, wanted: Locator) -> None:
        """Go to a link or button and press Enter."""
        self.go_to(wanted)
        self.press("Enter")

    def rate(self, sides: Sequence[Side]) -> None:
        """Answer the questions of both responses; the next one is always where the focus is."""
        for side in sides:
            self.press(*(str(score) for score in side.scores))
            if side.confidence is not None:
                self.press(str(side.confidence))
            else:
                self.press("n")
            self.press("s" if side.safe else "u")
            if side.unsafe_reasons:
                self.press(*(str(1 + _REASONS.index(reason)) for reason in side.unsafe_reasons), "n")

    def save(self) -> None:
        """Send the answer."""
        self.press("Control+Enter")


def expect_task(page: Page, task_id: str) -> None:
    """Wait until a task is shown, and until its page listens to the keyboard."""
    expect(page.locator("#conversation")).to_contain_text(f"Prompt of {task_id}?")
    expect(page.locator("#keys-button")).to_be_visible()


def as_shown(page: Page, sides: tuple[Side, Side]) -> list[Side]:
    """Return what is said of response 0 and response 1 of a task of `new_task`, in the order in which they stand."""
    texts = (page.locator(f"#{side}").inner_text() for side in ("left", "right"))
    return [sides[int(text.removeprefix("Response ").split()[0])] for text in texts]


def load_until(page: Page, path: str, wanted: Locator) -> Response:
    """Load a page until it shows something: what is counted in the background may come a moment later."""
    for _ in range(_MOST_LOADS):
        answer = page.goto(path)
        if wanted.count() and answer is not None:
            return answer
        page.wait_for_timeout(_PAUSE_MS)
    raise AssertionError(f"{path} does not show {wanted}")


_REASONS = ("harmful", "illegal", "profanity", "bias")
