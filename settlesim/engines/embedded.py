"""`EmbeddedEngine`: a store and a worker in this process; other processes may share the store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Self, TypeVar

from settlesim.argument_checks import check_seconds
from settlesim.chart import Chart
from settlesim.chart.strict_json import JSONValue
from settlesim.engines.changes import ChangeWatch
from settlesim.engines.event_ids import new_event_id
from settlesim.engines.promises import PROMISES
from settlesim.engines.protocol import (
    Accepted,
    DeadEvent,
    EngineStatus,
    EventStage,
    EventStatus,
)
from settlesim.errors import (
    ChartMismatchError,
    InvalidEventError,
    InvalidValueError,
    SettlesimError,
    StoreUnavailableError,
)
from settlesim.ports import Mark
from settlesim.runtime import Worker
from settlesim.runtime.event_messages import (
    DelayPassed,
    StartRequest,
    event_body,
    event_id_given,
    event_in_body,
)
from settlesim.store.acceptance import WaitingEvent, accept_event, where_is
from settlesim.store.entries import DeadLetter, ParkedGroup, PastSettlement, StoredInstance
from settlesim.store.queues import FifoQueue

__all__ = ["EmbeddedEngine"]

T = TypeVar("T")

_POLL: Final = 0.05
"""Seconds between two polls for changes of others in the store."""


class EmbeddedEngine:
    """Runs a chart with the library's own store, queue and worker.

    Parameters
    ----------
    worker
        With its chart, and a FIFO queue in a SqliteStore or a MemoryStore. Any number of processes
        may have an engine on the same file, and ``settlesim work`` may help.
    works
        Whether the worker runs while the engine is entered. False for a process that only
        accepts events and reads, while others work.

    Raises
    ------
    InvalidValueError
        The worker's queue is no `FifoQueue`.

    Examples
    --------
    >>> import asyncio
    >>> from settlesim import FifoQueue, MemoryStore, Worker
    >>> from settlesim.engines import EmbeddedEngine
    >>> from settlesim.gallery.counter import counter
    >>> async def main():
    ...     store = MemoryStore()
    ...     worker = Worker(counter(), store, FifoQueue(store, "counter"))
    ...     async with EmbeddedEngine(worker) as engine:
    ...         await engine.send("c1", "INC", event_id="first")
    ...         return await engine.outcome("c1", "first", wait=5)
    >>> found = asyncio.run(main())
    >>> found.stage, found.outcome, found.snapshot.context
    (<EventStage.SETTLED: 'settled'>, 'resolved', {'count': 1})

    Notes
    -----
    It does not share the code of `RecordEngine`, which keeps the waiting and dead events of an
    instance in one record, next to a broker. Here the store has tables for them, which are searched
    by index, followed over all instances, and written in one transaction with the message.
    """

    name: Final = "embedded"
    promises: Final = PROMISES[name]

    def __init__(self, worker: Worker, *, works: bool = True) -> None:
        queue = worker.queue
        if not isinstance(queue, FifoQueue):
            reason = f"is {queue!r}; a FifoQueue is needed, which keeps the events in order"
            raise InvalidValueError(where="the worker's queue", reason=reason)
        self.worker = worker
        self.works = works
        self.queue = queue
        self.store = queue.store
        self._watch = ChangeWatch(queue, poll=_POLL)
        self._task: asyncio.Task[None] | None = None

    @property
    def chart(self) -> Chart:
        """The worker's chart."""
        return self.worker.chart

    @property
    def remembers(self) -> float:
        """For how many seconds the store knows the id of a settled event."""
        return self.store.mark_window

    # --- sending ------------------------------------------------------------------------------

    async def send(
        self,
        key: str,
        event: str,
        data: JSONValue = None,
        *,
        event_id: str | None = None,
        expected: int | None = None,
    ) -> Accepted:
        """Accept an event; it is on the disk when this returns.

        Raises
        ------
        InvalidEventError, InvalidValueError, DeduplicationError, UnexpectedRevisionError
            As `settlesim.engines.Engine.send`.
        ChartMismatchError
            The instance belongs to another chart.
        StoreError
            The store could not write; nothing was sent.
        """
        body = event_body(event, data)
        given = new_event_id() if event_id is None else event_id

        def accept() -> Accepted:
            stored = self.store.load(key)
            if stored is not None and stored.chart != self.chart.name:
                raise ChartMismatchError(
                    key=key,
                    stored=f"{stored.chart} version {stored.version}",
                    current=f"{self.chart.name} version {self.chart.version}",
                    reason="the event was not accepted; send it to the engine of that chart",
                )
            mark = event_id_given(given)
            found = accept_event(self.queue, body, key, given, mark=mark, expected=expected)
            return Accepted(key, given, found.new, found.ahead)

        return await asyncio.to_thread(accept)

    async def outcome(self, key: str, event_id: str, *, wait: float = 0.0) -> EventStatus | None:
        """Return an event's status: once it is settled or dead, or after `wait` seconds."""

        async def look() -> EventStatus | None:
            return await asyncio.to_thread(self._look, key, event_id)

        def is_open(found: EventStatus | None) -> bool:
            return found is not None and found.stage is EventStage.WAITING

        return await self._until(look, is_open, key, wait)

    def _look(self, key: str, event_id: str) -> EventStatus | None:
        mark = event_id_given(event_id)
        found = where_is(self.queue, key, event_id, mark=mark)
        match found:
            case WaitingEvent(errors=errors):
                return EventStatus(key, event_id, EventStage.WAITING, errors=errors)
            case Mark(outcome=outcome, revision=revision):
                past = [
                    each
                    for each in self.store.settlements(key)
                    if each.record.get("event_id") == mark
                ]
                snapshot = past[-1].snapshot if past else None
                return EventStatus(key, event_id, EventStage.SETTLED, outcome, revision, snapshot)
            case DeadLetter(errors=errors, reason=reason):
                return EventStatus(
                    key, event_id, EventStage.DEAD, errors=errors if errors else (reason,)
                )
        return None

    # --- reading ------------------------------------------------------------------------------

    async def load(self, key: str) -> StoredInstance | None:
        """Return an instance in its last settled state; None for one that was never saved."""
        found = await asyncio.to_thread(self.store.find, key=key, limit=1)
        return found[0] if found else None

    async def find(
        self, *, state: str | None = None, after: str | None = None, limit: int = 100
    ) -> Sequence[StoredInstance]:
        """List the chart's instances, sorted by their keys, a page at a time."""
        return await asyncio.to_thread(
            self.store.find, chart=self.chart.name, state=state, after=after, limit=limit
        )

    async def settlements(
        self, key: str | None = None, *, cursor: int = 0, wait: float = 0.0, limit: int = 100
    ) -> Sequence[PastSettlement]:
        """Return the settlements after `cursor`, oldest first; wait up to `wait` seconds for one.

        In a store that several charts share, the settlements in which another chart saved a state
        are left out.
        """
        chart = self.chart.name

        async def look() -> Sequence[PastSettlement]:
            return await asyncio.to_thread(
                self.store.settlements_since, cursor, key=key, chart=chart, limit=limit
            )

        return await self._until(look, lambda found: not found, key, wait)

    async def latest(self, key: str | None = None) -> int:
        """Return the number of the last settlement of the store, 0 where there is none."""
        return await asyncio.to_thread(self.store.last_settlement)

    async def _until(
        self,
        look: Callable[[], Awaitable[T]],
        is_open: Callable[[T], bool],
        key: str | None,
        seconds: float,
    ) -> T:
        """Look until the result is no longer open or `seconds` have passed, and return it."""
        check_seconds(seconds, where="wait")
        if not seconds:
            return await look()
        with self._watch.subscribe(key) as changed:
            end = asyncio.get_running_loop().time() + seconds
            while True:
                found = await look()
                left = end - asyncio.get_running_loop().time()
                if not is_open(found) or left <= 0 or not await changed(left):
                    return found

    # --- what could not be settled --------------------------------------------------------------

    async def dead_letters(
        self, *, after: str | None = None, limit: int = 100
    ) -> Sequence[DeadEvent]:
        """List the dead letters, a page at a time; `after` is the last `id` of the page before."""
        first = 0 if after is None else (_number(after) or 0)
        found = await asyncio.to_thread(self.queue.dead_letters, after=first, limit=limit)
        return [_dead_event(letter) for letter in found]

    async def retry(self, letter: str) -> bool:
        """Put a dead letter back into the queue; return whether there is one.

        Under the policy ``halt`` it gets its old position again, under ``skip`` the last one.
        """
        number = _number(letter)
        if number is None:
            return False
        try:
            await asyncio.to_thread(self.queue.redrive, [number])
        except InvalidValueError:
            return False
        return True

    async def parked(self, *, after: str | None = None, limit: int = 100) -> Sequence[ParkedGroup]:
        """List the instances that wait until they are resumed, sorted by their keys."""
        found = sorted(await asyncio.to_thread(self.queue.parked), key=lambda each: each.group_id)
        return [each for each in found if after is None or each.group_id > after][:limit]

    async def resume(self, key: str) -> bool:
        """Resume a parked instance; return whether it was parked."""
        return await asyncio.to_thread(self.queue.resume, key)

    async def status(self) -> EngineStatus:
        """Count what waits."""
        found = await asyncio.to_thread(self.queue.status)
        return EngineStatus(
            waiting=found.depth,
            dead_letters=found.dead_letters,
            parked=found.parked,
            oldest=found.oldest,
            timers=found.timers,
        )

    # --- working ------------------------------------------------------------------------------

    async def check(self) -> None:
        """Check that the store can be read, and that the worker runs if `works` is True.

        Raises
        ------
        StoreError
            The store cannot be read, or the worker has ended; it says why.
        """
        await asyncio.to_thread(self.store.database.changes)
        task = self._task
        if not self.works or (task is not None and not task.done()):
            return
        reason = "its worker does not run"
        if task is not None and not task.cancelled() and task.exception() is not None:
            reason = f"its worker has ended: {task.exception()}"
        raise StoreUnavailableError(path=self.store.source, reason=reason)

    async def ended(self) -> None:
        """Wait until the worker has ended, as it does where the store is damaged.

        Raises
        ------
        StoreError
            As `Worker.run`.
        """
        if self._task is None:
            await asyncio.Event().wait()
        else:
            await asyncio.shield(self._task)

    async def __aenter__(self) -> Self:
        """Start working.

        Raises
        ------
        RuntimeError
            The engine was entered before and not left.
        """
        if self._watch.running:
            raise RuntimeError(f"{self!r} runs already")
        self._watch.start()
        if self.works:
            self._task = asyncio.create_task(self.worker.run())
        return self

    async def __aexit__(self, *error: Any) -> None:
        """Stop the worker as `Worker.stop` does, and wake everyone who waits."""
        await self._watch.stop()
        task, self._task = self._task, None
        if task is None:
            return
        if not task.done():
            self.worker.stop()
        try:
            await task
        except SettlesimError:
            if error[0] is None:
                raise

    def __repr__(self) -> str:
        return f"EmbeddedEngine({self.worker!r})"


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _dead_event(letter: DeadLetter) -> DeadEvent:
    """Return a dead letter of the store as a `DeadEvent`."""
    name, data = None, letter.body
    try:
        found = event_in_body(letter.body, where="a dead letter")
    except (InvalidEventError, InvalidValueError):
        pass
    else:
        name = found.name
        data = None if isinstance(found, (DelayPassed, StartRequest)) else found.data
    return DeadEvent(
        id=str(letter.id),
        key=letter.group_id,
        event=name,
        data=data,
        event_id=letter.deduplication_id,
        errors=letter.errors,
        failures=letter.failures,
        reason=letter.reason,
        at=letter.at,
    )
