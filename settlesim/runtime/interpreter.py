"""`Interpreter`: load an instance, bring one event to a settled state, save.

Theory of operation
-------------------
`settlesim.runtime.driver.settle` says which services and delays have to run; `AsyncioDriver`
runs them as tasks on the interpreter's clock. The store is asked twice: for the snapshot at the
beginning, and to commit the next one, under compare-and-set on the revision, at the end. Between
the two nothing is written, so an error, a cancellation or the end of the process leaves the
instance settled where it was.

What this module does not do
----------------------------
It does not order events: two that are settled concurrently for one instance load the same
snapshot, and the second commit is refused. Put a FIFO queue in front of it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from settlesim.argument_checks import check_count
from settlesim.chart import Chart, Event, Snapshot, Transition
from settlesim.chart.event import (
    EventName,
    event_name,
    external_events,
    name_flaw,
    unknown_event,
)
from settlesim.chart.snapshot import check_key
from settlesim.chart.strict_json import JSONValue
from settlesim.errors import (
    ChartMismatchError,
    InvalidValueError,
    newer_version,
    shorten,
)
from settlesim.machine.program import check_snapshot, program_of
from settlesim.ports import (
    ChartStore,
    Clock,
    DurableTimer,
    Message,
    QueueStore,
    Store,
)
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
from settlesim.versions import Carried, chain_of, definition_of, known_charts

__all__ = ["DEADLINE", "SERVICE_TIMEOUT", "Interpreter", "Loaded", "OnEdited", "ServiceCall"]

OnEdited = Literal["refuse", "warn"]

SERVICE_TIMEOUT: Final = 60.0
"""Seconds that a service may take where its chart says nothing."""
DEADLINE: Final = 300.0
"""Seconds that one event may take altogether."""
_LOGGER: Final = logging.getLogger("settlesim.versions")
_EVENTS: Final = logging.getLogger("settlesim.events")
_MOST_UNKNOWN: Final = 100
"""How many unknown events are warned of: more are hardly spelling mistakes."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """An instance as the store has it, and in the chart's version."""

    stored: Snapshot | None
    """None for an instance that was never saved."""
    snapshot: Snapshot | None
    """In the chart's version."""
    timers: Sequence[DurableTimer] = ()
    """As the store has them; none where no version of the chart has delays."""
    carried: Carried | None = None
    """What the migration from an earlier version did; None where there was none."""


