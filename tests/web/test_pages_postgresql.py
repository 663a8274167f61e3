"""The annotator's pages on a real PostgreSQL server: the same as on SQLite."""

import re
from collections.abc import Callable
from pathlib import Path

from rating_forms import checked, full_form, opened, rate
from web_site import open_web_site

pytest_plugins = ("database_fixtures",)


def test_the_way_of_an_annotator_is_the_same_on_postgresql(new_place: Callable[[str], str], tmp_path: Path) -> None:
    with open_web_site(tmp_path, place=new_place("postgresql")) as site:
        trainee = site.browser("trainee-1")
        assert "I have read this" in trainee.get("/task").text
        trainee.submit("/guideline/read", {"version": "1"})
        assert "It answers well." in trainee.get(rate(trainee).headers["location"]).text
        browser = site.browser("annotator-1")
        lease = opened(browser)
        draft = {"at": 1, "fields": {"left_coherence": ["2"]}}
        assert browser.fetch("/task/draft", {"lease": lease, "draft": draft}).json() == {"state": "active"}
        assert checked(browser.get("/task").text) == ["left_coherence=2"]
        for revision in ("0", "1"):
            assert browser.submit("/task/submit", full_form(lease, revision=revision)).status_code == 303
            assert browser.submit("/task/undo", {}).headers["location"] == f"/task?lease={lease}"
        form = {"lease": lease, "action": "skip", "skip_reason": "upsetting"}
        assert browser.submit("/task/submit", form).status_code == 303
        rate(browser, active_seconds="0")
        assert re.findall(r"<dd>(.*?)</dd>", browser.get("/me").text) == ["1", "1", "0 min 0 s", "0"]
