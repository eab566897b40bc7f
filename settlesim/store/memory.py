"""A store that lives as long as its process, for tests, notebooks and the simulator."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Final

from settlesim.chart.snapshot import Snapshot
from settlesim.store.base import HISTORY, MARK_WINDOW, DatabaseStore
from settlesim.store.checks import check_key
from settlesim.store.database import Document, Index
from settlesim.store.journal.lock import InterruptsHeld
from settlesim.store.wall import wall_clock

__all__ = ["MemoryDatabase", "MemoryStore"]

_STEP: Final = 0.05
"""Seconds between two looks for an interrupt; who waits wakes when the mutex is free."""


class _Table:
    """Documents by id, and the greatest id that there ever was."""

    __slots__ = ("documents", "indexes", "last")

    def __init__(self) -> None:
        self.documents: dict[int, Document] = {}
        self.indexes: list[Index] = []
        self.last = 0


class _Writing:
    """Holds the tables alone while a ``with`` block runs, and keeps what the block changed."""

    __slots__ = ("_database", "_interrupts", "_tables", "last", "made")

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database
        self._interrupts = InterruptsHeld()
        self._tables = database.tables
        self.made: dict[tuple[str, int], Document | None] = {}
        self.last: dict[str, int] = {}

    def __enter__(self) -> _Writing:
        self._database.enter(self._interrupts)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None and self.made:
                self._database.keep(self)
        finally:
            self._database.mutex.release()
            self._interrupts.end()

    def get(self, table: str, id: int) -> Document | None:  # noqa: A002
        if self.made and (table, id) in self.made:
            return self.made[table, id]
        return self._tables[table].documents.get(id)

    def ids(self, table: str) -> list[int]:
        found = set(self._tables[table].documents)
        for (name, number), document in self.made.items():
            if name == table:
                (found.discard if document is None else found.add)(number)
        return sorted(found)

    def insert(self, table: str, document: Document) -> int:
        last = self.last.get(table)
        number = (self._tables[table].last if last is None else last) + 1
        self.last[table] = number
        self.made[table, number] = document
        return number

    def put(self, table: str, id: int, document: Document) -> None:  # noqa: A002
        if id > self._tables[table].last:
            self.last[table] = max(self.last.get(table, 0), id)
        self.made[table, id] = document

    def remove(self, table: str, id: int) -> None:  # noqa: A002
        self.made[table, id] = None


class _Reading:
    """Holds the tables still while a ``with`` block runs."""

    __slots__ = ("_database", "_interrupts")

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database
        self._interrupts = InterruptsHeld()

    def __enter__(self) -> _Reading:
        self._database.enter(self._interrupts)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.mutex.release()
        self._interrupts.end()

    def get(self, table: str, id: int) -> Document | None:  # noqa: A002
        return self._database.tables[table].documents.get(id)

    def ids(self, table: str) -> list[int]:
        return sorted(self._database.tables[table].documents)


class MemoryDatabase:
    """A `Database` in dicts; threads may share it.

    Documents are kept and handed out as they are: nobody changes one.

    Parameters
    ----------
    now
        Where the time comes from, in seconds since the epoch.
    """

    def __init__(self, now: Callable[[], float] = wall_clock) -> None:
        self.now = now
        # It knows its owner, in one step with being taken; it is never taken twice.
        self.mutex = threading.RLock()
        self.unlocked = _Reading(self)
        """Gives single documents without the mutex; what it gives was there at some moment."""
        self.tables: defaultdict[str, _Table] = defaultdict(_Table)
        self._followers: list[tuple[Index, tuple[str, ...]]] = []

    def enter(self, interrupts: InterruptsHeld) -> None:
        """Hold interrupts back and take the mutex; the wait for it can be interrupted.

        Raises
        ------
        RuntimeError
            The calling thread has it, as where a signal handler comes upon a block.
        """
        mutex = self.mutex
        if mutex._is_owned():  # type: ignore[attr-defined]
            raise RuntimeError("one use of a store inside another one, by the same thread")
        interrupts.begin()
        try:
            if not mutex.acquire(blocking=False):
                while not mutex.acquire(timeout=_STEP):
                    interrupts.deliver()
        except BaseException:
            interrupts.end()
            raise

    def add_index(self, tables: Iterable[str], index: Index) -> None:
        """Keep an index up to date with these tables; it is told what is there already."""
        with self.reading():
            names = tuple(tables)
            self._followers.append((index, names))
            for name in names:
                self.tables[name].indexes.append(index)
            self._tell_anew(index, names)

    def _tell_anew(self, index: Index, names: tuple[str, ...]) -> None:
        index.clear()
        for name in names:
            for number, document in sorted(self.tables[name].documents.items()):
                index.update(name, number, document)

    def reading(self) -> _Reading:
        """Hold the tables still while the block runs. Not re-entrant."""
        return _Reading(self)

    def writing(self, *, durable: bool = True) -> _Writing:
        """Hold the tables alone while the block runs, and keep what it changed. Not re-entrant."""
        return _Writing(self)

    def keep(self, changes: _Writing) -> None:
        """Take changes over; the mutex is held."""
        try:
            self._apply(changes, tell=True)
        except BaseException:
            # An interrupt, or an index that refused a document: half of it must not stay.
            self._apply(changes, tell=False)
            for index, names in self._followers:
                self._tell_anew(index, names)
            raise

    def _apply(self, changes: _Writing, *, tell: bool) -> None:
        for (name, number), document in changes.made.items():
            table = self.tables[name]
            if document is None:
                table.documents.pop(number, None)
            else:
                table.documents[number] = document
            if tell:
                for index in table.indexes:
                    index.update(name, number, document)
        for name, last in changes.last.items():
            self.tables[name].last = last


class MemoryStore(DatabaseStore):
    """Keeps instances in memory; gone when the process ends.

    Snapshots are immutable, so they are kept and handed out as they are. Threads may
    share one store.

    Parameters
    ----------
    now
        Where the time comes from, in seconds since the epoch.
    history : how many settlements of each instance are remembered
    mark_window : seconds for which the id of an event that was settled is remembered

    Examples
    --------
    >>> from settlesim.chart.snapshot import Snapshot
    >>> from settlesim.chart.values import freeze_object
    >>> from settlesim.ports import Transaction
    >>> store = MemoryStore()
    >>> context = freeze_object({"count": 1}, where="context")
    >>> store.commit(Transaction("order-1", Snapshot("count", 1, ("odd",), context, 1), 0))
    >>> store.load("order-1").context
    {'count': 1}
    """

    database: MemoryDatabase

    def __init__(
        self,
        now: Callable[[], float] = wall_clock,
        *,
        history: int = HISTORY,
        mark_window: float = MARK_WINDOW,
    ) -> None:
        super().__init__(
            MemoryDatabase(now), source="in memory", history=history, mark_window=mark_window
        )

    def load(self, key: str) -> Snapshot | None:
        """Return the instance's last saved state, or None for one that was never saved.

        Raises
        ------
        InvalidValueError
            A key that is no text, is empty, or has a lone surrogate.
        """
        check_key(key)
        return self.indexes.instances.find(self.database.unlocked, key)[1]

    def __repr__(self) -> str:
        count = len(self.indexes.instances)
        return f"{type(self).__name__}({count} instance{'' if count == 1 else 's'})"
