"""What a worker does with one message: load, settle, and commit everything in one write.

What happens to a message after an error depends on its cause: see `settlesim.runtime.blame`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from settlesim.chart import Event, Snapshot, external_event
from settlesim.chart.secrets import hidden_error
from settlesim.errors import (
    ChartMismatchError,
    EventRepeatedError,
    InvalidEventError,
    InvalidValueError,
    StoreError,
    VersionConflictError,
    error_message,
    shorten,
)
from settlesim.ports import DurableTimer, Message, Queue, QueueStore, digest_of
from settlesim.runtime.blame import Blame, blame_of
from settlesim.runtime.driver import Settled
from settlesim.runtime.event_messages import DelayPassed, StartRequest, event_id_of, event_of
from settlesim.runtime.interpreter import Interpreter, Loaded
from settlesim.runtime.leases import Lease, Leases
from settlesim.runtime.logs import log_settlement
from settlesim.runtime.store_calls import StoreCalls
from settlesim.settling.settlement import Elapsed

__all__ = ["MAX_BACKOFF", "Handler"]

MAX_BACKOFF: Final = 60.0
"""The longest time, in seconds, for which a message is held back before a retry."""
_CONFLICTS: Final = 10
"""How often in a row another writer of the same instance may be first."""


class _StoppedError(Exception):
    """The worker stops, and the services did not end in time."""


_NOTHING: Final = Loaded(None, None)


@dataclass(frozen=True, slots=True)
class _Look:
    """What the store says before an event is settled."""

    loaded: Loaded = _NOTHING
    began: Event | Elapsed | None = None
    """What the session begins with, in the chart's version; None to start."""
    over: str = ""
    """Why the event only has to be consumed: ``repeated``, ``stale`` (a delay whose state was
    left), or ``dropped`` by a step to this version of the chart. Empty for one to be settled."""
    revision: int | None = None
    reused: bool = False
    """Whether only the id is ``repeated``: another body was settled under it."""


