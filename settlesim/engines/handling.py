"""`InstanceHandling`: what an engine does with an instance's next event, whatever its broker is."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from settlesim.argument_checks import check_count, check_seconds
from settlesim.chart import Chart, Event
from settlesim.engines.attempts import FailedEvent, error_text, settle_with_attempts
from settlesim.engines.instance_record import InstanceRecord, StartedTimer, WaitingArrival
from settlesim.errors import (
    ChartMismatchError,
    InvalidEventError,
    InvalidValueError,
    error_message,
)
from settlesim.machine.program import program_of
from settlesim.runtime.driver import Driver, Settled, settle
from settlesim.runtime.event_messages import DelayPassed, StartRequest, event_in_body
from settlesim.runtime.interpreter import DEADLINE, SERVICE_TIMEOUT
from settlesim.runtime.service_call import key_prefix
from settlesim.runtime.transactions import Keeping
from settlesim.settling.macrostep import activities_of
from settlesim.settling.settlement import Elapsed

__all__ = ["HandledEvent", "HandlerOptions", "HandlingTools", "InstanceHandling"]


@dataclass(frozen=True)
class HandlerOptions:
    """How the events of a chart are handled."""

    policy: Literal["skip", "halt"] = "skip"
    """What an instance does after a dead letter: go on, or wait until it is resumed."""
    max_failures: int = 3
    """After how many failed attempts an event is a dead letter."""
    backoff: float = 1.0
    """Seconds before the second attempt, twice as long before each further one."""
    service_timeout: float = SERVICE_TIMEOUT
    """Seconds that a service may take where its chart says nothing."""
    deadline: float = DEADLINE
    """Seconds that one attempt may take altogether."""
    remembers: float = 604_800.0
    """Seconds for which the id of an event is known after it was settled."""
    record_answers: bool = True
    """Whether the list of settlements has what services answered."""

    def __post_init__(self) -> None:
        if self.policy not in ("skip", "halt"):
            raise InvalidValueError(where="policy", reason=f"is {self.policy!r}; skip or halt")
        check_count(self.max_failures, where="max_failures")
        for name in ("backoff", "service_timeout", "deadline", "remembers"):
            check_seconds(getattr(self, name), where=name)


class HandlingTools(Protocol):
    """What an engine has of its own."""

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


class HandledEvent(NamedTuple):
    """What became of the first event that waited."""

    arrival: WaitingArrival | None = None
    """The event that does not wait any more; None where none was ready."""
    timers: tuple[StartedTimer, ...] = ()
    """The delays that the engine has to start."""
    dead: bool = False
    """Whether it became a dead letter."""


class InstanceHandling:
    """Settles the events of a chart's instances.

    Parameters
    ----------
    chart : with all its functions bound

    Raises
    ------
    UnboundFunctionError
        Functions that the chart names are not bound.
    """

    def __init__(self, chart: Chart, options: HandlerOptions) -> None:
        chart.require("guard", "assign", "service")
        self.chart = chart
        self.options = options
        self._program = program_of(chart)
        self._delays = frozenset(activities_of(self._program).delays)

    async def settle_first(
        self, record: InstanceRecord, tools: HandlingTools, *, own: WaitingArrival | None = None
    ) -> HandledEvent:
        """Settle the first event that waits, unless the instance is halted.

        The record is changed; to write it is the engine's part.

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
        arrival = record.waiting[0]
        try:
            event = event_in_body(arrival.body, where="the event")
        except (InvalidEventError, InvalidValueError) as error:
            failed = FailedEvent((error_text(error),), 1)
            return await self._put_aside(record, arrival, failed, "it is no event", tools)
        if isinstance(event, DelayPassed) and not record.has_timer(event):
            record.dropped(arrival)
            return HandledEvent(arrival)
        try:
            found = await self._attempts(record, arrival, event, tools)
        except ChartMismatchError as error:
            record.held(error_message(error))
            return HandledEvent()
        if isinstance(found, FailedEvent):
            times = "once" if found.failures == 1 else f"{found.failures} times"
            return await self._put_aside(record, arrival, found, f"it failed {times}", tools)
        at = await tools.now()
        timers = record.settled(arrival, found.transaction, at=at, waited=arrival is not own)
        return HandledEvent(arrival, tuple(timers))

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

    async def _attempts(
        self,
        record: InstanceRecord,
        arrival: WaitingArrival,
        event: Event | DelayPassed | StartRequest,
        tools: HandlingTools,
    ) -> Settled | FailedEvent:
        began: Event | Elapsed | None = None
        if isinstance(event, DelayPassed):
            if event.delay not in self._delays:
                raise self._mismatch(record, event.delay)
            began = event.elapsed
        elif isinstance(event, Event):
            began = event
        prefix = key_prefix(self.chart.name, record.key, arrival.mark)
        keeping = Keeping(
            timers=True,
            unknown_delays=tuple(each for each in record.timers if each not in self._delays),
            answers=self.options.record_answers,
            event_id=arrival.mark,
        )
        attempts = 0

        async def attempt() -> Settled:
            nonlocal attempts
            attempts += 1
            return await settle(
                self._program,
                record.snapshot,
                began,
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
