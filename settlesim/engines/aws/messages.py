"""The messages of a chart's FIFO queue, and ids that AWS accepts."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Final, NamedTuple

from settlesim.chart.strict_json import JSONValue
from settlesim.errors import InvalidValueError, shorten

__all__ = ["QueueMessage", "deduplication_id", "group_of", "message_text", "read_message"]

_GROUP: Final = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}")
"""What SQS accepts as a message group id: letters, digits and punctuation, at most 128."""
_HASHED: Final = "sha256-"


def group_of(key: str) -> str:
    """Return the message group of an instance: its key, or a hash where SQS would refuse it.

    Examples
    --------
    >>> group_of("order-17")
    'order-17'
    >>> group_of("two words")
    'sha256-a03f1d611645eb53ad16c1af546ca0792dc884505bab57ede80f4dad6b911d3a'
    """
    if _GROUP.fullmatch(key) and not key.startswith(_HASHED):
        return key
    return _HASHED + hashlib.sha256(key.encode()).hexdigest()


def deduplication_id(*parts: str) -> str:
    """Return a deduplication id that SQS accepts, the same for the same parts."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class QueueMessage(NamedTuple):
    """A message of a chart's queue."""

    key: str
    body: JSONValue
    """An event or a delay, as `event_in_body` takes them; None for a wake-up."""
    event_id: str | None
    """The sender's; None for a delay or a wake-up."""


def message_text(key: str, body: JSONValue, event_id: str | None = None) -> str:
    """Return the text of a message.

    Parameters
    ----------
    body : None for a wake-up
    """
    found: dict[str, Any] = {"key": key}
    if event_id is not None:
        found["id"] = event_id
    if body is None:
        found["wake"] = True
    else:
        assert isinstance(body, dict)
        found |= body
    return json.dumps(found, ensure_ascii=False, allow_nan=False)


def read_message(text: str, *, group: str, message_id: str) -> QueueMessage:
    """Read a message, also one that settlesim has not sent.

    Parameters
    ----------
    group : its message group, which is the key where the text names none
    message_id : SQS's, which is the event's id where the text has none

    Raises
    ------
    InvalidValueError
        It names a key that does not belong to its group: the events of that instance would be
        handled concurrently.
    """
    try:
        found = json.loads(text)
    except ValueError:
        found = text
    if not isinstance(found, dict):
        return QueueMessage(group, found, message_id)
    key = found.get("key", group)
    if not isinstance(key, str) or not key or (key != group and group_of(key) != group):
        reason = f"is {shorten(key, 60)} in the message group {shorten(group, 60)}"
        raise InvalidValueError(where="key", reason=f"{reason}; group_of(key) is the group")
    body = {name: value for name, value in found.items() if name not in ("key", "id")}
    if body == {"wake": True}:
        return QueueMessage(key, None, None)
    if set(body) == {"timer", "token"}:
        return QueueMessage(key, body, None)
    event_id = found.get("id")
    return QueueMessage(
        key, body, event_id if isinstance(event_id, str) and event_id else message_id
    )