class Handler:
    """Handles the messages of a worker, several concurrently.

    Parameters
    ----------
    backoff : seconds for which a message is held back after its first failure; twice as long
        after each further one
    """

    def __init__(
        self,
        interpreter: Interpreter,
        store: QueueStore,
        queue: Queue,
        *,
        calls: StoreCalls,
        leases: Leases,
        backoff: float,
        logger: logging.Logger | logging.LoggerAdapter[Any],
    ) -> None:
        self.interpreter = interpreter
        self.clock = interpreter.clock
        self.store = store
        self.queue = queue
        self.calls = calls
        self.leases = leases
        self.backoff = backoff
        self.logger = logger
        self.mismatches: dict[str, ChartMismatchError] = {}
        """The groups whose instances this worker cannot continue, and why."""
        self._stopping = False
        self._running: set[asyncio.Future[Any]] = set()
        self._unknown_delays: set[str] = set()

    def release_all(self) -> None:
        """Cancel every event that is being settled, and release its message."""
        self._stopping = True
        for work in self._running:
            work.cancel()

    async def handle(self, message: Message, lease: Lease) -> None:
        """Handle one message.

        Raises
        ------
        StoreError
            The store is damaged, or can never be used again.
        """
        case = _Case(self, message, lease)
        try:
            await self._handle(case)
        except _StoppedError:
            await case.release(0.0)
            case.log("released", error="the worker stops")
        except StoreError as error:
            blame = blame_of(error)
            if blame is Blame.LEASE:
                case.log("lost", error=error)
                return
            if blame is Blame.DAMAGE:
                await case.release(0.0)
                raise
            if isinstance(error, ChartMismatchError):
                self.mismatches[message.group_id] = error
            await case.release(self._hold(message.receives - 1))
            case.log("released", error=error)
        finally:
            self.leases.drop(lease)

    async def _handle(self, case: _Case) -> None:
        try:
            event = event_of(case.message)
        except (InvalidEventError, InvalidValueError) as error:
            await case.fail(error, final=True)
            return
        case.name = event.name
        await self._settle(case, event)

    def _hold(self, times: int) -> float:
        return min(self.backoff * 2.0 ** min(times, 30), MAX_BACKOFF)

    async def _settle(self, case: _Case, event: Event | DelayPassed | StartRequest) -> None:
        """Load, settle and commit; start again if another writer was first."""
        for turn in range(_CONFLICTS):
            look = await self.calls(self._look, case, event)
            if look.over:
                await self._pass_by(case, look)
                return
            self.tell_of_unknown_delays(look.loaded.timers)
            settled = await self._run(case, look)
            if isinstance(settled, BaseException):
                if blame_of(settled) is not Blame.EVENT:
                    raise settled
                await case.fail(settled, retry_in=self._hold(case.message.failures))
                return
            self.mismatches.pop(case.message.group_id, None)
            error = await self._commit(case, settled)
            if error is None:
                return
            if turn + 1 == _CONFLICTS:
                await case.release(0.0)
                case.log("released", error=error)

    def _look(self, case: _Case, event: Event | DelayPassed | StartRequest) -> _Look:
        key = case.message.group_id
        mark = self.store.mark(key, case.event_id) if case.marked else None
        if mark is not None:
            reused = mark.digest not in (None, digest_of(case.message.body))
            return _Look(over="repeated", revision=mark.revision, reused=reused)
        loaded = self.interpreter.load_current(key)
        self.interpreter.tell_of_message(case.message)
        if isinstance(event, DelayPassed):
            return self._look_at_delay(key, loaded, event)
        if isinstance(event, StartRequest):
            return _Look(loaded)
        name = self.interpreter.chain.event(event.name, case.message.version)
        if name is None:
            return _Look(over="dropped")
        self.interpreter.check_event(loaded, key, name)
        self.interpreter.tell_of_event(name)
        if name != event.name:
            event = external_event(name, event.data)
            case.name = name
        return _Look(loaded, event)

    def _look_at_delay(self, key: str, loaded: Loaded, event: DelayPassed) -> _Look:
        """Find the timer of a delay that has passed: its delay may have another id by now."""
        timers = loaded.timers or self.store.timers(key)
        delay = next((each.delay for each in timers if each.token == event.token), None)
        if delay is None:
            return _Look(over="stale")  # its state was left, or it is a duplicate
        carried = loaded.carried
        if carried is not None:
            if delay in carried.dropped:
                return _Look(over="dropped")
            if delay not in carried.lost:
                delay = dict(carried.renamed).get(delay, delay)
        if delay not in self.interpreter.delays:
            raise self._mismatch(key, loaded.stored, delay)
        return _Look(loaded, Elapsed(delay))

    def _mismatch(self, key: str, snapshot: Snapshot | None, delay: str) -> ChartMismatchError:
        chart = self.interpreter.chart
        stored = "nobody" if snapshot is None else f"{snapshot.chart} version {snapshot.version}"
        return ChartMismatchError(
            key=key,
            stored=stored,
            current=f"{chart.name} version {chart.version}",
            reason=f"it waits for the delay {shorten(delay, 60)}, which this chart does not have; "
            "the timer is kept",
        )

    def tell_of_unknown_delays(self, timers: Sequence[DurableTimer]) -> bool:
        """Warn of timers whose delay the chart does not have, once for each delay.

        Returns
        -------
        found : whether there is such a timer
        """
        known = self.interpreter.chain.delays
        unknown = [each for each in timers if each.delay not in known]
        for timer in unknown:
            if timer.delay in self._unknown_delays:
                continue
            self._unknown_delays.add(timer.delay)
            self.logger.warning(
                "instance %r waits for the delay %r, which chart %r does not have: the timer is "
                "kept until a chart has it, or the instance is deleted",
                timer.key,
                timer.delay,
                self.interpreter.chart.name,
            )
        return bool(unknown)

    async def _pass_by(self, case: _Case, look: _Look) -> None:
        """Consume an event that has nothing to do; refuse one whose id belongs to another."""
        if look.reused:
            reason = (
                f"was settled at revision {look.revision} with another body; an id is for one "
                "event and its duplicates"
            )
            where = f"the id {shorten(case.event_id, 60)} of message {case.message.id}"
            await case.fail(InvalidValueError(where=where, reason=reason), final=True)
            return
        await self.calls(self.queue.delete, case.message.receipt)
        case.log(look.over, revision=look.revision)

    async def _commit(self, case: _Case, settled: Settled) -> StoreError | None:
        """Write everything; return the error where another writer of the instance was first."""
        try:
            await self.calls(self.store.commit, settled.transaction)
        except (StoreError, InvalidValueError) as error:
            if isinstance(error, VersionConflictError):
                return error
            if blame_of(error) is Blame.EVENT:  # no store could keep this
                await case.fail(error, retry_in=self._hold(case.message.failures))
                return None
            if not isinstance(error, EventRepeatedError):
                raise
            look = await self.calls(self._look, case, Event("repeated"))  # a duplicate was faster
            known = look if look.over else _Look(over="repeated", revision=error.revision)
            await self._pass_by(case, known)
        else:
            settlement = settled.settlement
            case.log(settlement.outcome.value, revision=settlement.after.revision)
        return None

    # --- settling, and the lease meanwhile --------------------------------------------------

    async def _run(self, case: _Case, look: _Look) -> Settled | BaseException:
        """Settle in a task of its own, which ends when the message cannot be kept.

        Returns
        -------
        settled : or the error of the chart's functions or services
        """
        if self._stopping:
            raise _StoppedError
        lease = case.lease
        if lease.lost is not None:
            raise lease.lost
        self.leases.begin(lease)
        work = asyncio.ensure_future(self._caught(case, look))
        self._running.add(work)
        lease.on_lost = work.cancel
        try:
            await asyncio.wait([work])
        finally:
            lease.on_lost = None
            self._running.discard(work)
            if not work.done():
                work.cancel()
                await asyncio.wait([work])
        if lease.lost is not None:
            raise lease.lost
        if work.cancelled():
            if self._stopping:
                raise _StoppedError
            return asyncio.CancelledError("the event was cancelled, and not by the worker")
        return work.result()

    async def _caught(self, case: _Case, look: _Look) -> Settled | BaseException:
        """Settle; return whatever the chart's functions raise, except Ctrl-C."""
        key = case.message.group_id
        keeping = self.interpreter.keeping(
            look.loaded,
            event_id=case.event_id,
            consumed=case.message.receipt,
            mark=case.event_id if case.marked else None,
        )
        driver = self.interpreter.driver(key, case.event_id, self.leases.watch)
        try:
            return await self.interpreter.settle_from(
                look.loaded.snapshot, look.began, driver, key=key, keeping=keeping
            )
        except KeyboardInterrupt:
            raise
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return error
        except BaseException as error:
            return error


