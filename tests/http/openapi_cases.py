"""Requests that a client could send, made from the OpenAPI document by schemathesis.

`tests/http/test_openapi.py` runs this file; by its name pytest does not collect it: to make the
requests takes seconds in each process that collects them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from settlesim import MemoryStore
from settlesim.http import openapi_document
from settlesim.testing import Work, engine_chart
from tests.http.background import in_background

MAX_WAIT = 0.05
CHART = engine_chart(Work())
STREAMS = ["followInstance", "followAll"]
CONFLICTS = ("urn:settlesim:unexpected-revision", "urn:settlesim:reused-id")
CASES = int(os.environ.get("OPENAPI_CASES", "5"))
"""Of each operation, beside those at the bounds of its parameters."""
IS_SAME_EACH_TIME = "OPENAPI_CASES" not in os.environ

F = TypeVar("F", bound=Callable[..., Any])

api = schemathesis.openapi.from_dict(openapi_document(CHART, max_wait=MAX_WAIT)).exclude(
    operation_id=STREAMS
)
entities = schemathesis.openapi.from_dict(openapi_document(CHART, root="entities")).include(
    path="/"
)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with MemoryStore() as store, in_background(CHART, store, max_wait=MAX_WAIT) as url:
        yield url


@pytest.fixture(scope="module")
def entities_server() -> Iterator[str]:
    with MemoryStore() as store, in_background(CHART, store, root="entities") as url:
        yield url


def fuzzed(test: F) -> F:
    """Run a test with so many requests to each operation."""
    setting = settings(
        max_examples=CASES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=IS_SAME_EACH_TIME,
    )
    return setting(test)


def check(case: Any, url: str) -> None:
    """Call the server, and compare its answer with the document."""
    response = case.call(base_url=url)
    if response.status_code in (412, 422) and response.json()["type"] in CONFLICTS:
        return  # it depends on what was sent before, which no schema says
    case.validate_response(response)


@api.parametrize()
@fuzzed
def test_the_server_does_what_the_document_says(case: Any, server: str) -> None:
    """Whatever a client sends, the status, type and shape of the answer are among those named."""
    check(case, server)


@entities.parametrize()
@fuzzed
def test_the_other_root_too(case: Any, entities_server: str) -> None:
    """The interface of durable-entities-xstate."""
    check(case, entities_server)
