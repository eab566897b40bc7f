"""The embedded engine keeps the contract of engines, on a file and in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from settlesim.chart import Chart
from settlesim.engines import EmbeddedEngine, Engine
from settlesim.runtime import Worker
from settlesim.store import FifoQueue, SqliteStore
from settlesim.testing import EngineContract


class TestEmbedded(EngineContract):
    """On an SQLite file."""

    @asynccontextmanager
    async def open_engine(
        self,
        folder: Path,
        chart: Chart,
        *,
        policy: Literal["skip", "halt"] = "skip",
        max_failures: int = 3,
        works: bool = True,
    ) -> AsyncIterator[Engine]:
        with SqliteStore(folder / "store.db") as store:
            queue = FifoQueue(store, chart.name, policy=policy, max_failures=max_failures)
            worker = Worker(chart, store, queue, concurrency=10, backoff=0.01, poll=0.01)
            async with EmbeddedEngine(worker, works=works) as engine:
                yield engine
