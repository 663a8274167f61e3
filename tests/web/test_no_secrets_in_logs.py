import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPMessage
from urllib.parse import quote, quote_plus, urlencode

import pytest
import uvicorn
from fastapi import Request
from web_site import PASSWORD, WebSite

from steersman.cli.server import StoppingServer, bind
from steersman.web.requests import COOKIE

pytest_plugins = ("web_fixtures",)

NEW_PASSWORD = "seven grey donkeys"
WRONG_PASSWORD = "a wrong password"


@contextmanager
def served(web_site: WebSite) -> Iterator[str]:
    """Serve the site as `annotate serve` does, and give its address."""
    with bind("127.0.0.1", port=0) as listener:
        config = uvicorn.Config(web_site.app, access_log=False, server_header=False, lifespan="off", log_level="debug")
        server = StoppingServer(config, stopping=lambda: None)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def send(place: str, method: str, path: str, *, form: Mapping[str, str] | None = None, **headers: str) -> HTTPMessage:
    """Send a request by a client that logs nothing itself, and return the headers of the answer."""
    connection = HTTPConnection(place)
    always = {"Origin": f"http://{place}", "Content-Type": "application/x-www-form-urlencoded"}
    connection.request(method, path, None if form is None else urlencode(form), {**always, **headers})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.msg


def test_nothing_that_opens_a_door_is_logged(
    web_site: WebSite, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    async def boom(request: Request, code: str = "") -> None:
        body = await request.body()
        raise RuntimeError(f"the tank is empty after {len(code) + len(body)} litres")

    web_site.app.add_api_route("/boom", boom, methods=["POST"])
    caplog.set_level(logging.DEBUG)
    code, token, session = web_site.invitation(), web_site.token("annotate"), web_site.session("annotator-1")
    with served(web_site) as place:
        send(place, "GET", f"/join?code={code}")
        send(place, "POST", "/join", form={"code": code, "name": "fresh-1", "password": NEW_PASSWORD})
        entered = send(place, "POST", "/login", form={"name": "annotator-1", "password": PASSWORD})
        send(place, "POST", "/login", form={"name": "annotator-1", "password": WRONG_PASSWORD})
        send(place, "GET", "/api/v1/status", Authorization=f"Bearer {token}")
        for secret in (code, token, session, PASSWORD):
            form = {"password": secret}
            cookie = f"{COOKIE}={secret}"
            send(
                place, "POST", f"/boom?code={quote(secret)}", form=form, Authorization=f"Bearer {secret}", Cookie=cookie
            )
    made = entered["set-cookie"].partition("=")[2].partition(";")[0]
    assert len(made) == len(session)
    logged = caplog.text + "".join(capfd.readouterr())
    assert logged.count("RuntimeError: the tank is empty after") >= 4
    assert "Traceback" in logged
    secrets = (code, token, session, made, PASSWORD, WRONG_PASSWORD, NEW_PASSWORD)
    assert [each for each in secrets if any(text in logged for text in (each, quote(each), quote_plus(each)))] == []
