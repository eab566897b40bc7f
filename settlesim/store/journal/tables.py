"""The tables of a journalled store as one process has them in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from settlesim.store.database import Document, FrozenDocument, Index, StrictDocument
from settlesim.store.journal.texts import StoredDocument, encode_strict, read_document

__all__ = ["META", "Content", "Delta", "Documents", "Table", "Tables", "as_text"]

META: Final = "meta"
"""The table whose document 1 says what the file is; the rest of it belongs to others."""

Content: TypeAlias = str | StrictDocument | None
"""What a transaction makes of a document: its text, or what the text is made of when the
document is kept, while the disk is at work; None where it goes."""

Delta: TypeAlias = dict[str, dict[int, Content] | None]
"""What a transaction changes, by table and id; None in the place of a table that goes whole."""

Documents: TypeAlias = Mapping[tuple[str, int], Document]
"""Documents of a delta that are at hand as such."""


def as_text(content: Content) -> str | None:
    """Return the text of a document, None where it goes."""
    if content is None or type(content) is str:
        return content
    return encode_strict(content, frozen=isinstance(content, FrozenDocument))


class Table:
    """Texts of documents by id, and the greatest id that there ever was."""

    __slots__ = ("_sorted", "last", "texts")

    def __init__(self, last: int = 0) -> None:
        self.texts: dict[int, str] = {}
        self.last = last
        self._sorted = True

    def put(self, id: int, text: str) -> None:  # noqa: A002
        """Put a text in its place."""
        if id > self.last:
            self.last = id
        elif id not in self.texts:
            self._sorted = False  # an old id came back
        self.texts[id] = text

    def in_order(self) -> dict[int, str]:
        """Return the texts, ids ascending."""
        if not self._sorted:
            self.texts = dict(sorted(self.texts.items()))
            self._sorted = True
        return self.texts


class Tables:
    """Tables by name, and the indexes that follow them."""

    def __init__(self) -> None:
        self.named: dict[str, Table] = {}
        self.foreign: dict[str, str] = {}
        """What stands in the file beside tables and is none, as text."""
        self.dropped: dict[str, int] = {}
        """The greatest id that a table had which is no more."""
        self._indexes: dict[str, list[Index]] = {}
        self.readers: dict[str, Callable[[str], Document]] = {}
        """How the documents of some tables are read from their texts, by table."""
        self._last: tuple[str, Document] | None = None
        """What was read last: it is mostly compared next."""

    def clear(self) -> None:
        """Forget all documents, in the indexes as well."""
        self.named.clear()
        self.foreign.clear()
        self.dropped.clear()
        self._last = None
        for index in self._all_indexes():
            index.clear()

    def _all_indexes(self) -> list[Index]:
        return list(
            {id(index): index for each in self._indexes.values() for index in each}.values()
        )

    def table(self, name: str) -> Table:
        """Return a table, made where there is none."""
        table = self.named.get(name)
        if table is None:
            table = self.named[name] = Table(self.last(name))
            self.dropped.pop(name, None)
        return table

    def text(self, name: str, id: int) -> str | None:  # noqa: A002
        """Return the text of a document, None where there is none."""
        table = self.named.get(name)
        return None if table is None else table.texts.get(id)

    def get(self, name: str, id: int) -> Document | None:  # noqa: A002
        """Return a document, None where there is none; nobody changes it."""
        table = self.named.get(name)
        text = None if table is None else table.texts.get(id)
        if text is None:
            return None
        last = self._last  # other threads may read at the same time, without a lock
        if last is not None and last[0] is text:
            return last[1]
        read: Callable[[str], Document] = self.readers.get(name, read_document)
        document = read(text)
        self._last = text, document
        return document

    def ids(self, name: str) -> Iterable[int]:
        """Return the ids of a table, ascending."""
        table = self.named.get(name)
        return () if table is None else table.in_order()

    def last(self, name: str) -> int:
        """Return the greatest id that the table ever had, 0 where it had none."""
        table = self.named.get(name)
        if table is not None:
            return table.last
        # document 1 of the meta table is the store's own
        return self.dropped.get(name, 1 if name == META else 0)

    def counters(self) -> dict[str, int]:
        """Return the greatest id that each table ever had, by name, names ascending."""
        found = {name: table.last for name, table in self.named.items()}
        return dict(sorted({META: self.last(META), **self.dropped, **found}.items()))

    def size(self) -> int:
        """Return about how many characters all documents have."""
        texts = sum(len(text) for table in self.named.values() for text in table.texts.values())
        return texts + sum(map(len, self.foreign.values()))

    def same_as(self, other: Tables) -> bool:
        """Say whether a snapshot of the other tables would be the same."""
        mine, its = (
            {name: table.texts for name, table in each.named.items() if name != META or table.texts}
            for each in (self, other)
        )
        return (mine, self.foreign, self.counters()) == (its, other.foreign, other.counters())

    # --- indexes --------------------------------------------------------------------------

    def add_index(self, names: Iterable[str], index: Index) -> None:
        """Tell the index all documents of these tables, and from now on every change."""
        names = tuple(names)
        index.clear()
        for name in names:
            for number, text in self._documents(name):
                index.update(name, number, StoredDocument(text))
        for name in names:
            self._indexes.setdefault(name, []).append(index)

    def _documents(self, name: str) -> list[tuple[int, str]]:
        table = self.named.get(name)
        return [] if table is None else list(table.in_order().items())

    def tell_all(self) -> None:
        """Tell every index everything anew."""
        for index in self._all_indexes():
            index.clear()
        for name, indexes in self._indexes.items():
            for number, text in self._documents(name):
                document = StoredDocument(text)
                for index in indexes:
                    index.update(name, number, document)

    def tell(self, delta: Delta, documents: Documents | None = None) -> None:
        """Tell the indexes what a delta is about to change.

        Parameters
        ----------
        documents : those that are at hand, of the texts in the delta
        """
        documents = documents or {}
        for name, changes in delta.items():
            indexes = self._indexes.get(name)
            if not indexes:
                continue
            pairs = self._each(name) if changes is None else changes.items()
            for number, content in pairs:
                document: Document | None
                if isinstance(content, str):
                    document = documents.get((name, number)) or StoredDocument(content)
                else:
                    document = content
                for index in indexes:
                    index.update(name, number, document)

    def _each(self, name: str) -> Iterable[tuple[int, Content]]:
        return [(number, None) for number, _ in self._documents(name)]

    # --- changes --------------------------------------------------------------------------

    def inverse(self, delta: Delta) -> Delta:
        """Return the delta that would bring back what `delta` changes."""
        return {
            name: {
                number: self.text(name, number)
                for number in (self.ids(name) if changes is None else changes)
            }
            for name, changes in delta.items()
        }

    def keep(self, delta: Delta) -> None:
        """Make the changes."""
        self._last = None
        for name, changes in delta.items():
            if changes is None:
                self._drop(name)
                continue
            if self.foreign:
                self.foreign.pop(name, None)
            table = self.named.get(name) or self.table(name)
            for number, content in changes.items():
                text = as_text(content)
                if text is None:
                    table.texts.pop(number, None)
                    table.last = max(table.last, number)
                else:
                    table.put(number, text)

    def _drop(self, name: str) -> None:
        table = self.named.pop(name, None)
        if table is not None:
            self.dropped[name] = table.last
        self.foreign.pop(name, None)

    def names(self) -> Iterator[str]:
        """Return the names of everything that stands beside the meta document."""
        yield from (name for name, table in self.named.items() if name != META or table.texts)
        yield from self.foreign
