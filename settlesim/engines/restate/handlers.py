"""`virtual_object`: the handlers of a chart's instances, as Restate calls them.

Theory of operation
-------------------
An instance is a virtual object: Restate calls its exclusive handlers one at a time, in the order
of acceptance, and keeps the values that they set. Everything that is known of an instance is one
value. An invocation sets it at most once, at its end, since a value stays set even if the handler
fails afterwards. So an event that cannot be settled must not make the handler fail: it becomes a
dead letter in that value, and the invocation succeeds. Restate calls a handler again only if the
event is not to blame, for example when the process has crashed.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

import restate
from restate.serde import BytesSerde
from restate.server_context import DisconnectedException

from settlesim.chart import Chart
from settlesim.chart.strict_json import JSONValue
from settlesim.engines.handling import HandlerOptions, InstanceHandling
from settlesim.engines.instance_record import InstanceRecord, WaitingArrival
from settlesim.engines.protocol import EventStage
from settlesim.engines.restate.journal_driver import FinishedCalls, JournalDriver
from settlesim.errors import InvalidValueError, shorten
from settlesim.runtime.asyncio_driver import AsyncioDriver
from settlesim.runtime.clock import RealClock
from settlesim.runtime.event_messages import DelayPassed

__all__ = ["RECORD", "virtual_object"]

RECORD: Final = "record"
"""The name of the one value that an object has."""
_SERVICE: Final = r"[a-zA-Z][a-zA-Z0-9._-]*"
_MARGIN: Final = 60.0
"""Seconds that Restate waits for a handler beyond the deadline of its event."""
_WAKE: Final = 1.0
_MAX_WAKE: Final = 60.0


def virtual_object(
    chart: Chart,
    options: HandlerOptions | None = None,
    *,
    name: str | None = None,
    newest: Callable[[], int] | None = None,
) -> Any:
    """Return the ``restate.VirtualObject`` whose objects are the instances of a chart.

    Parameters
    ----------
    chart : with all its functions bound
    name : of the service; None for the chart's name
    newest
        Returns the newest version of the chart that has saved an instance, 0 for none. An earlier
        version starts no instances. Without this function it does; `RestateEngine` supplies one
        that asks the server.

    Returns
    -------
    object : for an endpoint, such as ``restate.app([virtual_object(chart)])``

    Raises
    ------
    UnboundFunctionError
        Functions that the chart names are not bound.
    InvalidValueError
        Restate does not accept the name.

    Notes
    -----
    Its handlers are `send` (an event: ``{"event": NAME, "data": JSON, "id": TEXT}``), `state` and
    `outcome` (shared, they read), `elapsed` (a delay), `wake`, `resume` and `retry`.
    """
    given = HandlerOptions() if options is None else options
    handling = InstanceHandling(chart, given)
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
        # Never "kill", which would lose an event because a worker was down.
        invocation_retry_policy=restate.InvocationRetryPolicy(
            initial_interval=timedelta(milliseconds=100),
            max_interval=timedelta(seconds=10),
            max_attempts=1_000_000,
            on_max_attempts="pause",
        ),
    )
    handlers = _Handlers(handling, service=service, newest=newest)
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
    """Return a method as a function: the SDK sets an attribute, which a method does not allow."""
    if len(inspect.signature(method).parameters) == 1:

        async def handler(context: Any) -> Any:
            return await method(context)

        return handler

    async def handler_with_request(context: Any, request: Any) -> Any:
        return await method(context, request)

    return handler_with_request


class _Handlers:
    def __init__(
        self, handling: InstanceHandling, *, service: str, newest: Callable[[], int] | None
    ) -> None:
        self.handling = handling
        self.service = service
        self.newest = newest

    # --- what Restate calls -------------------------------------------------------------------

    async def send(self, context: Any, request: Any) -> Any:
        """Settle an event; return what became of it."""
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
        """Settle a delay that has passed."""
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
        """Resume a halted instance; return whether it was halted."""
        record = await self._read(context)
        if record.halted is None:
            return False
        record.halted = None
        await self._write(context, record)
        return True

    async def retry(self, context: Any, request: Any) -> bool:
        """Let a dead letter wait again; return whether there is one."""
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
        """Return the status of the event with this id; None if the record does not know it."""
        found = (await self._read(context)).status_of(str(request))
        return None if found is None else found.to_dict()

    async def _settle_first(
        self, context: Any, record: InstanceRecord, *, own: WaitingArrival | None = None
    ) -> None:
        tools = _Tools(context, self.handling, self.newest)
        handled = await self.handling.settle_first(record, tools, own=own)
        for timer in handled.timers:
            body = {"timer": timer.delay, "token": timer.token}
            self._send(context, "elapsed", json.dumps(body).encode(), timer.seconds)

    # --- the record ---------------------------------------------------------------------------

    async def _read(self, context: Any) -> InstanceRecord:
        text = await context.get(RECORD, serde=BytesSerde())
        return InstanceRecord.from_text(
            context.key(),
            None if text is None else bytes(text).decode(),
            source=f"Restate service {self.service}",
        )

    async def _write(self, context: Any, record: InstanceRecord) -> None:
        """Set the record, as the last step of an invocation."""
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


class _Tools:
    """The `HandlingTools` of an invocation."""

    passes: Final = (DisconnectedException, restate.TerminalError)
    """What the SDK raises when an invocation cannot go on here, or was cancelled."""

    def __init__(
        self, context: Any, handling: InstanceHandling, newest: Callable[[], int] | None
    ) -> None:
        self._context = context
        self._newest = newest
        self._options = handling.options
        self._functions = handling.chart.functions
        self._finished: FinishedCalls = {}

    def driver(self, key_prefix: str, attempt: int) -> JournalDriver:
        options = self._options
        calls = AsyncioDriver(
            self._functions,
            RealClock(),
            service_timeout=options.service_timeout,
            deadline=options.deadline,
            key_prefix=key_prefix,
        )
        return JournalDriver(
            self._context,
            calls,
            service_timeout=options.service_timeout,
            deadline=options.deadline,
            attempt=attempt,
            finished=self._finished,
        )

    async def pause(self, seconds: float) -> None:
        await self._context.sleep(timedelta(seconds=seconds))

    async def now(self) -> float:
        return float(await self._context.time())

    async def newest(self) -> int:
        """Return the version from the journal: a restarted process may know another one."""
        if self._newest is None:
            return 0
        known = self._newest

        async def look() -> int:
            return known()

        return int(await self._context.run_typed("newest version", look))


def _event(request: Any, invocation: str) -> tuple[JSONValue, str]:
    """Return the body and the id of an event; the body is checked when it is settled."""
    if not isinstance(request, dict):
        return request, invocation
    body = {name: value for name, value in request.items() if name != "id"}
    event_id = request.get("id")
    return body, event_id if isinstance(event_id, str) and event_id else invocation
