"""`note_put_aside`: events that SQS itself has put aside become dead letters of the table.

SQS moves a message into the queue for dead letters when it was received too often without a
result, because functions crashed or ran out of time; none of them could record that. Here each
such message is recorded in its instance, and replaced by the copy that every dead letter of the
table has in that queue. So the depth of the queue stays the number of dead letters, on which there
may be an alarm.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from settlesim.chart.strict_json import JSONValue
from settlesim.engines.attempts import FailedEvent
from settlesim.engines.aws.instance_table import unavailable
from settlesim.engines.aws.messages import QueueMessage, read_message
from settlesim.engines.aws.queue_handler import QueueHandler, done_of
from settlesim.engines.instance_record import InstanceRecord, WaitingArrival
from settlesim.errors import (
    EventRepeatedError,
    InvalidValueError,
    VersionConflictError,
    error_message,
)
from settlesim.runtime.event_messages import DelayPassed
from settlesim.store.wall import wall_clock

__all__ = ["note_put_aside"]

_HIDDEN: Final = 30
"""Seconds for which a message is hidden from others that look through the queue."""
_CONFLICTS: Final = 10
_REASON: Final = "it was received too often without a result, and SQS put it aside"


def note_put_aside(handler: QueueHandler) -> None:
    """Record what SQS has put aside since the last call.

    Of one group, only the first ten messages can be received; later ones follow once these are
    gone. A message for which its instance's record has no room stays in the queue, with a warning.

    Raises
    ------
    StoreUnavailableError
        AWS does not answer, or does not let this process read the queue for dead letters.
    """
    resources = handler.resources
    url = resources.dead_letter_queue_url
    try:
        left = []
        for message in _messages(resources.sqs, url):
            # A message with an error is the copy of a dead letter, sent by a handler.
            if "error" in message.get("MessageAttributes", {}) or not _noted(handler, message):
                left.append(message["ReceiptHandle"])
            else:
                resources.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        for receipt in reversed(left):
            with contextlib.suppress(ClientError):  # it is visible again already
                resources.sqs.change_message_visibility(
                    QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=0
                )
    except (ClientError, BotoCoreError) as error:
        raise unavailable(str(url), error) from error


def _messages(sqs: Any, url: str | None) -> Iterator[dict[str, Any]]:
    while found := sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        VisibilityTimeout=_HIDDEN,
        AttributeNames=["All"],
        MessageAttributeNames=["All"],
    ).get("Messages"):
        yield from found


def _noted(handler: QueueHandler, message: dict[str, Any]) -> bool:
    """Record a message in its instance; return whether it may be deleted."""
    group, name = message["Attributes"]["MessageGroupId"], message["MessageId"]
    try:
        read = read_message(message["Body"], group=group, message_id=name)
    except InvalidValueError:  # it names an instance that does not belong to its group
        read = QueueMessage(group, message["Body"], name)
    for _ in range(_CONFLICTS):
        try:
            _note(handler, read)
        except VersionConflictError:
            continue
        except EventRepeatedError:
            pass  # it was settled meanwhile
        except InvalidValueError as error:
            handler.logger.warning(
                "a dead letter of %r is not noted: %s", group, error_message(error)
            )
            return False
        return True
    return False


def _note(handler: QueueHandler, message: QueueMessage) -> None:
    if message.event_id is not None:
        event = handler.table.event(message.key, message.event_id)
        if event is not None and event.done is not None:
            return
    read = handler.table.load(message.key)
    record = read.record
    arrival = _arrival(record, message)
    now = wall_clock()
    if arrival is not None:
        halt = handler.options.policy == "halt"
        record.failed(arrival, FailedEvent((_REASON,), 0), _REASON, at=now, halt=halt)
        handler.outbox.add_letter(record)
    elif message.body is not None:
        return
    if record.waiting and record.halted is None and not record.waking:
        record.waking = True
        handler.outbox.add_wake(record, due=None)
    written = handler.table.write(read, now=now, done=done_of(record, arrival))
    with contextlib.suppress(VersionConflictError):  # the other writer sends it
        handler.deliver(written)


def _arrival(record: InstanceRecord, message: QueueMessage) -> WaitingArrival | None:
    """Return the event that was put aside; None if nothing is left to do for it."""
    if message.body is None:  # a wake-up: functions crashed on the first waiting event
        record.waking = False
        return record.waiting[0] if record.waiting and record.halted is None else None
    for each in record.waiting:
        known = (
            each.body == message.body
            if message.event_id is None
            else (each.event_id == message.event_id)
        )
        if known:
            return each
    if message.event_id is None and not _runs(record, message.body):
        return None
    return record.arrive(message.event_id, message.body)


def _runs(record: InstanceRecord, body: JSONValue) -> bool:
    """Whether the instance still has this delay: its state was not left."""
    assert isinstance(body, dict)  # else it would have an id
    return record.has_timer(DelayPassed(body["timer"], body["token"]))
