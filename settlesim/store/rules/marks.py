"""Ids of events that were settled, so that a repetition is told and not settled again."""

from __future__ import annotations

from dataclasses import dataclass

from settlesim.errors import EventRepeatedError
from settlesim.ports import Transaction
from settlesim.store.database import Changes, Document, Reader, StrictDocument
from settlesim.store.documents import MARKS, check_document
from settlesim.store.rules.agenda import Agenda

__all__ = ["Mark", "Marks"]

PRUNED_EACH = 2
"""How many old ones are looked at for one that is added: so there are never many too many."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a store remembers of an event that was settled."""

    key: str
    id: str
    """The event's id."""
    revision: int
    """The instance's revision after the event."""
    outcome: str | None
    """How it ended, where the transaction's record said so."""
    digest: str | None
    """Of the body of the event's message, see `digest_of`; None where no message brought it."""
    until: float
    """When it will be forgotten, in seconds since the epoch."""


class Marks:
    """The index from events to their marks, and the rules of the table.

    Parameters
    ----------
    source : how an error names the store
    window : seconds for which a mark is kept
    """

    tables = (MARKS,)

    def __init__(self, source: str, window: float) -> None:
        self._source = source
        self._window = window
        self._ids: dict[tuple[str, str], int] = {}
        self._names: dict[int, tuple[str, str]] = {}
        self._ends: Agenda[int] = Agenda()

    def clear(self) -> None:
        """Forget everything."""
        self._ids.clear()
        self._names.clear()
        self._ends = Agenda()

    def update(self, table: str, id: int, new: Document | None) -> None:  # noqa: A002
        """Take in that a document is now `new`."""
        name = self._names.pop(id, None)
        if name is not None and self._ids.get(name) == id:
            del self._ids[name]
        if new is None:
            self._ends.discard(id)
            return
        check_document(self._source, table, id, new)
        name = self._names[id] = new["key"], new["id"]
        self._ids[name] = id
        self._ends.set(id, (new["until"], id))

    def find(self, reader: Reader, key: str, event_id: str, now: float) -> Mark | None:
        """Return the mark of an event, or None where there is none any more."""
        number = self._ids.get((key, event_id))
        document = None if number is None else reader.get(MARKS, number)
        if document is None or document["until"] <= now:
            return None
        return Mark(
            key,
            event_id,
            document["revision"],
            document.get("outcome"),
            document.get("digest"),
            document["until"],
        )

    def add(
        self, changes: Changes, transaction: Transaction, now: float, digest: str | None
    ) -> None:
        """Mark the transaction's event, and forget some whose time is over.

        Parameters
        ----------
        digest : of the body of its message

        Raises
        ------
        EventRepeatedError
            It has a mark already.
        """
        if transaction.mark is None:
            return
        key, event_id = transaction.key, transaction.mark
        known = self.find(changes, key, event_id, now)
        if known is not None:
            raise EventRepeatedError(
                key=key, event_id=event_id, revision=known.revision, outcome=known.outcome
            )
        for old in self._ends.upto(now, PRUNED_EACH):
            changes.remove(MARKS, old)
        snapshot, record = transaction.snapshot, transaction.record
        document = {
            "key": key,
            "id": event_id,
            "revision": transaction.expected if snapshot is None else snapshot.revision,
            "outcome": None if record is None else record.get("outcome"),
            "digest": digest,
            "until": now + self._window,
        }
        number = self._ids.get((key, event_id))
        if number is None:
            changes.insert(MARKS, StrictDocument(document))
        else:
            changes.put(MARKS, number, StrictDocument(document))
