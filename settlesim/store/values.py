"""What stores return: instances and past settlements, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.values import FrozenDict, JSONValue

__all__ = ["OWN_FIELDS", "PastSettlement", "StoredInstance"]

OWN_FIELDS: Final = frozenset({"key", "revision", "at", "snapshot"})
"""What the store itself says of a settlement; a record has other fields."""


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """An instance as a store keeps it."""

    key: str
    snapshot: Snapshot
    """Its last saved state."""
    final: bool
    """Whether its chart has come to its end."""
    saved_at: float
    """When it was saved last, in seconds since the epoch; 0 where that is not known."""

    def is_in(self, state: str) -> bool:
        """Say whether an active state is `state` or lies inside it."""
        inside = f"{state}."
        return any(leaf == state or leaf.startswith(inside) for leaf in self.snapshot.configuration)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            "key": self.key,
            **self.snapshot.to_dict(),
            "final": self.final,
            "saved_at": self.saved_at,
        }


@dataclass(frozen=True, slots=True)
class PastSettlement:
    """What a store remembers of one settlement."""

    key: str
    """The instance."""
    number: int
    """Greater than that of every settlement before it in this store; never used again."""
    revision: int
    """The instance's revision after it; the revision before where it saved nothing."""
    at: float
    """When it was saved, in seconds since the epoch."""
    snapshot: Snapshot | None
    """The state that it saved; None where it saved none."""
    record: FrozenDict
    """What the transaction's record said."""

    @property
    def event(self) -> JSONValue:
        """The event, None where the record has none."""
        return self.record.get("event")

    @property
    def outcome(self) -> str | None:
        """How it ended, such as ``"resolved"``; None where the record does not say."""
        return self.record.get("outcome")

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON, without its number."""
        snapshot = None if self.snapshot is None else self.snapshot.to_dict()
        return {
            "key": self.key,
            "revision": self.revision,
            "at": self.at,
            **self.record,
            "snapshot": snapshot,
        }
