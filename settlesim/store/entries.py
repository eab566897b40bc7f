"""Frozen values that describe what a store and its queues hold."""

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
"""The fields of a settlement that the store itself sets; a record may not contain them."""


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """An instance as a store lists it."""

    key: str
    snapshot: Snapshot
    final: bool
    """Whether its chart has finished."""
    saved_at: float
    """When it was saved last, in seconds since the epoch; 0 if that is not known."""

    def is_in(self, state: str) -> bool:
        """Return whether `state`, or a state within it, is active."""
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
    """Increases with every settlement of the store; the cursor of `settlements_since`."""
    revision: int
    """The instance's revision after the settlement; unchanged if it saved no state."""
    at: float
    """When it was saved, in seconds since the epoch."""
    snapshot: Snapshot | None
    """The state that it saved; None if it saved none."""
    record: FrozenDict
    """The transaction's record."""

    @property
    def event(self) -> JSONValue:
        """The event in the record; None if it has none."""
        return self.record.get("event")

    @property
    def outcome(self) -> str | None:
        """How it ended, such as ``"resolved"``; None if the record does not say."""
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
    """A message group that is not received until it is resumed."""

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
    """Messages that were accepted and not deleted yet, including those in flight."""
    oldest: float | None
    """The age of the oldest of them in seconds; None if there is none."""
    in_flight: int
    """Messages that were received and are hidden from other consumers now."""
    dead_letters: int
    parked: int
    """Groups that are not received until they are resumed."""
    timers: int
    """Running timers that will send into this queue."""
    overdue: int
    """Those of them that are due: a worker sends their messages, if its chart has their delays."""
    versions: dict[str, int]
    """The number of messages by the chart version of their instance, such as ``"order 2"``."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return asdict(self)
