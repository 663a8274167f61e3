"""Fixtures of the annotation site.

A test file takes them by `pytest_plugins = ("web_fixtures",)`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import web_site as sites


@pytest.fixture
def web_site(tmp_path: Path) -> Iterator[sites.WebSite]:
    """Give a running site with tasks of each kind and people of each role."""
    with sites.open_web_site(tmp_path) as site:
        yield site


@pytest.fixture
def secure_site(tmp_path: Path) -> Iterator[sites.WebSite]:
    """Give the same site as people reach it by HTTPS."""
    with sites.open_web_site(tmp_path, is_secure=True) as site:
        yield site
