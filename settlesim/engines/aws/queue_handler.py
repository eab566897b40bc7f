"""`handler`: the Lambda function behind a chart's FIFO queue.

Theory of operation
-------------------
A batch may have several messages of one group, in order. They are handled one after another, and
a group stops at its first message that could not be handled: that one and the rest of its group
are reported as failed, and SQS delivers them again in their order. Other groups continue.

For each event the function loads the instance, settles the event, and writes the instance and
what became of the event as one transaction: the instance under compare-and-set, the event under
the condition that nothing has become of it yet. So a function that was frozen, or whose message
was redelivered meanwhile, changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from settlesim.chart import Chart
from settlesim.engines.aws.instance_table import InstanceTable, StampedRecord
from settlesim.engines.aws.messages import QueueMessage, read_message
from settlesim.engines.aws.outbox import Outbox
from settlesim.engines.aws.resources import AwsResources
from settlesim.engines.handling import HandledEvent, HandlerOptions, InstanceHandling
from settlesim.engines.instance_record import InstanceRecord, WaitingArrival
from settlesim.engines.protocol import EventStage, EventStatus
from settlesim.errors import (
    EventRepeatedError,
    VersionConflictError,
    error_message,
)
from settlesim.runtime.asyncio_driver import AsyncioDriver
from settlesim.runtime.clock import RealClock
from settlesim.runtime.event_messages import DelayPassed
from settlesim.runtime.logs import LOGGER
from settlesim.store.wall import wall_clock

__all__ = ["DEFAULTS", "QueueHandler", "done_of", "handler"]

DEFAULTS: Final = HandlerOptions(deadline=60.0, remembers=1_296_000.0)
"""All attempts fit into the 15 minutes of a function; ids outlive the 14 days of a message."""
_CONFLICTS: Final = 10
_WAKE: Final = 1.0
_MAX_WAKE: Final = 60.0


def handler(
    chart: Chart,
    *,
    table: str | None = None,
    queue_url: str | None = None,
    dead_letter_queue_url: str | None = None,
    scheduler_role_arn: str | None = None,
    options: HandlerOptions | None = None,
) -> Callable[[Mapping[str, Any], Any], dict[str, Any]]:
    """Return a Lambda handler for a FIFO queue with ``ReportBatchItemFailures``.

    Parameters
    ----------
    chart : with all its functions bound
    table, queue_url, dead_letter_queue_url, scheduler_role_arn
        As in `AwsResources`; None for the value of the environment.
    options : how events are handled; 60 seconds for each attempt by default

    Raises
    ------
    InvalidValueError
        Neither an argument nor the environment names the table or the queue.
    UnboundFunctionError
        Functions that the chart names are not bound.
    """
    resources = AwsResources.from_environment(
        table=table,
        queue_url=queue_url,
        dead_letter_queue_url=dead_letter_queue_url,
        scheduler_role_arn=scheduler_role_arn,
    )
    return QueueHandler(chart, resources, options)


class QueueHandler:
    """Handles the messages of a chart's queue; called as a Lambda function.

    Parameters
    ----------
    chart : with all its functions bound
    options : how events are handled
    """

    def __init__(
        self, chart: Chart, resources: AwsResources, options: HandlerOptions | None = None
    ) -> None:
        self.chart = chart
        self.resources = resources
        self.options = DEFAULTS if options is None else options
        self.handling = InstanceHandling(chart, self.options)
        self.table = InstanceTable(resources, chart.name, remembers=self.options.remembers)
        self.outbox = Outbox(resources, chart.name)
        self.logger = logging.getLogger(LOGGER)
        self._noted = False
        """Whether the table knows that this version saves instances."""

    def __call__(self, event: Mapping[str, Any], context: Any = None) -> dict[str, Any]:
        """Handle a batch; return the messages that SQS has to deliver again."""
        seconds = None
        if context is not None:
            seconds = context.get_remaining_time_in_millis() / 1000
        failed = asyncio.run(self.handle(event["Records"], seconds=seconds))
        return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}

    async def handle(
        self, records: Sequence[Mapping[str, Any]], *, seconds: float | None = None
    ) -> list[str]:
        """Handle a batch of messages as Lambda gives them; return the ids of those that failed.

        Parameters
        ----------
        seconds
            The time that is left. A message is not begun if an attempt might take longer, except
            for the first one of its group.
        """
        groups: dict[str, list[Mapping[str, Any]]] = {}
        for record in records:
            groups.setdefault(record["attributes"]["MessageGroupId"], []).append(record)
        end = None if seconds is None else asyncio.get_running_loop().time() + seconds
        failed = await asyncio.gather(
            *(self.handle_group(group, end=end) for group in groups.values())
        )
        return [each for group in failed for each in group]

    async def handle_group(
        self,
        records: Sequence[Mapping[str, Any]],
        *,
        end: float | None = None,
        handled: Callable[[Mapping[str, Any]], Awaitable[object]] | None = None,
    ) -> list[str]:
        """Handle messages of one group in order; return the ids from the first failed one on.

        Parameters
        ----------
        end : the event loop's time at which the function ends
        handled : is called with each message that is done
        """
        loop = asyncio.get_running_loop()
        for number, record in enumerate(records):
            late = end is not None and end - loop.time() < self.options.deadline
            if not (late and number):
                try:
                    await self._handle(record)
                except Exception as error:
                    self.logger.warning(
                        "message %s of %r is released: %s",
                        record["messageId"],
                        record["attributes"]["MessageGroupId"],
                        error_message(error),
                    )
                else:
                    if handled is not None:
                        await handled(record)
                    continue
            return [each["messageId"] for each in records[number:]]
        return []

    # --- one message --------------------------------------------------------------------------

    async def _handle(self, record: Mapping[str, Any]) -> None:
        message = read_message(
            record["body"],
            group=record["attributes"]["MessageGroupId"],
            message_id=record["messageId"],
        )
        for turn in range(1, _CONFLICTS + 1):
            try:
                await self._settle(message)
            except EventRepeatedError:
                pass  # another delivery of it was faster
            except VersionConflictError:
                if turn == _CONFLICTS:
                    raise
                continue
            return

    async def _settle(self, message: QueueMessage) -> None:
        """Settle the event, or the first one that waits before it."""
        read = await asyncio.to_thread(lambda: self.deliver(self.table.load(message.key)))
        record = read.record
        if message.event_id is not None:
            event = await asyncio.to_thread(self.table.event, message.key, message.event_id)
            if event is not None and event.done is not None:
                return
        own: WaitingArrival | None = None
        if message.body is None:
            record.waking = False
        elif _is_there(record, message):
            return
        else:
            own = record.arrive(message.event_id, message.body)
        tools = _Tools(self.chart, self.options, self.table)
        handled = await self.handling.settle_first(record, tools, own=own)
        await self._write(read, handled)

    async def _write(self, read: StampedRecord, handled: HandledEvent) -> None:
        record, now = read.record, wall_clock()
        for timer in handled.timers:
            self.outbox.add_timer(record, timer, now=now)
        if handled.dead and self.resources.dead_letter_queue_url is not None:
            self.outbox.add_letter(record)
        if record.waiting and record.halted is None and not record.waking:
            record.waking = True
            due = None
            if record.mismatches:
                due = now + min(_WAKE * 2.0 ** (record.mismatches - 1), _MAX_WAKE)
            self.outbox.add_wake(record, due=due)
        snapshot = record.snapshot
        if not self._noted and snapshot is not None and snapshot.version == self.chart.version:
            await asyncio.to_thread(self.table.note_version, self.chart.version)
            self._noted = True
        # If the record is too large, this fails and the message stays in the queue, which moves it
        # to its dead letters in the end.
        done = done_of(record, handled.arrival)
        written = await asyncio.to_thread(self.table.write, read, now=now, done=done)
        await asyncio.to_thread(self.deliver, written)

    def deliver(self, read: StampedRecord) -> StampedRecord:
        """Send what the record still has to send, and record that.

        Raises
        ------
        VersionConflictError
            Another writer was faster, and may send it again.
        """
        if not read.record.outbox:
            return read
        self.outbox.send_all(read.record, now=wall_clock())
        read.record.outbox = []
        return self.table.write(read, now=wall_clock())


def _is_there(record: InstanceRecord, message: QueueMessage) -> bool:
    """Whether an event waits in the record already, or is a delay whose state was left."""
    if message.event_id is not None:
        return any(each.event_id == message.event_id for each in record.waiting)
    body = message.body
    assert isinstance(body, dict)  # else it would have an id
    if any(each.body == body for each in record.waiting):
        return True
    return not record.has_timer(DelayPassed(body["timer"], body["token"]))


def done_of(
    record: InstanceRecord, arrival: WaitingArrival | None
) -> tuple[str, dict[str, Any]] | None:
    """Return the id of an event that no longer waits, and what has become of it."""
    if arrival is None or arrival.event_id is None:
        return None
    found = record.status_of(arrival.event_id)
    if found is not None:
        return arrival.event_id, found.to_dict()
    revision = 0 if record.snapshot is None else record.snapshot.revision
    # A migration step to this version of the chart dropped the event.
    return arrival.event_id, EventStatus(
        record.key, arrival.event_id, EventStage.SETTLED, "dropped", revision
    ).to_dict()


class _Tools:
    """The `HandlingTools` of a function."""

    passes: Final[tuple[type[Exception], ...]] = ()

    def __init__(self, chart: Chart, options: HandlerOptions, table: InstanceTable) -> None:
        self._chart = chart
        self._options = options
        self._table = table

    def driver(self, key_prefix: str, attempt: int) -> AsyncioDriver:
        return AsyncioDriver(
            self._chart.functions,
            RealClock(),
            service_timeout=min(self._options.service_timeout, self._options.deadline),
            deadline=self._options.deadline,
            key_prefix=key_prefix,
        )

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def now(self) -> float:
        return wall_clock()

    async def newest(self) -> int:
        return await asyncio.to_thread(self._table.newest_version)
