"""`InstanceHandling`: what an engine does with an instance's next event, whatever its broker is."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, Protocol

from settlesim.argument_checks import check_count, check_seconds
from settlesim.chart import Chart, Event, Snapshot
from settlesim.chart.event import external_event
from settlesim.engines.attempts import FailedEvent, error_text, settle_with_attempts
from settlesim.engines.instance_record import InstanceRecord, StartedTimer, WaitingArrival
from settlesim.errors import (
    ChartMismatchError,
    InvalidEventError,
    InvalidValueError,
    error_message,
    newer_version,
)
from settlesim.machine.program import program_of
from settlesim.runtime.clock import RealClock
from settlesim.runtime.driver import Driver, Settled, settle
from settlesim.runtime.event_messages import DelayPassed, StartRequest, event_in_body
from settlesim.runtime.interpreter import DEADLINE, SERVICE_TIMEOUT
from settlesim.runtime.logs import LOGGER, log_settlement
from settlesim.runtime.service_call import key_prefix
from settlesim.runtime.transactions import Keeping
from settlesim.settling.macrostep import activities_of
from settlesim.settling.settlement import Elapsed
from settlesim.versions.chain import Carried, chain_of

__all__ = ["HandledEvent", "HandlerOptions", "HandlingTools", "InstanceHandling"]

_CLOCK: Final = RealClock()
"""For the log only."""


@dataclass(frozen=True)
class HandlerOptions:
    """How the events of a chart are handled."""

    policy: Literal["skip", "halt"] = "skip"
    """What an instance does after a dead letter: continue, or wait until it is resumed."""
    max_failures: int = 3
    """The number of failed attempts that makes an event a dead letter."""
    backoff: float = 1.0
    """Seconds before the second attempt, twice as long before each further one."""
    service_timeout: float = SERVICE_TIMEOUT
    """Seconds that a service may take where its chart says nothing."""
    deadline: float = DEADLINE
    """Seconds that one attempt may take altogether."""
    remembers: float = 604_800.0
    """Seconds for which the id of an event is known after it was settled."""
    record_answers: bool = True
    """Whether the remembered settlements include the answers of services."""

    def __post_init__(self) -> None:
        if self.policy not in ("skip", "halt"):
            raise InvalidValueError(where="policy", reason=f"is {self.policy!r}; skip or halt")
        check_count(self.max_failures, where="max_failures")
        for name in ("backoff", "service_timeout", "deadline", "remembers"):
            check_seconds(getattr(self, name), where=name)


class HandlingTools(Protocol):
    """What each engine has to supply."""

    @property
    def passes(self) -> tuple[type[Exception], ...]:
        """Errors of the engine itself, which are no failures of an event."""
        ...

    def driver(self, key_prefix: str, attempt: int) -> Driver:
        """Return what runs the services of one attempt.

        Parameters
        ----------
        key_prefix : what the idempotency keys of the event's services begin with
        attempt : counts from 1
        """
        ...

    def pause(self, seconds: float) -> Awaitable[object]:
        """Wait before the next attempt."""
        ...

    def now(self) -> Awaitable[float]:
        """Return the time in seconds since the epoch."""
        ...

    def newest(self) -> Awaitable[int]:
        """Return the newest version of the chart that has saved an instance.

        Returns
        -------
        version : as far as the engine can know; 0 where it knows of none
        """
        ...


class HandledEvent(NamedTuple):
    """What became of the first waiting event."""

    arrival: WaitingArrival | None = None
    """The event, which no longer waits; None where none could be handled."""
    timers: tuple[StartedTimer, ...] = ()
    """The delays that the engine has to start."""
    dead: bool = False
    """Whether it became a dead letter."""


class _Begun(NamedTuple):
    """What a session begins with."""

    snapshot: Snapshot | None
    stored: Snapshot | None
    """As the record has it, maybe in an earlier version of the chart."""
    carried: Carried | None
    event: Event | Elapsed | None


class InstanceHandling:
    """Settles the events of a chart's instances.

    Parameters
    ----------
    chart : with all its functions bound
    logger
        Gets one record for each event that was handled; ``settlesim.worker`` by default.

    Raises
    ------
    UnboundFunctionError
        Functions that the chart names are not bound.
    """

    def __init__(
        self, chart: Chart, options: HandlerOptions, *, logger: logging.Logger | None = None
    ) -> None:
        chart.require("guard", "assign", "service")
        self.chart = chart
        self.options = options
        self.logger = logging.getLogger(LOGGER) if logger is None else logger
        self._program = program_of(chart)
        self._chain = chain_of(chart)

    async def settle_first(
        self, record: InstanceRecord, tools: HandlingTools, *, own: WaitingArrival | None = None
    ) -> HandledEvent:
        """Settle the first event that waits, unless the instance is halted.

        This changes the record; the engine has to write it.

        Parameters
        ----------
        own : the event that has just arrived

        Raises
        ------
        StoreError
            The event can be settled later; the record is as it was.
        """
        if record.halted is not None or not record.waiting:
            return HandledEvent()
        arrival, began = record.waiting[0], _CLOCK.now()
        handled, outcome, error = await self._settle(record, arrival, tools, own=own)
        body = arrival.body
        name = body.get("event", body.get("timer", "start")) if isinstance(body, dict) else "?"
        snapshot = record.snapshot
        log_settlement(
            self.logger,
            key=record.key,
            event=str(name),
            event_id=arrival.mark,
            outcome=outcome,
            revision=None if snapshot is None or error is not None else snapshot.revision,
            seconds=_CLOCK.now() - began,
            receives=1,
            error=error,
        )
        return handled

    async def _settle(
        self,
        record: InstanceRecord,
        arrival: WaitingArrival,
        tools: HandlingTools,
        *,
        own: WaitingArrival | None,
    ) -> tuple[HandledEvent, str, str | None]:
        """Settle an event; also return its outcome and its error, for the log."""
        try:
            event = event_in_body(arrival.body, where="the event")
        except (InvalidEventError, InvalidValueError) as error:
            failed = FailedEvent((error_text(error, secret=bool(self.chart.secret)),), 1)
            handled = await self._put_aside(record, arrival, failed, "it is no event", tools)
            return handled, "dead", failed.errors[-1]
        try:
            begun = await self._begin(record, event, tools)
            found = (
                begun
                if isinstance(begun, str)
                else await self._attempts(record, arrival, begun, tools)
            )
        except ChartMismatchError as error:
            record.held(error_message(error))
            return HandledEvent(), "released", error_message(error)
        if isinstance(found, str):
            record.dropped(arrival)
            return HandledEvent(arrival), found, None
        if isinstance(found, FailedEvent):
            times = "once" if found.failures == 1 else f"{found.failures} times"
            handled = await self._put_aside(record, arrival, found, f"it failed {times}", tools)
            return handled, "dead", found.errors[-1]
        at = await tools.now()
        timers = record.settled(arrival, found.transaction, at=at, waited=arrival is not own)
        return HandledEvent(arrival, tuple(timers)), found.settlement.outcome.value, None

    async def _put_aside(
        self,
        record: InstanceRecord,
        arrival: WaitingArrival,
        failed: FailedEvent,
        reason: str,
        tools: HandlingTools,
    ) -> HandledEvent:
        at = await tools.now()
        record.failed(arrival, failed, reason, at=at, halt=self.options.policy == "halt")
        return HandledEvent(arrival, dead=True)

    async def _begin(
        self,
        record: InstanceRecord,
        event: Event | DelayPassed | StartRequest,
        tools: HandlingTools,
    ) -> _Begun | str:
        """Return what a session begins with, in the chart's version.

        Returns
        -------
        begun : or why there is nothing to do: ``stale`` or ``dropped``

        Raises
        ------
        ChartMismatchError
            Another version saved the instance, and no migration leads from there to this one; or
            the instance does not exist yet, and a newer version has already saved another one.
        """
        stored = record.snapshot
        if stored is None:
            snapshot, carried = None, None
            await self._check_newest(record, tools)
        else:
            found = self._chain.carry(stored, key=record.key, timers=tuple(record.timers))
            snapshot = found.snapshot
            carried = found if found.version != self.chart.version else None
        if isinstance(event, StartRequest):
            return _Begun(snapshot, stored, carried, None)
        if isinstance(event, Event):
            name = self._chain.event(event.name)
            if name is None:
                return "dropped"
            return _Begun(snapshot, stored, carried, external_event(name, event.data))
        delay = record.delay_of(event)
        if delay is None:
            return "stale"
        if carried is not None:
            if delay in carried.dropped:
                return "dropped"
            if delay not in carried.lost:
                delay = dict(carried.renamed).get(delay, delay)
        if delay not in activities_of(self._program).delays:
            raise self._mismatch(record, delay)
        return _Begun(snapshot, stored, carried, Elapsed(delay))

    async def _check_newest(self, record: InstanceRecord, tools: HandlingTools) -> None:
        """Refuse to start an instance in an earlier version than the newest one."""
        newest = await tools.newest()
        if newest > self.chart.version:
            raise newer_version(record.key, self.chart.name, self.chart.version, newest)

    async def _attempts(
        self, record: InstanceRecord, arrival: WaitingArrival, begun: _Begun, tools: HandlingTools
    ) -> Settled | FailedEvent:
        prefix = key_prefix(self.chart.name, record.key, arrival.mark)
        ids = record.timers if begun.carried is None else begun.carried.lost
        delays = activities_of(self._program).delays
        unknown = tuple(each for each in ids if each not in delays)
        keeping = Keeping(
            timers=True,
            unknown_delays=unknown,
            answers=self.options.record_answers,
            event_id=arrival.mark,
            stored=begun.stored,
            carried=begun.carried,
        )
        attempts = 0

        async def attempt() -> Settled:
            nonlocal attempts
            attempts += 1
            return await settle(
                self._program,
                begun.snapshot,
                begun.event,
                tools.driver(prefix, attempts),
                key=record.key,
                keeping=keeping,
            )

        return await settle_with_attempts(
            attempt,
            max_failures=self.options.max_failures,
            backoff=self.options.backoff,
            pause=tools.pause,
            passes=tools.passes,
            secret=bool(self.chart.secret),
        )

    def _mismatch(self, record: InstanceRecord, delay: str) -> ChartMismatchError:
        snapshot = record.snapshot
        stored = "nobody" if snapshot is None else f"{snapshot.chart} version {snapshot.version}"
        return ChartMismatchError(
            key=record.key,
            stored=stored,
            current=f"{self.chart.name} version {self.chart.version}",
            reason=f"it waits for the delay {delay!r}, which this chart does not have",
        )
