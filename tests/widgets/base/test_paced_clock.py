"""PacedClock: time at a speed that a person chooses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from settlesim.ports import Clock
from settlesim.widgets.base.paced_clock import PacedClock


def run(main: Callable[[PacedClock], Awaitable[None]], speed: float) -> None:
    async def within() -> None:
        await main(PacedClock(speed))

    asyncio.run(within())


def test_it_is_a_clock() -> None:
    """It can be given to an interpreter."""
    assert isinstance(PacedClock(), Clock)


def test_a_sleeper_wakes_at_its_time() -> None:
    """The clock says what was asked for, to a millisecond, whatever the machine was doing."""

    async def main(clock: PacedClock) -> None:
        began = clock.now()
        await clock.sleep(100)
        assert clock.now() - began == pytest.approx(100, abs=1)

    run(main, 10_000)


def test_sleepers_wake_in_the_order_of_their_times() -> None:
    """Of equal or different lengths, begun one after the other."""

    async def main(clock: PacedClock) -> None:
        order: list[int] = []

        async def sleeper(seconds: int) -> None:
            await clock.sleep(seconds)
            order.append(seconds)

        await asyncio.gather(*map(sleeper, (300, 100, 200)))
        assert order == [100, 200, 300]

    run(main, 10_000)


def test_a_change_of_speed_reaches_who_sleeps() -> None:
    """From a standstill, and from a speed at which it would take a day."""

    async def main(clock: PacedClock) -> None:
        task = asyncio.create_task(clock.sleep(900))
        await asyncio.sleep(0)
        clock.pace(0.0)
        await asyncio.sleep(0)
        assert not task.done()
        clock.pace(1_000_000)
        await task
        assert clock.speed == 1_000_000

    run(main, 0.01)


def test_a_timeout_comes_at_its_time() -> None:
    """As TimeoutError, and only when the block has not ended before."""

    async def main(clock: PacedClock) -> None:
        with pytest.raises(TimeoutError):
            async with clock.timeout(10):
                await clock.sleep(1_000)
        async with clock.timeout(1_000):
            await clock.sleep(10)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main, 10_000)


def test_a_cancellation_stays_a_cancellation() -> None:
    """The time-out does not take it for its own."""

    async def main(clock: PacedClock) -> None:
        async def waits() -> None:
            async with clock.timeout(1_000):
                await clock.sleep(500)

        task = asyncio.create_task(waits())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main, 1.0)


def test_no_time_lets_others_run_once() -> None:
    """As every clock does."""

    async def main(clock: PacedClock) -> None:
        seen: list[int] = []

        async def other() -> None:
            seen.append(1)

        task = asyncio.create_task(other())
        await clock.sleep(0)
        assert seen == [1]
        await task

    run(main, 1.0)
