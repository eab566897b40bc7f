"""Where time comes from: the machine, or a simulation in which waiting costs nothing."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import time
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final

from settlesim.errors import InvalidValueError, shorten

__all__ = ["RealClock", "SimulatedClock"]

_QUIET_PASSES: Final = 20
"""How many passes the event loop makes, without a new or finished sleep, before time jumps.
A task that is ready may need some passes until it sleeps itself: each level of `gather`, task
group or `wait` between a finished task and the one that waits for it takes two. After too early
a jump it would oversleep; each pass costs a few microseconds."""


def _number(value: object, where: str) -> float:
    if isinstance(value, (int, float)):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    raise InvalidValueError(
        where=where, reason=f"is {shorten(value, 60)}; a finite number of seconds is needed"
    )


def _duration(seconds: object) -> float:
    """Return the duration in seconds, 0.0 for a negative one, as asyncio takes it."""
    return max(0.0, _number(seconds, "seconds"))


class RealClock:
    """The machine's monotonic clock; waits are real.

    Services that wait for the world outside (a network, a file, a person) need this one.
    """

    simulated = False

    def now(self) -> float:
        """Return the time in seconds; only differences within one process are meaningful."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Return when `seconds` have passed; 0 or less only lets other tasks run once.

        Raises
        ------
        InvalidValueError
            NaN, infinity, or no number.
        """
        await asyncio.sleep(_duration(seconds))

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Return a context that is left with TimeoutError when `seconds` have passed.

        With 0 or less the block is left at the first ``await`` in it that waits.

        Raises
        ------
        InvalidValueError
            NaN, infinity, or no number.
        TimeoutError
            From the ``async with`` block, when the time passed first.
        """
        return asyncio.timeout(_duration(seconds))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


@dataclass(order=True, slots=True)
class _Sleeper:
    deadline: float
    sleeps: bool
    """Whether it is a sleep: time-outs come first."""
    number: int
    """Counts registrations: with equal deadlines, the first one wakes first."""
    first: asyncio.Event = field(default_factory=asyncio.Event, compare=False)
    """Set when no other sleeper wakes earlier."""


class SimulatedClock:
    """A clock that moves only when tasks sleep; waiting takes no real time.

    When every task waits, time jumps to the earliest deadline. Sleepers wake in the order of
    their deadlines. At equal times, time-outs come first, then sleeps in the order in which they
    began, so the same program gives the same order every time. One clock may serve several event
    loops one after another, not at the same time.

    Parameters
    ----------
    start : seconds, what `now` returns at first

    Raises
    ------
    InvalidValueError
        `start` is NaN, infinity, or no number.

    Notes
    -----
    The clock sees only its own sleepers. A service that waits for the world outside takes
    no simulated time: its time-out comes as soon as nothing else is due, however fast it
    is. Such a service needs `RealClock`.

    Nothing in the event loop tells whether tasks are still ready to run, so the earliest
    sleeper lets the loop make a fixed number of passes before it moves the time.

    Examples
    --------
    >>> async def hour(clock):
    ...     await clock.sleep(3600)
    ...     return clock.now()
    >>> asyncio.run(hour(SimulatedClock()))
    3600.0
    """

    simulated = True

    def __init__(self, start: float = 0.0) -> None:
        self._now = _number(start, "start")
        self._numbers = itertools.count()
        self._sleepers: list[_Sleeper] = []  # a heap
        self._quiet = 0

    def now(self) -> float:
        """Return the simulated time in seconds."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Return when `seconds` have passed on this clock.

        0 or less only lets other tasks run once.

        Raises
        ------
        InvalidValueError
            NaN, infinity, or no number.
        """
        delay = _duration(seconds)
        if delay == 0.0:
            await asyncio.sleep(0)
        else:
            await self._wait(self._enter(delay))

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Return a context that is left with TimeoutError when `seconds` have passed.

        The semantics are those of ``asyncio.timeout``: a cancellation from outside stays
        a cancellation, contexts nest, and with 0 or less the block is left at the first
        ``await`` in it that waits. At equal times time-outs come before sleeps.

        Raises
        ------
        InvalidValueError
            NaN, infinity, or no number.
        TimeoutError
            From the ``async with`` block, when the time passed first.
        """
        return _SimulatedTimeout(self, _duration(seconds))

    def _enter(self, delay: float, *, sleeps: bool = True) -> _Sleeper:
        sleeper = _Sleeper(self._now + delay, sleeps, next(self._numbers))
        heapq.heappush(self._sleepers, sleeper)
        self._stir()
        return sleeper

    def _leave(self, sleeper: _Sleeper) -> None:
        """Take the sleeper from the heap, if it is still there."""
        if self._sleepers and self._sleepers[0] is sleeper:
            heapq.heappop(self._sleepers)
        elif sleeper in self._sleepers:
            self._sleepers.remove(sleeper)
            heapq.heapify(self._sleepers)
        else:
            return
        self._stir()

    def _stir(self) -> None:
        self._quiet = 0
        if self._sleepers:
            self._sleepers[0].first.set()

    async def _wait(self, sleeper: _Sleeper) -> None:
        """Return when it is this sleeper's turn and the loop has been quiet."""
        try:
            while self._quiet < _QUIET_PASSES or self._sleepers[0] is not sleeper:
                if self._sleepers[0] is sleeper:
                    # Only the earliest sleeper takes part in the passes of the loop; the
                    # others cost nothing meanwhile.
                    self._quiet += 1
                    await asyncio.sleep(0)
                else:
                    sleeper.first.clear()
                    await sleeper.first.wait()
            self._now = max(self._now, sleeper.deadline)
        finally:
            self._leave(sleeper)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(now={self._now:g}, {len(self._sleepers)} sleeping)"


class _SimulatedTimeout(AbstractAsyncContextManager[None]):
    """``asyncio.timeout`` on a simulated clock.

    A watchdog task sleeps on the clock and cancels the owner. As in CPython's
    ``asyncio.timeouts``, the count of ``Task.cancelling()`` tells this cancellation from one that
    somebody else asked for.
    """

    def __init__(self, clock: SimulatedClock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._watchdog: asyncio.Task[None] | None = None
        self._expired = False

    async def __aenter__(self) -> None:
        owner = asyncio.current_task()
        if owner is None or self._watchdog is not None:
            raise RuntimeError("a timeout is entered once, inside a task")
        self._owner = owner
        self._cancelling = owner.cancelling()
        # Registered here and not in the watchdog, which starts one pass later.
        self._sleeper = None
        if self._seconds > 0.0:
            self._sleeper = self._clock._enter(self._seconds, sleeps=False)
        self._watchdog = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        if self._sleeper is not None:
            await self._clock._wait(self._sleeper)
        self._expired = True
        self._owner.cancel()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._watchdog is not None
        if self._expired:
            if self._owner.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
                raise TimeoutError from error
            return
        self._watchdog.cancel()
        if self._sleeper is not None:  # a watchdog that never started runs no `finally`
            self._clock._leave(self._sleeper)
        # `wait`, not `await`, which would raise the watchdog's cancellation here. An outer
        # cancellation still passes through; the watchdog then ends in its next pass.
        await asyncio.wait([self._watchdog])
