"""What the documents say of each engine's promises is what its class says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from settlesim.engines import EmbeddedEngine, NotPromisedError, Promise

DOCUMENT = Path(__file__).parents[2] / "docs" / "engines.md"


def column(name: str) -> dict[str, str]:
    """Return what the table of promises says of one engine, by promise."""
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| promise |"))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    place = rows[0].index(name)
    return {row[0].strip("`"): row[place] for row in rows[2:]}


def engine_class(name: str) -> Any:
    """Return the class of an engine, by its name in the table."""
    if name == "embedded":
        return EmbeddedEngine
    if name == "Restate":
        pytest.importorskip("restate", reason="settlesim[restate] is not installed")
        from settlesim.engines.restate import RestateEngine

        return RestateEngine
    pytest.importorskip("boto3", reason="settlesim[aws] is not installed")
    from settlesim.engines.aws import AwsEngine

    return AwsEngine


@pytest.mark.parametrize("name", ["embedded", "Restate", "AWS"])
def test_the_table_says_what_the_engine_says(name: str) -> None:
    """Every promise has its line, and a yes or a no for the engine."""
    promises = engine_class(name).promises
    assert column(name) == {each.value: "yes" if each in promises else "no" for each in Promise}


def test_what_is_not_promised_is_named() -> None:
    """The error says engine, promise, and where the table is."""
    error = NotPromisedError(engine="aws", promise="follow_all")
    assert "aws" in str(error)
    assert "follow_all" in str(error)
    assert "docs/engines.md" in str(error)
