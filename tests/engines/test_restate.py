"""The Restate engine keeps the contract of engines, on a real server."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

from settlesim.chart import Chart
from settlesim.engines import Engine
from settlesim.testing import EngineContract
from tests.engines.restate_server import RestateServer, free_port


class TestRestate(EngineContract):
    """On one node."""

    server: RestateServer
    ports: dict[tuple[Path, int], int]

    @pytest.fixture(autouse=True)
    def _use(self, restate_server: RestateServer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server = restate_server
        self.ports = {}
        # An event that waits for another version is tried again sooner than where it counts.
        monkeypatch.setattr("settlesim.engines.restate.handlers._WAKE", 0.1)

    def engine(self, folder: Path, chart: Chart, **more: Any) -> Any:
        """Return an engine whose service belongs to the folder, and its address to the version."""
        from settlesim.engines.restate import RestateClient, RestateEngine

        port = self.ports.setdefault((folder, chart.version), free_port())
        return RestateEngine(
            chart,
            RestateClient(self.server.ingress, self.server.admin),
            bind=f"127.0.0.1:{port}",
            service=f"{chart.name}_{zlib.crc32(str(folder).encode()):x}",
            **more,
        )

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
        from settlesim.engines.restate import HandlerOptions

        options = HandlerOptions(policy=policy, max_failures=max_failures, backoff=0.01)
        if not works:  # a server accepts only what was registered once
            async with self.engine(folder, chart, options=options):
                pass
        async with self.engine(folder, chart, options=options, works=works) as engine:
            yield engine
