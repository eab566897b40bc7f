"""The messages of a worker's queue, and the ids of their events."""

from __future__ import annotations

from dataclasses import dataclass

from settlesim.chart import Event
from settlesim.chart.event import EventName, external_event
from settlesim.chart.strict_json import JSONValue
from settlesim.errors import InvalidValueError, shorten
from settlesim.ports import Message
from settlesim.settling.settlement import START_EVENT, Elapsed, event_words

__all__ = [
    "DelayPassed",
    "StartRequest",
    "event_body",
    "event_id_given",
    "event_id_of",
    "event_in_body",
    "event_of",
    "start_body",
]


@dataclass(frozen=True, slots=True)
class DelayPassed:
    """The message of a durable timer."""

    delay: str
    token: int
    """Distinguishes this start of the delay from others."""

    @property
    def elapsed(self) -> Elapsed:
        """What a session begins with."""
        return Elapsed(self.delay)

    @property
    def name(self) -> str:
        """The event's name."""
        return self.elapsed.event.name


@dataclass(frozen=True, slots=True)
class StartRequest:
    """The message that starts an instance without an event."""

    @property
    def name(self) -> str:
        """The name of the event that callbacks and services see."""
        return event_words(START_EVENT)


def start_body() -> JSONValue:
    """Return the body of the message that starts an instance without an event."""
    return {"start": True}


def event_body(event: EventName, data: JSONValue = None) -> JSONValue:
    """Return the body of the message that brings an event to a worker.

    Raises
    ------
    InvalidEventError
        The name is reserved, or the data is no strict JSON.
    """
    checked = external_event(event, data)
    return (
        {"event": checked.name} if data is None else {"event": checked.name, "data": checked.data}
    )


def event_of(message: Message) -> Event | DelayPassed | StartRequest:
    """Return what a message brings; raises as `event_in_body`."""
    return event_in_body(message.body, where=f"the body of message {message.id}")


def event_in_body(body: JSONValue, *, where: str) -> Event | DelayPassed | StartRequest:
    """Return what the body of a message says.

    Raises
    ------
    InvalidValueError
        It is of no form that a worker knows.
    InvalidEventError
        The event's name is reserved, or is no name.
    """
    if isinstance(body, dict):
        fields = set(body)
        if "event" in fields and fields <= {"event", "data"}:
            return external_event(body["event"], body.get("data"))
        if fields == {"start"} and body["start"] is True:
            return StartRequest()
        if fields == {"timer", "token"}:
            delay, token = body["timer"], body["token"]
            if isinstance(delay, str) and isinstance(token, int):
                return DelayPassed(delay, token)
    reason = (
        f'is {shorten(body, 60)}; {{"event": NAME, "data": JSON}} or {{"start": true}} is needed'
    )
    raise InvalidValueError(where=where, reason=reason)


def event_id_of(message: Message) -> str:
    """Return the id of a message's event, the same however often it is received.

    That is the sender's id, else ``#`` and the first id of the message. A sender's id that begins
    with ``#`` gets another one in front, so that the two never clash.
    """
    given = message.deduplication_id
    return f"#{message.first_id}" if given is None else event_id_given(given)


def event_id_given(given: str) -> str:
    """Return the id of an event whose sender gave it one."""
    return f"#{given}" if given.startswith("#") else given
