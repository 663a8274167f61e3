"""Keep the hub's library from telling of each attempt on the terminal: what comes of them is told in the end."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_hub() -> Iterator[None]:
    """Let only errors of the hub's library through while the block runs: it retries for half a minute, and says so."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
