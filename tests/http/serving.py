"""An application with a client, in one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal

import httpx

from settlesim import Chart, FifoQueue, MemoryStore, Worker
from settlesim.engines import EmbeddedEngine
from settlesim.http import create_app
from settlesim.testing import Work, engine_chart

__all__ = ["Served", "ask", "problem", "served"]


class Served:
    """What a test has: a client, and what is behind it."""

    def __init__(self, client: httpx.AsyncClient, engine: EmbeddedEngine, app: Any) -> None:
        self.client = client
        self.engine = engine
        self.app = app
        self.get = client.get
        self.post = client.post

    async def send(self, key: str, kind: str, data: Any = None, **more: Any) -> httpx.Response:
        """Send an event, and wait until it is settled."""
        more.setdefault("params", {"wait": 30})
        body = {"type": kind} if data is None else {"type": kind, "data": data}
        return await self.post(f"/machines/{key}/events", json=body, **more)


@asynccontextmanager
async def served(
    chart: Chart,
    *,
    works: bool = True,
    policy: Literal["skip", "halt"] = "skip",
    **options: Any,
) -> AsyncIterator[Served]:
    """Serve a chart from memory."""
    with MemoryStore() as store:
        queue = FifoQueue(store, chart.name, max_failures=1, policy=policy)
        worker = Worker(chart, store, queue, concurrency=10, poll=0.01)
        engine = EmbeddedEngine(worker, works=works)
        app = create_app(engine, **options)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client,
        ):
            yield Served(client, engine, app)


def ask(
    test: Callable[[Served], Awaitable[None]],
    chart: Chart | None = None,
    work: Work | None = None,
    **options: Any,
) -> None:
    """Run a test on a served chart, the one of the engines' suite where none is given."""

    async def main() -> None:
        async with served(chart or engine_chart(work or Work()), **options) as found:
            await test(found)

    asyncio.run(main())


def problem(response: httpx.Response, status: int, name: str) -> dict[str, Any]:
    """Return the problem document of an answer, which has to be this one."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["type"] == f"urn:settlesim:{name}"
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    return document
