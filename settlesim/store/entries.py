"""What a store and its queues tell of themselves, as frozen values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.strict_json import FrozenDict, JSONValue

__all__ = [
    "OWN_FIELDS",
    "DeadLetter",
    "ParkedGroup",
    "PastSettlement",
    "QueueStatus",
    "StoredInstance",
]

OWN_FIELDS: Final = frozenset({"key", "number", "revision", "at", "snapshot"})
"""What a store itself says of a settlement; a record has other fields."""


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """One instance of a list of them."""

    key: str
    snapshot: Snapshot
    final: bool
    """Whether its chart has finished."""
    saved_at: float
    """When it was saved last, in seconds since the epoch; 0 where that is not known."""

    def is_in(self, state: str) -> bool:
        """Say whether an active state is `state` or lies within it."""
        within = f"{state}."
        return any(leaf == state or leaf.startswith(within) for leaf in self.snapshot.configuration)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        more = {"final": self.final, "saved_at": self.saved_at}
        return {"key": self.key, **self.snapshot.to_dict(), **more}


@dataclass(frozen=True, slots=True)
class PastSettlement:
    """What a store remembers of one settlement."""

    key: str
    number: int
    """Later settlements of the store have greater ones; a cursor of `settlements_since`."""
    revision: int
    """The instance's revision after it; that from before where it saved nothing."""
    at: float
    """When it was saved, in seconds since the epoch."""
    snapshot: Snapshot | None
    """The state that it saved; None where it saved none."""
    record: FrozenDict
    """What the transaction's record said."""

    @property
    def event(self) -> JSONValue:
        """The event as the record has it, None where it has none."""
        return self.record.get("event")

    @property
    def outcome(self) -> str | None:
        """How it ended, such as ``"resolved"``; None where the record does not say."""
        return self.record.get("outcome")

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        snapshot = None if self.snapshot is None else self.snapshot.to_dict()
        return {
            "key": self.key,
            "number": self.number,
            "revision": self.revision,
            "at": self.at,
            **self.record,
            "snapshot": snapshot,
        }


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
    """How often it was released with an error."""
    errors: tuple[str, ...]
    """The last error texts, oldest first."""
    at: float
    """When it was put aside, in seconds since the epoch."""
    reason: str
    version: int | None = None
    """As `settlesim.ports.WaitingMessage.version`."""
    fingerprint: str | None = None
    """As `settlesim.ports.WaitingMessage.fingerprint`."""

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
    overdue: int
    """How many of them are due: a worker sends their messages, if its chart has their delays."""
    versions: dict[str, int]
    """How many messages are for instances of which chart version, such as ``"order 2"``."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return asdict(self)
