"""The index of all queues of a store: who waits, who is in flight, who is parked."""

from __future__ import annotations

from typing import Final

from settlesim.store.database import Document
from settlesim.store.documents import DEAD_LETTERS, MESSAGES, PARKED, check_document
from settlesim.store.queues.lanes import Lane, Lanes, Place

__all__ = ["DEDUPLICATION_WINDOW", "Queues"]

DEDUPLICATION_WINDOW: Final = 300.0
"""Seconds for which a deduplication id is remembered, as in SQS."""


class Queues:
    """The lanes of every queue, and which queue a document belongs to.

    Parameters
    ----------
    source : how an error names the store
    """

    tables = (MESSAGES, PARKED, DEAD_LETTERS)

    def __init__(self, source: str) -> None:
        self.windows: dict[str, float] = {}
        """The deduplication windows of the queues that this process opened."""
        self._source = source
        self._queues: dict[str, Lanes] = {}
        self._places: dict[tuple[str, int], tuple[str, Lane]] = {}

    def __getitem__(self, queue: str) -> Lanes:
        """Return a queue's lanes; a queue that nobody sent to has none."""
        lanes = self._queues.get(queue)
        if lanes is None:
            lanes = self._queues[queue] = Lanes()
        return lanes

    def names(self) -> list[str]:
        """Return the names of the queues that hold something, sorted."""
        return sorted(
            name
            for name, lanes in self._queues.items()
            if lanes.places or lanes.parked or lanes.dead
        )

    def window(self, queue: str) -> float:
        """Return for how many seconds a queue remembers deduplication ids."""
        return self.windows.get(queue, DEDUPLICATION_WINDOW)

    def holds(self, queue: str, message: int) -> bool:
        """Say whether a message waits or is in flight."""
        lanes = self._queues.get(queue)
        return lanes is not None and message in lanes.places

    def clear(self) -> None:
        """Forget everything but the windows, which are settings."""
        self._queues.clear()
        self._places.clear()

    def update(self, table: str, id: int, new: Document | None) -> None:  # noqa: A002
        """Take in that a document is now `new`."""
        before = self._places.pop((table, id), None)
        if new is not None:
            check_document(self._source, table, id, new)
            lane: Lane = id if table != PARKED and new["standard"] else new["group"]
            after = new["queue"], lane
            if before is not None and before != after:
                self._take_out(table, id, *before)
            self._places[table, id] = after
            self._put_in(table, id, new, *after)
        elif before is not None:
            self._take_out(table, id, *before)

    def _put_in(self, table: str, number: int, new: Document, queue: str, lane: Lane) -> None:
        lanes = self[queue]
        if table == MESSAGES:
            lanes.put(
                number, Place(queue, lane, new["visible_at"], new["in_flight"], new["sent_at"])
            )
        elif table == PARKED:
            lanes.park(lane, number)
        else:
            lanes.dead.add(number)

    def _take_out(self, table: str, number: int, queue: str, lane: Lane) -> None:
        lanes = self[queue]
        if table == MESSAGES:
            lanes.remove(number)
        elif table == PARKED:
            lanes.release(lane)
        else:
            lanes.dead.discard(number)
