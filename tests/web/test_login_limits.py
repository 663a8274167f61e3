import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from web_site import NOON, PASSWORD, WebSite

from steersman.web.throttle import WINDOW, Throttle, wait_seconds

pytest_plugins = ("web_fixtures",)

MINUTE = timedelta(minutes=1)


def log_in(client: TestClient, name: str, password: str) -> Response:
    return client.post("/login", data={"name": name, "password": password})


def fail(client: TestClient, name: str, *, times: int) -> list[int]:
    return [log_in(client, name, "a wrong password").status_code for _ in range(times)]


def from_address(web_site: WebSite, address: str) -> TestClient:
    client = TestClient(
        web_site.app, web_site.url, follow_redirects=False, client=(address, 1), headers={"origin": web_site.url}
    )
    client.portal = web_site.anchor.portal
    return client


def test_after_five_failures_even_the_right_password_is_not_heard(web_site: WebSite) -> None:
    client = web_site.stranger()
    assert fail(client, "annotator-1", times=5) == [401] * 5
    answer = log_in(client, "annotator-1", PASSWORD)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "900")
    assert "wait 15 minutes" in answer.text
    assert "set-cookie" not in answer.headers


def test_a_lock_out_holds_for_the_account_from_everywhere_and_for_nobody_else(web_site: WebSite) -> None:
    fail(web_site.stranger(), "annotator-1", times=5)
    assert log_in(from_address(web_site, "203.0.113.7"), "ANNOTATOR-1", PASSWORD).status_code == 429
    assert log_in(web_site.stranger(), "annotator-2", PASSWORD).status_code == 303


def test_a_lock_out_ends_when_the_first_failure_is_a_quarter_of_an_hour_old(web_site: WebSite) -> None:
    client = web_site.stranger()
    fail(client, "annotator-1", times=1)
    web_site.clock.moment += 10 * MINUTE
    fail(client, "annotator-1", times=4)
    answer = log_in(client, "annotator-1", PASSWORD)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "300")
    web_site.clock.moment += 5 * MINUTE
    assert log_in(client, "annotator-1", PASSWORD).status_code == 303


def test_tries_during_a_lock_out_do_not_lengthen_it(web_site: WebSite) -> None:
    client = web_site.stranger()
    fail(client, "annotator-1", times=5)
    web_site.clock.moment += 14 * MINUTE
    assert fail(client, "annotator-1", times=3) == [429] * 3
    web_site.clock.moment += MINUTE
    assert log_in(client, "annotator-1", PASSWORD).status_code == 303


def test_a_success_forgives_the_failures_before_it(web_site: WebSite) -> None:
    client = web_site.stranger()
    fail(client, "annotator-1", times=4)
    assert log_in(client, "annotator-1", PASSWORD).status_code == 303
    assert fail(client, "annotator-1", times=5) == [401] * 5


def test_unknown_names_are_locked_out_like_known_ones(web_site: WebSite) -> None:
    known, unknown = (fail(web_site.stranger(), name, times=6) for name in ("annotator-1", "nobody-1"))
    assert known == unknown == [401] * 5 + [429]


def test_after_thirty_failures_an_address_is_not_heard_for_any_account(web_site: WebSite) -> None:
    client = web_site.stranger()
    names = [f"nobody-{n}" for n in range(6)]
    assert [fail(client, name, times=5) for name in names] == [[401] * 5] * 6
    answer = log_in(client, "annotator-1", PASSWORD)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "900")
    assert log_in(from_address(web_site, "203.0.113.7"), "annotator-1", PASSWORD).status_code == 303


def test_many_who_log_in_rightly_from_one_address_are_not_locked_out(web_site: WebSite) -> None:
    client = web_site.stranger()
    assert {log_in(client, f"annotator-{1 + n % 3}", PASSWORD).status_code for n in range(35)} == {303}


def test_addresses_of_one_household_count_as_one(web_site: WebSite) -> None:
    for n in range(30):
        fail(from_address(web_site, f"2001:db8:1:2::{n:x}"), f"nobody-{n}", times=1)
    assert log_in(from_address(web_site, "2001:db8:1:2:ffff::1"), "annotator-1", PASSWORD).status_code == 429
    assert log_in(from_address(web_site, "2001:db8:1:3::1"), "annotator-1", PASSWORD).status_code == 303


def test_tries_at_the_same_time_cannot_pass_the_limit_together(web_site: WebSite) -> None:
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: fail(web_site.stranger(), "annotator-1", times=1)[0], range(12)))
    assert answers.count(401) <= 5
    assert set(answers) <= {401, 429}


def num_hashing() -> int:
    """How many threads are in the middle of a password hash."""
    stacks = (traceback.extract_stack(frame) for frame in sys._current_frames().values())
    return sum(any("argon2" in each.filename for each in stack) for stack in stacks)


def test_at_most_two_passwords_are_hashed_at_once(web_site: WebSite) -> None:
    """Each takes 19 MiB; so many tries must not take that many times as much."""
    seen = set()
    with ThreadPoolExecutor(12) as pool:
        tries = [pool.submit(log_in, web_site.stranger(), f"annotator-{1 + n % 3}", PASSWORD) for n in range(24)]
        while not all(each.done() for each in tries):
            seen.add(num_hashing())
    assert {each.result().status_code for each in tries} == {303}
    assert seen & {1, 2}
    assert max(seen) <= 2


def test_the_password_of_today_cannot_be_guessed_in_an_open_session_either(web_site: WebSite) -> None:
    browser = web_site.browser("annotator-1")
    forms = [{"password": each, "new_password": "seven grey donkeys"} for each in ["wrong"] * 5 + [PASSWORD]]
    assert [browser.submit("/password", form).status_code for form in forms] == [422] * 5 + [429]


def test_the_wait_is_until_the_failure_that_reaches_the_limit_leaves_the_window() -> None:
    failures = [NOON - n * MINUTE for n in range(4)]
    assert wait_seconds(failures, limit=5, now=NOON) == 0
    assert wait_seconds(failures, limit=4, now=NOON) == 12 * 60
    assert wait_seconds(failures, limit=1, now=NOON) == 15 * 60


def test_a_clock_set_back_makes_nobody_wait_longer_than_the_window() -> None:
    assert wait_seconds([NOON + 365 * 24 * 60 * MINUTE], limit=1, now=NOON) == WINDOW.total_seconds()


def test_tries_that_run_use_up_the_limit_until_they_end() -> None:
    throttle = Throttle()
    with throttle.trying("a", "x") as first, throttle.trying("a", "y") as second:
        assert (first, second) == ([0, 0], [1, 0])
    with throttle.trying("a", "x") as third:
        assert third == [0, 0]


@pytest.mark.parametrize("limit", [0, -3])
def test_with_as_many_tries_running_as_may_fail_the_next_one_waits(limit: int) -> None:
    assert wait_seconds([], limit=limit, now=NOON) == 1
