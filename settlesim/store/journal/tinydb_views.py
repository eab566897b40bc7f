"""What TinyDB's table reads and updates: a document is read when it is looked at."""

from __future__ import annotations

import json
from collections.abc import Callable, ItemsView, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

from settlesim.store.journal.blocks import WritingBlock
from settlesim.store.journal.texts import encode_document, says_the_same

__all__ = ["EditedTable", "TableView", "last_id"]

Texts: TypeAlias = Callable[[str], AbstractContextManager[dict[int, str]]]
"""Hold a table still, and show the texts of its documents."""


class _LazyDocuments(Mapping[str, Any]):
    """Documents of one moment, each read when it is looked at."""

    def __init__(self, texts: dict[int, str]) -> None:
        self._texts = texts

    def __getitem__(self, id: str) -> Any:  # noqa: A002
        return json.loads(self._texts[int(id)])

    def __iter__(self) -> Iterator[str]:
        return map(str, self._texts)

    def __len__(self) -> int:
        return len(self._texts)


class TableView(Mapping[str, Any]):
    """What TinyDB's table reads: one document at a time, or all of one moment."""

    def __init__(self, texts: Texts, name: str) -> None:
        self._texts = texts
        self._name = name

    def _all(self) -> _LazyDocuments:
        with self._texts(self._name) as texts:
            return _LazyDocuments(dict(texts))

    def __getitem__(self, id: str) -> Any:  # noqa: A002
        if not id.isdecimal():
            raise KeyError(id)
        with self._texts(self._name) as texts:
            return json.loads(texts[int(id)])

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def items(self) -> ItemsView[str, Any]:
        """Return the documents of one moment."""
        return self._all().items()

    def __len__(self) -> int:
        with self._texts(self._name) as texts:
            return len(texts)


class EditedTable(MutableMapping[int, dict[str, Any]]):
    """What an update is shown: a document that it looks at may be changed in its place."""

    def __init__(self, block: WritingBlock, name: str) -> None:
        self._block = block
        self._name = name
        self._base = block.texts(name)
        self._seen: dict[int, dict[str, Any]] = {}
        self._gone: set[int] = set()
        self._last: int | None = None

    def __getitem__(self, id: int) -> dict[str, Any]:  # noqa: A002
        if id not in self._seen:
            if id in self._gone:
                raise KeyError(id)
            self._seen[id] = json.loads(self._base[id])
        return self._seen[id]

    def __setitem__(self, id: int, document: dict[str, Any]) -> None:  # noqa: A002
        self._seen[id] = document
        self._gone.discard(id)
        if self._last is not None:
            self._last = max(self._last, id)

    def __delitem__(self, id: int) -> None:  # noqa: A002
        if id not in self:
            raise KeyError(id)
        self._seen.pop(id, None)
        self._last = None
        if id in self._base:
            self._gone.add(id)

    def __contains__(self, id: object) -> bool:  # noqa: A002
        return id in self._seen or (id in self._base and id not in self._gone)

    def __iter__(self) -> Iterator[int]:
        yield from (number for number in self._base if number not in self._gone)
        yield from (number for number in self._seen if number not in self._base)

    def __len__(self) -> int:
        new = sum(number not in self._base for number in self._seen)
        return len(self._base) - len(self._gone) + new

    def clear(self) -> None:
        """Remove all documents."""
        self._seen.clear()
        self._last = None
        self._gone.update(self._base)

    def next_id(self) -> int:
        """Return the id of a new document as TinyDB gives it."""
        if self._last is None:
            self._last = max(self, default=0) if self._gone else last_id(self._base)
            self._last = max(self._seen, default=self._last)
        return self._last + 1

    def write(self) -> None:
        """Give what was changed to the block."""
        self._block.make(self._name)
        for number in self._gone:
            self._block.remove(self._name, number)
        for number, document in self._seen.items():
            text = encode_document(document)
            if not says_the_same(text, self._base.get(number)):
                self._block.put_text(self._name, number, text)


def last_id(texts: dict[int, str]) -> int:
    """Return the greatest id of texts that are in order, 0 where there are none."""
    return next(reversed(texts), 0)
