"""`Interpreter`: load an instance, bring one event to a settled node, save.

Theory of operation
-------------------
`settlesim.runtime.driver.settle` says which services and delays have to run; `AsyncioDriver`
runs them as tasks on the interpreter's clock. The store is asked twice: for the snapshot at the
beginning, and to commit the next one, under compare-and-set on the revision, at the end. Between
the two nothing is written, so an error, a cancellation or the end of the process leaves the
instance settled where it was.

What this module does not do
----------------------------
It brings no order into events: two that are settled concurrently for one instance load the same
snapshot, and the second commit is refused. A FIFO queue in front of it is the remedy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from settlesim.argument_checks import check_count
from settlesim.chart import Chart, Event, Snapshot, Transition
from settlesim.chart.event import EventName, event_name
from settlesim.chart.snapshot import check_key
from settlesim.chart.strict_json import JSONValue
from settlesim.errors import InvalidValueError, shorten
from settlesim.machine.program import check_snapshot, program_of
from settlesim.ports import Clock, DurableTimer, QueueStore, Store
from settlesim.runtime.asyncio_driver import AsyncioDriver
from settlesim.runtime.clock import RealClock
from settlesim.runtime.coroutines import run_anywhere
from settlesim.runtime.driver import Driver, Settled, settle
from settlesim.runtime.loop_watch import LoopWatch
from settlesim.runtime.service_call import ServiceCall, key_prefix
from settlesim.runtime.transactions import Keeping
from settlesim.settling.macrostep import activities_of
from settlesim.settling.settlement import Elapsed, Settlement
from settlesim.settling.settling import MAX_MICROSTEPS

__all__ = ["DEADLINE", "SERVICE_TIMEOUT", "Interpreter", "ServiceCall"]

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
        Where the instances are kept. Where it keeps timers too, delays of settled nodes are
        saved with the instance.
    clock
        Where services and delays take their time; real by default.
    service_timeout : seconds that a service may take where its chart says nothing
    deadline : seconds that one event may take altogether
    max_microsteps : how many microsteps one event may take
    record_answers
        Whether the store's list of settlements has what services answered: their values, the
        types and messages of their errors, and in which order they came, so that an event can be
        run again later. False where services answer with secrets. The context still has what the
        chart's assigns put there, and an error that ends an event is told with its message.

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
        record_answers: bool = True,
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
        self.record_answers = record_answers
        self._program = program_of(chart)
        self.delays = frozenset(activities_of(self._program).delays)
        """The ids of the chart's delays."""
        self._timers = store.timers if isinstance(store, QueueStore) else None

    # --- one event ------------------------------------------------------------------------

    async def settle(
        self, key: str, event: EventName, data: JSONValue = None, event_id: str | None = None
    ) -> Settlement:
        """Bring one event to a settled node and save the instance there.

        Parameters
        ----------
        key : names the instance; one that was never saved is started first, and what its start
            did is saved even if the event is ignored or rejected
        event : a name that is not reserved, or a member of an enum: its value if that is a text,
            else its name
        data : strict JSON
        event_id : the same whenever this event is repeated; part of a service's idempotency
            key

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
        return await self._settle(key, Event(event_name(event), data), event_id)

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

    async def start(self, key: str, event_id: str | None = None) -> Settlement:
        """Start an instance without an event, and save it where it comes to rest.

        Its initial state is entered, and what goes on from there by itself runs. An instance that
        exists is left alone.

        Parameters
        ----------
        key : as in `settle`
        event_id : as in `settle`

        Returns
        -------
        settlement : its `start` is None and its outcome IGNORED where the instance exists. The
            outcome is IGNORED too, and nothing is saved, where the initial state has no settling
            tag and nothing to do: the first event starts such an instance.

        Raises
        ------
        ChartMismatchError
            The instance exists, and another chart or version saved it.
        SettleError, VersionConflictError, StoreError
            As `settle`.

        Examples
        --------
        >>> from settlesim import Interpreter, MemoryStore, SimulatedClock
        >>> from settlesim.gallery import order
        >>> interpreter = Interpreter(order, MemoryStore(), clock=SimulatedClock())
        >>> interpreter.start_sync("o1").after.configuration
        ('new',)
        >>> interpreter.start_sync("o1").start is None
        True
        """
        return await self._settle(key, None, event_id)

    async def _settle(
        self, key: str, event: Event | Elapsed | None, event_id: str | None
    ) -> Settlement:
        check_key(key)
        driver = self.driver(key, event_id)
        snapshot, timers = self.load_with_timers(key)
        keeping = self.keeping(timers, event_id=event_id)
        settlement, transaction = await self.settle_from(
            snapshot, event, driver, key=key, keeping=keeping
        )
        if settlement.saved:
            self.store.commit(transaction)
        return settlement

    # --- for a worker, which has the queue to itself ------------------------------------------

    async def settle_from(
        self,
        snapshot: Snapshot | None,
        event: Event | Elapsed | None,
        driver: Driver,
        *,
        key: str,
        keeping: Keeping,
    ) -> Settled:
        """Settle without the store; as `settlesim.runtime.driver.settle`, which raises."""
        return await settle(
            self._program,
            snapshot,
            event,
            driver,
            key=key,
            keeping=keeping,
            max_microsteps=self.max_microsteps,
        )

    def driver(
        self, key: str, event_id: str | None, watch: LoopWatch | None = None
    ) -> AsyncioDriver:
        """Return what runs the services of one event.

        Raises
        ------
        InvalidValueError
            The id is no text, or empty.
        """
        return AsyncioDriver(
            self.chart.functions,
            self.clock,
            service_timeout=self.service_timeout,
            deadline=self.deadline,
            key_prefix=None if event_id is None else key_prefix(self.chart.name, key, event_id),
            watch=watch,
        )

    def load_with_timers(self, key: str) -> tuple[Snapshot | None, Sequence[DurableTimer]]:
        """Return the instance's state, and its timers where the chart has delays.

        The state first: a timer that is there afterwards was started by the settlement that was
        loaded, or by a later one, and then the commit is refused.
        """
        snapshot = self.store.load(key)
        if self._timers is None or not self.delays:
            return snapshot, ()
        return snapshot, self._timers(key)

    def keeping(
        self,
        timers: Sequence[DurableTimer],
        *,
        event_id: str | None,
        consumed: str | None = None,
        mark: str | None = None,
    ) -> Keeping:
        """Return what a transaction has beside the new state."""
        return Keeping(
            timers=self._timers is not None,
            unknown_delays=tuple(each.delay for each in timers if each.delay not in self.delays),
            answers=self.record_answers,
            event_id=event_id,
            consumed=consumed,
            mark=mark,
        )

    def settle_sync(
        self, key: str, event: EventName, data: JSONValue = None, event_id: str | None = None
    ) -> Settlement:
        """Do what `settle` does, also where an event loop runs already (Jupyter).

        There the services run in a loop of their own, in a thread, and this call waits.
        """
        return run_anywhere(self.settle(key, event, data, event_id))

    def start_sync(self, key: str, event_id: str | None = None) -> Settlement:
        """Do what `start` does, also where an event loop runs already (Jupyter)."""
        return run_anywhere(self.start(key, event_id))

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
            It was saved by another chart or version, or is in nodes where this one cannot rest.
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


def _check_limits(service_timeout: object, deadline: object, max_microsteps: object) -> None:
    for where, seconds in (("service_timeout", service_timeout), ("deadline", deadline)):
        if not isinstance(seconds, (int, float)) or not 0 < seconds < math.inf:
            reason = f"is {shorten(seconds, 40)}; a finite number of seconds above 0 is needed"
            raise InvalidValueError(where=where, reason=reason)
    check_count(max_microsteps, where="max_microsteps")
