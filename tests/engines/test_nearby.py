"""`restate_or_embedded`: an engine wherever it is called."""

from __future__ import annotations

import asyncio
import urllib.request
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from settlesim.engines import EventStage, restate_or_embedded
from settlesim.gallery.counter import counter
from tests.engines.restate_server import RestateServer, free_port

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "09_beyond_one_machine.ipynb"


async def _counted() -> tuple[str, object]:
    engine = await restate_or_embedded(counter(), service="nearby")
    async with engine:
        accepted = await engine.send("c1", "INC", event_id="e1")
        found = await engine.outcome("c1", "e1", wait=30)
    assert accepted.new
    assert found is not None
    assert found.stage is EventStage.SETTLED
    assert found.snapshot is not None
    return engine.name, found.snapshot.context


def test_a_server_is_used_where_one_answers(
    restate_server: RestateServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the addresses of the environment, by handlers on a free port."""
    monkeypatch.setenv("RESTATE_INGRESS_URL", restate_server.ingress)
    monkeypatch.setenv("RESTATE_ADMIN_URL", restate_server.admin)
    assert asyncio.run(_counted()) == ("restate", {"count": 1})


def test_the_embedded_engine_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody answers."""
    monkeypatch.setenv("RESTATE_INGRESS_URL", f"http://127.0.0.1:{free_port()}")
    assert asyncio.run(_counted()) == ("embedded", {"count": 1})


@pytest.mark.nightly  # CI runs the notebook without one
def test_the_notebook_is_the_same_on_a_server(
    restate_server: RestateServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every output is as it was without one, byte for byte, and the server had its events."""
    monkeypatch.setenv("RESTATE_INGRESS_URL", restate_server.ingress)
    monkeypatch.setenv("RESTATE_ADMIN_URL", restate_server.admin)
    committed, found = _read(), _read()
    NotebookClient(
        found, timeout=120, kernel_name="python3", resources={"metadata": {"path": NOTEBOOK.parent}}
    ).execute()
    assert _outputs(found) == _outputs(committed)
    url = f"{restate_server.admin}/services/order_notebook"
    with urllib.request.urlopen(url, timeout=30) as answer:  # 404 where it was never registered
        assert answer.status == 200


def _read() -> nbformat.NotebookNode:
    reads: Any = nbformat.reads  # it has no types
    notebook: nbformat.NotebookNode = reads(NOTEBOOK.read_text(encoding="utf-8"), as_version=4)
    return notebook


def _outputs(notebook: nbformat.NotebookNode) -> list[tuple[str, object]]:
    """All of them in their order; what was printed in pieces is one text."""
    found: list[tuple[str, object]] = []
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.output_type != "stream":
                found.append(("data", dict(output.data)))
            elif found and found[-1][0] == output.name:
                found[-1] = (output.name, str(found[-1][1]) + output.text)
            else:
                found.append((output.name, output.text))
    return found
