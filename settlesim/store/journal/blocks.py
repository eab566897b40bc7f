"""The blocks in which a journalled database is read and written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING

from settlesim.errors import InvalidValueError, StoreUnavailableError
from settlesim.store.database import Document
from settlesim.store.journal.lock import InterruptsHeld
from settlesim.store.journal.tables import META, Delta
from settlesim.store.journal.texts import encode_document

if TYPE_CHECKING:
    from settlesim.store.journal.database import JournalDatabase

__all__ = ["ReadingBlock", "WritingBlock"]


class ReadingBlock:
    """Holds the tables still; is the `Reader` of them."""

    __slots__ = ("_database", "_interrupts")

    def __init__(self, database: JournalDatabase) -> None:
        self._database = database
        self._interrupts = InterruptsHeld()

    def __enter__(self) -> ReadingBlock:
        database, interrupts = self._database, self._interrupts
        interrupts.begin()
        try:
            database.enter(interrupts)
            try:
                database.catch_up()
            except BaseException:
                database.mutex.release()
                raise
        except BaseException:
            interrupts.end()
            raise
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
        """Return a document, or None where there is none."""
        return self._database.tables.get(table, id)

    def ids(self, table: str) -> Iterable[int]:
        """Return the ids of a table's documents, ascending."""
        return self._database.tables.ids(table)


class WritingBlock:
    """Holds the tables alone; is the `Changes` that are made to them."""

    __slots__ = (
        "_database",
        "_delta",
        "_documents",
        "_durable",
        "_interrupts",
        "_last",
        "_process",
    )

    def __init__(self, database: JournalDatabase, *, durable: bool) -> None:
        self._database = database
        self._durable = durable
        self._interrupts = InterruptsHeld()

    def __enter__(self) -> WritingBlock:
        database, interrupts = self._database, self._interrupts
        self._delta: Delta = {}
        self._documents: dict[tuple[str, int], Document] = {}
        self._last: dict[str, int] = {}  # the greatest id that was put, by table
        interrupts.begin()
        try:
            database.enter(interrupts)
            try:
                database.lock(interrupts)
            except BaseException:
                database.mutex.release()
                raise
        except BaseException:
            interrupts.end()
            raise
        self._process = database.process
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        database = self._database
        if self._process != os.getpid():
            self._interrupts.end()
            reason = "the process was forked while it was written; the parent has the changes"
            raise StoreUnavailableError(path=database.path, reason=reason)
        try:
            try:
                if kind is None and self._delta:
                    database.append(self._delta, self._documents)
                elif kind is None and self._durable and database.replica.doubtful:
                    database.clear_doubts()
                seq = database.replica.seq
            finally:
                database.unlock()
                database.mutex.release()
            if kind is None and self._durable:
                # Also where nothing was changed: what it was decided on must not be lost.
                database.make_durable(seq, self._interrupts)
        finally:
            self._interrupts.end()

    # --- reading --------------------------------------------------------------------------

    def get(self, table: str, id: int) -> Document | None:  # noqa: A002
        """Return a document as it is now, or None where there is none."""
        document = self._documents.get((table, id))
        if document is not None:
            return document
        if table not in self._delta:
            return self._database.tables.get(table, id)
        text = self.text(table, id)
        return None if text is None else json.loads(text)

    def text(self, table: str, id: int) -> str | None:  # noqa: A002
        """Return the text of a document as it is now, or None where there is none."""
        if table in self._delta:
            changes = self._delta[table]
            if changes is None:
                return None
            if id in changes:
                return changes[id]
        return self._database.tables.text(table, id)

    def ids(self, table: str) -> list[int]:
        """Return the ids of a table's documents as they are now, ascending."""
        return list(self.texts(table))

    def texts(self, table: str) -> dict[int, str]:
        """Return the texts of a table's documents as they are now, ids ascending."""
        found = self._database.tables.named.get(table)
        texts = {} if found is None else found.in_order()
        if table not in self._delta:
            return texts
        changes = self._delta[table]
        if changes is None:
            return {}
        new = {number: text for number, text in {**texts, **changes}.items() if text is not None}
        return dict(sorted(new.items()))

    # --- changing -------------------------------------------------------------------------

    def insert(self, table: str, document: Document) -> int:
        """Add a document and return its id, greater than any that the table ever had."""
        number = max(self._database.tables.last(table), self._last.get(table, 0)) + 1
        self.put(table, number, document)
        return number

    def put(self, table: str, id: int, document: Document) -> None:  # noqa: A002
        """Put a document in the place of the one with this id, or where none is.

        Raises
        ------
        ValueError, TypeError
            What JSON cannot carry.
        """
        self.put_text(table, id, encode_document(document), document)

    def put_text(
        self,
        table: str,
        id: int,  # noqa: A002
        text: str,
        document: Document | None = None,
    ) -> None:
        """Put a document of which the text is known; `document` is what indexes are told."""
        if table == META and id == 1:
            reason = f"has document 1 of table {META!r}, which says what the file is"
            raise InvalidValueError(where="the change", reason=reason)
        self._changes(table)[id] = text
        if id > self._last.get(table, 0):
            self._last[table] = id
        if document is None:
            self._documents.pop((table, id), None)
        else:
            self._documents[table, id] = document

    def remove(self, table: str, id: int) -> None:  # noqa: A002
        """Remove a document; one that is not there is no error."""
        if self.text(table, id) is not None:
            self._changes(table)[id] = None
            self._documents.pop((table, id), None)

    def make(self, table: str) -> None:
        """Make a table that has no documents, if there is none."""
        if table not in self._database.tables.named:
            self._changes(table)

    def drop(self, table: str) -> None:
        """Remove a table and what is in it."""
        self._delta[table] = None
        for name, number in list(self._documents):
            if name == table:
                del self._documents[name, number]

    def _changes(self, table: str) -> dict[int, str | None]:
        changes = self._delta.get(table)
        if changes is None:
            if table in self._delta:
                return self._after_drop(table)
            changes = self._delta[table] = {}
        return changes

    def _after_drop(self, table: str) -> dict[int, str | None]:
        """Let a table come back that was dropped in this block: its documents go one by one."""
        changes: dict[int, str | None] = dict.fromkeys(self._database.tables.ids(table))
        self._delta[table] = changes
        return changes
