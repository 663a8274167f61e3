"""Shared fixtures, and the promise of the `data` marker: with the real data at hand no such test may skip.

$STEERSMAN_DATA names the folder of real data. Without it, tests marked `data` skip. With STEERSMAN_REQUIRE_DATA=1, as
continuous integration runs them, a skip of such a test is a failure, whoever asked for the skip.
"""

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

DATA_VARIABLE = "STEERSMAN_DATA"
REQUIRE_VARIABLE = "STEERSMAN_REQUIRE_DATA"
# how long an example takes says how busy the machine is
settings.register_profile(
    "any speed", parent=settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any speed")
_NO_DATA = f"${DATA_VARIABLE} is not set; it names the folder of real data"


def _data_folder() -> Path | None:
    name = os.environ.get(DATA_VARIABLE)
    if not name:
        return None
    folder = Path(name).resolve()
    if not folder.is_dir():
        raise pytest.UsageError(f"${DATA_VARIABLE} names {folder}, which is not a folder")
    return folder


def _is_required() -> bool:
    return os.environ.get(REQUIRE_VARIABLE) == "1"


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Return the folder of real data; tests that use it carry the marker `data`."""
    folder = _data_folder()
    if folder is None:
        pytest.skip(_NO_DATA)
    return folder


def _put_slow_files_first(items: list[pytest.Item]) -> None:
    """Let files with a slow test come first, so that no process is left with them when the others have ended."""
    slow_files = {item.path for item in items if item.get_closest_marker("slow") is not None}
    items.sort(key=lambda item: item.path not in slow_files)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests, skip `data` tests without data, and refuse a test that uses the data without saying so."""
    _put_slow_files_first(items)
    unmarked = [
        item.nodeid
        for item in items
        if "data_folder" in getattr(item, "fixturenames", ()) and item.get_closest_marker("data") is None
    ]
    if unmarked:
        raise pytest.UsageError(f"tests that use data_folder need @pytest.mark.data: {', '.join(unmarked)}")
    if _data_folder() is not None:
        return
    for item in items:
        if item.get_closest_marker("data") is not None:
            item.add_marker(pytest.mark.skip(reason=_NO_DATA))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the skip of a `data` test into a failure where the data is required."""
    report = yield
    # an expected failure also counts as skipped, but it has run
    has_run = hasattr(report, "wasxfail")
    if _is_required() and report.skipped and not has_run and item.get_closest_marker("data") is not None:
        report.outcome = "failed"
        report.longrepr = f"{REQUIRE_VARIABLE}=1, but this test of the real data was skipped: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn the skip of a whole file that holds `data` tests into a failure where the data is required."""
    report = yield
    if _is_required() and report.skipped and "mark.data" in collector.path.read_text(encoding="utf-8"):
        report.outcome = "failed"
        report.longrepr = f"{REQUIRE_VARIABLE}=1, but {collector.nodeid} was skipped: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a 2-layer random model with a byte tokenizer; tests must not write to it."""
    from steersman.modeling.loading import write_tiny_model  # most tests need no torch

    folder = tmp_path_factory.mktemp("models") / "tiny"
    write_tiny_model(folder, seed=0)
    return folder
