"""What the rules of instances, queues and timers are written on: tables of JSON documents.

A `Database` keeps tables of documents under whole-number ids, as TinyDB does, and changes
them by transactions: all that one `writing` block changes is kept together or not at all.
`settlesim.store.memory` has one that lives as long as its process; the journal below
`TinyStore` is one that survives it.

An `Index` is how a rule finds a document without looking at all of them. The database tells
it every change that is kept, also those that other processes made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias

__all__ = [
    "Changes",
    "Database",
    "Document",
    "FrozenDocument",
    "Index",
    "Reader",
    "StrictDocument",
]

Document: TypeAlias = Mapping[str, Any]
"""Strict JSON. Nobody changes a document that a database handed out or was given."""


class StrictDocument(dict[str, Any]):
    """A document of which is known that it is strict JSON, since all that is in it was checked."""

    __slots__ = ()


class FrozenDocument(StrictDocument):
    """One of frozen values: without NaN for sure, and refused by no index in the place of another.

    Both have the same key.
    """

    __slots__ = ()


class Index(Protocol):
    """Something derived from documents, kept in memory and brought up to date with them."""

    def clear(self) -> None:
        """Forget everything: the documents are told anew after this."""
        ...

    def update(self, table: str, id: int, new: Document | None) -> None:  # noqa: A002
        """Take in that document `id` is now `new`, None where it was removed.

        What an index has to know of the old document it remembers itself, so that the
        database need not read it again.
        """
        ...


class Reader(Protocol):
    """The tables at one moment."""

    def get(self, table: str, id: int) -> Document | None:  # noqa: A002
        """Return a document, or None where there is none."""
        ...

    def ids(self, table: str) -> Iterable[int]:
        """Return the ids of a table's documents, ascending."""
        ...


class Changes(Reader, Protocol):
    """A transaction that is being made; it reads its own changes, indexes do not."""

    def insert(self, table: str, document: Document) -> int:
        """Add a document and return its id, which is greater than any that the table ever had."""
        ...

    def put(self, table: str, id: int, document: Document) -> None:  # noqa: A002
        """Put a document in the place of the one with this id, or where none is."""
        ...

    def remove(self, table: str, id: int) -> None:  # noqa: A002
        """Remove a document; one that is not there is no error."""
        ...


class Database(Protocol):
    """Tables of documents, changed by transactions."""

    now: Callable[[], float]
    """The time in seconds since the epoch, the same for all processes that share the tables."""

    def add_index(self, tables: Iterable[str], index: Index) -> None:
        """Keep an index up to date with these tables; it is told what is there already."""
        ...

    def reading(self) -> AbstractContextManager[Reader]:
        """Hold the tables still and up to date while the block runs. Not re-entrant.

        Raises
        ------
        StoreError
            The tables can not be read.
        """
        ...

    def writing(self, *, durable: bool = True) -> AbstractContextManager[Changes]:
        """Hold the tables alone, between threads and processes, while the block runs.

        What the block changed is kept when it is left, as one; with an error in the block
        nothing is. Not re-entrant.

        Parameters
        ----------
        durable : whether the changes have to survive a power cut when the block is left;
            the end of the process they survive in any case

        Raises
        ------
        StoreError
            The tables can not be read or written; nothing was changed.
        """
        ...
