"""The verb that serves a finished model over HTTP."""

from datetime import UTC, datetime

import click

from steersman.cli.options import say


@click.group()
def serve() -> None:
    """Serve a model over HTTP.

    Example: steersman serve reward runs/reward
    """


@serve.command(name="reward")
@click.argument("model")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; 0.0.0.0 is every one.")
@click.option("--port", type=int, default=8100, show_default=True)
@click.option(
    "--max-queue-rows",
    type=click.IntRange(min=1),
    default=1024,
    show_default=True,
    help="Rows that may wait; a request beyond them gets status 429.",
)
@click.option(
    "--max-batch-rows",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    help="Rows of several requests that are scored in one call; a single request is never split.",
)
@click.option(
    "--batch-wait-ms",
    type=click.FloatRange(min=0, max=1000),
    default=5.0,
    show_default=True,
    help="How long a request waits for others while the model is idle; 0 never waits.",
)
def serve_reward(
    model: str, host: str, port: int, max_queue_rows: int, max_batch_rows: int, batch_wait_ms: float
) -> None:
    """Serve the reward model MODEL until Ctrl-C, for trainers and anything that speaks HTTP.

    POST /v1/score, /v1/chat/completions, /classify, /v1/embeddings, /get_reward (OpenRLHF); GET /v1/models, /health,
    /metrics.

    Example: steersman serve reward runs/reward --port 8100
    """
    from steersman.cli.server import bind
    from steersman.cli.server import serve as serve_app
    from steersman.pipeline.scorers import limited, open_scorer
    from steersman.serving.app import create_app
    from steersman.serving.batcher import Batcher
    from steersman.serving.batching import BatchLimits
    from steersman.serving.metrics import Metrics
    from steersman.serving.results import check_names
    from steersman.serving.rows import MAX_TOKENS

    # a port in use is told before the model is loaded, which takes longer
    bind(host, port=port).close()
    limits = BatchLimits(max_queue_rows, max_batch_rows, batch_wait_ms / 1000)
    metrics = Metrics()
    opened = open_scorer(model)
    if opened.spec.form == "comparison":
        check_names(opened.names)
    scorer = limited(opened, max_tokens=MAX_TOKENS)
    batcher = Batcher(scorer, limits=limits, metrics=metrics, check=opened.check_prompts)
    app = create_app(batcher, metrics=metrics, name=model, host=host, now=lambda: datetime.now(UTC))

    def tell(address: str) -> None:
        say(f"The reward model is at {address}/v1/score; Ctrl-C ends it.")

    serve_app(app, host=host, port=port, started=tell, stopping=batcher.stop)
