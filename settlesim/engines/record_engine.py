"""`RecordEngine`: the base of engines that keep one `InstanceRecord` for each instance."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import ClassVar, Final, NamedTuple

from settlesim.argument_checks import check_seconds
from settlesim.chart import Chart
from settlesim.engines.handling import HandlerOptions
from settlesim.engines.instance_record import InstanceRecord, letter_of_id
from settlesim.engines.protocol import DeadEvent, NotPromisedError, Promise
from settlesim.store.entries import ParkedGroup, PastSettlement, StoredInstance

__all__ = ["POLL", "Attention", "RecordEngine"]

POLL: Final = 0.05
"""Seconds between the first two polls of an instance; doubled each time, up to `_MAX_POLL`."""
_MAX_POLL: Final = 0.5


class Attention(NamedTuple):
    """The number of waiting events, dead letters and parked instances in the records."""

    waiting: int
    dead: int
    parked: int


class RecordEngine(ABC):
    """Reads instances, settlements, dead letters and parked instances from records.

    An adapter adds how records are read, and everything that changes them.

    Parameters
    ----------
    chart : with all its functions bound
    options : how events are handled
    works : whether events are worked on in this process while the engine is entered
    """

    name: ClassVar[str]
    promises: ClassVar[frozenset[Promise]]

    def __init__(self, chart: Chart, options: HandlerOptions, *, works: bool) -> None:
        self.chart = chart
        self.options = options
        self.works = works
        self._stop = asyncio.Event()
        self._entered = False

    @abstractmethod
    async def _record(self, key: str) -> InstanceRecord:
        """Return the record of an instance, an empty one where nothing is known of it."""

    @abstractmethod
    def _records(
        self, *, after: str | None = None, calm: bool = True
    ) -> AsyncIterator[InstanceRecord]:
        """Yield the records of instances, sorted by their keys.

        Parameters
        ----------
        after : only records with greater keys
        calm : whether to include records with nothing waiting, dead or halted
        """

    @property
    def remembers(self) -> float:
        """For how many seconds the id of a settled event is known."""
        return self.options.remembers

    # --- reading ------------------------------------------------------------------------------

    async def load(self, key: str) -> StoredInstance | None:
        """Return an instance in its last settled state; None for one that was never saved."""
        return (await self._record(key)).instance()

    async def find(
        self, *, state: str | None = None, after: str | None = None, limit: int = 100
    ) -> Sequence[StoredInstance]:
        """List the chart's instances, sorted by their keys, a page at a time."""
        found: list[StoredInstance] = []
        async for record in self._records(after=after):
            instance = record.instance()
            if instance is not None and (state is None or instance.is_in(state)):
                found.append(instance)
            if len(found) >= limit:
                break
        return found

    async def settlements(
        self, key: str | None = None, *, cursor: int = 0, wait: float = 0.0, limit: int = 100
    ) -> Sequence[PastSettlement]:
        """Return the settlements after `cursor`, oldest first; wait up to `wait` seconds for one.

        Raises
        ------
        NotPromisedError
            No key is given.
        """
        check_seconds(wait, where="wait")
        known = self._one_instance(key)
        found: Sequence[PastSettlement] = ()
        async for _ in self._looks(asyncio.get_running_loop().time() + wait):
            found = (await self._record(known)).settlements(cursor, limit)
            if found:
                break
        return found

    async def latest(self, key: str | None = None) -> int:
        """Return the number of the last settlement of an instance, 0 where there is none.

        Raises
        ------
        NotPromisedError
            No key is given.
        """
        return (await self._record(self._one_instance(key))).number

    def _one_instance(self, key: str | None) -> str:
        if key is None:
            raise self._not_promised(Promise.FOLLOW_ALL)
        return key

    async def _looks(self, end: float) -> AsyncIterator[None]:
        """Yield when it is time to poll: at least once, until `end` or until the engine is left."""
        loop, pause = asyncio.get_running_loop(), POLL
        while True:
            yield
            left = end - loop.time()
            if left <= 0 or self._stop.is_set():
                return
            try:
                async with asyncio.timeout(min(pause, left)):
                    await self._stop.wait()
            except TimeoutError:
                pause = min(2 * pause, _MAX_POLL)

    # --- what could not be settled --------------------------------------------------------------

    async def dead_letters(
        self, *, after: str | None = None, limit: int = 100
    ) -> Sequence[DeadEvent]:
        """List the dead letters, a page at a time; `after` is the last `id` of the page before."""
        cursor = None if after is None else letter_of_id(after)
        found: list[DeadEvent] = []
        if cursor is not None:
            letters = (await self._record(cursor.key)).letters()
            found = [each for each in letters if _number(each) > cursor.number]
        key = None if cursor is None else cursor.key
        async for record in self._records(after=key, calm=False):
            if len(found) >= limit:
                break
            found += record.letters()
        return found[:limit]

    async def parked(self, *, after: str | None = None, limit: int = 100) -> Sequence[ParkedGroup]:
        """List the instances that wait until they are resumed, sorted by their keys."""
        found: list[ParkedGroup] = []
        async for record in self._records(after=after, calm=False):
            parked = record.parked()
            if parked is not None:
                found.append(parked)
            if len(found) >= limit:
                break
        return found

    async def _attention(self) -> Attention:
        """Count the waiting events, dead letters and parked instances in the records."""
        waiting = dead = parked = 0
        async for record in self._records(calm=False):
            waiting += len(record.waiting)
            dead += len(record.dead)
            parked += record.halted is not None
        return Attention(waiting, dead, parked)

    # --- for adapters -----------------------------------------------------------------------------

    def _enter(self) -> None:
        """Note that the engine is entered.

        Raises
        ------
        RuntimeError
            It was entered before and not left.
        """
        if self._entered:
            raise RuntimeError(f"{self!r} runs already")
        self._entered = True
        self._stop.clear()

    def _not_promised(self, promise: Promise) -> NotPromisedError:
        return NotPromisedError(engine=self.name, promise=promise.value)


def _number(letter: DeadEvent) -> int:
    found = letter_of_id(letter.id)
    return 0 if found is None else found.number
