"""`Stage`: one instance in one store, as all panels on it see it.

It keeps the list of what happened to the instance while a panel showed it, and the event that is
on its way. Panels on the same instance share a stage, so that all of them show the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol
from weakref import WeakSet, WeakValueDictionary

from settlesim.chart import Chart, Event, Snapshot, external_event
from settlesim.errors import InvalidValueError
from settlesim.machine.program import check_snapshot, program_of
from settlesim.ports import Clock, Store
from settlesim.runtime import SimulatedClock
from settlesim.settling import Settlement
from settlesim.settling.settlement import START_EVENT, event_words
from settlesim.versions import chain_of
from settlesim.widgets.chart.records import commit, past_of
from settlesim.widgets.chart.running_event import ClockedFlight, Flight, ManualFlight

__all__ = ["PastEvent", "Stage", "Watcher", "stage_of"]

Kind = Literal["found", "settled", "failed", "stopped", "elsewhere", "fork"]

_KEPT_ENTRIES: Final = 200


@dataclass(frozen=True, slots=True)
class PastEvent:
    """One thing that happened to the instance."""

    number: int
    kind: Kind
    snapshot: Snapshot
    """The instance afterwards."""
    text: str
    """One line that says what it was."""
    settlement: Settlement | None = None
    error: BaseException | None = field(default=None, compare=False)


class Watcher(Protocol):
    """What is told of everything that happens on a stage."""

    def stage_changed(self) -> None:
        """Show the stage as it is now."""
        ...

    def stage_failed(self, error: BaseException, doing: str) -> None:
        """Show an error."""
        ...


class Stage:
    """One instance, with what happened to it and the event on its way.

    Parameters
    ----------
    chart : with its functions bound
    store, key : where the instance is
    """

    def __init__(self, chart: Chart, store: Store, key: str) -> None:
        self.chart = chart
        self.store = store
        self.key = key
        self.entries: list[PastEvent] = []
        self.flight: Flight | None = None
        self.flights = 0
        """How many events were sent."""
        self.watchers: WeakSet[Any] = WeakSet()
        self._count = 0
        self._task: asyncio.Task[None] | None = None
        self._waiting: list[asyncio.Future[None]] = []
        snapshot = self._load()
        if snapshot is None:
            self._add("found", self._fresh(), "new instance")
        else:
            past = past_of(store, key, store.load(key) or snapshot)
            for then, text in past[:-1]:
                self._add("found", then, text)
            if past:  # the last one, migrated to the chart's version
                self._add("found", snapshot, past[-1][1])
            else:
                self._add("found", snapshot, f"found at revision {snapshot.revision}")

    # --- the instance ---------------------------------------------------------------------

    def _load(self) -> Snapshot | None:
        """Return the instance, migrated to the chart, which a notebook may have edited since."""
        stored = self.store.load(self.key)
        if stored is None:
            return None
        snapshot = chain_of(self.chart).carry(stored, key=self.key, edited=True).snapshot
        check_snapshot(program_of(self.chart), snapshot, self.key)
        return snapshot

    def _fresh(self) -> Snapshot:
        chart = self.chart
        return Snapshot(chart.name, chart.version, chart.initial_configuration, chart.context)

    @property
    def snapshot(self) -> Snapshot:
        """The instance, as far as is known here."""
        return self.entries[-1].snapshot

    def look(self) -> bool:
        """Load the instance again; return whether somebody else has saved it meanwhile."""
        found = self._load() or self._fresh()
        if found == self.snapshot or self.flight is not None:
            return False
        self._add("elsewhere", found, f"revision {found.revision}, saved elsewhere")
        return True

    def _add(self, kind: Kind, snapshot: Snapshot, text: str, **more: Any) -> None:
        self._count += 1
        self.entries.append(PastEvent(self._count, kind, snapshot, text, **more))
        del self.entries[:-_KEPT_ENTRIES]

    def forked(self, text: str) -> None:
        """Say from which instance this one was forked."""
        entry = self.entries.pop()
        self._count -= 1
        self._add("fork", entry.snapshot, text)

    # --- an event -------------------------------------------------------------------------

    def send(self, event: Event | None, clock: Clock | None) -> None:
        """Send an event, None for a start; without a clock the person answers for the services.

        Raises
        ------
        InvalidValueError
            Another event is on its way.
        InvalidEventError, SettlesimError
            The event cannot be sent, or the instance cannot be loaded.
        """
        if self.flight is not None:
            on_its_way = event_words(self.flight.settling.event)
            where = "the start" if event is None else f"event {event.name!r}"
            raise InvalidValueError(
                where=where, reason=f"has to wait: {on_its_way!r} is on its way"
            )
        if event is not None:
            event = external_event(event.name, event.data)
        self.look()
        given = (self.chart, self._load(), event, self.key, self.changed)
        self.flights += 1
        try:
            if clock is None:
                flight: Flight = ManualFlight(*given)
            else:
                flight = ClockedFlight(*given, clock=clock)
        except Exception as error:
            self._failed(START_EVENT if event is None else event, error)
            return
        self.flight = flight
        if flight.settling.settlement is not None:
            self._land()
        elif isinstance(flight, ClockedFlight):
            self._start(flight)
        else:
            self.changed()

    def _start(self, flight: ClockedFlight) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            flight.clock = SimulatedClock()  # nobody could watch it
            asyncio.run(self._fly(flight))
            return
        self._task = loop.create_task(self._fly(flight))
        self.changed()

    async def _fly(self, flight: ClockedFlight) -> None:
        try:
            await flight.run()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._task = None
            self._failed(flight.settling.event, error)
            if not isinstance(error, Exception):
                raise
        else:
            self._task = None
            self._land()

    def answer(self, act: Callable[[ManualFlight], None]) -> None:
        """Let the person answer for a service, or let time pass."""
        flight = self.flight
        if not isinstance(flight, ManualFlight):
            raise InvalidValueError(where="answer", reason="comes when nothing waits for one")
        try:
            act(flight)
        except InvalidValueError:
            raise
        except Exception as error:
            self._failed(flight.settling.event, error)
            return
        if flight.settling.settlement is not None:
            self._land()
        else:
            self.changed()

    def stop(self) -> None:
        """Give up the event that is on its way; the instance stays as it was."""
        if self.flight is None:
            return
        if self._task is not None:
            self._task.cancel()
            self._task = None
        name = event_words(self.flight.settling.event)
        self.flight = None
        self._add("stopped", self.snapshot, f"{name} given up; nothing was saved")
        self.changed()

    def _land(self) -> None:
        """Save what was settled."""
        assert self.flight is not None
        settlement = self.flight.settling.settlement
        assert settlement is not None
        try:
            commit(self.store, settlement)
        except Exception as error:
            self._failed(settlement.event, error)
            return
        self.flight = None
        after = settlement.after if settlement.saved else settlement.before
        self._add("settled", after, "", settlement=settlement)
        self.changed()

    def _failed(self, event: Event, error: BaseException) -> None:
        self.flight = None
        text = f"{event_words(event)}: {type(error).__name__}; nothing was saved"
        self._add("failed", self.snapshot, text, error=error)
        for watcher in list(self.watchers):
            watcher.stage_failed(error, event_words(event))
        self.changed()

    def changed(self) -> None:
        """Tell the watchers, and those who wait for the end of the event."""
        if self.flight is None:
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                if not each.done():
                    each.set_result(None)
        for watcher in list(self.watchers):
            watcher.stage_changed()

    async def settled(self) -> None:
        """Return when no event is on its way."""
        while self.flight is not None:
            landing = asyncio.get_running_loop().create_future()
            self._waiting.append(landing)
            await landing


_stages: WeakValueDictionary[tuple[int, str], Stage] = WeakValueDictionary()


def stage_of(chart: Chart, store: Store, key: str) -> Stage:
    """Return the stage of an instance: the one that other panels show, if there is one."""
    name = (id(store), key)
    stage = _stages.get(name)
    if stage is None:
        stage = _stages[name] = Stage(chart, store, key)
    elif stage.chart != chart:  # such as one with other functions bound
        stage = Stage(chart, store, key)
    return stage
