"""A store that checks nothing before it writes, to demonstrate how updates get lost."""

from __future__ import annotations

import os
from typing import Any

from tinydb import TinyDB, where

from settlesim.chart.snapshot import Snapshot
from settlesim.ports import Transaction
from settlesim.store.checks import check_key

__all__ = ["BlindStore"]


class BlindStore:
    """Keeps instances in a plain TinyDB file, and protects nothing.

    It works like a handler that reads an item, changes it and writes it back: no revision is
    compared, nothing is locked, and the file is overwritten in place. Use it only to compare it
    with `TinyStore`, which loses nothing; do not keep real data in it.

    Parameters
    ----------
    path : of the file, which the first save creates

    Examples
    --------
    >>> import os, tempfile
    >>> store = BlindStore(os.path.join(tempfile.mkdtemp(), "blind.json"))
    >>> store.load("c1") is None
    True
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)

    def load(self, key: str) -> Snapshot | None:
        """Return what was saved last, or None.

        Raises
        ------
        ValueError
            The file is not valid JSON: two writers wrote to it at the same time.
        """
        check_key(key)
        with TinyDB(self.path) as db:
            found = db.table("instances").get(where("key") == key)
        return None if found is None else Snapshot.from_dict(dict(found), source=self.path)

    def keys(self) -> list[str]:
        """Return the keys of all instances, sorted."""
        with TinyDB(self.path) as db:
            return sorted(document["key"] for document in db.table("instances"))

    def delete(self, key: str, expected: int) -> None:
        """Forget the instance, whatever its revision is."""
        check_key(key)
        with TinyDB(self.path) as db:
            db.table("instances").remove(where("key") == key)

    def commit(self, transaction: Transaction) -> None:
        """Overwrite the stored snapshot, whatever it is by now."""
        if transaction.snapshot is None:
            return
        # TinyDB keeps the fields of a document that an update does not name.
        unset: dict[str, Any] = {"fingerprint": None, "history_states": {}}
        record = {"key": transaction.key, **unset, **transaction.snapshot.to_dict()}
        with TinyDB(self.path) as db:
            db.table("instances").upsert(record, where("key") == transaction.key)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path!r})"
