"""Requests made up from the OpenAPI description, by each kind of token: never a fault of ours, always as described."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.generation.case import Case
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)
from web_site import PROJECT, WebSite, open_web_site

Operation = APIOperation[Any, Any, Any, Any]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
EXAMPLES = 3
# 413: what is longer than any honest body is refused unread
REFUSALS = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 429]
CONFIG = SchemathesisConfig.from_dict({"checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}}})
MODES = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
TOKENS = {
    "nobody": None,
    "annotator": ("annotator-1", ("annotate",)),
    "reviewer": ("reviewer-1", ("read", "review")),
    "manager": ("manager-1", ("read", "manage", "people")),
    "owner": ("owner-1", ("annotate", "read", "review", "manage", "people")),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebSite]:
    folder: Path = tmp_path_factory.mktemp("described")
    with open_web_site(folder) as found:
        yield found


@pytest.mark.parametrize("kind", TOKENS)
def test_no_request_that_can_be_made_up_breaks_what_is_described(site: WebSite, kind: str) -> None:
    token = TOKENS[kind]
    headers = {} if token is None else {"authorization": f"Bearer {site.token(*token[1], user_id=token[0])}"}
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", site.app, config=CONFIG)
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    assert sum(tried(each, mode=mode, headers=headers) for each in operations for mode in MODES) > len(operations)


def tried(operation: Operation, *, mode: schemathesis.GenerationMode, headers: dict[str, str]) -> int:
    """Return how many requests to an operation were made up and sent."""
    count = 0

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Case[Any]) -> None:
        nonlocal count
        count += 1
        if mode is schemathesis.GenerationMode.POSITIVE and "project_id" in case.path_parameters:
            # one that is there
            case.path_parameters["project_id"] = PROJECT
        case.call_and_validate(headers=headers, checks=CHECKS)

    check()
    return count