class Interpreter:
    """Runs the instances of one chart, each from settled state to settled state.

    Parameters
    ----------
    chart
        With all its functions bound.
    store
        Where the instances are kept. Where it keeps timers too, delays of settled states are
        saved with the instance.
    clock
        Where services and delays take their time; real by default.
    service_timeout : seconds that a service may take where its chart says nothing
    deadline : seconds that one event may take altogether
    max_microsteps : how many microsteps one event may take
    record_answers
        Whether the settlements in the store include the answers of services: values, types and
        messages of errors, and their order, so that an event can be replayed later. Use False
        where answers are secret. The context still has what the chart's assigns put there, and an
        error that ends an event is reported with its message.
    on_edited
        What happens to an instance that this version of the chart saved when it had another
        definition: ``"refuse"`` it, or ``"warn"`` and continue from it, for development, where a
        notebook defines its chart again and again.

    Raises
    ------
    UnboundFunctionError
        Functions that the chart names are not bound.
    TypeError
        The first argument is no chart, or the second no store.
    InvalidValueError
        A time-out or the deadline is no finite number of seconds above 0, `max_microsteps` is no
        whole number above 0, or `on_edited` is neither ``"refuse"`` nor ``"warn"``.
    LeastVersionError
        The store requires a later version of the chart.

    Notes
    -----
    An instance that an earlier version of the chart saved is carried to this one by the chart's
    `migrations` when its next event is settled, in the same write. Reading it changes nothing.

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
        on_edited: OnEdited = "refuse",
    ) -> None:
        given: tuple[object, object] = (chart, store)  # not every caller uses a type checker
        if not isinstance(given[0], Chart) or not isinstance(given[1], Store):
            raise TypeError(
                f"Interpreter({shorten(chart, 40)}, {shorten(store, 40)}): a Chart and a store are "
                "needed, such as Interpreter(chart, TinyStore('store.json'))"
            )
        chart.require("guard", "assign", "service")
        _check_limits(service_timeout, deadline, max_microsteps)
        if on_edited not in get_args(OnEdited):
            reason = f"is {shorten(on_edited, 40)}; possible: 'refuse', 'warn'"
            raise InvalidValueError(where="on_edited", reason=reason)
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
        self.chain = chain_of(chart)
        """The steps from earlier versions of the chart."""
        self.on_edited: OnEdited = on_edited
        self._timers = store.timers if isinstance(store, QueueStore) else None
        self._charts = store if isinstance(store, ChartStore) else None
        self._definition = definition_of(chart)
        self._told: set[str | None] = set()
        self._events = frozenset(external_events(chart))
        self._unknown_events: set[str] = set()
        if self._charts is not None:
            self._charts.check_version(chart.name, chart.version)

    # --- one event ------------------------------------------------------------------------

    async def settle(
        self, key: str, event: EventName, data: JSONValue = None, event_id: str | None = None
    ) -> Settlement:
        """Bring one event to a settled state and save the instance there.

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
        settlement : a rejected or ignored event is a result, not an error. For an event that no
            transition of the chart names, a warning with the closest known name goes to the logger
            ``settlesim.events``, once for each name.

        Raises
        ------
        InvalidEventError
            The name is reserved, or the data is no strict JSON.
        SettleError
            The event reached no settled state; the instance is as it was.
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
        """Settle that a delay of the instance's settled state has passed, and save.

        `Settlement.timers` names these delays. A worker and its queue take care of them; this is
        for a program that keeps the time itself.

        Parameters
        ----------
        key : as in `settle`
        id : of the delay, such as ``"held.0"`` for the first one of the state ``held``
        event_id : as in `settle`

        Returns
        -------
        settlement : IGNORED where the delay's state is not active, or its guards say no

        Raises
        ------
        SettleError, VersionConflictError, StoreError
            As `settle`.
        """
        return await self._settle(key, Elapsed(id), event_id)

    async def start(self, key: str, event_id: str | None = None) -> Settlement:
        """Start an instance without an event, and save it where it settles.

        Its initial state is entered, and its eventless transitions and services run. An instance
        that exists is left alone.

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
        loaded = self.load_current(key)
        if isinstance(event, Event):
            self.tell_of_event(event.name)
        keeping = self.keeping(loaded, event_id=event_id)
        settlement, transaction = await self.settle_from(
            loaded.snapshot, event, driver, key=key, keeping=keeping
        )
        if settlement.saved:
            self.store.commit(transaction)
        return settlement

    # --- for a worker, which handles the queue itself -----------------------------------------

    async def settle_from(
        self,
        snapshot: Snapshot | None,
        event: Event | Elapsed | None,
        driver: Driver,
        *,
        key: str,
        keeping: Keeping,
    ) -> Settled:
        """Settle without the store, as `settlesim.runtime.driver.settle` does."""
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

    def load_current(self, key: str) -> Loaded:
        """Return the instance in the chart's version, and its timers.

        The state is read first: a timer that is there afterwards was started by the settlement
        that was loaded, or by a later one, and then the commit is refused.

        Raises
        ------
        ChartMismatchError
            Another chart or version saved it, and no migration leads from there to this version; or
            it would start in an earlier version than the newest one that the store has seen.
        """
        stored = self.store.load(key)
        timers: Sequence[DurableTimer] = ()
        if self._timers is not None and self.chain.has_timers:
            timers = self._timers(key)
        if stored is None:
            self._check_new(key)
            return Loaded(None, None, timers)
        chart = self.chart
        if (stored.chart, stored.version, stored.fingerprint) == (
            chart.name,
            chart.version,
            chart.fingerprint,
        ):
            return Loaded(stored, stored, timers)
        carried = self.chain.carry(
            stored,
            key=key,
            timers=[each.delay for each in timers],
            known=self._known_charts,
            edited=self.on_edited == "warn",
        )
        self._tell_of(stored, key)
        if carried.version != chart.version:
            return Loaded(stored, carried.snapshot, timers, carried)
        return Loaded(stored, carried.snapshot, timers)

    def _check_new(self, key: str) -> None:
        """Refuse to start an instance in an earlier version than the newest or the least one."""
        if self._charts is None:
            return
        newest = self._charts.newest_version(self.chart.name) or 0
        newest = max(newest, self._charts.least_version(self.chart.name))
        if newest > self.chart.version:
            raise newer_version(key, self.chart.name, self.chart.version, newest)

    def check_event(self, loaded: Loaded, key: str, event: str) -> None:
        """Refuse an event that a later version of the chart may know, and this one does not.

        This version would ignore it, and it would be lost.

        Raises
        ------
        ChartMismatchError
            The store has seen a later version.
        """
        if self._charts is None or self.chain.knows(event):
            return
        newest, chart = self._charts.newest_version(self.chart.name), self.chart
        if newest is not None and newest > chart.version:
            stored = loaded.stored
            raise ChartMismatchError(
                key=key,
                stored="no version so far"
                if stored is None
                else f"{stored.chart} version {stored.version}",
                current=f"{chart.name} version {chart.version}",
                reason=f"it has no event {shorten(event, 60)}, and the store has seen version "
                f"{newest}, which may have it",
            )

    def _known_charts(self) -> dict[str, Chart]:
        """Return the definitions of this chart that the store knows, by their fingerprints."""
        return {} if self._charts is None else known_charts(self._charts, self.chart.name)

    def _tell_of(self, stored: Snapshot, key: str) -> None:
        """Warn once of an instance that is used although another definition may have saved it."""
        fingerprint = stored.fingerprint
        edited = self.chain.is_edited(stored.version, fingerprint)
        if fingerprint in self._told or not (edited or fingerprint is None):
            return
        self._told.add(fingerprint)
        if stored.fingerprint is None:
            _LOGGER.warning(
                "instance %r was saved before fingerprints were: it is taken as one of this "
                "definition of %s version %s, and so are all others without a fingerprint",
                key,
                stored.chart,
                stored.version,
            )
            return
        _LOGGER.warning(
            "instance %r was saved by another definition of %s version %s, and is taken as it is: "
            "%s",
            key,
            stored.chart,
            stored.version,
            self.chain.edit(stored.version, fingerprint, self._known_charts()),
        )

    def tell_of_event(self, name: str) -> None:
        """Warn, once for each name, of an event that no transition of the chart names."""
        if name_flaw(name) or name in self._events or name in self._unknown_events:
            return
        flaw = unknown_event(self.chart, name)
        if flaw is not None and len(self._unknown_events) < _MOST_UNKNOWN:
            self._unknown_events.add(name)
            _EVENTS.warning("event ignored: %s", flaw)

    def tell_of_message(self, message: Message) -> None:
        """Warn once that a message was sent under another definition of its chart's version."""
        version, fingerprint = message.version, message.fingerprint
        if version is None or fingerprint in self._told:
            return
        if not self.chain.is_edited(version, fingerprint):
            return
        self._told.add(fingerprint)
        _LOGGER.warning(
            "message %s for instance %r was sent under another definition of %s version %s, and "
            "is handled by this one: %s",
            message.id,
            message.group_id,
            self.chart.name,
            version,
            self.chain.edit(version, fingerprint, self._known_charts()),
        )

    def keeping(
        self,
        loaded: Loaded,
        *,
        event_id: str | None,
        consumed: str | None = None,
        mark: str | None = None,
    ) -> Keeping:
        """Return what a transaction has besides the new state."""
        carried = loaded.carried
        ids = [each.delay for each in loaded.timers] if carried is None else carried.lost
        unknown = tuple(each for each in ids if each not in self.delays)
        return Keeping(
            timers=self._timers is not None,
            unknown_delays=unknown,
            answers=self.record_answers,
            event_id=event_id,
            consumed=consumed,
            mark=mark,
            definition=self._definition,
            stored=loaded.stored,
            carried=carried,
        )

    def settle_sync(
        self, key: str, event: EventName, data: JSONValue = None, event_id: str | None = None
    ) -> Settlement:
        """Do what `settle` does, also where an event loop runs already (Jupyter).

        There the services run in a loop of their own, in a thread, and this call waits.
        """
        return run_anywhere(self.settle(key, event, data, event_id))

    def elapsed_sync(
        self,
        key: str,
        id: str,  # noqa: A002
        event_id: str | None = None,
    ) -> Settlement:
        """Do what `elapsed` does, also where an event loop runs already (Jupyter)."""
        return run_anywhere(self.elapsed(key, id, event_id))

    def start_sync(self, key: str, event_id: str | None = None) -> Settlement:
        """Do what `start` does, also where an event loop runs already (Jupyter)."""
        return run_anywhere(self.start(key, event_id))

    # --- reading without an event ---------------------------------------------------------

    def load(self, key: str) -> Snapshot | None:
        """Return the instance's last settled state, or None for one that was never saved.

        It is returned as it was saved, even by an earlier version of the chart.
        """
        check_key(key)
        return self.store.load(key)

    def accepts(self, key: str) -> dict[str, tuple[Transition, ...]]:
        """Return the events that the instance takes now, each with its transitions.

        Guards are not asked. For an instance that was never saved these are the events of
        the initial configuration.

        Raises
        ------
        ChartMismatchError
            It was saved by another chart or version, or is in states that are not settled here.
        """
        check_key(key)
        snapshot = self.load_current(key).snapshot
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
