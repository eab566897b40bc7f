"""Leases: the messages in a worker's hands, hidden from other workers while it has them.

Theory of operation
-------------------
A message that was received is hidden for its visibility time-out. `Leases` extends that, from the
reception until the message is handled, at most until the event's deadline. It works from one
thread for all messages of a worker, so that a service which blocks the event loop loses neither
its own message nor the others. Where time is simulated it works from a task in the loop: a thread
would see no time pass.

A message whose deadline has passed is no longer extended: it becomes visible when its last
extension ends, and its next reception counts against `max_receives`.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any, Final

from settlesim.ports import Clock, Queue
from settlesim.runtime.blame import Blame, blame_of
from settlesim.runtime.clock import RealClock
from settlesim.runtime.loop_watch import LoopWatch

__all__ = ["Lease", "Leases"]

_EXTENSIONS: Final = 3
"""How often the visibility is extended within one visibility time-out."""


class Lease:
    """One message in hand."""

    def __init__(self, receipt: str, until: float, due: float) -> None:
        self.receipt = receipt
        self.until = until
        """When it ends, whatever the message's services do then."""
        self.due = due
        """When the visibility is extended next."""
        self.lost: Exception | None = None
        """Why the message cannot be kept."""
        self.on_lost: Callable[[], object] | None = None
        """Is called in the event loop when the message cannot be kept."""


class Leases:
    """Extends the visibility of a worker's messages.

    Parameters
    ----------
    clock : a simulated one makes `Leases` work in the event loop
    visibility : seconds for which a message is hidden each time
    deadline : seconds for which a message is kept, from `hold` or `begin`
    """

    def __init__(
        self,
        queue: Queue,
        clock: Clock,
        *,
        visibility: float,
        deadline: float,
        logger: logging.Logger | logging.LoggerAdapter[Any],
    ) -> None:
        self._queue = queue
        self._visibility = visibility
        self._deadline = deadline
        self._logger = logger
        self._loop = asyncio.get_running_loop()
        self._leases: dict[str, Lease] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._asked: float | None = None  # when the loop was asked for a sign of life
        self._told = False
        self._clock = clock if clock.simulated else RealClock()
        self._now = self._clock.now
        self.watch: LoopWatch | None = None
        """Which service holds the loop; None where time is simulated, which nothing can block."""
        self._task: asyncio.Task[None] | None = None
        self._thread: threading.Thread | None = None
        if not clock.simulated:
            self.watch = LoopWatch(self._now, visibility, self._tell_of_block)
            self._thread = threading.Thread(
                target=self._extend_in_thread, name="settlesim-leases", daemon=True
            )
            self._thread.start()

    def hold(self, receipt: str) -> Lease:
        """Keep a message from now on; any thread may call this."""
        now = self._now()
        lease = Lease(receipt, now + self._deadline, now + self._visibility / _EXTENSIONS)
        self._add(lease)
        return lease

    def begin(self, lease: Lease) -> None:
        """Restart the deadline of a message: its event is settled from now on."""
        lease.until = self._now() + self._deadline
        self._add(lease)

    def _add(self, lease: Lease) -> None:
        with self._changed:
            self._leases[lease.receipt] = lease
            self._changed.notify()
        if self._thread is None and self._task is None:
            self._task = self._loop.create_task(self._extend_in_loop())

    def drop(self, lease: Lease) -> None:
        """Stop extending a message, since it was handled."""
        with self._changed:
            self._leases.pop(lease.receipt, None)
        if not self._leases and self._task is not None:
            self._task.cancel()
            self._task = None

    def close(self) -> None:
        """Stop extending all messages; return when no extension is in progress."""
        with self._changed:
            self._closed = True
            self._leases.clear()
            self._changed.notify()
        if self._task is not None:
            self._task.cancel()
        if self._thread is not None:
            self._thread.join()

    # --- extending ------------------------------------------------------------------------

    def extend(self) -> float | None:
        """Extend the visibility of every message that is due.

        Returns
        -------
        seconds : until the next time; None where no message is left
        """
        now = self._now()
        with self._changed:
            for lease in [each for each in self._leases.values() if each.until <= now]:
                del self._leases[lease.receipt]
            due = [each for each in self._leases.values() if each.due <= now]
        for lease in due:
            self._extend(lease)
        with self._changed:
            times = [min(each.due, each.until) for each in self._leases.values()]
        return max(0.0, min(times) - self._now()) if times else None

    def _extend(self, lease: Lease) -> None:
        lease.due = self._now() + self._visibility / _EXTENSIONS
        try:
            self._queue.change_visibility(lease.receipt, self._visibility)
        except Exception as error:  # the queue may be a user's own
            if blame_of(error) in {Blame.LEASE, Blame.DAMAGE}:
                self._lose(lease, error)
            else:  # the store may recover before the visibility ends
                self._logger.warning("the visibility was not extended: %s", error)

    def _lose(self, lease: Lease, error: Exception) -> None:
        with self._changed:
            if self._leases.pop(lease.receipt, None) is None:
                return  # it was handled meanwhile
        lease.lost = error
        if self._thread is None:
            self._end(lease)
        else:
            self._call_in_loop(lambda: self._end(lease))

    def _end(self, lease: Lease) -> None:
        if lease.on_lost is not None:
            lease.on_lost()

    async def _extend_in_loop(self) -> None:
        # A message that is received meanwhile is due later than those that are there.
        while (seconds := self.extend()) is not None:
            await self._clock.sleep(seconds)
        self._task = None

    def _extend_in_thread(self) -> None:
        while True:
            seconds = self.extend()
            self._look_at_loop()
            with self._changed:
                if self._closed:
                    return
                if seconds is None and self._leases:
                    continue  # received meanwhile
                self._changed.wait(seconds)

    def _call_in_loop(self, function: Callable[[], object]) -> None:
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:  # the loop is closed, and nothing waits in it
            self._asked = None

    # --- a loop that is blocked -----------------------------------------------------------

    def _look_at_loop(self) -> None:
        """Ask the loop for a sign of life; warn once if none comes within the time-out."""
        now = self._now()
        if self._asked is None:
            if self._leases:
                self._asked = now
                self._call_in_loop(self._answer)
        elif now - self._asked > self._visibility and not self._told:
            self._told = True
            holder = None if self.watch is None else self.watch.holder
            who = "something other than a service" if holder is None else f"service {holder[0]!r}"
            self._logger.warning(
                "the event loop has been blocked for more than %g s by %s: use await, or "
                "asyncio.to_thread for what cannot be awaited",
                self._visibility,
                who,
            )

    def _answer(self) -> None:
        self._asked, self._told = None, False

    def _tell_of_block(self, service: str, seconds: float) -> None:
        self._logger.warning(
            "service %r blocked the event loop for %.3g s, longer than a message is hidden (%g s): "
            "use await, or asyncio.to_thread for what cannot be awaited",
            service,
            seconds,
            self._visibility,
        )
