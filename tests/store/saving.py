"""Saves to a store, and children of this process, for the tests of what happens around them."""

from __future__ import annotations

import os
import signal
import sqlite3
import traceback
from collections.abc import Callable
from pathlib import Path

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.strict_json import freeze_object
from settlesim.errors import VersionConflictError
from settlesim.ports import Transaction
from settlesim.store.sql import SqlStore

__all__ = ["SECONDS", "count", "in_child", "integrity", "save", "save_next"]

SECONDS = 60
"""After which a child that hangs is ended; nothing is measured by it."""


def save(store: SqlStore, key: str, revision: int, text: str = "") -> None:
    """Bring an instance from the revision before to this one."""
    context = freeze_object({"count": revision, "text": text}, where="context")
    new = Snapshot("count", 1, ("on",), context, revision)
    record = freeze_object({"event": "E", "outcome": "resolved"}, where="record")
    store.commit(Transaction(key, new, revision - 1, record=record))


def count(store: SqlStore, key: str) -> int:
    """Return the revision of an instance, which is also in its context; 0 where there is none."""
    found = store.load(key)
    if found is None:
        return 0
    assert found.context["count"] == found.revision
    return found.revision


def save_next(store: SqlStore, key: str) -> int:
    """Save the next revision; return how often others were faster."""
    conflicts = 0
    while True:
        try:
            save(store, key, count(store, key) + 1)
            return conflicts
        except VersionConflictError:
            conflicts += 1


def in_child(work: Callable[[], object]) -> int:
    """Fork and return the child's exit status: 0 where the work returned something true."""
    child = os.fork()
    if not child:
        status = 2
        signal.alarm(SECONDS)
        try:
            status = 0 if work() else 1
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def integrity(path: Path) -> str:
    """Return what SQLite says of a file, ``"ok"`` where nothing is wrong."""
    connection = sqlite3.connect(path)
    try:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    finally:
        connection.close()
