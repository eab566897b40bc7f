"""The OpenAPI document is valid, names every route, and is what the server does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from openapi_spec_validator import OpenAPIV31SpecValidator

from settlesim import MemoryStore
from settlesim.http import openapi_document
from settlesim.http.problems import PROBLEMS
from settlesim.testing import Work, engine_chart
from tests.http.background import in_background
from tests.http.serving import Served, ask

MAX_WAIT = 0.05
CHART = engine_chart(Work())
DOCUMENT = openapi_document(CHART, max_wait=MAX_WAIT)
STREAMS = ["followInstance", "followAll"]
CONFLICTS = ("urn:settlesim:unexpected-revision", "urn:settlesim:reused-id")
CASES = 15
"""Of each operation, beside those at the bounds of its parameters: more than 500 together."""
MANY = 400

F = TypeVar("F", bound=Callable[..., Any])

api = schemathesis.openapi.from_dict(DOCUMENT).exclude(operation_id=STREAMS)
entities = schemathesis.openapi.from_dict(openapi_document(CHART, root="entities")).include(
    path="/"
)


@pytest.mark.parametrize("root", ["seed", "entities"])
def test_the_document_is_valid(root: str) -> None:
    """As the specification of OpenAPI 3.1 wants it."""
    OpenAPIV31SpecValidator(openapi_document(CHART, root=root)).validate()  # type: ignore[arg-type]


def test_the_document_has_every_route() -> None:
    """And the server gives it out."""

    async def test(served: Served) -> None:
        assert (await served.get("/openapi.json")).json() == DOCUMENT
        routes = {
            (route.path, method.lower())
            for route in served.app.routes
            for method in route.methods - {"HEAD"}
            if not route.path.startswith("/page/")
        }
        named = {(path, method) for path, each in DOCUMENT["paths"].items() for method in each}
        assert named == routes

    ask(test, chart=CHART, max_wait=MAX_WAIT)


def test_every_problem_has_a_place_in_the_document() -> None:
    """But for those that any request can have."""
    told = {
        (status, title)
        for path in DOCUMENT["paths"].values()
        for operation in path.values()
        for status, answer in operation["responses"].items()
        for title in answer["description"].split("; ")
    }
    left = {name for name, (status, title) in PROBLEMS.items() if (str(status), title) not in told}
    assert left == {"not-found", "method-not-allowed", "internal"}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with MemoryStore() as store, in_background(CHART, store, max_wait=MAX_WAIT) as url:
        yield url


@pytest.fixture(scope="module")
def entities_server() -> Iterator[str]:
    with MemoryStore() as store, in_background(CHART, store, root="entities") as url:
        yield url


def fuzzed(schema: Any, cases: int, **more: Any) -> Callable[[F], F]:
    """Run a test with so many requests to each operation."""
    setting = settings(
        max_examples=cases, deadline=None, suppress_health_check=list(HealthCheck), **more
    )

    def decorate(test: F) -> F:
        found: F = schema.parametrize()(setting(test))
        return found

    return decorate


def check(case: Any, url: str) -> None:
    """Call the server, and compare its answer with the document."""
    response = case.call(base_url=url)
    if response.status_code in (412, 422) and response.json()["type"] in CONFLICTS:
        return  # it depends on what was sent before, which no schema says
    case.validate_response(response)


@pytest.mark.nightly
@fuzzed(api, MANY)
def test_whatever_a_client_sends(case: Any, server: str) -> None:
    """As below, with many more cases, which are others each time."""
    check(case, server)


@fuzzed(api, CASES, derandomize=True)
def test_the_server_does_what_the_document_says(case: Any, server: str) -> None:
    """Whatever a client sends, the status, type and shape of the answer are among those named."""
    check(case, server)


@fuzzed(entities, CASES, derandomize=True)
def test_the_other_root_too(case: Any, entities_server: str) -> None:
    """The interface of durable-entities-xstate."""
    check(case, entities_server)
