"""`AwsEngine`: the `settlesim.engines.Engine` of a chart on SQS and DynamoDB."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, Self

from botocore.exceptions import BotoCoreError, ClientError

from settlesim.argument_checks import check_count, check_seconds
from settlesim.chart import Chart
from settlesim.chart.strict_json import JSONValue
from settlesim.engines.aws.instance_table import InstanceTable, StampedRecord, unavailable
from settlesim.engines.aws.messages import deduplication_id
from settlesim.engines.aws.put_aside import note_put_aside
from settlesim.engines.aws.queue_handler import QueueHandler
from settlesim.engines.aws.resources import AwsResources
from settlesim.engines.event_ids import new_event_id
from settlesim.engines.handling import HandlerOptions
from settlesim.engines.instance_record import InstanceRecord, letter_of_id
from settlesim.engines.promises import PROMISES
from settlesim.engines.protocol import (
    Accepted,
    DeadEvent,
    EngineStatus,
    EventStage,
    EventStatus,
    Promise,
)
from settlesim.engines.record_engine import POLL, RecordEngine
from settlesim.errors import (
    DeduplicationError,
    StoreUnavailableError,
    VersionConflictError,
    error_message,
)
from settlesim.ports import digest_of
from settlesim.runtime.event_messages import event_body
from settlesim.runtime.logs import LOGGER
from settlesim.store.checks import check_message
from settlesim.store.wall import wall_clock

__all__ = ["AwsEngine"]

_CONFLICTS: Final = 10
_PAGE: Final = 100
_RETRY: Final = 1
"""Seconds after which messages that could not be handled are visible again."""


class AwsEngine(RecordEngine):
    """Runs a chart on SQS, Lambda and DynamoDB.

    Parameters
    ----------
    chart : with all its functions bound
    resources : the table and queues
    options : how events are handled; the same as those of the Lambda function, if there is one
    works
        Whether this process receives and handles messages while the engine is entered. False
        where a Lambda function does.
    concurrency : how many batches this process handles at a time
    long_poll : whole seconds for which one reception waits for a message, from 0 to 20; leaving
        the engine takes up to as long
    batch_size : how many messages are received at a time, from 1 to 10

    Raises
    ------
    UnboundFunctionError
        Functions that the chart names are not bound.
    """

    name: ClassVar = "aws"
    promises: ClassVar = PROMISES[name]

    def __init__(
        self,
        chart: Chart,
        resources: AwsResources,
        *,
        options: HandlerOptions | None = None,
        works: bool = False,
        concurrency: int = 10,
        long_poll: int = 1,
        batch_size: int = 10,
    ) -> None:
        check_count(concurrency, where="concurrency")
        check_count(batch_size, where="batch_size")
        check_seconds(long_poll, where="long_poll", most=20)
        self.resources = resources
        self.handler = QueueHandler(chart, resources, options)
        super().__init__(chart, self.handler.options, works=works)
        self.concurrency = concurrency
        self.long_poll = int(long_poll)
        self.batch_size = batch_size
        self._task: asyncio.Task[None] | None = None

    @property
    def _table(self) -> InstanceTable:
        return self.handler.table

    @property
    def place(self) -> str:
        """Where events come in, as a text for people."""
        return f"from {self.resources.queue_url}"

    # --- sending ------------------------------------------------------------------------------

    async def send(
        self,
        key: str,
        event: str,
        data: JSONValue = None,
        *,
        event_id: str | None = None,
        expected: int | None = None,
    ) -> Accepted:
        """Accept an event; SQS has it when this returns.

        Raises
        ------
        InvalidEventError, InvalidValueError, DeduplicationError
            As `settlesim.engines.Engine.send`.
        NotPromisedError
            `expected` is given.
        StoreUnavailableError
            AWS does not accept it; the same call can be repeated with the same `event_id`.
        """
        if expected is not None:
            raise self._not_promised(Promise.EXPECTED_REVISION)
        body = event_body(event, data)
        given = new_event_id() if event_id is None else event_id
        check_message(body, key, given)
        self._table.check_instance_key(key)
        return await asyncio.to_thread(self._send, key, body, given)

    def _send(self, key: str, body: JSONValue, event_id: str) -> Accepted:
        known = self._table.accept(key, event_id, body, now=wall_clock())
        if known is not None and known.digest not in (None, digest_of(body)):
            raise DeduplicationError(
                queue=self.resources.queue_url, group_id=key, deduplication_id=event_id
            )
        if known is None or known.done is None:
            # A known event too: the process that accepted it may have died before sending it.
            try:
                name = deduplication_id(self.chart.name, key, event_id)
                self.handler.outbox.send(key, body, event_id, name)
            except (ClientError, BotoCoreError) as error:
                raise unavailable(self.resources.queue_url, error) from error
        return Accepted(key, event_id, known is None)

    async def outcome(self, key: str, event_id: str, *, wait: float = 0.0) -> EventStatus | None:
        """Return an event's status: once it is settled or dead, or after `wait` seconds."""
        check_seconds(wait, where="wait")
        found: EventStatus | None = None
        async for _ in self._looks(asyncio.get_running_loop().time() + wait):
            found = await asyncio.to_thread(self._status_of, key, event_id)
            if found is None or found.stage is not EventStage.WAITING:
                break
        return found

    def _status_of(self, key: str, event_id: str) -> EventStatus | None:
        event = self._table.event(key, event_id)
        if event is None:
            return None
        known = self._table.load(key).record.status_of(event_id)
        if event.done is None:
            waits = known is not None and known.stage is EventStage.WAITING
            return known if waits else EventStatus(key, event_id, EventStage.WAITING)
        if known is not None and known.stage.value == event.done["stage"]:
            return known  # with its snapshot
        return EventStatus(
            key,
            event_id,
            EventStage(event.done["stage"]),
            event.done["outcome"],
            event.done["revision"],
            errors=tuple(event.done["errors"]),
        )

    # --- reading ------------------------------------------------------------------------------

    async def _record(self, key: str) -> InstanceRecord:
        return (await asyncio.to_thread(self._table.load, key)).record

    async def _records(
        self, *, after: str | None = None, calm: bool = True
    ) -> AsyncIterator[InstanceRecord]:
        while True:
            keys = await asyncio.to_thread(
                self._table.keys, after=after, limit=_PAGE, attention=not calm
            )
            for key in keys:
                yield await self._record(key)
            if len(keys) < _PAGE:
                return
            after = keys[-1]

    # --- what could not be settled --------------------------------------------------------------

    async def dead_letters(
        self, *, after: str | None = None, limit: int = 100
    ) -> Sequence[DeadEvent]:
        """List the dead letters, a page at a time; `after` is the last `id` of the page before.

        For the first page this also reads the queue for dead letters, and records in the table what
        SQS itself has moved there: events that were received too often without a result, for
        example because functions crashed. From then on, `outcome` reports them as dead.
        """
        if after is None and self.resources.dead_letter_queue_url is not None:
            await asyncio.to_thread(note_put_aside, self.handler)
        return await super().dead_letters(after=after, limit=limit)

    async def retry(self, letter: str) -> bool:
        """Let a dead letter be settled again; return whether there is one.

        Under the policy ``halt`` it gets its old position again.
        """
        found = letter_of_id(letter)
        if found is None:
            return False

        def change(read: StampedRecord) -> str | None:
            ids = [each.event_id for each in read.record.letters() if each.id == letter]
            return ids[0] if ids and read.record.retry(found.number) else None

        return await asyncio.to_thread(self._change, found.key, change)

    async def resume(self, key: str) -> bool:
        """Resume a parked instance; return whether it was parked."""

        def change(read: StampedRecord) -> str | None:
            halted, read.record.halted = read.record.halted, None
            return None if halted is None else ""

        return await asyncio.to_thread(self._change, key, change)

    def _change(self, key: str, change: Callable[[StampedRecord], str | None]) -> bool:
        """Change an instance, and wake it.

        Parameters
        ----------
        change : changes the record; returns the id of an event that waits again, an empty text if
            there is none, and None if nothing was changed
        """
        for turn in range(1, _CONFLICTS + 1):
            read = self._table.load(key)
            undone = change(read)
            if undone is None:
                return False
            record = read.record
            if record.waiting and record.halted is None:
                record.waking = True
                self.handler.outbox.add_wake(record, due=None)
            try:
                written = self._table.write(read, now=wall_clock(), undone=undone or None)
            except VersionConflictError:
                if turn == _CONFLICTS:
                    raise
                continue
            break
        with contextlib.suppress(VersionConflictError):  # the other writer sends it
            self.handler.deliver(written)
        return True

    async def status(self) -> EngineStatus:
        """Count what waits; the counts of SQS are approximate."""
        queue = await asyncio.to_thread(self._queue_attributes)
        found = await self._attention()
        return EngineStatus(
            waiting=found.waiting + sum(map(int, queue.values())),
            dead_letters=found.dead,
            parked=found.parked,
        )

    def _queue_attributes(self) -> dict[str, str]:
        names = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ]
        try:
            found = self.resources.sqs.get_queue_attributes(
                QueueUrl=self.resources.queue_url, AttributeNames=names
            )
        except (ClientError, BotoCoreError) as error:
            raise unavailable(self.resources.queue_url, error) from error
        return {name: found["Attributes"][name] for name in names}

    # --- working ------------------------------------------------------------------------------

    async def check(self) -> None:
        """Check that queue and table answer, and that messages are received if `works` is True.

        Raises
        ------
        StoreUnavailableError
            They do not answer, or no messages are received.
        """
        await asyncio.to_thread(self._queue_attributes)
        await asyncio.to_thread(self._table.keys, after=None, limit=1)
        if self.works and (self._task is None or self._task.done()):
            reason = "its messages are not received"
            raise StoreUnavailableError(path=self.resources.queue_url, reason=reason)

    async def ended(self) -> None:
        """Wait until messages are no longer received."""
        if self._task is None:
            await self._stop.wait()
        else:
            await asyncio.shield(self._task)

    async def __aenter__(self) -> Self:
        """Start receiving messages.

        Raises
        ------
        RuntimeError
            The engine was entered before and not left.
        """
        self._enter()
        if self.works:
            self._task = asyncio.create_task(self._receive())
        return self

    async def __aexit__(self, *error: Any) -> None:
        """Stop receiving, cancel what is in progress, and make its messages visible again."""
        self._stop.set()
        task, self._task = self._task, None
        if task is not None:
            await asyncio.wait([task])
        self._entered = False

    async def _receive(self) -> None:
        """Receive messages and handle each group of a batch in a task of its own."""
        running: set[asyncio.Task[None]] = set()
        logger = logging.getLogger(LOGGER)
        try:
            while not self._stop.is_set():
                if len(running) >= self.concurrency * 10:
                    await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                try:
                    messages = await asyncio.to_thread(self._batch)
                except (ClientError, BotoCoreError) as failure:
                    logger.warning("no message can be received: %s", error_message(failure))
                    await asyncio.sleep(_RETRY)
                    continue
                if not messages and not self.long_poll:
                    await asyncio.sleep(POLL)
                if self._stop.is_set():
                    # No task is created: one that is cancelled before it begins releases nothing.
                    await asyncio.to_thread(self._release_all, messages, 0)
                    break
                groups: dict[str, list[dict[str, Any]]] = {}
                for message in messages:
                    groups.setdefault(message["attributes"]["MessageGroupId"], []).append(message)
                for group in groups.values():
                    task = asyncio.create_task(self._handle(group))
                    running.add(task)
                    task.add_done_callback(running.discard)
        finally:
            for task in running:
                task.cancel()
            if running:
                await asyncio.wait(running)

    def _batch(self) -> list[dict[str, Any]]:
        """Return messages in the shape in which Lambda gives them."""
        found = self.resources.sqs.receive_message(
            QueueUrl=self.resources.queue_url,
            MaxNumberOfMessages=self.batch_size,
            WaitTimeSeconds=self.long_poll,
            AttributeNames=["All"],
        )
        return [
            {
                "messageId": each["MessageId"],
                "receiptHandle": each["ReceiptHandle"],
                "body": each["Body"],
                "attributes": each["Attributes"],
            }
            for each in found.get("Messages", [])
        ]

    async def _handle(self, group: list[dict[str, Any]]) -> None:
        left = list(group)

        async def handled(message: Mapping[str, Any]) -> None:
            del left[0]
            await asyncio.to_thread(self._delete, message)

        seconds = 0
        try:
            if await self.handler.handle_group(group, handled=handled):
                seconds = _RETRY
        finally:
            await asyncio.shield(asyncio.to_thread(self._release_all, left, seconds))

    def _delete(self, message: Mapping[str, Any]) -> None:
        with contextlib.suppress(ClientError, BotoCoreError):  # it is redelivered, and recognised
            self.resources.sqs.delete_message(
                QueueUrl=self.resources.queue_url, ReceiptHandle=message["receiptHandle"]
            )

    def _release_all(self, messages: Sequence[Mapping[str, Any]], seconds: int) -> None:
        """Make messages visible again; the last one first, so that no later one overtakes."""
        for message in reversed(messages):
            with contextlib.suppress(ClientError, BotoCoreError):  # they become visible anyway
                self.resources.sqs.change_message_visibility(
                    QueueUrl=self.resources.queue_url,
                    ReceiptHandle=message["receiptHandle"],
                    VisibilityTimeout=seconds,
                )

    def __repr__(self) -> str:
        return f"AwsEngine({self.chart.name!r}, {self.resources.table!r})"
