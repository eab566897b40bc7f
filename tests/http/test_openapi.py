"""The OpenAPI document is valid, names every route, and is what the server does."""

from __future__ import annotations

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from settlesim.http import openapi_document
from settlesim.http.problems import PROBLEMS
from settlesim.testing import Work, engine_chart
from tests.documents import ROOT
from tests.http.serving import Served, ask

pytest_plugins = ["pytester"]

MAX_WAIT = 0.05
CHART = engine_chart(Work())
DOCUMENT = openapi_document(CHART, max_wait=MAX_WAIT)


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


@pytest.mark.parametrize("cases", ["", pytest.param("400", marks=pytest.mark.nightly)])
def test_the_server_does_what_the_document_says(
    cases: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In CI about 500 requests, most at the bounds of parameters; at night others each time."""
    if cases:
        monkeypatch.setenv("OPENAPI_CASES", cases)
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    plain = ["-c", str(ROOT / "pyproject.toml"), "-o", "addopts=--import-mode=importlib"]
    done = pytester.inline_run(ROOT / "tests" / "http" / "openapi_cases.py", *options, *plain)
    passed, _, failed = done.listoutcomes()
    assert failed == []
    operations = [each for path in DOCUMENT["paths"].values() for each in path]
    others = openapi_document(CHART, root="entities")["paths"]["/"]
    assert len(passed) == len(operations) - 2 + len(others)  # all but the streams
