"""Serve an app over HTTP until it is told to stop."""

import contextlib
import errno
import multiprocessing
import multiprocessing.process
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial

import uvicorn
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from steersman.errors import RunError, SteersmanError

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8000
_HIGHEST_PORT = 65_535
# a proxy with HTTPS runs on the same machine
_PROXIES = "127.0.0.1"
_PATIENCE_SECONDS = 60


def serve(
    app: FastAPI,
    *,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    started: Callable[[str], None] = lambda _: None,
    stopping: Callable[[], None] = lambda: None,
) -> None:
    """Serve `app` until Ctrl-C; raises RunError when the address cannot be used. Port 0 takes a free one.

    `started` is called with the address once it is ours, `stopping` as soon as the end is asked for: requests that
    run are answered after it.
    """
    with bind(host, port=port) as listener:
        started(f"http://{host}:{listener.getsockname()[1]}")
        # no access log: a login link holds a token
        server = StoppingServer(uvicorn.Config(app, access_log=False, server_header=False), stopping=stopping)
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])


def serve_processes(
    make_app: Callable[[], FastAPI],
    *,
    host: str,
    port: int,
    workers: int,
    is_behind_proxy: bool,
    started: Callable[[str], None],
) -> None:
    """Serve the app that `make_app` makes in `workers` processes over one socket until Ctrl-C.

    A process that dies is replaced; `make_app` must be picklable where there are several. Behind a proxy on this
    machine the client's address and scheme are those that the proxy tells; otherwise nobody is believed who tells them.
    """
    app = make_app() if workers == 1 else partial(_made_in_process, make_app)
    with bind(host, port=port) as listener:
        started(f"http://{host}:{listener.getsockname()[1]}")
        config = uvicorn.Config(
            app,
            factory=workers > 1,
            workers=workers,
            # no access log: a link by which somebody joins holds a secret
            access_log=False,
            server_header=False,
            log_level="warning",
            proxy_headers=is_behind_proxy,
            forwarded_allow_ips=_PROXIES,
            # a busy machine is no reason to kill a process that is still loading
            timeout_worker_healthcheck=_PATIENCE_SECONDS,
        )
        with contextlib.suppress(KeyboardInterrupt):
            if workers == 1:
                uvicorn.Server(config).run(sockets=[listener])
            else:
                CheckedProcesses(config, sockets=[listener], check=make_app).run()


class CheckedProcesses(Multiprocess):
    """Processes that serve; what keeps them from starting is told once, by the process that starts them."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket], *, check: Callable[[], object]) -> None:
        super().__init__(config, sockets)
        self._check = check

    def init_processes(self) -> None:
        """Start all, and while they load look for what they will meet."""
        super().init_processes()
        try:
            self._check()
        except SteersmanError:
            self.terminate_all()
            self.join_all()
            raise


def _made_in_process(make_app: Callable[[], FastAPI]) -> FastAPI:
    """Return the app in a process of several, which ends when the one that started it has gone."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()
    try:
        return make_app()
    except SteersmanError:
        # the process that started this one tells
        sys.exit(STARTUP_FAILURE)


def _end_after(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


class StoppingServer(uvicorn.Server):
    """A server that says when it begins to stop: an app hears of it only after its last request."""

    def __init__(self, config: uvicorn.Config, *, stopping: Callable[[], None]) -> None:
        super().__init__(config)
        self._stopping = stopping

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell, then answer the requests that run, and close."""
        self._stopping()
        await super().shutdown(sockets)


def bind(host: str, *, port: int) -> socket.socket:
    """Return a socket bound to an address; raises RunError, with what to do, when it cannot be used.

    Bound before uvicorn starts, which would exit by itself with a status of its own.
    """
    if not 0 <= port <= _HIGHEST_PORT:
        raise RunError(f"port {port} does not exist; choose one from 1 to {_HIGHEST_PORT} with --port")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise RunError(_bind_fault(error, host=host, port=port)) from error


def _bind_fault(error: OSError, *, host: str, port: int) -> str:
    if isinstance(error, socket.gaierror):
        return f"host {host} is not known; choose another with --host"
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use; choose another with --port"
    if error.errno == errno.EACCES:
        return f"port {port} on {host} is reserved for the system; choose one above 1023 with --port"
    return f"port {port} on {host} cannot be used ({error.strerror}); choose another --host or --port"
