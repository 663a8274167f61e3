"""Fixtures of the whole loop: a finished run, and a cache folder of the test session's own.

A test file takes them by `pytest_plugins = ("loop_fixtures",)`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny_loop

from steersman.store.cache import CACHE_VARIABLE


@pytest.fixture(scope="session")
def loop_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the cache folder that the tests of this session share."""
    return tiny_loop.loop_cache(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished run; tests read it and change nothing in it."""
    return tiny_loop.finished_run(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def own_cache(loop_cache: Path) -> Iterator[None]:
    """Keep models and activations out of the user's own cache folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(loop_cache))
        yield
