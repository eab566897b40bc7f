"""`Outbox`: what a settlement sends, after it was written and before its message is deleted.

What has to be sent is written in one transaction with the instance. If the process dies before
sending it, it is sent when the message is redelivered or the instance's next event is handled.
What was sent twice has the same name or deduplication id both times, and arrives once, or is
recognised by its token.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from time import sleep
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from settlesim.engines.aws.instance_table import unavailable
from settlesim.engines.aws.messages import deduplication_id, group_of, message_text
from settlesim.engines.aws.resources import AwsResources
from settlesim.engines.instance_record import InstanceRecord, StartedTimer
from settlesim.errors import InvalidValueError

__all__ = ["Outbox"]

_SOON: Final = 1.0
"""A time within so many seconds is waited for: schedules need whole seconds in the future."""
_ATTRIBUTE: Final = 1000


class Outbox:
    """Sends what the records of a chart's instances have to send.

    Parameters
    ----------
    chart : its name
    pause : waits for a number of seconds
    """

    def __init__(
        self, resources: AwsResources, chart: str, *, pause: Callable[[float], object] = sleep
    ) -> None:
        self._resources = resources
        self._chart = chart
        self._pause = pause

    # --- what is written with a record --------------------------------------------------------

    def add_timer(self, record: InstanceRecord, timer: StartedTimer, *, now: float) -> None:
        """Add a delay, which begins now."""
        body = {"timer": timer.delay, "token": timer.token}
        record.outbox.append({"body": body, "due": now + timer.seconds})

    def add_wake(self, record: InstanceRecord, *, due: float | None) -> None:
        """Add a message that settles the next waiting event, at `due` or immediately for None."""
        record.wakes += 1
        wake = deduplication_id(self._chart, record.key, "wake", str(record.wakes))
        record.outbox.append({"body": None, "wake": wake, "due": due})

    def add_letter(self, record: InstanceRecord) -> None:
        """Add a copy of the last dead letter for the queue for dead letters."""
        record.outbox.append({"letter": record.dead[-1]["number"]})

    # --- sending ------------------------------------------------------------------------------

    def send_all(self, record: InstanceRecord, *, now: float) -> None:
        """Send all that a record has to send.

        Nothing is sent before it is due. What is due within a second is waited for; later things
        are scheduled.

        Raises
        ------
        StoreUnavailableError
            AWS does not accept it.
        InvalidValueError
            A delay has to be scheduled, and there is no role for it.
        """
        try:
            soon: list[tuple[float, dict[str, Any]]] = []
            for item in record.outbox:
                if "letter" in item:
                    for letter in record.dead:  # unless it is retried already
                        if letter["number"] == item["letter"]:
                            self._send_letter(record.key, letter)
                elif self._can_be_waited_for(item, now):
                    due = now if item["due"] is None else min(item["due"], now + _SOON)
                    soon.append((due, item))
                else:
                    self._schedule(record.key, item)
            for due, item in sorted(soon, key=lambda each: each[0]):
                if due > now:
                    self._pause(due - now)
                    now = due
                self.send(record.key, item["body"], None, self._name(record.key, item))
        except (ClientError, BotoCoreError) as error:
            raise unavailable(self._resources.queue_url, error) from error

    def _can_be_waited_for(self, item: dict[str, Any], now: float) -> bool:
        if item["due"] is None or item["due"] <= now + _SOON:
            return True
        # Without a scheduler an event that waits for another version is tried every second.
        return item["body"] is None and self._resources.scheduler_role_arn is None

    def send(self, key: str, body: Any, event_id: str | None, deduplication: str) -> None:
        """Send a message to the chart's queue; raises what boto3 does."""
        self._resources.sqs.send_message(
            QueueUrl=self._resources.queue_url,
            MessageBody=message_text(key, body, event_id),
            MessageGroupId=group_of(key),
            MessageDeduplicationId=deduplication,
        )

    def _name(self, key: str, item: dict[str, Any]) -> str:
        if item["body"] is None:
            return str(item["wake"])
        body = item["body"]
        return deduplication_id(self._chart, key, body["timer"], str(body["token"]))

    def _schedule(self, key: str, item: dict[str, Any]) -> None:
        role = self._resources.scheduler_role_arn
        if role is None:
            reason = "is not given, and a delay has to be scheduled"
            raise InvalidValueError(where="scheduler_role_arn", reason=reason)
        due = datetime.fromtimestamp(math.ceil(item["due"]), UTC)
        try:
            self._resources.scheduler.create_schedule(
                Name=self._name(key, item),
                GroupName=self._resources.scheduler_group,
                ScheduleExpression=f"at({due:%Y-%m-%dT%H:%M:%S})",
                FlexibleTimeWindow={"Mode": "OFF"},
                ActionAfterCompletion="DELETE",
                Target={
                    "Arn": self._resources.queue_arn,
                    "RoleArn": role,
                    "Input": message_text(key, item["body"]),
                    "SqsParameters": {"MessageGroupId": group_of(key)},
                },
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConflictException":  # it was made before
                raise

    def _send_letter(self, key: str, letter: dict[str, Any]) -> None:
        url = self._resources.dead_letter_queue_url
        if url is None:
            return
        body, error = letter["body"], letter["errors"][-1][:_ATTRIBUTE]
        wrapped = message_text(key, body, letter["event_id"]) if isinstance(body, dict) else None
        self._resources.sqs.send_message(
            QueueUrl=url,
            MessageBody=json.dumps(body) if wrapped is None else wrapped,
            MessageGroupId=group_of(key),
            MessageDeduplicationId=deduplication_id(
                self._chart, key, str(letter["number"]), str(letter["at"])
            ),
            MessageAttributes={
                "error": {"DataType": "String", "StringValue": error},
                "failures": {"DataType": "Number", "StringValue": str(letter["failures"])},
            },
        )
