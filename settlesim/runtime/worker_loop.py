"""The loop of a worker: receive, hand out, wait, and end in an orderly way."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from settlesim.errors import ChartMismatchError, StoreError
from settlesim.ports import ChartQueue, ChartVersion, Message
from settlesim.runtime.leases import Lease
from settlesim.runtime.message_handler import MAX_BACKOFF, Handler

__all__ = ["Serving"]


class Serving:
    """One call of `Worker.run`.

    Parameters
    ----------
    woken : set when the worker is to stop
    visibility, concurrency, poll, grace
        As for `Worker`.
    """

    def __init__(
        self,
        handler: Handler,
        woken: asyncio.Event,
        *,
        visibility: float,
        concurrency: int,
        poll: float,
        grace: float,
    ) -> None:
        self.handler = handler
        self.chart = handler.interpreter.chart
        chain = handler.interpreter.chain
        self.chart_version = ChartVersion(self.chart.name, self.chart.version, chain.versions)
        self.delays = sorted(chain.delays)
        self.queue = handler.queue
        self.clock = handler.clock
        self.calls = handler.calls
        self.woken = woken
        self.visibility = visibility
        self.concurrency = concurrency
        self.poll = poll
        self.grace = grace
        self.tasks: set[asyncio.Task[None]] = set()
        self.troubles = 0
        self.told = False

    async def run(self, until_empty: bool) -> None:
        """Serve; then let what is in flight end."""
        grace = 0.0
        try:
            await self._serve(until_empty)
            grace = self.grace
        finally:
            await self._end(grace)
        for task in self.tasks:  # raises an error that has ended a task
            task.result()

    async def _serve(self, until_empty: bool) -> None:
        while not self.woken.is_set():
            room = self.concurrency - len(self.tasks)
            messages = await self._receive(room) if room else ()
            for message, lease in messages:
                self.tasks.add(asyncio.create_task(self.handler.handle(message, lease)))
            if not messages:
                if until_empty and not self.tasks and await self._is_empty():
                    return
                await self._wait(await self._pause() if room else None)
            elif len(messages) == room:
                await self._wait(None)
            for task in [task for task in self.tasks if task.done()]:
                task.result()
                self.tasks.remove(task)

    async def _receive(self, room: int) -> list[tuple[Message, Lease]]:
        taking = asyncio.ensure_future(self.calls(self._take, room))
        try:
            messages = await asyncio.shield(taking)
        except asyncio.CancelledError:
            await _to_the_end(self._put_back(taking))
            raise
        except StoreError as error:
            self._trouble(error)
            return []
        self.troubles = 0
        return messages

    async def _put_back(self, taking: asyncio.Future[list[tuple[Message, Lease]]]) -> None:
        """Release messages that were received and will not be handled."""
        with contextlib.suppress(StoreError):
            for message, lease in await taking:
                self.handler.leases.drop(lease)
                await self.calls(self.queue.release, message.receipt)

    def _take(self, room: int) -> list[tuple[Message, Lease]]:
        self.queue.release_timers(self.delays)
        messages = self.queue.receive(room, self.visibility, chart_version=self.chart_version)
        if not messages:
            self._tell_of_kept_timers()
        return [(message, self.handler.leases.hold(message.receipt)) for message in messages]

    async def _pause(self) -> float:
        """Return how long to wait for messages: at most `poll`; longer after errors of a store."""
        if self.troubles:
            return min(self.handler.backoff * 2.0 ** min(self.troubles - 1, 30), MAX_BACKOFF)
        try:
            change = await self.calls(self._next_change)
        except StoreError as error:
            self._trouble(error)
            change = None
        return self.poll if change is None else min(change, self.poll)

    def _next_change(self) -> float | None:
        return self.queue.next_change(chart_version=self.chart_version, delays=self.delays)

    def _tell_of_kept_timers(self) -> None:
        """Warn once of due timers whose delays this chart does not have."""
        if self.told or self._next_change() == 0.0:
            return
        if self.queue.next_change(chart_version=self.chart_version) == 0.0:
            for key in self.handler.store.keys():  # noqa: SIM118  # a store is no mapping
                timers = self.handler.store.timers(key)
                self.told = self.handler.tell_of_unknown_delays(timers) or self.told

    async def _is_empty(self) -> bool:
        if self.troubles:
            return False
        try:
            return await self.calls(self._nothing_left)
        except ChartMismatchError:
            raise
        except StoreError as error:
            self._trouble(error)
            return False

    def _nothing_left(self) -> bool:
        mismatches = dict(self.handler.mismatches)
        left, others = self.queue.left(mismatches, chart_version=self.chart_version)
        if left and not others:
            for mismatch in mismatches.values():
                raise mismatch
            self._refuse_other_versions()
        return not left

    def _refuse_other_versions(self) -> None:
        """Raise for the first instance that is left to other workers and has messages.

        That may be one that does not exist yet, and has to start in a later version.
        """
        name, version, migrates = self.chart_version
        store = self.handler.store
        for key in store.keys():  # noqa: SIM118  # a store is no mapping
            snapshot = store.load(key)
            if snapshot is None or (
                snapshot.chart == name and snapshot.version in (version, *migrates)
            ):
                continue
            left, others = self.queue.left({key})
            if left > others:
                self.handler.interpreter.load_current(key)
        waiting = self.queue.waiting_messages() if isinstance(self.queue, ChartQueue) else ()
        for message in waiting:
            key = message.group_id
            if not message.dead and store.load(key) is None:
                left, others = self.queue.left({key})
                if left > others:
                    self.handler.interpreter.load_current(key)

    def _trouble(self, error: StoreError) -> None:
        """Count and log that the store could not be used; raise an error that is final."""
        if error.final:
            raise error
        self.troubles += 1
        self.handler.logger.warning("the store could not be used, trying again: %s", error)

    async def _wait(self, seconds: float | None) -> None:
        """Return when a task ends, the worker is to stop, or the time has passed."""
        woken = asyncio.ensure_future(self.woken.wait())
        helpers: list[asyncio.Future[Any]] = [woken]
        if seconds is not None:
            helpers.append(asyncio.ensure_future(self.clock.sleep(seconds)))
        try:
            await asyncio.wait([*self.tasks, *helpers], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.wait(helpers)

    async def _end(self, grace: float) -> None:
        """Let what is in flight end by itself for `grace` seconds; then release it."""
        running = [task for task in self.tasks if not task.done()]
        if running and grace:
            sleep = asyncio.ensure_future(self.clock.sleep(grace))
            ended = asyncio.ensure_future(asyncio.wait(running))
            try:
                await asyncio.wait([sleep, ended], return_when=asyncio.FIRST_COMPLETED)
            finally:
                sleep.cancel()
                ended.cancel()
                await asyncio.wait([sleep, ended])
        running = [task for task in running if not task.done()]
        if running:
            self.handler.release_all()
            await asyncio.wait(running)


async def _to_the_end(coroutine: Coroutine[Any, Any, None]) -> None:
    """Wait for the end of something short, also when cancelled meanwhile."""
    task = asyncio.ensure_future(coroutine)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    task.result()
