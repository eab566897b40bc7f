"""What a worker does with one message: load, settle, and commit everything in one write.

Who is to blame decides what becomes of a message that was not settled
-----------------------------------------------------------------------
The event, the chart or a service (any error while settling): the attempt counts; after
some the message goes to the dead letters. The store, another worker, a chart of another
version: it does not count, the message comes up again. The lease is lost: somebody else
has the message, so what was settled is thrown away.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import Any, Final

from settlesim.chart import Event, Snapshot
from settlesim.engine.settlement import Settlement, printable
from settlesim.errors import (
    ChartMismatchError,
    DeduplicationError,
    EventRepeatedError,
    InvalidEventError,
    InvalidValueError,
    ReceiptExpiredError,
    StoreError,
    VersionConflictError,
    shorten,
)
from settlesim.ports import Message, digest_of
from settlesim.runtime.interpreter import Interpreter
from settlesim.runtime.logs import log_settlement
from settlesim.runtime.messages import DelayPassed, event_id_of, event_of
from settlesim.runtime.running import Run
from settlesim.runtime.store_calls import StoreCalls
from settlesim.runtime.transactions import transaction_of
from settlesim.store.queues import SqlQueue as DatabaseQueue
from settlesim.store.sql import SqlStore as DatabaseStore

__all__ = ["MAX_BACKOFF", "Handler"]

MAX_BACKOFF: Final = 60.0
"""Seconds for which a message is held back at most before it is tried again."""
_CONFLICTS: Final = 10
"""How often in a row another writer of the same instance may be first."""
_RENEWALS: Final = 3
"""How many times the visibility is extended in the time for which it was given."""


class _LeaseLostError(Exception):
    """The message is in other hands."""


class _GivenBackError(Exception):
    """The worker stops, and the services did not end in time."""


@dataclass(frozen=True, slots=True)
class _Look:
    """What the store says before an event is settled."""

    snapshot: Snapshot | None
    over: str = ""
    """Why the event only has to be consumed: it is ``repeated``, or a delay that is ``stale``."""
    revision: int | None = None
    reused: bool = False
    """It is ``repeated`` by its id only: another body was settled under it."""


class Handler:
    """Handles messages for a worker; several at once.

    Parameters
    ----------
    visibility : seconds for which a message is hidden, again and again while services run
    backoff : seconds for which a message is held back after its first failure; twice as long
        after each further one
    """

    def __init__(
        self,
        interpreter: Interpreter,
        store: DatabaseStore,
        queue: DatabaseQueue,
        *,
        calls: StoreCalls,
        visibility: float,
        backoff: float,
        logger: logging.Logger | logging.LoggerAdapter[Any],
    ) -> None:
        self.interpreter = interpreter
        self.clock = interpreter.clock
        self.store = store
        self.queue = queue
        self.calls = calls
        self.visibility = visibility
        self.backoff = backoff
        self.logger = logger
        self.mismatches: dict[str, ChartMismatchError] = {}
        """The groups whose instances this worker can not go on from, and why."""
        self._giving_back = False
        self._runs: set[asyncio.Future[None]] = set()

    def give_back(self) -> None:
        """Cancel every settle that is on its way, and give its message back at once."""
        self._giving_back = True
        for run in self._runs:
            run.cancel()

    async def handle(self, message: Message) -> None:
        """Handle one message.

        Raises
        ------
        StoreError
            The store is damaged, or can never be used again.
        """
        case = _Case(self, message)
        try:
            try:
                event = event_of(message)
            except (InvalidEventError, InvalidValueError) as error:
                await case.fail(error, final=True)
                return
            case.name = event.name
            await self._settle(case, event)
        except (ReceiptExpiredError, _LeaseLostError) as error:
            case.log("lost", error=str(error) or "the visibility could not be extended in time")
        except _GivenBackError:
            await case.release(0.0)
            case.log("given back", error="the worker stops")
        except StoreError as error:
            if error.final:
                await case.release(0.0)
                raise
            if isinstance(error, ChartMismatchError):
                self.mismatches[message.group_id] = error
            await case.release(self._hold(message.receives - 1))
            case.log("given back", error=error)

    def _hold(self, times: int) -> float:
        return min(self.backoff * 2.0 ** min(times, 30), MAX_BACKOFF)

    async def _settle(self, case: _Case, event: Event | DelayPassed) -> None:
        """Load, settle and commit, again where another writer was first."""
        for turn in range(_CONFLICTS):
            look = await self.calls(self._look, case, event)
            if look.over:
                await self._pass_by(case, look)
                return
            try:
                settlement, run = await self._run(case, event, look.snapshot)
            except (StoreError, _LeaseLostError, _GivenBackError):
                raise
            except BaseException as error:
                if _is_ours(error):
                    raise
                await case.fail(error, retry_in=self._hold(case.message.failures))
                return
            self.mismatches.pop(case.message.group_id, None)
            try:
                await self._commit(case, settlement, run)
            except VersionConflictError as error:
                if turn + 1 < _CONFLICTS:
                    continue
                await case.release(0.0)
                case.log("given back", error=error)
            return

    def _look(self, case: _Case, event: Event | DelayPassed) -> _Look:
        key = case.message.group_id
        mark = self.store.mark(key, case.event_id) if case.marked else None
        if mark is not None:
            reused = mark.digest not in (None, digest_of(case.message.body))
            return _Look(None, "repeated", mark.revision, reused)
        # The state first: a timer that is there afterwards is one of the stay that was loaded,
        # or of a later one, which the commit refuses.
        snapshot = self.store.load(key)
        if isinstance(event, DelayPassed):
            timers = self.store.timers(key)
            if not any((each.token, each.delay) == (event.token, event.delay) for each in timers):
                return _Look(None, "stale")  # its node was left, or it is a copy
        return _Look(snapshot)

    async def _pass_by(self, case: _Case, look: _Look) -> None:
        """Consume an event that has nothing to do; refuse one whose id belongs to another."""
        if look.reused:
            reason = (
                f"was settled at revision {look.revision} with another body; an id is for one "
                "event and its repetitions"
            )
            where = f"the id {shorten(case.event_id, 60)} of message {case.message.id}"
            await case.fail(InvalidValueError(where=where, reason=reason), final=True)
            return
        await self.calls(self.queue.delete, case.message.receipt)
        case.log(look.over, revision=look.revision)

    async def _commit(self, case: _Case, settlement: Settlement, run: Run | None) -> None:
        try:
            transaction = transaction_of(
                settlement,
                run,
                history=self.store.history,
                event_id=case.event_id,
                consumed=case.message.receipt,
                mark=case.event_id if case.marked else None,
            )
            await self.calls(self.store.commit, transaction)
        except EventRepeatedError as error:  # a copy of the message was faster
            look = await self.calls(self._look, case, Event("repeated"))
            known = look if look.over else _Look(None, "repeated", error.revision)
            await self._pass_by(case, known)
        except (DeduplicationError, InvalidValueError) as error:  # no store could keep this
            await case.fail(error, retry_in=self._hold(case.message.failures))
        else:
            case.log(settlement.outcome.value, revision=settlement.after.revision)

    # --- services, and the lease meanwhile --------------------------------------------------

    async def _run(
        self, case: _Case, event: Event | DelayPassed, snapshot: Snapshot | None
    ) -> tuple[Settlement, Run | None]:
        began = event.elapsed if isinstance(event, DelayPassed) else event
        key = case.message.group_id
        settling = self.interpreter.begin(key, snapshot, began)
        run: Run | None = None
        if settling.settlement is None:
            run = self.interpreter.run_of(settling, self.interpreter.key_prefix(key, case.event_id))
            await self._finish(case, run)
        assert settling.settlement is not None  # finish() returns with it, or raises
        return settling.settlement, run

    async def _finish(self, case: _Case, run: Run) -> None:
        """Drive a session to its settlement, and keep its message meanwhile."""
        if self._giving_back:
            raise _GivenBackError
        finish = asyncio.ensure_future(run.finish())
        keeper = asyncio.ensure_future(self._keep(case, finish))
        self._runs.add(finish)
        try:
            await asyncio.wait([finish])
        finally:
            self._runs.discard(finish)
            finish.cancel()
            keeper.cancel()
            await asyncio.wait([finish, keeper])
        if not keeper.cancelled():
            keeper.result()  # an error of the store, if it can not be lived with
        if case.lost is not None:
            _seen(finish)
            raise _LeaseLostError(str(case.lost)) from case.lost
        if self._giving_back and finish.cancelled():
            raise _GivenBackError
        if finish.cancelled():
            raise RuntimeError("the settling was cancelled, and not by the worker")
        finish.result()

    async def _keep(self, case: _Case, finish: asyncio.Future[None]) -> None:
        """Extend the visibility again and again; end the settle when that comes too late."""
        receipt = case.message.receipt
        while True:
            await self.clock.sleep(self.visibility / _RENEWALS)
            try:
                await self.calls(self.queue.change_visibility, receipt, self.visibility)
            except ReceiptExpiredError as error:
                case.lost = error
                finish.cancel()
                return
            except StoreError as error:
                if error.final:
                    finish.cancel()
                    raise
                # The store may be well again before the lease ends.
                self.logger.warning("the visibility was not extended: %s", error)


def _is_ours(error: BaseException) -> bool:
    """Whether an error is meant for the worker; user code may raise anything else."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
    return isinstance(error, KeyboardInterrupt)


def _seen(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()


class _Case:
    """One message in hand."""

    def __init__(self, handler: Handler, message: Message) -> None:
        self.handler = handler
        self.message = message
        self.event_id = event_id_of(message)
        self.marked = message.deduplication_id is not None or not handler.queue.ordered
        """Whether the store has to know the event's id afterwards: where only one message can
        ever bring it, consuming that message is enough."""
        self.name = "?"
        self.lost: ReceiptExpiredError | None = None
        self._began = handler.clock.now()

    async def fail(
        self, error: BaseException, *, retry_in: float = 0.0, final: bool = False
    ) -> None:
        """Count a failed attempt, and say whether the message is dead."""
        handler, receipt = self.handler, self.message.receipt
        dead = await handler.calls(
            handler.queue.fail, receipt, error, 0.0 if final else retry_in, final=final
        )
        text = f"{type(error).__name__}: {printable(error)}"
        self.log("dead" if dead else "failed", error=text)

    async def release(self, seconds: float) -> None:
        """Give the message back without blame; where that fails, its lease only has to end."""
        handler = self.handler
        with contextlib.suppress(StoreError):
            await handler.calls(handler.queue.change_visibility, self.message.receipt, seconds)

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
