"""What the documents say of each engine's promises is what its class says."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from settlesim.engines import (
    PROMISES,
    EmbeddedEngine,
    NotPromisedError,
    Promise,
    PromiseTable,
)

DOCUMENT = Path(__file__).parents[2] / "docs" / "engines.md"


def engine_class(name: str) -> Any:
    """Return the class of an engine, by its name."""
    if name == "embedded":
        return EmbeddedEngine
    if name == "restate":
        pytest.importorskip("restate", reason="settlesim[restate] is not installed")
        from settlesim.engines.restate import RestateEngine

        return RestateEngine
    pytest.importorskip("boto3", reason="settlesim[aws] is not installed")
    from settlesim.engines.aws import AwsEngine

    return AwsEngine


@pytest.mark.parametrize("name", list(PROMISES))
def test_an_engine_says_what_the_table_says(name: str) -> None:
    """The table has each engine by its own name."""
    found = engine_class(name)
    assert (found.name, found.promises) == (name, PROMISES[name])


def test_the_documents_have_the_table() -> None:
    """Word for word."""
    assert f"\n\n{PromiseTable()}\n\n" in DOCUMENT.read_text(encoding="utf-8")


def test_the_table_has_every_promise_and_reads_as_text_and_as_html() -> None:
    """A row for each, a yes or a no for each engine, and no markup but its own."""
    table = PromiseTable()
    assert [row[0] for row in table.rows] == [f"`{each.value}`" for each in Promise]
    assert all(set(row[1:-1]) <= {"yes", "no"} for row in table.rows)
    assert all(len(row) == len(table.head) == len(PROMISES) + 2 for row in table.rows)
    root = ET.fromstring(table.to_html())
    cells = ["".join(cell.itertext()) for cell in root.iter("td")]
    assert cells == [cell.replace("`", "") for row in table.rows for cell in row]


def test_what_is_not_promised_is_named() -> None:
    """The error says engine, promise, and where the table is."""
    error = NotPromisedError(engine="aws", promise="follow_all")
    assert "aws" in str(error)
    assert "follow_all" in str(error)
    assert "docs/engines.md" in str(error)
