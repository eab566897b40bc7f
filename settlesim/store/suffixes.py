"""The kind of store in a file, by the suffix of its name."""

from __future__ import annotations

import os
from typing import Final, Literal

from settlesim.errors import InvalidValueError, shorten
from settlesim.store.sqlite import SqliteStore
from settlesim.store.tinydb import TinyStore

__all__ = ["STORE_SUFFIXES", "open_store", "store_kind"]

STORE_SUFFIXES: Final[dict[str, Literal["sqlite", "tinydb"]]] = {
    ".json": "tinydb",
    ".db": "sqlite",
    ".sqlite": "sqlite",
    ".sqlite3": "sqlite",
}
"""The kind of store by the suffix of its file, in lower case."""


def store_kind(path: str | os.PathLike[str]) -> Literal["sqlite", "tinydb"]:
    """Return the kind of store in a file, by the suffix of its name.

    Raises
    ------
    InvalidValueError
        The name has another suffix or none.

    Examples
    --------
    >>> store_kind("orders.db"), store_kind("orders.json")
    ('sqlite', 'tinydb')
    """
    found = STORE_SUFFIXES.get(os.path.splitext(os.fspath(path))[1].lower())
    if found is None:
        reason = (
            f"{shorten(os.fspath(path), 200)} names no kind of store: its suffix has to be .json "
            "for a TinyDB file, or .db, .sqlite or .sqlite3 for a SQLite file"
        )
        raise InvalidValueError(where="the name of the store", reason=reason)
    return found


def open_store(path: str | os.PathLike[str]) -> SqliteStore | TinyStore:
    """Open the store in a file; the suffix of its name tells the kind.

    Raises
    ------
    InvalidValueError
        As `store_kind`.
    StoreDamagedError, StoreUnavailableError
        As `SqliteStore` and `TinyStore`.
    """
    return SqliteStore(path) if store_kind(path) == "sqlite" else TinyStore(path)
