"""The reward server: its routes, and what every request passes on the way."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from datetime import datetime

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from steersman.errors import SteersmanError
from steersman.serving.batcher import Batcher
from steersman.serving.batching import Scores
from steersman.serving.bodies import check_host, parse_rows, read_json
from steersman.serving.chat import chat_answer, parse_chat
from steersman.serving.classify import classify_answer, parse_classify
from steersman.serving.counting import CountRequests
from steersman.serving.embeddings import embeddings_answer, parse_embeddings
from steersman.serving.faults import ClientGoneError, headers_of, http_status, openai_body, plain_body
from steersman.serving.metrics import Metrics
from steersman.serving.openrlhf import parse_remote_reward, remote_reward_answer
from steersman.serving.results import score_answer
from steersman.serving.rows import Rows

OWN_PATHS = ("/v1/score", "/get_reward", "/v1/models", "/health", "/health/live", "/health/ready", "/metrics")
OPENAI_PATHS = ("/v1/chat/completions", "/classify", "/v1/classify", "/v1/embeddings")


def create_app(batcher: Batcher, *, metrics: Metrics, name: str, host: str, now: Callable[[], datetime]) -> FastAPI:
    """Return the server of one reward model, called `name` in its results; it starts `batcher` and stops it.

    `host` is where it listens: requests to other names are refused, unless it listens on every address. `now` gives
    aware times.
    """

    async def check_name(request: Request) -> None:
        check_host(request, host=host)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        batcher.start()
        yield
        batcher.stop()
        await asyncio.to_thread(batcher.join)

    app = FastAPI(
        docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(check_name)], lifespan=lifespan
    )
    app.add_middleware(CountRequests, metrics=metrics, paths=frozenset(OWN_PATHS + OPENAI_PATHS))
    _add_scoring(app, batcher=batcher, metrics=metrics, name=name, now=now)
    _add_watching(app, batcher=batcher, metrics=metrics, name=name, began=now())

    @app.exception_handler(SteersmanError)
    async def explain(request: Request, error: SteersmanError) -> JSONResponse:
        body = openai_body(error) if request.url.path in OPENAI_PATHS else plain_body(error)
        return JSONResponse(body, http_status(error), headers_of(error))

    @app.exception_handler(HTTPException)
    async def point(request: Request, error: HTTPException) -> JSONResponse:
        paths = ", ".join(OWN_PATHS + OPENAI_PATHS)
        told = f"{request.method} {request.url.path}: {error.detail.lower()}; this server has {paths}"
        return JSONResponse({"error": told}, error.status_code, error.headers)

    return app


def _add_scoring(app: FastAPI, *, batcher: Batcher, metrics: Metrics, name: str, now: Callable[[], datetime]) -> None:
    async def scores_of(rows: Rows, *, request: Request) -> Scores:
        metrics.ignored_system_turns.inc(rows.ignored_system_turns)
        return await answer_unless_gone(batcher.submit(rows), request=request)

    @app.post("/v1/score")
    async def score(request: Request) -> JSONResponse:
        rows = parse_rows(await read_json(request))
        return JSONResponse(score_answer(await scores_of(rows, request=request), model=name))

    @app.post("/get_reward")
    async def get_reward(request: Request) -> JSONResponse:
        rows = parse_remote_reward(await read_json(request))
        return JSONResponse(remote_reward_answer(await scores_of(rows, request=request), rows=rows))

    @app.post("/v1/chat/completions")
    async def complete(request: Request) -> JSONResponse:
        rows = parse_chat(await read_json(request), served=name)
        return JSONResponse(chat_answer(await scores_of(rows, request=request), rows=rows, model=name, now=now()))

    @app.post("/classify")
    @app.post("/v1/classify")
    async def classify(request: Request) -> JSONResponse:
        rows = parse_classify(await read_json(request), served=name)
        return JSONResponse(classify_answer(await scores_of(rows, request=request), rows=rows, model=name, now=now()))

    @app.post("/v1/embeddings")
    async def embed(request: Request) -> JSONResponse:
        rows = parse_embeddings(await read_json(request), served=name)
        return JSONResponse(embeddings_answer(await scores_of(rows, request=request), rows=rows, model=name))


def _add_watching(app: FastAPI, *, batcher: Batcher, metrics: Metrics, name: str, began: datetime) -> None:
    @app.get("/v1/models")
    async def models() -> JSONResponse:
        model = {"id": name, "object": "model", "created": int(began.timestamp()), "owned_by": "steersman"}
        return JSONResponse({"object": "list", "data": [model]})

    @app.get("/health")
    @app.get("/health/ready")
    async def ready() -> JSONResponse:
        if batcher.is_ready:
            return JSONResponse({"status": "ok", "model": name})
        return JSONResponse({"status": "not ready", "model": name}, 503)

    @app.get("/health/live")
    async def live() -> JSONResponse:
        return JSONResponse(
            {"status": "ok"} if batcher.is_alive else {"status": "dead"}, 200 if batcher.is_alive else 500
        )

    @app.get("/metrics")
    async def series() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)


async def answer_unless_gone(future: "Future[Scores]", *, request: Request) -> Scores:
    """Return the result of `future`; cancels it and raises ClientGoneError when the client leaves before."""
    answer = asyncio.wrap_future(future)
    gone = asyncio.ensure_future(_disconnected(request))
    first: set[asyncio.Future[Scores] | asyncio.Future[None]] = {answer, gone}
    try:
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise ClientGoneError("the client left before it was answered")
        return answer.result()
    finally:
        gone.cancel()
        answer.cancel()


async def _disconnected(request: Request) -> None:
    """Return when the client has closed its connection; the body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
