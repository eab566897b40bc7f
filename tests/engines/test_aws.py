"""The AWS engine keeps the contract of engines, on an emulator of SQS, DynamoDB and schedules."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from settlesim.chart import Chart
from settlesim.engines import Engine
from settlesim.testing import EngineContract, Work, engine_chart
from tests.engines.ministack_server import Ministack


class TestAws(EngineContract):
    """With messages that this process receives."""

    server: Ministack

    @pytest.fixture(autouse=True)
    def _use(self, ministack: Ministack, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server = ministack
        # An event that waits for another version is tried again sooner than where it counts.
        monkeypatch.setattr("settlesim.engines.aws.queue_handler._WAKE", 0.1)

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
        from settlesim.engines.aws import AwsEngine
        from settlesim.engines.aws.queue_handler import DEFAULTS

        name = f"{chart.name}-{zlib.crc32(str(folder).encode()):x}"
        options = replace(DEFAULTS, policy=policy, max_failures=max_failures, backoff=0.01)
        resources = self.server.resources(name)
        async with AwsEngine(chart, resources, options=options, works=works, long_poll=0) as engine:
            yield engine


def test_a_batch_that_arrives_while_the_engine_ends_is_released(
    ministack: Ministack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is visible again at once, not after its visibility time-out."""
    from settlesim.engines.aws import AwsEngine

    resources = ministack.resources("late-batch", visibility=300)

    async def main() -> None:
        engine = AwsEngine(engine_chart(Work()), resources, works=True, long_poll=0)
        loop, receive = asyncio.get_running_loop(), engine._batch

        async def end() -> None:
            engine._stop.set()

        def batch() -> list[dict[str, Any]]:
            found = receive()
            if found:
                asyncio.run_coroutine_threadsafe(end(), loop).result()
            return found

        monkeypatch.setattr(engine, "_batch", batch)
        await engine.send("a", "ADD", 1)
        async with engine:
            await engine.ended()

    asyncio.run(main())
    assert resources.sqs.receive_message(QueueUrl=resources.queue_url).get("Messages")
