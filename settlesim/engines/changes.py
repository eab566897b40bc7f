"""Wake readers when an instance changes; one poll of the store serves all of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator

from settlesim.errors import StoreError
from settlesim.store.acceptance import dead_since
from settlesim.store.queues import FifoQueue

__all__ = ["ChangeWatch"]

_PAGE = 1000


class ChangeWatch:
    """Wakes the readers that wait for an instance when any process has changed it.

    It polls a counter of the database that changes with every write of any process, and reads
    nothing else while the counter is the same. So a thousand waiting readers cost as much as one.

    Parameters
    ----------
    poll : seconds between two polls
    """

    def __init__(self, queue: FifoQueue, *, poll: float) -> None:
        self._queue = queue
        self._store = queue.store
        self._poll = poll
        self._waiting: dict[str | None, set[asyncio.Event]] = {}
        self._seen: tuple[int, int] | None = None
        self._number = 0
        self._dead_at = 0.0
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    @property
    def running(self) -> bool:
        """Whether the store is polled."""
        return self._task is not None

    def start(self) -> None:
        """Start polling."""
        self._stopped = False
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop polling, and wake all readers."""
        task, self._task, self._stopped = self._task, None, True
        self._wake(None)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    @contextlib.contextmanager
    def subscribe(self, key: str | None) -> Iterator[Callable[[float], Awaitable[bool]]]:
        """Yield a function that waits for the next change of an instance; of any for None.

        It waits at most the given seconds, and returns False once no more changes are reported.
        """
        event = asyncio.Event()

        async def changed(seconds: float) -> bool:
            if self._task is None:
                if self._stopped:
                    return False
                await asyncio.sleep(min(self._poll, seconds))  # the engine was not entered
                return True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await event.wait()
            event.clear()
            return True

        self._waiting.setdefault(key, set()).add(event)
        try:
            yield changed
        finally:
            found = self._waiting[key]
            found.discard(event)
            if not found:
                del self._waiting[key]

    def _wake(self, keys: set[str] | None) -> None:
        """Wake the readers that wait for these instances; None for all readers."""
        for key in list(self._waiting) if keys is None else [None, *keys]:
            for event in self._waiting.get(key, ()):
                event.set()

    async def _run(self) -> None:
        while True:
            if self._waiting:
                try:
                    self._wake(await asyncio.to_thread(self._look))
                except StoreError:  # the reader gets the error when it reads
                    self._wake(None)
            await asyncio.sleep(self._poll)

    def _look(self) -> set[str] | None:
        """Return the instances that have changed since the last poll; None if any may have."""
        seen = self._store.database.changes()
        if seen == self._seen:
            return set()
        first, self._seen = self._seen is None, seen
        if first or not self._store.history:
            self._number = self._store.last_settlement()
            return None
        past = self._store.settlements_since(self._number, limit=_PAGE)
        if len(past) == _PAGE:
            self._number = self._store.last_settlement()
            return None
        keys = {each.key for each in past}
        if past:
            self._number = past[-1].number
        dead, self._dead_at = dead_since(self._queue, self._dead_at)
        return keys | dead
