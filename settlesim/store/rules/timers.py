"""Durable timers: delays of settled nodes, which run on while no process does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from settlesim.ports import Transaction
from settlesim.store.database import Changes, Document, Reader, StrictDocument
from settlesim.store.documents import TIMERS, check_document
from settlesim.store.rules.agenda import Agenda

__all__ = ["DurableTimer", "DurableTimers"]


@dataclass(frozen=True, slots=True)
class DurableTimer:
    """A delay that runs, or whose message waits in the queue."""

    key: str
    """The instance."""
    delay: str
    """The id of the chart's delay."""
    token: int
    """Tells this start of the delay from all others."""
    due: float
    """When it may fire, in seconds since the epoch."""
    sent: bool
    """Its message was sent."""


class _Entry(NamedTuple):
    key: str
    chart: str
    delay: str


class DurableTimers:
    """The index of timers by instance and by time, and the rules of the table.

    Parameters
    ----------
    source : how an error names the store
    """

    tables = (TIMERS,)

    def __init__(self, source: str) -> None:
        self._source = source
        self._entries: dict[int, _Entry] = {}
        self._by_key: dict[str, dict[str, int]] = {}
        self._due: dict[str, Agenda[int]] = {}

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._by_key.clear()
        self._due.clear()

    def update(self, table: str, id: int, new: Document | None) -> None:  # noqa: A002
        """Take in that a document is now `new`."""
        before = self._entries.pop(id, None)
        if before is not None:
            delays = self._by_key.get(before.key, {})
            if delays.get(before.delay) == id:
                del delays[before.delay]
                if not delays:
                    del self._by_key[before.key]
            self._due[before.chart].discard(id)
        if new is None:
            return
        check_document(self._source, table, id, new)
        entry = self._entries[id] = _Entry(new["key"], new["chart"], new["delay"])
        self._by_key.setdefault(entry.key, {})[entry.delay] = id
        due = self._due.setdefault(entry.chart, Agenda())
        if new["state"] == "running":
            due.set(id, (new["due"], id))

    def change(self, changes: Changes, transaction: Transaction, now: float) -> None:
        """End, keep and start timers as the transaction says."""
        timers = transaction.timers
        if timers is None:
            return
        for delay, number in self._by_key.get(transaction.key, {}).items():
            if delay not in timers.kept:
                changes.remove(TIMERS, number)
        for timer in timers.started:
            assert transaction.snapshot is not None  # check_transaction has seen to it
            document = {
                "key": transaction.key,
                "chart": transaction.snapshot.chart,
                "delay": timer.id,
                "due": now + timer.seconds,
                "state": "running",
            }
            changes.insert(TIMERS, StrictDocument(document))

    def forget(self, changes: Changes, key: str) -> None:
        """End all timers of an instance."""
        for number in self._by_key.get(key, {}).values():
            changes.remove(TIMERS, number)

    def find(self, reader: Reader, key: str) -> tuple[DurableTimer, ...]:
        """Return the timers of an instance, the oldest first."""
        found = []
        for delay, number in sorted(self._by_key.get(key, {}).items(), key=lambda each: each[1]):
            document = reader.get(TIMERS, number)
            if document is not None:
                sent = document["state"] != "running"
                found.append(DurableTimer(key, delay, number, document["due"], sent))
        return tuple(found)

    def due(self, chart: str, now: float, most: int) -> list[int]:
        """Return the documents of timers whose time has come, the earliest first."""
        agenda = self._due.get(chart)
        return [] if agenda is None else agenda.upto(now, most)

    def next_at(self, chart: str) -> float | None:
        """Return when the next timer of a chart is due; None where none runs."""
        agenda = self._due.get(chart)
        first = None if agenda is None else agenda.first()
        return None if first is None else float(first[0][0])

    def charts(self) -> list[str]:
        """Return the charts of which a timer runs, sorted."""
        return sorted(chart for chart, agenda in self._due.items() if len(agenda))

    def running(self, chart: str) -> int:
        """Return how many timers of a chart run."""
        agenda = self._due.get(chart)
        return 0 if agenda is None else len(agenda)
