"""A worker's calls to its store: in threads, or in the event loop where time is simulated."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol, TypeVar

from settlesim.ports import Clock

__all__ = ["InLoop", "InThreads", "StoreCalls", "store_calls_for"]

T = TypeVar("T")


class StoreCalls(Protocol):
    """Calls functions that wait for disks and locks."""

    async def __call__(self, function: Callable[..., T], /, *args: Any, **options: Any) -> T:
        """Return what the function returns; raise what it raises."""
        ...

    def close(self) -> None:
        """Return when every call has ended."""
        ...


class InLoop:
    """Calls the function in the event loop.

    A simulated clock sees only its own sleepers: while a thread works, its time would jump.
    """

    async def __call__(self, function: Callable[..., T], /, *args: Any, **options: Any) -> T:
        """Return what the function returns; raise what it raises."""
        return function(*args, **options)

    def close(self) -> None:
        """Do nothing: every call has ended."""


class InThreads:
    """Calls the function in a thread, so that services run on while the store waits.

    Parameters
    ----------
    threads : how many calls run concurrently
    """

    def __init__(self, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="settlesim-store")

    async def __call__(self, function: Callable[..., T], /, *args: Any, **options: Any) -> T:
        """Return what the function returns; raise what it raises.

        A cancellation waits for the end of the call, which cannot be interrupted.
        """
        loop = asyncio.get_running_loop()
        call = loop.run_in_executor(self._executor, partial(function, *args, **options))
        try:
            return await asyncio.shield(call)
        except asyncio.CancelledError:
            await asyncio.wait([call])
            if not call.cancelled():
                call.exception()  # retrieved, so that asyncio does not log it
            raise

    def close(self) -> None:
        """Return when every call has ended."""
        self._executor.shutdown()


def store_calls_for(clock: Clock, threads: int) -> StoreCalls:
    """Return the kind of calls that fits the clock."""
    return InLoop() if clock.simulated else InThreads(threads)
