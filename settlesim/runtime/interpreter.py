"""`Interpreter`: load an instance, bring one event to a settled node, save.

Theory of operation
-------------------
`settlesim.engine.Settling` says which services and delays are pending; the interpreter runs
them as asyncio tasks on its clock and answers, one completion at a time. The store is asked
twice: for the snapshot at the beginning, and to commit the next one, under compare-and-set
on the revision, at the end. Between the two nothing is written, so an error, a
cancellation or the end of the process leaves the instance settled where it was.

What this module does not do
----------------------------
It brings no order into events: two that are settled at once for one instance load the same
snapshot, and the second commit is refused. A FIFO queue in front of it is the remedy.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future, wait
from typing import Any, Final, TypeVar

from settlesim.chart import Chart, Event, Snapshot, Transition
from settlesim.chart.snapshot import check_key
from settlesim.chart.values import JSONValue
from settlesim.engine.program import program_of
from settlesim.engine.settlement import Elapsed, Settlement
from settlesim.engine.settling import (
    MAX_MICROSTEPS,
    Settling,
    check_snapshot,
)
from settlesim.errors import (
    InvalidValueError,
    shorten,
)
from settlesim.ports import Clock, Store
from settlesim.runtime.clock import RealClock
from settlesim.runtime.coroutines import GRACE
from settlesim.runtime.running import Run, ServiceCall
from settlesim.runtime.transactions import transaction_of

__all__ = ["DEADLINE", "SERVICE_TIMEOUT", "Interpreter", "ServiceCall", "run_anywhere"]

T = TypeVar("T")

SERVICE_TIMEOUT: Final = 60.0
"""Seconds that a service may take where its chart says nothing."""
DEADLINE: Final = 300.0
"""Seconds that one event may take altogether."""


class Interpreter:
    """Runs the instances of one chart, each from settled node to settled node.

    Parameters
    ----------
    chart
        With all its functions bound.
    store
        Where the instances are kept.
    clock
        Where services and delays take their time; real by default.
    service_timeout : seconds that a service may take where its chart says nothing
    deadline : seconds that one event may take altogether
    max_microsteps : how many microsteps one event may take

    Raises
    ------
    UnboundFunctionError
        Functions that the chart names are not bound.
    TypeError
        The first argument is no chart, or the second no store.
    InvalidValueError
        A time-out or a deadline that is no finite number of seconds above 0, or no whole
        number of microsteps above 0.

    Examples
    --------
    >>> from settlesim import Interpreter, MemoryStore, SimulatedClock
    >>> from settlesim.gallery import count
    >>> interpreter = Interpreter(count, MemoryStore(), clock=SimulatedClock())
    >>> interpreter.settle_sync("c1", "COUNT").after.configuration
    ('even',)
    >>> interpreter.settle_sync("c1", "COUNT").after.context
    {'count': 2}
    """

    def __init__(
        self,
        chart: Chart,
        store: Store,
        *,
        clock: Clock | None = None,
        service_timeout: float = SERVICE_TIMEOUT,
        deadline: float = DEADLINE,
        max_microsteps: int = MAX_MICROSTEPS,
    ) -> None:
        given: tuple[object, object] = (chart, store)  # types are not checked for everybody
        if not isinstance(given[0], Chart) or not isinstance(given[1], Store):
            raise TypeError(
                f"Interpreter({shorten(chart, 40)}, {shorten(store, 40)}): a Chart and a store are "
                "needed, such as Interpreter(chart, TinyStore('store.json'))"
            )
        chart.require("guard", "assign", "service")
        _check_limits(service_timeout, deadline, max_microsteps)
        self.chart = chart
        self.store = store
        self.clock: Clock = RealClock() if clock is None else clock
        self.service_timeout = service_timeout
        self.deadline = deadline
        self.max_microsteps = max_microsteps
        self._program = program_of(chart)

    # --- one event ------------------------------------------------------------------------

    async def settle(
        self, key: str, event: str, data: JSONValue = None, event_id: str | None = None
    ) -> Settlement:
        """Bring one event to a settled node and save the instance there.

        Parameters
        ----------
        key : names the instance; one that was never saved begins anew
        event : a name that is not reserved
        data : strict JSON
        event_id : the same for every repetition of this event; part of a service's
            idempotency key

        Returns
        -------
        settlement : a rejected or ignored event is a result, not an error

        Raises
        ------
        InvalidEventError
            The name is reserved, or the data is no strict JSON.
        SettleError
            The event came to no settled node; the instance is as it was.
        VersionConflictError
            Another worker saved the instance meanwhile; nothing was written.
        StoreError
            The store could not read or write.
        """
        return await self._settle(key, Event(event, data), event_id)

    async def elapsed(
        self,
        key: str,
        id: str,  # noqa: A002
        event_id: str | None = None,
    ) -> Settlement:
        """Settle that a delay of the node in which the instance rests has passed, and save.

        `Settlement.timers` names these delays. A worker and its queue see to them; this is
        for those who keep the time themselves.

        Parameters
        ----------
        key : as in `settle`
        id : of the delay
        event_id : as in `settle`

        Returns
        -------
        settlement : IGNORED where the delay's node is not active, or its guards say no

        Raises
        ------
        SettleError, VersionConflictError, StoreError
            As `settle`.
        """
        return await self._settle(key, Elapsed(id), event_id)

    async def _settle(self, key: str, event: Event | Elapsed, event_id: str | None) -> Settlement:
        check_key(key)
        prefix = None if event_id is None else self.key_prefix(key, event_id)
        settling = self.begin(key, self.store.load(key), event)
        run = None if settling.settlement is not None else self.run_of(settling, prefix)
        if run is not None:
            await run.finish()
        settlement = settling.settlement
        assert settlement is not None  # finish() returns with it, or raises
        if settlement.saved:
            history = getattr(self.store, "history", 0)
            self.store.commit(transaction_of(settlement, run, history=history, event_id=event_id))
        return settlement

    # --- for a worker, which has the store and the queue to itself ----------------------------

    def begin(self, key: str, snapshot: Snapshot | None, event: Event | Elapsed) -> Settling:
        """Begin to settle without a store.

        Raises
        ------
        InvalidEventError, SettleError, ChartMismatchError
            As `settle`.
        """
        return Settling(self._program, snapshot, event, key=key, max_microsteps=self.max_microsteps)

    def run_of(self, settling: Settling, key_prefix: str | None) -> Run:
        """Return what drives a session to its settlement; see `key_prefix`."""
        return Run(
            settling,
            self.chart.functions,
            self.clock,
            service_timeout=self.service_timeout,
            deadline=self.deadline,
            key_prefix=key_prefix,
        )

    def key_prefix(self, key: str, event_id: str) -> str:
        """Return what the idempotency keys of an event's services begin with.

        Raises
        ------
        InvalidValueError
            The id is no text, or empty.
        """
        return _key_prefix(self.chart.name, key, event_id)

    def settle_sync(
        self, key: str, event: str, data: JSONValue = None, event_id: str | None = None
    ) -> Settlement:
        """Do what `settle` does, also where an event loop runs already (Jupyter).

        There the services run in a loop of their own, in a thread, and this call waits.
        """
        return run_anywhere(self.settle(key, event, data, event_id))

    # --- reading without an event ---------------------------------------------------------

    def load(self, key: str) -> Snapshot | None:
        """Return the instance's last settled state, or None for one that was never saved."""
        check_key(key)
        return self.store.load(key)

    def accepts(self, key: str) -> dict[str, tuple[Transition, ...]]:
        """Return the events that the instance takes now, each with its transitions.

        Guards are not asked. For an instance that was never saved these are the events of
        the initial configuration.

        Raises
        ------
        ChartMismatchError
            It was saved by another chart or version, or rests where this one can not.
        """
        snapshot = self.load(key)
        if snapshot is None:
            return self._program.accepts(self.chart.initial_configuration)
        check_snapshot(self._program, snapshot, key)
        return self._program.accepts(snapshot.configuration)

    def keys(self) -> Sequence[str]:
        """Return the keys of all instances in the store, sorted."""
        return self.store.keys()

    def delete(self, key: str) -> None:
        """Forget the instance; one that was never saved is no error.

        Raises
        ------
        VersionConflictError
            Another worker saved it meanwhile.
        """
        snapshot = self.load(key)
        if snapshot is not None:
            self.store.delete(key, snapshot.revision)

    def __repr__(self) -> str:
        return f"Interpreter({self.chart.name!r}, {self.store!r})"


