"""`PacedClock`: time that runs at a speed a person chooses, so that a run can be watched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

__all__ = ["PacedClock"]


class PacedClock:
    """The event loop's clock, `speed` times as fast; the speed can be changed.

    Parameters
    ----------
    speed : how many seconds pass here in one real second, >= 0; at 0 time stands still

    Notes
    -----
    A service that waits for something outside takes real time, but its time-out is measured on
    this clock. At a speed other than 1, the time-out comes earlier or later in real time.
    """

    simulated = False

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._base = 0.0
        self._mark: float | None = None
        self._changed = asyncio.Event()

    def now(self) -> float:
        """Return the seconds that have passed here since the clock was first asked."""
        real = asyncio.get_running_loop().time()
        if self._mark is None:
            self._mark = real
        return self._base + (real - self._mark) * self._speed

    @property
    def speed(self) -> float:
        """How many seconds pass here in one real second."""
        return self._speed

    def pace(self, speed: float) -> None:
        """Change the speed; it holds immediately, also for what sleeps now."""
        self._base, self._mark = self.now(), None
        self._speed = speed
        self._changed.set()
        self._changed = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        """Return when `seconds` have passed on this clock; 0 or less lets other tasks run once.

        If the event loop was busy and the sleeper wakes late, the clock is set back to the time
        that the sleeper asked for: time stands still while nobody could see it pass.
        """
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        deadline = self.now() + seconds
        while (left := deadline - self.now()) > 0:
            changed = self._changed
            try:
                async with asyncio.timeout(left / self._speed if self._speed else None):
                    await changed.wait()
            except TimeoutError:
                break
        self._base, self._mark = deadline, asyncio.get_running_loop().time()

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Return a context that is left with TimeoutError when `seconds` have passed."""
        return self._timeout(seconds)

    @asynccontextmanager
    async def _timeout(self, seconds: float) -> AsyncIterator[None]:
        async with asyncio.timeout(None) as limit:
            watchdog = asyncio.create_task(self._expire(seconds, limit))
            try:
                yield
            finally:
                watchdog.cancel()

    async def _expire(self, seconds: float, limit: asyncio.Timeout) -> None:
        await self.sleep(seconds)
        if not limit.expired():
            limit.reschedule(asyncio.get_running_loop().time())
