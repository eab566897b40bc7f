"""`virtual_object`: the handlers of a chart's instances, as Restate calls them.

Theory of operation
-------------------
An instance is a virtual object: Restate calls its exclusive handlers one at a time, in the order
of acceptance, and keeps what they set. Everything that is known of an instance is one value, and
an invocation sets it at most once, at its end: what a handler has set stays set, even if it fails
afterwards. An event that cannot be settled is therefore no failure of the handler. It becomes a
dead letter in that value, and the invocation ends well. Only what is nobody's fault, such as a
process that dies, makes Restate call the handler again.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal

import restate
from restate.serde import BytesSerde
from restate.server_context import DisconnectedException

from settlesim.argument_checks import check_count, check_seconds
from settlesim.chart import Chart
from settlesim.chart.strict_json import JSONValue
from settlesim.engines.attempts import FailedEvent, error_text, settle_with_attempts
from settlesim.engines.instance_record import InstanceRecord, StartedTimer, WaitingArrival
from settlesim.engines.protocol import EventStage
from settlesim.engines.restate.journal_driver import FinishedCalls, JournalDriver
from settlesim.errors import (
    ChartMismatchError,
    InvalidEventError,
    InvalidValueError,
    error_message,
    shorten,
)
from settlesim.machine.program import program_of
from settlesim.runtime.asyncio_driver import AsyncioDriver
from settlesim.runtime.clock import RealClock
from settlesim.runtime.driver import Settled, settle
from settlesim.runtime.event_messages import DelayPassed, StartRequest, event_in_body
from settlesim.runtime.interpreter import DEADLINE, SERVICE_TIMEOUT
from settlesim.runtime.service_call import key_prefix
from settlesim.runtime.transactions import Keeping
from settlesim.settling.macrostep import activities_of

__all__ = ["RECORD", "HandlerOptions", "virtual_object"]

RECORD: Final = "record"
"""The name of the one value that an object has."""
_SERVICE: Final = r"[a-zA-Z][a-zA-Z0-9._-]*"
_MARGIN: Final = 60.0
"""Seconds by which Restate is more patient with a handler than its deadline."""
_WAKE: Final = 1.0
_MAX_WAKE: Final = 60.0
_PASSES: Final = (DisconnectedException, restate.TerminalError)
"""What the SDK raises when an invocation cannot go on here, or was cancelled."""


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


def virtual_object(
    chart: Chart, options: HandlerOptions | None = None, *, name: str | None = None
) -> Any:
    """Return the ``restate.VirtualObject`` whose objects are the instances of a chart.

    Parameters
    ----------
    chart : with all its functions bound
    name : of the service; None for the chart's name

    Returns
    -------
    object : for an endpoint, such as ``restate.app([virtual_object(chart)])``

    Raises
    ------
    UnboundFunctionError
        Functions that the chart names are not bound.
    InvalidValueError
        The name is none that Restate takes.

    Notes
    -----
    Its handlers are `send` (an event: ``{"event": NAME, "data": JSON, "id": TEXT}``), `state` and
    `outcome` (shared, they read), `elapsed` (a delay), `wake`, `resume` and `retry`.
    """
    chart.require("guard", "assign", "service")
    given = HandlerOptions() if options is None else options
    service = chart.name if name is None else name
    if not re.fullmatch(_SERVICE, service):
        reason = (
            f"is {shorten(service, 60)}; Restate takes ASCII letters, digits, '.', '_' and '-', "
            "the first one a letter: give the service another name than the chart's"
        )
        raise InvalidValueError(where="the name of the service", reason=reason)
    patience = timedelta(seconds=given.deadline + _MARGIN)
    made = restate.VirtualObject(
        service,
        # A service that is slower than these is called again for ever.
        inactivity_timeout=patience,
        abort_timeout=patience,
        idempotency_retention=timedelta(seconds=given.remembers),
        # A worker that is down is no fault of an event: never "kill", which would lose it.
        invocation_retry_policy=restate.InvocationRetryPolicy(
            initial_interval=timedelta(milliseconds=100),
            max_interval=timedelta(seconds=10),
            max_attempts=1_000_000,
            on_max_attempts="pause",
        ),
    )
    handlers = _Handlers(chart, given, service=service)
    exclusive: tuple[Callable[..., Awaitable[Any]], ...] = (
        handlers.send,
        handlers.elapsed,
        handlers.wake,
        handlers.resume,
        handlers.retry,
    )
    for function in exclusive:
        made.handler(name=function.__name__)(_plain(function))
    for function in (handlers.state, handlers.outcome):
        made.handler(name=function.__name__, kind="shared")(_plain(function))
    return made


def _plain(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Return a function: the SDK writes an attribute, which a method cannot have."""
    if len(inspect.signature(method).parameters) == 1:

        async def handler(context: Any) -> Any:
            return await method(context)

        return handler

    async def handler_with_request(context: Any, request: Any) -> Any:
        return await method(context, request)

    return handler_with_request


