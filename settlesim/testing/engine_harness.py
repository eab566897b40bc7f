"""`EngineHarness`: how the contract suite for engines opens an engine and uses it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import pytest

from settlesim.chart import Chart
from settlesim.engines import Engine, EventStage, EventStatus
from settlesim.testing.engine_chart import Work

__all__ = ["SHORT", "EngineHarness"]

SHORT: Final = 0.2
"""Seconds for which a test watches that nothing happens."""


class EngineHarness(ABC):
    """Opens an engine for each test; see `EngineContract`."""

    patience: ClassVar[float] = 60.0
    """Seconds for which a test waits until an event is settled."""

    @abstractmethod
    def open_engine(
        self,
        folder: Path,
        chart: Chart,
        *,
        policy: Literal["skip", "halt"] = "skip",
        max_failures: int = 3,
        works: bool = True,
    ) -> AbstractAsyncContextManager[Engine]:
        """Return a context manager that opens an engine and closes it.

        Parameters
        ----------
        folder
            Identifies the data: engines on the same folder have the same instances, engines on two
            folders have none in common. Two engines that are open on one folder at the same time
            have charts of two versions.
        policy : whether an instance continues after a dead letter, or waits until it is resumed
        max_failures : after how many failed attempts an event is a dead letter; the next attempt
            should follow within a second
        works : whether events are handled, or only accepted
        """

    @pytest.fixture
    def work(self) -> Work:
        """Return the services of the chart."""
        return Work()

    def on_engine(
        self,
        folder: Path,
        chart: Chart,
        test: Callable[[Engine], Awaitable[None]],
        *,
        policy: Literal["skip", "halt"] = "skip",
        max_failures: int = 3,
        works: bool = True,
    ) -> None:
        """Run a test on an engine."""

        async def main() -> None:
            opened = self.open_engine(
                folder, chart, policy=policy, max_failures=max_failures, works=works
            )
            async with opened as engine:
                await test(engine)

        asyncio.run(main())

    async def settled(
        self, engine: Engine, key: str, event: str, data: Any = None, **more: Any
    ) -> EventStatus:
        """Send an event, and wait until it is settled or dead."""
        accepted = await engine.send(key, event, data, **more)
        return await self.end_of(engine, key, accepted.event_id)

    async def end_of(self, engine: Engine, key: str, event_id: str) -> EventStatus:
        """Wait until an event is settled or dead."""
        found = await engine.outcome(key, event_id, wait=self.patience)
        assert found is not None
        assert found.stage is not EventStage.WAITING, found
        return found

    async def applied(self, engine: Engine, key: str) -> list[Any]:
        """Return what an instance has recorded."""
        found = await engine.load(key)
        assert found is not None
        return list(found.snapshot.context["applied"])

    async def follow(self, engine: Engine, key: str | None, count: int) -> list[Any]:
        """Follow settlements until there are at least `count`."""
        found: list[Any] = []
        async with asyncio.timeout(self.patience):
            while len(found) < count:
                cursor = found[-1].number if found else 0
                found += await engine.settlements(key, cursor=cursor, wait=5.0)
        return found
