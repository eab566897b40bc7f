"""Going on with a coroutine that was started by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from settlesim.runtime.coroutines import resume


async def started(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Start by hand, go on in the task."""
    return await resume(coroutine, coroutine.send(None))


def test_a_result_an_error_and_what_it_waits_for_pass_through() -> None:
    """As if the coroutine had been awaited."""

    async def adds() -> int:
        first: int = await asyncio.sleep(0, 1)
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_result, 2)
        second: int = await future
        return first + second

    async def fails() -> None:
        await asyncio.sleep(0)
        raise LookupError("gone")

    async def main() -> None:
        assert await started(adds()) == 3
        with pytest.raises(LookupError, match="gone"):
            await started(fails())

    asyncio.run(main())


def test_a_cancellation_is_thrown_into_the_coroutine() -> None:
    """It may clean up, wait once more, and even return a value."""
    log: list[str] = []

    async def stubborn() -> str:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            log.append("cancelled")
        await asyncio.sleep(0)
        return "all the same"

    async def main() -> None:
        task = asyncio.create_task(started(stubborn()))
        await asyncio.sleep(0)
        task.cancel()
        assert await task == "all the same"

    asyncio.run(main())
    assert log == ["cancelled"]


def test_a_failure_of_what_it_waits_for_is_raised_inside() -> None:
    """The coroutine sees the future's exception."""

    async def waits(future: asyncio.Future[None]) -> str:
        try:
            await future
        except OSError as error:
            return str(error)
        return "nothing"

    async def main() -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        loop.call_soon(future.set_exception, OSError("disk"))
        assert await started(waits(future)) == "disk"

    asyncio.run(main())
