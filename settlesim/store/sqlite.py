"""`SqliteStore`, a durable store with queues in one SQLite file, and `MemoryStore`."""

from __future__ import annotations

import os
from collections.abc import Callable

from settlesim.errors import InvalidValueError
from settlesim.store.database import Database
from settlesim.store.sql import HISTORY, MARK_WINDOW, SqlStore, check_settings
from settlesim.store.wall import wall_clock

__all__ = ["MemoryStore", "SqliteStore"]


class SqliteStore(SqlStore):
    """Keeps instances, messages and timers in an SQLite file.

    A save is atomic, and is on disk when `commit` returns. Any number of threads and processes
    may share the file; a forked process opens it for itself. Writers take turns; readers do not
    wait for other processes.

    The file is created if it does not exist, readable by its owner only. While it is open, two
    files beside it with the suffixes ``-wal`` and ``-shm`` belong to it: copy a store with
    `backup`, not file by file.

    Parameters
    ----------
    path : of the file
    lock_timeout : seconds to wait for another process that is writing
    now
        Where the time comes from, in seconds since the epoch.
    history : how many settlements of each instance are remembered
    mark_window : seconds for which the id of a settled event is remembered

    Raises
    ------
    StoreDamagedError
        The file is empty, not an SQLite database, or another program's; it is not changed.
    StoreUnavailableError
        The folder is missing, the file cannot be opened, or a newer version wrote it.
    InvalidValueError
        `history` is not a whole number from 0, `mark_window` is not a number of seconds from 0,
        `now` is not a function, or the path is one of SQLite's special names.

    Notes
    -----
    The store uses SQLite's write-ahead log with ``synchronous=FULL``. Network file systems are
    not supported, because their locks are less reliable.

    Examples
    --------
    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "orders.db")
    >>> with SqliteStore(path) as store:
    ...     store.keys()
    []
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        lock_timeout: float = 30.0,
        now: Callable[[], float] = wall_clock,
        history: int = HISTORY,
        mark_window: float = MARK_WINDOW,
    ) -> None:
        check_settings(history, mark_window)
        self.path = os.fspath(path)
        """As it was given."""
        if self.path == ":memory:" or self.path.startswith("file:"):
            reason = f"is {self.path!r}, no path; a MemoryStore() keeps instances in memory"
            raise InvalidValueError(where="path", reason=reason)
        database = Database(os.path.realpath(path), lock_timeout=lock_timeout)
        super().__init__(database, now=now, history=history, mark_window=mark_window)

    def backup(self, path: str | os.PathLike[str]) -> None:
        """Copy the store, as of one moment, into a new file; others may use it meanwhile.

        Raises
        ------
        StoreUnavailableError
            The file exists, or cannot be written.
        """
        self.database.backup(os.path.realpath(path))

    def __repr__(self) -> str:
        closed = ", closed" if self.database.closed else ""
        return f"{type(self).__name__}({self.path!r}{closed})"


class MemoryStore(SqlStore):
    """Keeps instances, messages and timers in memory. Threads may share one store.

    Parameters
    ----------
    now
        Where the time comes from, in seconds since the epoch.
    history : how many settlements of each instance are remembered
    mark_window : seconds for which the id of a settled event is remembered

    Raises
    ------
    InvalidValueError
        `history` is not a whole number from 0, `mark_window` is not a number of seconds from 0,
        or `now` is not a function.

    Examples
    --------
    >>> from settlesim.chart.snapshot import Snapshot
    >>> from settlesim.chart.strict_json import freeze_object
    >>> from settlesim.ports import Transaction
    >>> store = MemoryStore()
    >>> context = freeze_object({"count": 1}, where="context")
    >>> store.commit(Transaction("order-1", Snapshot("count", 1, ("odd",), context, 1), 0))
    >>> store.load("order-1").context
    {'count': 1}
    """

    def __init__(
        self,
        now: Callable[[], float] = wall_clock,
        *,
        history: int = HISTORY,
        mark_window: float = MARK_WINDOW,
    ) -> None:
        check_settings(history, mark_window)
        super().__init__(Database(None), now=now, history=history, mark_window=mark_window)

    def __repr__(self) -> str:
        count = len(self.keys())
        return f"{type(self).__name__}({count} instance{'' if count == 1 else 's'})"