class _Case:
    """One message in hand."""

    def __init__(self, handler: Handler, message: Message, lease: Lease) -> None:
        self.handler = handler
        self.message = message
        self.lease = lease
        self.event_id = event_id_of(message)
        self.marked = message.deduplication_id is not None or not handler.queue.ordered
        """Whether the store has to remember the event's id: if only one message can ever bring it,
        consuming that message is enough."""
        self.name = "?"
        self._began = handler.clock.now()

    async def fail(
        self, error: BaseException, *, retry_in: float = 0.0, final: bool = False
    ) -> None:
        """Count a failed attempt, and log whether the message is dead."""
        handler, receipt = self.handler, self.message.receipt
        if handler.interpreter.chart.secret:
            error = hidden_error(error)
        dead = await handler.calls(
            handler.queue.fail, receipt, error, 0.0 if final else retry_in, final=final
        )
        text = f"{type(error).__name__}: {error_message(error)}"
        self.log("dead" if dead else "failed", error=text)

    async def release(self, seconds: float) -> None:
        """Release the message without counting a failure; its visibility ends in any case."""
        handler = self.handler
        handler.leases.drop(self.lease)
        with contextlib.suppress(StoreError):
            await handler.calls(handler.queue.release, self.message.receipt, seconds)

    def log(
        self, outcome: str, *, revision: int | None = None, error: BaseException | str | None = None
    ) -> None:
        """Write the record of what became of the message."""
        log_settlement(
            self.handler.logger,
            key=self.message.group_id,
            event=self.name,
            event_id=self.event_id,
            outcome=outcome,
            revision=revision,
            seconds=self.handler.clock.now() - self._began,
            receives=self.message.receives,
            error=error,
        )
