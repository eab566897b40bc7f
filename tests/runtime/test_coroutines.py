"""Running a coroutine further that was started by hand."""

from __future__ import annotations

import asyncio
import contextlib
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


def test_a_cancellation_is_thrown_into_the_coroutine_and_never_lost() -> None:
    """It may clean up and wait once more; what it returns or raises then does not count."""
    log: list[str] = []

    async def returns() -> str:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            log.append("cancelled")
        await asyncio.sleep(0)
        return "all the same"

    async def raises() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            raise LookupError("not now") from None

    async def main() -> None:
        for stubborn in (returns, raises):
            task = asyncio.create_task(started(stubborn()))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    assert log == ["cancelled"]


def test_a_coroutine_that_will_not_end_is_left_behind() -> None:
    """Once it was cancelled it has its grace, whether it waits again and again or for ever."""
    closed: list[str] = []

    async def again() -> None:
        try:
            while True:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(0)
        finally:
            closed.append("again")

    async def forever() -> None:
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.get_running_loop().create_future()
            await asyncio.get_running_loop().create_future()
        finally:
            closed.append("forever")

    async def patiently(coroutine: Coroutine[Any, Any, Any]) -> Any:
        return await resume(coroutine, coroutine.send(None), grace=0.0)

    async def main() -> None:
        for stubborn in (again, forever):
            task = asyncio.create_task(patiently(stubborn()))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert task.cancelling() == 1  # the request that ended the wait was taken back

    asyncio.run(main())
    assert closed == ["again", "forever"]


def test_a_time_limit_inside_the_coroutine_is_its_own() -> None:
    """``asyncio.timeout`` takes its cancellation back, so the coroutine goes on."""

    async def limited() -> str:
        try:
            async with asyncio.timeout(0):
                await asyncio.get_running_loop().create_future()
        except TimeoutError:
            await asyncio.sleep(0)
        return "went on"

    async def main() -> None:
        assert await asyncio.create_task(started(limited())) == "went on"

    asyncio.run(main())


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
