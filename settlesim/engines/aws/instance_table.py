"""`InstanceTable`: instances and the ids of their events in one DynamoDB table.

Items, by partition key `pk` and sort key `sk`:

| pk | sk | what |
|---|---|---|
| ``i#CHART#KEY`` | ``record`` | the instance: one JSON text, and a stamp for compare-and-set |
| ``e#CHART#KEY`` | hash of an id | an event: when it was accepted, what became of it; expires |
| ``k#CHART`` | KEY | for each instance, to list them |
| ``a#CHART`` | KEY | for each instance of which something waits, is dead or halted |
| ``v#CHART`` | ``newest`` | the newest version of the chart that has saved an instance |
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from typing import Any, Final, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from settlesim.chart.strict_json import JSONValue
from settlesim.engines.aws.resources import AwsResources
from settlesim.engines.instance_record import InstanceRecord
from settlesim.errors import (
    EventRepeatedError,
    InvalidValueError,
    StoreUnavailableError,
    VersionConflictError,
    shorten,
)
from settlesim.ports import digest_of

__all__ = ["MAX_RECORD", "EventItem", "InstanceTable", "StampedRecord", "unavailable"]

MAX_RECORD: Final = 380_000
"""Bytes of a record: an item may have 400 KB, names and keys included."""
_MAX_KEY: Final = 1024


class StampedRecord(NamedTuple):
    """An instance as it was read, with its stamp for compare-and-set."""

    record: InstanceRecord
    stamp: int
    """How often the item was written; 0 where there is none."""


class EventItem(NamedTuple):
    """What the table knows of an event."""

    digest: str | None
    """Of its body; None where its sender did not write it."""
    done: dict[str, Any] | None
    """What became of it; None while it waits."""


class InstanceTable:
    """Reads and writes the items of one chart.

    Parameters
    ----------
    remembers : seconds for which the id of an event is known
    """

    def __init__(self, resources: AwsResources, chart: str, *, remembers: float) -> None:
        self._resources = resources
        self._chart = chart
        self._remembers = remembers

    def check_instance_key(self, key: str) -> None:
        """Refuse a key that no item could have.

        Raises
        ------
        InvalidValueError
            It is too long.
        """
        size = len(key.encode())
        if size > _MAX_KEY:
            reason = f"{shorten(key, 40)} has {size} bytes; {_MAX_KEY} is DynamoDB's limit"
            raise InvalidValueError(where="key", reason=reason)

    # --- reading ------------------------------------------------------------------------------

    def load(self, key: str) -> StampedRecord:
        """Return an instance as it was written last."""
        found = self._call("get_item", Key=self._record_key(key), ConsistentRead=True).get("Item")
        return self._stamped(key, found)

    def _stamped(self, key: str, item: Any) -> StampedRecord:
        source = f"DynamoDB table {self._resources.table}"
        text = None if item is None else item["record"]["S"]
        record = InstanceRecord.from_text(key, text, source=source)
        return StampedRecord(record, 0 if item is None else int(item["stamp"]["N"]))

    def event(self, key: str, event_id: str) -> EventItem | None:
        """Return what is known of an event."""
        found = self._call("get_item", Key=self._event_key(key, event_id), ConsistentRead=True)
        item = found.get("Item")
        if item is None:
            return None
        digest = item.get("digest", {}).get("S")
        done = item.get("done", {}).get("S")
        return EventItem(digest, None if done is None else json.loads(done))

    def keys(self, *, after: str | None, limit: int, attention: bool = False) -> list[str]:
        """Return keys of instances, sorted.

        Parameters
        ----------
        attention : only of instances of which something waits, is dead or halted
        """
        partition = f"{'a' if attention else 'k'}#{self._chart}"
        values = {":pk": {"S": partition}}
        condition = "pk = :pk"
        if after is not None:
            condition += " AND sk > :after"
            values[":after"] = {"S": after}
        found = self._call(
            "query",
            KeyConditionExpression=condition,
            ExpressionAttributeValues=values,
            ConsistentRead=True,
            Limit=limit,
        )
        return [each["sk"]["S"] for each in found["Items"]]

    def newest_version(self) -> int:
        """Return the newest version of the chart that has saved an instance; 0 for none."""
        item = self._call("get_item", Key=self._newest_key, ConsistentRead=True).get("Item")
        return 0 if item is None else int(item["newest"]["N"])

    # --- writing ------------------------------------------------------------------------------

    def note_version(self, version: int) -> None:
        """Record that a version saves instances, unless a newer one does."""
        with contextlib.suppress(_ConditionFailedError):
            self._call(
                "update_item",
                Key=self._newest_key,
                UpdateExpression="SET newest = :version",
                ConditionExpression="attribute_not_exists(newest) OR newest < :version",
                ExpressionAttributeValues={":version": {"N": str(version)}},
            )

    def accept(self, key: str, event_id: str, body: JSONValue, *, now: float) -> EventItem | None:
        """Record that an event is accepted; if it was before, return what is known of it."""
        item = self._event_key(key, event_id) | {
            "digest": {"S": digest_of(body)},
            "accepted": {"N": repr(now)},
            "expires": {"N": str(int(now + self._remembers))},
        }
        try:
            self._call("put_item", Item=item, ConditionExpression="attribute_not_exists(pk)")
        except _ConditionFailedError:
            return self.event(key, event_id)
        return None

    def write(
        self,
        read: StampedRecord,
        *,
        now: float,
        done: tuple[str, dict[str, Any]] | None = None,
        undone: str | None = None,
    ) -> StampedRecord:
        """Write an instance, and what became of an event, in one transaction.

        Parameters
        ----------
        read : the changed record, with the stamp that was read
        done : the id of the event, and what became of it
        undone : the id of an event that waits again

        Raises
        ------
        VersionConflictError
            Another writer was first; nothing was written.
        EventRepeatedError
            Another writer has settled the event; nothing was written.
        InvalidValueError
            The record is too large; nothing was written.
        """
        record, stamp = read
        key = record.key
        item = self._record_key(key) | {
            "record": {"S": record.fit(MAX_RECORD)},
            "stamp": {"N": str(stamp + 1)},
        }
        put: dict[str, Any] = {"Item": item}
        if stamp:
            put |= {
                "ConditionExpression": "stamp = :stamp",
                "ExpressionAttributeValues": {":stamp": {"N": str(stamp)}},
            }
        else:
            put["ConditionExpression"] = "attribute_not_exists(pk)"
        changes: list[dict[str, Any]] = [{"Put": put}]
        if done is not None:
            changes.append({"Update": self._done(key, *done, now=now)})
        if undone is not None:
            update = {"Key": self._event_key(key, undone), "UpdateExpression": "REMOVE done"}
            changes.append({"Update": update})
        if not stamp:
            changes.append({"Put": {"Item": {"pk": {"S": f"k#{self._chart}"}, "sk": {"S": key}}}})
        attention = {"pk": {"S": f"a#{self._chart}"}, "sk": {"S": key}}
        changes.append(
            {"Delete": {"Key": attention}} if record.calm else {"Put": {"Item": attention}}
        )
        for change in changes:
            for what in change.values():
                what["TableName"] = self._resources.table
        self._transact(changes, key=key, stamp=stamp, done=None if done is None else done[0])
        return StampedRecord(record, stamp + 1)

    def _done(self, key: str, event_id: str, what: dict[str, Any], *, now: float) -> dict[str, Any]:
        return {
            "Key": self._event_key(key, event_id),
            "UpdateExpression": "SET done = :done, expires = :expires",
            "ConditionExpression": "attribute_not_exists(done)",
            "ExpressionAttributeValues": {
                ":done": {"S": json.dumps(what, ensure_ascii=False)},
                ":expires": {"N": str(int(now + self._remembers))},
            },
        }

    def _transact(
        self, changes: list[dict[str, Any]], *, key: str, stamp: int, done: str | None
    ) -> None:
        try:
            self._resources.dynamodb.transact_write_items(TransactItems=changes)
        except ClientError as error:
            if error.response["Error"]["Code"] != "TransactionCanceledException":
                raise unavailable(self._resources.table, error) from error
            reasons = [each.get("Code") for each in error.response.get("CancellationReasons", [])]
            if len(reasons) > 1 and done is not None and reasons[1] == "ConditionalCheckFailed":
                raise EventRepeatedError(key=key, event_id=done, revision=0) from error
            if reasons and reasons[0] in ("ConditionalCheckFailed", "TransactionConflict"):
                raise VersionConflictError(key=key, expected=stamp, actual=stamp + 1) from error
            raise unavailable(self._resources.table, error) from error
        except BotoCoreError as error:
            raise unavailable(self._resources.table, error) from error

    def _call(self, name: str, **arguments: Any) -> Any:
        try:
            return getattr(self._resources.dynamodb, name)(
                TableName=self._resources.table, **arguments
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                raise _ConditionFailedError from error
            raise unavailable(self._resources.table, error) from error
        except BotoCoreError as error:
            raise unavailable(self._resources.table, error) from error

    def _record_key(self, key: str) -> dict[str, Any]:
        return {"pk": {"S": f"i#{self._chart}#{key}"}, "sk": {"S": "record"}}

    @property
    def _newest_key(self) -> dict[str, Any]:
        return {"pk": {"S": f"v#{self._chart}"}, "sk": {"S": "newest"}}

    def _event_key(self, key: str, event_id: str) -> dict[str, Any]:
        name = hashlib.sha256(event_id.encode()).hexdigest()
        return {"pk": {"S": f"e#{self._chart}#{key}"}, "sk": {"S": name}}


class _ConditionFailedError(Exception):
    """The condition of a write was not met."""


def unavailable(path: str, error: Exception) -> StoreUnavailableError:
    """Return an error of boto3 as a StoreUnavailableError."""
    return StoreUnavailableError(path=path, reason=f"{type(error).__name__}: {error}")
