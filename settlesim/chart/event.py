"""An event: a named input with JSON data."""

from __future__ import annotations

import enum
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from settlesim.argument_checks import nearest
from settlesim.chart.definition import ANY_EVENT, RESERVED_PREFIXES, TransitionKind
from settlesim.chart.strict_json import JSONValue, freeze
from settlesim.errors import InvalidEventError, InvalidValueError, shorten

__all__ = [
    "MAX_NAME_LENGTH",
    "Event",
    "EventName",
    "event_name",
    "external_event",
    "external_events",
    "has_transition",
    "matches",
    "name_flaw",
    "unknown_event",
]

if TYPE_CHECKING:
    from settlesim.chart.chart import Chart

MAX_NAME_LENGTH = 200
"""How many characters a name of a state, an event or a function may have."""

EventName: TypeAlias = str | enum.Enum
"""How an event may be named: a text, or a member of an enum."""


@dataclass(frozen=True, slots=True)
class Event:
    """What a guard, an assign or a service is given: the name and the data.

    The data of ``done.invoke.*`` is the service's result, that of ``error.invoke.*`` an
    object with ``type`` and ``message``.
    """

    name: str
    data: JSONValue = None

    def to_dict(self) -> dict[str, Any]:
        """Return the event as plain JSON."""
        return {"name": self.name, "data": self.data}


def name_flaw(name: object) -> str | None:
    """Say what is wrong with a name as such, or None."""
    if type(name) is not str:
        return f"is of type {type(name).__name__}; a name is text"
    if not name.strip():
        return "is empty"
    if len(name) > MAX_NAME_LENGTH:
        return f"has {len(name)} characters; {MAX_NAME_LENGTH} is the limit"
    if not (name.isascii() and name.isprintable()):
        for character in name:
            if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}:
                return f"has the control character {character!r}"
    return None


def event_name(name: Any) -> Any:
    """Return the name of the event that an enum member stands for; anything else as it is.

    A member that is a text (``StrEnum`` and the like) stands for its value, as in `transitions`
    and in JSON; any other member stands for its name.
    """
    if isinstance(name, enum.Enum):
        return str.__str__(name) if isinstance(name, str) else name.name
    return name


def external_event(name: object, data: object = None) -> Event:
    """Return the event, frozen; refuse names and data that no external event may have.

    Raises
    ------
    InvalidEventError
        A name that is no text, is empty or too long, or begins like a reserved one; data
        that strict JSON cannot carry.
    """
    name = event_name(name)
    flaw = name_flaw(name)
    if flaw:
        raise InvalidEventError(name=name, reason=flaw)
    assert isinstance(name, str)  # name_flaw has refused everything else
    if name.startswith(RESERVED_PREFIXES):
        raise InvalidEventError(
            name=name,
            reason="is a reserved name: only the engine itself sends done.*, error.* and after.*",
        )
    if data is None:
        return Event(name)
    try:
        return Event(name, freeze(data, where="data"))
    except InvalidValueError as error:
        raise InvalidEventError(name=name, reason=f"cannot be sent: {error}") from None


def external_events(chart: Chart) -> tuple[str, ...]:
    """Return the events that a transition of the chart names, in document order."""
    return tuple(
        dict.fromkeys(edge.trigger for edge in chart.edges if edge.kind is TransitionKind.EXTERNAL)
    )


def has_transition(chart: Chart, event: str) -> bool:
    """Whether a transition of the chart, of whatever state, may be triggered by an event."""
    names = external_events(chart)
    if event in names or chart.semantics == "transitions":
        return event in names
    return any(matches(event, name) for name in names)


def unknown_event(chart: Chart, event: str) -> str | None:
    """Say that no transition of the chart is for an event; None where one is.

    Returns
    -------
    sentence : with the event that looks most like it, or with all of them

    Examples
    --------
    >>> from settlesim.gallery import order
    >>> unknown_event(order, "CANCLE")
    "chart 'order' has no transition for 'CANCLE'; did you mean 'CANCEL'?"
    """
    if has_transition(chart, event):
        return None
    known = external_events(chart)
    close = nearest(event, known)
    hint = f"did you mean {close!r}?" if close else f"it has {', '.join(map(shorten, known))}."
    return f"chart {shorten(chart.name)} has no transition for {shorten(event)}; {hint}"


def matches(event: str, descriptor: str) -> bool:
    """Whether an event matches an event descriptor of SCXML (SCXML 1.0, section 3.12.1).

    Only a descriptor that ends with an asterisk matches more than one event.

    Examples
    --------
    >>> matches("a.b", "a.*"), matches("a", "a.*"), matches("ab", "a.*"), matches("a.b", "a")
    (True, True, False, False)
    """
    if descriptor in {event, ANY_EVENT}:
        return True
    prefix = descriptor.removesuffix(ANY_EVENT)
    if prefix == descriptor or not prefix.endswith("."):
        return False
    return event.startswith(prefix) or event == prefix[:-1]
