"""The blocks in which a journalled database is read and written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from settlesim.errors import InvalidValueError, StoreUnavailableError
from settlesim.store.database import Document, FrozenDocument, StrictDocument
from settlesim.store.journal.lock import InterruptsHeld
from settlesim.store.journal.tables import META, Content, Delta, as_text
from settlesim.store.journal.texts import encode_document, read_document

if TYPE_CHECKING:
    from settlesim.store.journal.database import JournalDatabase

__all__ = ["ReadingBlock", "WritingBlock"]


class ReadingBlock:
    """Holds the tables still; is the `Reader` of them."""

    __slots__ = ("_database", "_interrupts", "_mutex")

    def __init__(self, database: JournalDatabase) -> None:
        self._database = database
        self._interrupts = InterruptsHeld()

    def __enter__(self) -> ReadingBlock:
        database, interrupts = self._database, self._interrupts
        self._mutex = database.mutex  # which a forked child has another one of
        if self._mutex.is_mine():  # asked here, as a call takes longer
            self._mutex.refuse_nesting()
        try:
            interrupts.begin()
            database.enter(interrupts)
            database.catch_up()
            return self
        except BaseException:
            database.back_out()
            interrupts.end()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._mutex.release()
        finally:
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
        "_durable",
        "_frozen",
        "_interrupts",
        "_last",
        "_process",
        "_tables",
    )

    def __init__(self, database: JournalDatabase, *, durable: bool) -> None:
        self._database = database
        self._tables = database.replica.tables
        self._durable = durable
        self._interrupts = InterruptsHeld()

    def __enter__(self) -> WritingBlock:
        database, interrupts = self._database, self._interrupts
        self._delta: Delta = {}
        self._last: dict[str, int] = {}  # the greatest id that was put, by table
        self._frozen = True  # whether all that was put are frozen documents, and none is new
        self._process = database.process
        if database.mutex.is_mine():  # asked here, as a call takes longer
            database.mutex.refuse_nesting()
        try:
            interrupts.begin()
            database.lock(interrupts)
            return self
        except BaseException:
            database.back_out()
            interrupts.end()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        database = self._database
        interrupts = self._interrupts
        if self._process != database.process:
            interrupts.end()
            if kind is not None:
                return  # it ends in its own way
            reason = "the process was forked while it was written; the parent has the changes"
            raise StoreUnavailableError(path=database.path, reason=reason)
        try:
            try:
                if kind is None and self._delta:
                    database.append(self._delta, to_sync=self._durable, frozen=self._frozen)
                    self._delta = {}  # what it held goes while the disk is at work
                elif kind is None and self._durable and database.replica.doubtful:
                    database.clear_doubts()
                standing = database.standing
            finally:
                database.unlock()
                database.mutex.release()
            if kind is None and self._durable:
                # Also where nothing was changed: what it was decided on must not be lost.
                database.make_durable(standing, interrupts)
        finally:
            interrupts.end()

    # --- reading --------------------------------------------------------------------------

    def get(self, table: str, id: int) -> Document | None:  # noqa: A002
        """Return a document as it is now, or None where there is none."""
        if table not in self._delta:
            return self._tables.get(table, id)
        changes = self._delta[table]
        if changes is None:
            return None
        if id not in changes:
            return self._tables.get(table, id)
        content = changes[id]
        return read_document(content) if isinstance(content, str) else content

    def _content(self, table: str, id: int) -> Content:  # noqa: A002
        changes = self._delta.get(table)
        if changes is not None and id in changes:
            return changes[id]
        if changes is None and table in self._delta:
            return None
        return self._tables.text(table, id)

    def text(self, table: str, id: int) -> str | None:  # noqa: A002
        """Return the text of a document as it is now, or None where there is none."""
        return as_text(self._content(table, id))

    def _kept(self, table: str) -> dict[int, str]:
        found = self._tables.named.get(table)
        return {} if found is None else found.in_order()

    def _contents(self, table: str) -> Mapping[int, Content]:
        if table not in self._delta:
            return self._kept(table)
        changes = self._delta[table]
        if changes is None:
            return {}
        new = {**self._kept(table), **changes}
        new = {number: each for number, each in new.items() if each is not None}
        return dict(sorted(new.items()))

    def ids(self, table: str) -> list[int]:
        """Return the ids of a table's documents as they are now, ascending."""
        return list(self._contents(table))

    def texts(self, table: str) -> dict[int, str]:
        """Return the texts of a table's documents as they are now, ids ascending."""
        if table not in self._delta:
            return self._kept(table)
        found = {number: as_text(each) for number, each in self._contents(table).items()}
        return {number: text for number, text in found.items() if text is not None}

    # --- changing -------------------------------------------------------------------------

    def insert(self, table: str, document: Document) -> int:
        """Add a document and return its id, greater than any that the table ever had."""
        number = max(self._tables.last(table), self._last.get(table, 0)) + 1
        self.put(table, number, document)
        self._frozen = False  # as an index might refuse a second one with the same key
        return number

    def put(self, table: str, id: int, document: Document) -> None:  # noqa: A002
        """Put a document in the place of the one with this id, or where none is.

        Raises
        ------
        ValueError, TypeError
            What JSON cannot carry.
        """
        if isinstance(document, FrozenDocument):
            self._put(table, id, document)  # its text is made where it is needed
        elif isinstance(document, StrictDocument):
            self._frozen = False
            self._put(table, id, document)
        else:
            self.put_text(table, id, encode_document(document))

    def put_text(self, table: str, id: int, text: str) -> None:  # noqa: A002
        """Put a document of which the text is known."""
        self._frozen = False
        if table == META and id == 1:
            reason = f"has document 1 of table {META!r}, which says what the file is"
            raise InvalidValueError(where="the change", reason=reason)
        self._put(table, id, text)

    def _put(self, table: str, id: int, content: str | StrictDocument) -> None:  # noqa: A002
        changes = self._delta.get(table)
        if changes is None:
            changes = self._changes(table)
        changes[id] = content
        if id > self._last.get(table, 0):
            self._last[table] = id

    def remove(self, table: str, id: int) -> None:  # noqa: A002
        """Remove a document; one that is not there is no error."""
        if self._content(table, id) is not None:
            self._changes(table)[id] = None

    def make(self, table: str) -> None:
        """Make a table that has no documents, if there is none."""
        if table not in self._tables.named:
            self._changes(table)

    def drop(self, table: str) -> None:
        """Remove a table and what is in it."""
        self._delta[table] = None

    def _changes(self, table: str) -> dict[int, Content]:
        changes = self._delta.get(table)
        if changes is None:
            if table in self._delta:
                return self._after_drop(table)
            changes = self._delta[table] = {}
        return changes

    def _after_drop(self, table: str) -> dict[int, Content]:
        """Let a table come back that was dropped in this block: its documents go one by one."""
        changes: dict[int, Content] = dict.fromkeys(self._tables.ids(table))
        self._delta[table] = changes
        return changes
