"""The reward server: POST /v1/score, GET /health."""

import threading

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from steersman.errors import SteersmanError
from steersman.protocols import Scored, Scorer
from steersman.serving.bodies import check_host, check_media_type, http_status, parse_rows, read_body


def create_app(scorer: Scorer, *, name: str, host: str) -> FastAPI:
    """Return the server of one reward model, called `name` in its results; it scores one request at a time.

    `host` is where it listens: requests to other names are refused, unless it listens on every address.
    """

    async def check_name(request: Request) -> None:
        check_host(request, host=host)

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(check_name)])
    # a model fills its device with one batch; two at once would only run out of memory
    lock = threading.Lock()

    def score_alone(prompts: list[str], responses: list[str]) -> Scored:
        with lock:
            return scorer.score(prompts, responses, advance=_ignore)

    @app.get("/health")
    async def health() -> JSONResponse:
        return JSONResponse({"status": "ok", "model": name})

    @app.post("/v1/score")
    async def score(request: Request) -> JSONResponse:
        check_media_type(request)
        prompts, responses = parse_rows(await read_body(request))
        scored = await run_in_threadpool(score_alone, prompts, responses)
        return JSONResponse({"model": name, "scores": score_rows(scored), "truncated": list(scored.truncated)})

    @app.exception_handler(SteersmanError)
    async def explain(_request: Request, error: SteersmanError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, http_status(error))

    return app


def score_rows(scored: Scored) -> list[dict[str, float]]:
    """Return one `{output name: score, ..., "reward": reward}` per row, in order."""
    return [
        dict(zip(scored.names, map(float, outputs), strict=True)) | {"reward": float(reward)}
        for outputs, reward in zip(scored.outputs, scored.rewards, strict=True)
    ]


def _ignore(_amount: int) -> None:
    """Advance no progress bar."""
