"""The last settlements of each instance, to look back on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.values import FrozenDict, JSONValue, freeze_object
from settlesim.errors import InvalidValueError, StoreDamagedError
from settlesim.ports import Transaction
from settlesim.store.database import Changes, Document, Reader, StrictDocument
from settlesim.store.documents import SETTLEMENTS, check_document, snapshot_of

__all__ = ["OWN_FIELDS", "PastSettlement", "Settlements"]

OWN_FIELDS = frozenset({"key", "revision", "at", "snapshot"})
"""What the store itself says of a settlement; a record has other fields."""


@dataclass(frozen=True, slots=True)
class PastSettlement:
    """What a store remembers of one settlement."""

    key: str
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
        """How it ended, such as ``"resolved"``, as the record has it; None where it has not."""
        return self.record.get("outcome")

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        snapshot = None if self.snapshot is None else self.snapshot.to_dict()
        return {
            "key": self.key,
            "revision": self.revision,
            "at": self.at,
            **self.record,
            "snapshot": snapshot,
        }


class Settlements:
    """The index from keys to their settlements, oldest first, and the rules of the table.

    Parameters
    ----------
    source : how an error names the store
    most : how many are kept of each instance; 0 for none
    """

    tables = (SETTLEMENTS,)

    def __init__(self, source: str, most: int) -> None:
        self._source = source
        self._most = most
        self._ids: dict[str, list[int]] = {}
        self._keys: dict[int, str] = {}

    def clear(self) -> None:
        """Forget everything."""
        self._ids.clear()
        self._keys.clear()

    def update(self, table: str, id: int, new: Document | None) -> None:  # noqa: A002
        """Take in that a document is now `new`."""
        before = self._keys.pop(id, None)
        if before is not None:
            ids = self._ids[before]
            ids.remove(id)  # a short list, and mostly its first
            if not ids:
                del self._ids[before]
        if new is not None:
            check_document(self._source, table, id, new)
            key = self._keys[id] = new["key"]
            ids = self._ids.setdefault(key, [])
            ids.append(id)
            if len(ids) > 1 and ids[-2] > id:
                ids.sort()

    def add(self, changes: Changes, transaction: Transaction, now: float) -> None:
        """Write down what the transaction records, and forget what is too old."""
        if transaction.record is None or not self._most:
            return
        snapshot = transaction.snapshot
        document = {
            "key": transaction.key,
            "revision": transaction.expected if snapshot is None else snapshot.revision,
            "at": now,
            **transaction.record,
            "snapshot": None if snapshot is None else snapshot.to_dict(),
        }
        ids = self._ids.get(transaction.key, ())
        for old in ids[: max(len(ids) + 1 - self._most, 0)]:
            changes.remove(SETTLEMENTS, old)
        changes.insert(SETTLEMENTS, StrictDocument(document))

    def forget(self, changes: Changes, key: str) -> None:
        """Remove all that is known of an instance."""
        for number in self._ids.get(key, ()):
            changes.remove(SETTLEMENTS, number)

    def find(self, reader: Reader, key: str) -> tuple[PastSettlement, ...]:
        """Return what is known of an instance, oldest first.

        Raises
        ------
        StoreDamagedError
            A document can not be read.
        """
        found = []
        for number in self._ids.get(key, ()):
            document = reader.get(SETTLEMENTS, number)
            if document is not None:
                found.append(self._read(number, document))
        return tuple(found)

    def _read(self, number: int, document: Document) -> PastSettlement:
        where = f"document {number} of table {SETTLEMENTS!r}"
        state: Mapping[str, Any] | None = document.get("snapshot")
        snapshot = None
        if state is not None:
            snapshot = snapshot_of(state, source=self._source, where=where)
        record = {name: value for name, value in document.items() if name not in OWN_FIELDS}
        try:
            frozen = freeze_object(record, where=where)
        except InvalidValueError as error:
            raise StoreDamagedError(path=self._source, reason=str(error)) from error
        key, revision, at = document["key"], document["revision"], document["at"]
        return PastSettlement(key, revision, at, snapshot, frozen)
