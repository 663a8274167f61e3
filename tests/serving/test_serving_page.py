"""docs/serving.md says what is so: its options, its status codes and its series."""

import re
from pathlib import Path

import click
from prometheus_client.parser import text_string_to_metric_families

from steersman.cli.serve_verb import serve_reward
from steersman.errors import SteersmanError
from steersman.serving import faults
from steersman.serving.app import OPENAI_PATHS, OWN_PATHS
from steersman.serving.batching import BatchLimits
from steersman.serving.metrics import Metrics
from steersman.serving.rows import MAX_ROWS, MAX_TOKENS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")


def table_below(heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without its head."""
    lines = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return rows[2:]


def test_the_options_have_the_defaults_that_the_page_and_the_library_name() -> None:
    told = {option.strip("`"): float(default) for option, default, _ in table_below("Batches and the queue")}
    options = {each.opts[0]: each.default for each in serve_reward.params if isinstance(each, click.Option)}
    assert told == {name: options[name] for name in told}
    limits = BatchLimits()
    assert told == {
        "--batch-wait-ms": limits.batch_wait_seconds * 1000,
        "--max-batch-rows": limits.max_batch_rows,
        "--max-queue-rows": limits.max_queue_rows,
    }


def test_every_status_of_an_error_is_explained() -> None:
    kinds = {each for each in vars(faults).values() if isinstance(each, type) and issubclass(each, SteersmanError)}
    errors = [each("") for each in kinds - {faults.QueueFullError}]
    statuses = {faults.http_status(each) for each in [*errors, faults.QueueFullError("", retry_after_seconds=1)]}
    told = {int(code) for code, _ in table_below("Status codes")}
    # 405 is the router's own
    assert told == statuses | {200, 405}


def test_every_series_is_explained() -> None:
    families = {family.name for family in text_string_to_metric_families(Metrics().text().decode())}
    told = {name.removesuffix("_total") for name in re.findall(r"`(steersman_\w+)", PAGE)}
    assert told == {name for name in families if not name.endswith("_created")}


def test_every_route_and_limit_is_named() -> None:
    assert [path for path in OWN_PATHS + OPENAI_PATHS if path not in PAGE] == []
    assert f"may hold {MAX_ROWS} rows and 8 MiB; a row {MAX_TOKENS:,} tokens" in PAGE