class _Handlers:
    def __init__(self, chart: Chart, options: HandlerOptions, *, service: str) -> None:
        self.chart = chart
        self.options = options
        self.service = service
        self._program = program_of(chart)
        self._delays = frozenset(activities_of(self._program).delays)

    # --- what Restate calls -------------------------------------------------------------------

    async def send(self, context: Any, request: Any) -> Any:
        """Settle an event; say what became of it."""
        record = await self._read(context)
        body, event_id = _event(request, context.request().id)
        own = record.arrive(event_id, body)
        await self._settle_first(context, record, own=own)
        await self._write(context, record)
        found = record.status_of(event_id)
        if found is None:
            return {"stage": EventStage.WAITING.value}
        return found.to_dict() | {
            "configuration": None if found.snapshot is None else found.snapshot.configuration
        }

    async def elapsed(self, context: Any, request: Any) -> None:
        """Settle that a delay has passed."""
        record = await self._read(context)
        if record.has_timer(DelayPassed(request["timer"], request["token"])):
            own = record.arrive(None, request)
            await self._settle_first(context, record, own=own)
            await self._write(context, record)

    async def wake(self, context: Any) -> None:
        """Settle the first event that waits."""
        record = await self._read(context)
        record.waking = False
        await self._settle_first(context, record)
        await self._write(context, record)

    async def resume(self, context: Any) -> bool:
        """Let a halted instance go on; say whether it was halted."""
        record = await self._read(context)
        if record.halted is None:
            return False
        record.halted = None
        await self._write(context, record)
        return True

    async def retry(self, context: Any, request: Any) -> bool:
        """Let a dead letter wait again; say whether there is one."""
        record = await self._read(context)
        if not record.retry(request):
            return False
        await self._write(context, record)
        return True

    async def state(self, context: Any) -> Any:
        """Return the instance in its last settled state; None for one that was never saved."""
        found = (await self._read(context)).instance()
        return None if found is None else found.to_dict()

    async def outcome(self, context: Any, request: Any) -> Any:
        """Return how far the event with this id is, as far as the instance knows."""
        found = (await self._read(context)).status_of(str(request))
        return None if found is None else found.to_dict()

    # --- the record ---------------------------------------------------------------------------

    async def _read(self, context: Any) -> InstanceRecord:
        text = await context.get(RECORD, serde=BytesSerde())
        return InstanceRecord.from_text(
            context.key(),
            None if text is None else bytes(text).decode(),
            source=f"Restate service {self.service}",
        )

    async def _write(self, context: Any, record: InstanceRecord) -> None:
        """Set the record, the only value and the last thing that an invocation does."""
        if record.waiting and record.halted is None and not record.waking:
            record.waking = True
            seconds = 0.0
            if record.mismatches:
                seconds = min(_WAKE * 2.0 ** (record.mismatches - 1), _MAX_WAKE)
            self._send(context, "wake", b"", seconds)
        context.set(RECORD, record.to_text().encode(), serde=BytesSerde())

    def _send(self, context: Any, handler: str, body: bytes, seconds: float) -> None:
        context.generic_send(
            self.service,
            handler,
            body,
            key=context.key(),
            send_delay=timedelta(seconds=seconds) if seconds else None,
        )

    # --- settling -----------------------------------------------------------------------------

    async def _settle_first(
        self, context: Any, record: InstanceRecord, *, own: WaitingArrival | None = None
    ) -> None:
        """Settle the first event that waits, if the instance is not halted.

        Parameters
        ----------
        own : the event that this invocation has brought
        """
        if record.halted is not None or not record.waiting:
            return
        arrival = record.waiting[0]
        try:
            event = event_in_body(arrival.body, where="the event")
        except (InvalidEventError, InvalidValueError) as error:
            failed = FailedEvent((error_text(error),), 1)
            await self._put_aside(context, record, arrival, failed, "it is no event")
            return
        if isinstance(event, DelayPassed) and not record.has_timer(event):
            record.dropped(arrival)
            return
        try:
            found = await self._attempts(context, record, arrival, event)
        except ChartMismatchError as error:
            record.held(error_message(error))
            return
        if isinstance(found, FailedEvent):
            reason = f"it failed {found.failures} times"
            await self._put_aside(context, record, arrival, found, reason)
            return
        at = await context.time()
        waited = arrival is not own
        for timer in record.settled(arrival, found.transaction, at=at, waited=waited):
            self._start(context, timer)

    def _start(self, context: Any, timer: StartedTimer) -> None:
        body = {"timer": timer.delay, "token": timer.token}
        self._send(context, "elapsed", json.dumps(body).encode(), timer.seconds)

    async def _put_aside(
        self,
        context: Any,
        record: InstanceRecord,
        arrival: WaitingArrival,
        failed: FailedEvent,
        reason: str,
    ) -> None:
        at = await context.time()
        record.failed(arrival, failed, reason, at=at, halt=self.options.policy == "halt")

    async def _attempts(
        self, context: Any, record: InstanceRecord, arrival: WaitingArrival, event: Any
    ) -> Settled | FailedEvent:
        if isinstance(event, DelayPassed):
            if event.delay not in self._delays:
                raise self._mismatch(record, event.delay)
            event = event.elapsed
        elif isinstance(event, StartRequest):
            event = None
        options, key, mark = self.options, record.key, arrival.mark
        calls = AsyncioDriver(
            self.chart.functions,
            RealClock(),
            service_timeout=options.service_timeout,
            deadline=options.deadline,
            key_prefix=key_prefix(self.chart.name, key, mark),
        )
        keeping = Keeping(
            timers=True,
            unknown_delays=tuple(each for each in record.timers if each not in self._delays),
            answers=options.record_answers,
            event_id=mark,
        )
        finished: FinishedCalls = {}
        attempts = 0

        async def attempt() -> Settled:
            nonlocal attempts
            attempts += 1
            driver = JournalDriver(
                context,
                calls,
                service_timeout=options.service_timeout,
                deadline=options.deadline,
                attempt=attempts,
                finished=finished,
            )
            return await settle(
                self._program, record.snapshot, event, driver, key=key, keeping=keeping
            )

        async def pause(seconds: float) -> None:
            await context.sleep(timedelta(seconds=seconds))

        return await settle_with_attempts(
            attempt,
            max_failures=options.max_failures,
            backoff=options.backoff,
            pause=pause,
            passes=_PASSES,
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


def _event(request: Any, invocation: str) -> tuple[JSONValue, str]:
    """Return the body and the id of an event; what it is worth is said when it is settled."""
    if not isinstance(request, dict):
        return request, invocation
    body = {name: value for name, value in request.items() if name != "id"}
    event_id = request.get("id")
    return body, event_id if isinstance(event_id, str) and event_id else invocation
