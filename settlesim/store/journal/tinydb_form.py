"""A journalled store as a TinyDB: a storage, and a table whose cost follows what it touches.

TinyDB's own table reads and writes all documents at every call. `JournalTable` keeps its
methods and replaces what they stand on: an update is shown a table in which a document is
read when it is looked at, and only those that changed are written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tinydb import TinyDB
from tinydb.queries import QueryLike
from tinydb.storages import Storage
from tinydb.table import Document, Table

from settlesim.store.journal.blocks import WritingBlock
from settlesim.store.journal.database import JournalDatabase
from settlesim.store.journal.tables import META
from settlesim.store.journal.texts import encode_document, says_the_same
from settlesim.store.journal.tinydb_views import EditedTable, TableView, last_id

__all__ = ["JournalDB", "JournalStorage", "JournalTable"]


class JournalStorage(Storage):
    """A TinyDB storage on a journalled store.

    Parameters
    ----------
    store
        A database that is open, or the path of one and, as further arguments, what
        `JournalDatabase` takes.
    """

    def __init__(self, store: JournalDatabase | str | os.PathLike[str], **options: Any) -> None:
        super().__init__()
        if not isinstance(store, JournalDatabase):
            store = JournalDatabase(store, **options)
        self.database = store
        self._block: WritingBlock | None = None

    @contextmanager
    def changes(self) -> Iterator[WritingBlock]:
        """Hold the store alone; inside of another such block, take part in that one."""
        if self._block is not None and self.database.mutex.is_mine():
            yield self._block
            return
        with self.database.writing() as block:
            self._block = block
            try:
                yield block
            finally:
                self._block = None

    @contextmanager
    def texts(self, table: str) -> Iterator[dict[int, str]]:
        """Hold a table still, and show the texts of its documents."""
        if self._block is not None and self.database.mutex.is_mine():
            yield self._block.texts(table)
            return
        with self.database.reading():
            found = self.database.tables.named.get(table)
            yield {} if found is None else found.in_order()

    def names(self) -> list[str]:
        """Return the names of the tables."""
        with self.database.reading():
            return [name for name in self.database.tables.names() if name != META]

    def read(self) -> dict[str, dict[str, Any]] | None:
        """Return all documents of all tables, or None where there are no tables."""
        with self.database.reading():
            tables = self.database.tables
            found: dict[str, Any] = {
                name: {str(number): json.loads(text) for number, text in table.in_order().items()}
                for name, table in tables.named.items()
                if name != META
            }
            found.update({name: json.loads(text) for name, text in tables.foreign.items()})
        return found or None

    def write(self, data: dict[str, dict[str, Any]]) -> None:
        """Make the tables what they are in `data`; what is the same there is not written."""
        with self.changes() as block:
            tables = self.database.tables
            for name in list(tables.names()):
                if name not in data and name != META:
                    block.drop(name)
            for name, documents in data.items():
                if name in tables.foreign and encode_document(documents) == tables.foreign[name]:
                    continue
                block.make(name)
                texts = block.texts(name)
                new = {int(number): encode_document(each) for number, each in documents.items()}
                for number in texts.keys() - new.keys():
                    block.remove(name, number)
                for number, text in new.items():
                    if not says_the_same(text, texts.get(number)):
                        block.put_text(name, number, text)

    def close(self) -> None:
        """Close the store."""
        self.database.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.database.path!r})"


class JournalTable(Table):
    """A TinyDB table on a `JournalStorage`, for any number of threads and processes.

    Parameters
    ----------
    cache_size : how many queries are remembered; a write by anybody makes all of them forgotten
    """

    _storage: JournalStorage

    def __init__(
        self,
        storage: JournalStorage,
        name: str,
        cache_size: int = 0,
        persist_empty: bool = False,
    ) -> None:
        self._edited: EditedTable | None = None
        self._cached_at = (0, 0)
        super().__init__(storage, name, cache_size=cache_size, persist_empty=persist_empty)

    def _read_table(self) -> dict[str, Mapping[str, Any]]:
        return TableView(self._storage.texts, self.name)  # type: ignore[return-value]

    def _update_table(self, updater: Callable[[dict[int, Mapping[str, Any]]], Any]) -> None:
        with self._storage.changes() as block:
            edited = self._edited = EditedTable(block, self.name)
            try:
                updater(edited)  # type: ignore[arg-type]
            finally:
                self._edited = None
            edited.write()
        self.clear_cache()

    def _get_next_id(self) -> int:
        # Never a remembered one: another process may have taken it. The lock is held.
        if self._edited is not None:
            return self._edited.next_id()
        with self._storage.texts(self.name) as texts:
            return last_id(texts) + 1

    def insert(self, document: Mapping[str, Any]) -> int:
        """Insert a document; see `tinydb.table.Table.insert`."""
        with self._storage.changes():  # its id is chosen under the same lock
            return super().insert(document)

    def insert_multiple(self, documents: Iterable[Mapping[str, Any]]) -> list[int]:
        """Insert documents, all or none; see `tinydb.table.Table.insert_multiple`."""
        with self._storage.changes():
            return super().insert_multiple(documents)

    def upsert(self, document: Mapping[str, Any], cond: QueryLike | None = None) -> list[int]:
        """Update or insert in one transaction; see `tinydb.table.Table.upsert`."""
        with self._storage.changes():
            return super().upsert(document, cond)

    def search(self, cond: QueryLike) -> list[Document]:
        """Return the documents that match; see `tinydb.table.Table.search`."""
        if self._query_cache.capacity != 0:
            with self._storage.database.reading():
                replica = self._storage.database.replica
                stand = replica.loads, replica.seq
            if stand != self._cached_at:
                self.clear_cache()
                self._cached_at = stand
        return super().search(cond)


class JournalDB(TinyDB):
    """A TinyDB whose tables are `JournalTable`; its arguments are those of `JournalStorage`."""

    table_class = JournalTable  # type: ignore[assignment]
    default_storage_class = JournalStorage  # type: ignore[assignment]

    @property
    def _journal(self) -> JournalStorage:
        assert isinstance(self._storage, JournalStorage)
        return self._storage

    def tables(self) -> set[str]:
        """Return the names of all tables."""
        return set(self._journal.names())

    def drop_table(self, name: str) -> None:
        """Remove a table for good."""
        self._tables.pop(name, None)
        if name in self._journal.names():
            with self._journal.changes() as block:
                block.drop(name)

    def drop_tables(self) -> None:
        """Remove all tables for good."""
        with self._journal.changes() as block:
            for name in list(self._journal.database.tables.names()):
                if name != META:
                    block.drop(name)
        self._tables.clear()
