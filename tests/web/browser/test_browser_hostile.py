"""Hostile Markdown and HTML in a real browser: nothing of it runs, nothing is fetched, all of it is shown as text."""

from pathlib import Path

import pytest
from browsing import Visitors, expect_task
from playwright.sync_api import Page, expect
from served_site import ServedSite, Side, served_site
from web_site import new_task

from steersman.store.database.tasks import KnownScores, NewResponse, NewTask

pytest_plugins = ("browser_fixtures",)
pytestmark = pytest.mark.browser

RUN = "window.hasRun=1"
# `.invalid` is never a host; a request to it would be seen and refused
OUTSIDE = "https://outside.invalid"
HOSTILE = (
    f"<script>{RUN};alert(1)</script>",
    f'<img src="{OUTSIDE}/a.png" onerror="{RUN}">',
    f"<svg onload={RUN}><animate onbegin={RUN} /></svg>",
    f'<iframe srcdoc="<script>parent.{RUN}</script>"></iframe>',
    f'<link rel="stylesheet" href="{OUTSIDE}/a.css"><style>body {{ display: none }}</style>',
    f'<form action="{OUTSIDE}"><button autofocus onfocus="{RUN}">press</button></form>',
    f'<meta http-equiv="refresh" content="0;url={OUTSIDE}">',
    f'<base href="{OUTSIDE}/">',
    f'</div></section></form><object data="{OUTSIDE}/a.swf"></object>',
    f"![an image]({OUTSIDE}/b.png)",
    f"[a link](javascript:{RUN})",
    f"[another](data:text/html,<script>{RUN}</script>)",
    f"<javascript:{RUN}>",
    f"[a reference][x]\n\n[x]: javascript:{RUN}",
    f'[quoted]({OUTSIDE} "a\\" onmouseover={RUN} b=\\"")',
    f"```html\n<script>{RUN}</script>\n```",
    f"$\\href{{javascript:{RUN}}}{{x}}$ and $<img src=x onerror={RUN}>$ and $$\\text{{<script>{RUN}</script>}}$$",
    "{{ 7 * 7 }} {% include '/etc/passwd' %} ${7*7} <%= 7 * 7 %>",
)
TEXT = "\n\n".join(HOSTILE)
# words of it that a reader must still find
SHOWN = ("<script>window.hasRun=1;alert(1)</script>", "onerror=", "srcdoc=", "{{ 7 * 7 }}", "<base href=")
SIDES = (Side((4, 4, 4, 2, 2)), Side((1, 0, 3, 1, 4)))
# what Markdown is made of, and formulas; everything else in a text of others came through by itself
FOREIGN = "script, style, link, meta, base, img, svg, iframe, object, embed, form, button, input, video, audio, portal"


def _hostile_task(name: str, *, kind: str = "rating") -> NewTask:
    left, right = (NewResponse(f"{name}-{slot}", TEXT, f"model-{slot}", None) for slot in range(2))
    known = None if kind == "rating" else (KnownScores((4, 4, 4, 2, 2), TEXT), KnownScores((1, 0, 3, 1, 4), TEXT))
    return NewTask(name, f"Prompt of {name}?\n\n{TEXT}", (left, right), kind, known)


def test_a_task_of_hostile_texts_shows_them_as_text(visitors: Visitors, tmp_path: Path) -> None:
    with served_site(tmp_path, tasks=[_hostile_task("rating-0")], people={"mia": "working"}) as site:
        page = visitors.page(site, "mia")
        page.goto("/task")
        expect_task(page, "rating-0")
        for part in ("#conversation", "#left", "#right"):
            for words in SHOWN:
                expect(page.locator(part)).to_contain_text(words)
        _expect_harmless(page)
        # the form around the texts is whole
        assert page.locator("form#rating [name=right_verbosity]").count() == 5


def test_feedback_and_guideline_of_hostile_texts_show_them_as_text(visitors: Visitors, tmp_path: Path) -> None:
    tasks = [_hostile_task("training-0", kind="training"), new_task(0)]
    with served_site(tmp_path, tasks=tasks, people={"mia": "training"}, guideline=TEXT) as site:
        page = visitors.page(site, "mia")
        page.goto("/guideline")
        expect(page.locator("article")).to_contain_text(SHOWN[0])
        _expect_harmless(page)
        site.change_guideline(f"{TEXT}\n\n<script>{RUN}</script> once more")
        page.get_by_role("button", name="I have read this").click()
        page.goto("/task")
        expect(page.get_by_text("once more").first).to_be_visible()
        _expect_harmless(page)
        page.get_by_role("button", name="I have read this").click()
        lease = page.locator("form#rating [name=lease]").get_attribute("value")
        site.answer("mia", SIDES)
        page.goto(f"/task/feedback?lease={lease}")
        expect(page.locator(".explanation").first).to_contain_text(SHOWN[0])
        _expect_harmless(page)


def test_what_annotators_write_is_text_to_their_reviewers(visitors: Visitors, tmp_path: Path) -> None:
    with served_site(tmp_path, tasks=[_hostile_task("rating-0")], people={"mia": "working"}) as site:
        site.answer("mia", SIDES, justification=TEXT)
        page = visitors.page(site, "rene")
        page.goto("/manage/review/rating-0")
        expect(page.locator("q")).to_contain_text(SHOWN[0])
        _expect_harmless(page)


def test_an_address_cannot_write_into_a_page(site_with_nothing: ServedSite, visitors: Visitors) -> None:
    page = visitors.page(site_with_nothing, "mara")
    for path in ("/join?code=", "/manage?done=", "/manage?project=", "/manage/review/", "/nowhere/"):
        page.goto(f"{path}%3Cscript%3E{RUN}%3C/script%3E")
        _expect_harmless(page)
    visitors.forgive("404")


@pytest.fixture
def site_with_nothing(tmp_path: Path) -> object:
    with served_site(tmp_path) as site:
        yield site


def _expect_harmless(page: Page) -> None:
    """Fail when a script of the texts has run, or anything but Markdown's own elements came of them.

    Dialogs, requests to elsewhere and refusals of the content security policy are for the fixture to find.
    """
    assert page.evaluate("window.hasRun") is None
    assert page.locator(".prose").locator(FOREIGN).count() == 0
    handlers = "all => all.flatMap(e => e.getAttributeNames().filter(n => n.startsWith('on') || n === 'srcdoc'))"
    assert page.locator("body *").evaluate_all(handlers) == []
    links = page.locator("a[href]").evaluate_all("all => all.map(each => each.protocol)")
    assert set(links) <= {"http:", "https:", "mailto:"}
