"""docs/http.md names the routes and problems that there are."""

from __future__ import annotations

import re
from pathlib import Path

from settlesim.http import openapi_document
from settlesim.http.problems import PROBLEMS
from settlesim.testing import Work, engine_chart

TEXT = (Path(__file__).parents[2] / "docs" / "http.md").read_text(encoding="utf-8")


def rows(head: str) -> list[list[str]]:
    """Return the cells of a table, without its head."""
    lines = TEXT[TEXT.index(head) :].splitlines()
    found = [line for line in lines[: lines.index("") if "" in lines else None] if line]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found[2:]]


def test_every_problem_is_told_with_its_status() -> None:
    """As the server answers it."""
    told = {
        name: int(row[1])
        for row in rows("| type `urn:settlesim:`")
        for name in re.findall(r"`([a-z-]+)`", row[0])
    }
    assert told == {name: status for name, (status, _) in PROBLEMS.items()}


def test_every_route_is_told() -> None:
    """As the OpenAPI document has it, but for that document."""
    told = " ".join(row[0] for row in rows("| route |"))
    paths = openapi_document(engine_chart(Work()))["paths"]
    assert [path for path in paths if path not in told and path != "/openapi.json"] == []