def _key_prefix(chart: str, key: str, event_id: str) -> str:
    """Return what the idempotency keys of one event begin with.

    A colon within a part is escaped, so that no two events share a key.
    """
    if type(event_id) is not str or not event_id:
        raise InvalidValueError(
            where="event_id",
            reason=f"is {shorten(event_id, 40)}; a text that is not empty is needed",
        )
    parts = (chart, key, event_id)
    return ":".join(part.replace("%", "%25").replace(":", "%3A") for part in parts)


def _check_limits(service_timeout: object, deadline: object, max_microsteps: object) -> None:
    for where, seconds in (("service_timeout", service_timeout), ("deadline", deadline)):
        if not isinstance(seconds, (int, float)) or not 0 < seconds < math.inf:
            reason = f"is {shorten(seconds, 40)}; a finite number of seconds above 0 is needed"
            raise InvalidValueError(where=where, reason=reason)
    if not isinstance(max_microsteps, int) or max_microsteps < 1:
        reason = f"is {shorten(max_microsteps, 40)}; a whole number above 0 is needed"
        raise InvalidValueError(where="max_microsteps", reason=reason)


def _loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def run_anywhere(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, in a thread where an event loop runs already."""
    return _run_in_thread(coroutine) if _loop_runs() else asyncio.run(coroutine)


def _run_in_thread(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a loop of its own, in a thread; an interrupt cancels it."""
    result: Future[T] = Future()
    loop_and_task: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []

    async def main() -> T:
        task = asyncio.current_task()
        assert task is not None
        loop_and_task.append((asyncio.get_running_loop(), task))
        return await coroutine

    def run() -> None:
        try:
            result.set_result(asyncio.run(main()))
        except BaseException as error:
            result.set_exception(error)

    thread = threading.Thread(target=run, name="settlesim-settle", daemon=True)
    try:
        thread.start()
        return result.result()
    except KeyboardInterrupt:
        for loop, task in loop_and_task:
            with contextlib.suppress(RuntimeError):  # the loop may be closed already
                loop.call_soon_threadsafe(task.cancel)
        wait([result], GRACE)
        raise
