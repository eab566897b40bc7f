"""Ids of messages that were sent, so that a repetition is not accepted again."""

from __future__ import annotations

from hashlib import sha256
from json import JSONEncoder
from typing import Final, NamedTuple

from settlesim.chart.values import JSONValue
from settlesim.store.database import Document
from settlesim.store.documents import DEDUPLICATION, check_document
from settlesim.store.rules.agenda import Agenda

__all__ = ["Deduplication", "Known", "digest_of"]

_encoder: Final = JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
)

Name = tuple[str, str, str]
"""Queue, group, and deduplication id."""


def digest_of(body: JSONValue) -> str:
    """Return what tells two bodies apart, whatever the order of their keys."""
    return sha256(_encoder.encode(body).encode()).hexdigest()[:32]


class Known(NamedTuple):
    """A deduplication id that was used."""

    number: int
    """The document."""
    digest: str
    """Of the message's body."""
    message: int
    """The message's id."""
    until: float
    """When the id is free again, if the message is not in the queue any more."""
    window: float
    """Seconds that begin anew when the message leaves the queue."""


class Deduplication:
    """The index from deduplication ids to what was sent with them.

    Parameters
    ----------
    source : how an error names the store
    """

    tables = (DEDUPLICATION,)

    def __init__(self, source: str) -> None:
        self._source = source
        self._known: dict[Name, Known] = {}
        self._names: dict[int, Name] = {}
        self._ends: Agenda[int] = Agenda()

    def clear(self) -> None:
        """Forget everything."""
        self._known.clear()
        self._names.clear()
        self._ends = Agenda()

    def update(self, table: str, id: int, new: Document | None) -> None:  # noqa: A002
        """Take in that a document is now `new`."""
        name = self._names.pop(id, None)
        known = None if name is None else self._known.get(name)
        if name is not None and known is not None and known.number == id:
            del self._known[name]
        if new is None:
            self._ends.discard(id)
            return
        check_document(self._source, table, id, new)
        name = self._names[id] = new["queue"], new["group"], new["id"]
        self._known[name] = Known(id, new["digest"], new["message"], new["until"], new["window"])
        self._ends.set(id, (new["until"], id))

    def find(self, name: Name) -> Known | None:
        """Return what was sent with this id, also where its time is over."""
        return self._known.get(name)

    def over(self, now: float, most: int) -> list[Known]:
        """Return some whose time is over, the oldest first."""
        return [self._known[self._names[number]] for number in self._ends.upto(now, most)]
