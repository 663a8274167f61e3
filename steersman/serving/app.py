"""The reward server: POST /v1/score, GET /health."""

import threading

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from steersman.errors import SteersmanError
from steersman.protocols import Scored, Scorer
from steersman.serving.bodies import RequestTooLargeError, parse_rows, read_body


def create_app(scorer: Scorer, *, name: str) -> FastAPI:
    """Return the server of one reward model, called `name` in its results; it scores one request at a time."""
    app = FastAPI(title="Steersman reward model", docs_url=None, redoc_url=None)
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
        prompts, responses = parse_rows(await read_body(request))
        scored = await run_in_threadpool(score_alone, prompts, responses)
        return JSONResponse({"model": name, "scores": score_rows(scored), "truncated": list(scored.truncated)})

    @app.exception_handler(SteersmanError)
    async def explain(_request: Request, error: SteersmanError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 413 if isinstance(error, RequestTooLargeError) else 422)

    return app


def score_rows(scored: Scored) -> list[dict[str, float]]:
    """Return one `{output name: score, ..., "reward": reward}` per row, in order."""
    return [
        dict(zip(scored.names, map(float, outputs), strict=True)) | {"reward": float(reward)}
        for outputs, reward in zip(scored.outputs, scored.rewards, strict=True)
    ]


def _ignore(_amount: int) -> None:
    """Advance no progress bar."""
