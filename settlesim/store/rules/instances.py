"""Instances: one document for each key, changed under a compare-and-set on its revision."""

from __future__ import annotations

from settlesim.chart.snapshot import Snapshot
from settlesim.errors import StoreDamagedError, VersionConflictError, shorten
from settlesim.store.database import Changes, Document, Reader
from settlesim.store.documents import (
    INSTANCES,
    InstanceDocument,
    StoredInstance,
    check_document,
    snapshot_of,
)
from settlesim.store.queues.deduplication import digest_of

__all__ = ["Instances"]


class Instances:
    """The index from keys to documents, and the rules of the table.

    Parameters
    ----------
    source : how an error names the store
    """

    tables = (INSTANCES,)

    def __init__(self, source: str) -> None:
        self._source = source
        self._ids: dict[str, int] = {}
        self._keys: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def clear(self) -> None:
        """Forget everything."""
        self._ids.clear()
        self._keys.clear()

    def update(self, table: str, id: int, new: Document | None) -> None:  # noqa: A002
        """Take in that a document is now `new`."""
        before = self._keys.get(id)
        if new is None:
            if before is not None:
                del self._keys[id], self._ids[before]
            return
        if type(new) is not InstanceDocument:
            check_document(self._source, table, id, new)
        key = new["key"]
        if before == key:
            return
        if key in self._ids:
            reason = f"the key {shorten(key)} stands in document {self._ids[key]} and in {id}"
            raise StoreDamagedError(path=self._source, reason=reason)
        if before is not None:
            del self._ids[before]
        self._ids[key] = id
        self._keys[id] = key

    def keys(self) -> list[str]:
        """Return all keys, sorted."""
        return sorted(self._ids)

    def find(self, reader: Reader, key: str) -> tuple[int | None, Snapshot | None]:
        """Return the instance's document id and state, None twice where there is none.

        Raises
        ------
        StoreDamagedError
            The document can not be read.
        """
        number = self._ids.get(key)
        document = None if number is None else reader.get(INSTANCES, number)
        if document is None:
            return None, None
        if type(document) is StoredInstance or type(document) is InstanceDocument:
            return number, document.snapshot
        where = f"instance {shorten(key)} in document {number}"
        return number, snapshot_of(document, source=self._source, where=where)

    def compare(
        self, reader: Reader, key: str, expected: int, before: Snapshot | None = None
    ) -> int | None:
        """Return the instance's document id, None where there is none.

        Raises
        ------
        VersionConflictError
            It is not at revision `expected`, 0 where there is none, or not in the state
            `before`: an instance that was begun anew counts its revisions from 1 again.
        """
        number, snapshot = self.find(reader, key)
        actual = 0 if snapshot is None else snapshot.revision
        changed = before is not None and snapshot is not before and not _same(snapshot, before)
        if actual != expected or changed:
            raise VersionConflictError(key=key, expected=expected, actual=actual)
        return number

    def save(self, changes: Changes, number: int | None, key: str, snapshot: Snapshot) -> None:
        """Write a snapshot into the document that `compare` returned."""
        document = InstanceDocument(key, snapshot)
        if number is None:
            changes.insert(INSTANCES, document)
        else:
            changes.put(INSTANCES, number, document)


def _same(one: Snapshot | None, other: Snapshot) -> bool:
    """Say whether two states are the same as JSON, where 1, 1.0 and true are three things."""
    if one is None or one != other:
        return False
    return digest_of(one.to_dict()) == digest_of(other.to_dict())
