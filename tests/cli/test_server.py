import os
import signal
import socket
import threading

import httpx
import pytest
from fastapi import FastAPI

from steersman.cli.server import bind, serve
from steersman.errors import EXIT_USER_INPUT, RunError


def test_a_port_in_use_is_told_with_what_to_do() -> None:
    said: list[str] = []
    with bind("127.0.0.1", port=0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RunError) as caught:
            serve(FastAPI(), host="127.0.0.1", port=port, started=said.append)
    assert said == []
    assert str(caught.value) == f"port {port} on 127.0.0.1 is in use; choose another with --port"
    assert caught.value.exit_code == EXIT_USER_INPUT


def test_a_port_can_be_used_again_at_once() -> None:
    with bind("127.0.0.1", port=0) as first:
        port = first.getsockname()[1]
    with bind("127.0.0.1", port=port) as second:
        assert second.getsockname()[1] == port


@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_port_that_does_not_exist_is_told(port: int) -> None:
    with pytest.raises(RunError, match="does not exist"):
        bind("127.0.0.1", port=port)


def test_an_unknown_host_is_told() -> None:
    with pytest.raises(RunError, match=r"host no-such-host\.invalid is not known"):
        bind("no-such-host.invalid", port=0)


def test_an_address_of_another_machine_is_told() -> None:
    # TEST-NET-1, which no machine has
    with pytest.raises(RunError, match=r"port 8000 on 192\.0\.2\.1 cannot be used"):
        bind("192.0.2.1", port=8000)


def test_it_serves_until_interrupted() -> None:
    app = FastAPI()

    @app.get("/")
    def hello() -> str:
        return "hello"

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    answers: list[str] = []

    def visit_and_interrupt() -> None:
        transport = httpx.HTTPTransport(retries=8)
        with httpx.Client(transport=transport) as client:
            answers.append(client.get(f"http://127.0.0.1:{port}/").text)
        os.kill(os.getpid(), signal.SIGINT)

    visitor = threading.Thread(target=visit_and_interrupt)
    visitor.start()
    serve(app, host="127.0.0.1", port=port)
    visitor.join()
    assert answers == ['"hello"']


def test_the_app_is_told_of_the_end_before_its_last_request_is_answered() -> None:
    app, is_stopping = FastAPI(), threading.Event()

    @app.get("/")
    def wait() -> bool:
        os.kill(os.getpid(), signal.SIGINT)
        return is_stopping.wait(30)

    answers: list[bool] = []

    def visit(address: str) -> None:
        visitor = threading.Thread(target=lambda: answers.append(httpx.get(address, timeout=60).json()))
        visitors.append(visitor)
        visitor.start()

    visitors: list[threading.Thread] = []
    serve(app, port=0, started=visit, stopping=is_stopping.set)
    visitors[0].join()
    assert answers == [True]
