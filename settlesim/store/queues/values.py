"""What a queue tells of itself, as frozen values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from settlesim.chart.values import JSONValue, freeze
from settlesim.errors import InvalidValueError, StoreDamagedError
from settlesim.ports import Message
from settlesim.store.database import Document
from settlesim.store.queues.receipts import Receipt

__all__ = ["DeadLetter", "ParkedGroup", "QueueStatus", "error_text", "letter_of", "message_of"]

_MAX_TEXT = 1000


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was put aside because it could not be handled."""

    queue: str
    id: int
    """The message's id."""
    group_id: str
    body: JSONValue
    deduplication_id: str | None
    sent_at: float
    """When it was accepted, in seconds since the epoch."""
    receives: int
    """How often it was received."""
    failures: int
    """How often it was given back with an error."""
    errors: tuple[str, ...]
    """The last error texts, oldest first."""
    at: float
    """When it was put aside, in seconds since the epoch."""
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {**asdict(self), "body": self.body, "errors": list(self.errors)}


@dataclass(frozen=True, slots=True)
class ParkedGroup:
    """A message group that waits until it is resumed."""

    group_id: str
    since: float
    """When it was parked, in seconds since the epoch."""
    reason: str
    waiting: int
    """How many messages it has."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """A queue at one moment."""

    depth: int
    """How many messages were accepted and not deleted, those in flight included."""
    oldest: float | None
    """For how many seconds the oldest of them has been there; None where there is none."""
    in_flight: int
    """How many were received and are hidden from others now."""
    dead_letters: int
    parked: int
    """How many groups wait until they are resumed."""
    timers: int
    """How many timers run that will send into this queue."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return asdict(self)


def error_text(error: BaseException | str) -> str:
    """Return a text of limited length that strict JSON carries."""
    if isinstance(error, str):
        text = error
    else:
        try:
            text = f"{type(error).__name__}: {error}"
        except Exception as failure:
            text = f"{type(error).__name__} (its text can not be made: {type(failure).__name__})"
    return text.encode("utf-8", "backslashreplace").decode()[:_MAX_TEXT]


def _body(document: Document, source: str) -> JSONValue:
    try:
        return freeze(document["body"], where="body")
    except (KeyError, InvalidValueError) as error:
        raise StoreDamagedError(path=source, reason=f"a message's body: {error}") from error


def message_of(receipt: Receipt, document: Document, *, source: str) -> Message:
    """Return the message that a document holds, as this reception of it.

    Raises
    ------
    StoreDamagedError
        Its body is no strict JSON.
    """
    return Message(
        queue=receipt.queue,
        id=receipt.message,
        first_id=document.get("first_id", receipt.message),
        group_id=document["group"],
        body=_body(document, source),
        deduplication_id=document.get("deduplication_id"),
        receipt=str(receipt),
        receives=receipt.receives,
        failures=document["failures"],
        sent_at=document["sent_at"],
    )


def letter_of(number: int, document: Document, *, source: str) -> DeadLetter:
    """Return the dead letter that a document holds; raises as `message_of`."""
    return DeadLetter(
        queue=document["queue"],
        id=number,
        group_id=document["group"],
        body=_body(document, source),
        deduplication_id=document.get("deduplication_id"),
        sent_at=document["sent_at"],
        receives=document["receives"],
        failures=document["failures"],
        errors=tuple(document.get("errors", ())),
        at=document["at"],
        reason=document["reason"],
    )
