"""One SQLite database, used by the threads of one process one after another.

Durability
----------
SQLite's write-ahead log with ``synchronous=FULL``: a transaction is on disk before others can
see it. What need not survive a power cut, such as the reception of a message, is written
without a sync. Only the first write after opening is synced in any case, because a recovered
log may hold transactions of a killed process that never were.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

from settlesim.errors import (
    InvalidValueError,
    StoreDamagedError,
    StoreError,
    StoreUnavailableError,
)
from settlesim.store.schema import (
    ADDED_COLUMNS,
    ADDED_INDEXES,
    ADDED_TABLES,
    APPLICATION_ID,
    SCHEMA_VERSION,
    TABLES,
)

__all__ = ["Database", "Execute", "open_connection"]

T = TypeVar("T")

Execute: TypeAlias = Callable[..., sqlite3.Cursor]
"""Runs one SQL statement within a transaction."""

_STEP: Final = 0.05
"""Seconds that SQLite itself waits for a lock; between two such steps an interrupt can stop us."""
_BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
# Our statements are correct, so if SQLite cannot compile one, or if one breaks a constraint, the
# tables or rows are not as we wrote them. -1: Python's module found a text that is not UTF-8.
_DAMAGED: Final = (
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
    -1,
)
_ERRORS: Final = (sqlite3.Error, json.JSONDecodeError)
_MEMORY: Final = "in memory"


class Database:
    """A connection that threads share; a forked process opens its own.

    Parameters
    ----------
    path : of the file, which is created if it does not exist; None for a database in memory
    lock_timeout : seconds to wait for another process that is writing

    Raises
    ------
    StoreDamagedError
        The file is not an SQLite database, or not one of this library.
    StoreUnavailableError
        The folder is missing, the file cannot be opened, or a newer version wrote it.
    """

    def __init__(self, path: str | None, *, lock_timeout: float = 30.0) -> None:
        self.path = _MEMORY if path is None else path
        """How errors name it."""
        self.lock_timeout = lock_timeout
        self.closed = False
        self._in_memory = path is None
        # Reentrant, so that a signal handler that uses the store gets an error, not a deadlock.
        self._lock = threading.RLock()
        self._in_use = False
        _databases.add(self)
        with self._lock:
            if path is None:
                self._connection = _connect(":memory:", uri=False)
                self._connection.executescript(f"BEGIN; {TABLES} COMMIT;")
            else:
                try:
                    _make_file(path)
                    self._identity = _identity(path)
                    self._connection = self._open()
                except _ERRORS as error:
                    raise self._error(error) from error
            self._opened()

    def _opened(self) -> None:
        self._process = os.getpid()
        self._synced = False
        """Whether what was in the log at opening has been synced since."""
        self._level = ""
        """The connection's value of ``PRAGMA synchronous``; empty if it is not known."""

    def _open(self) -> sqlite3.Connection:
        connection = open_connection(self.path)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        application, version, mode = self._retry(
            lambda: tuple(
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("application_id", "user_version", "journal_mode")
            )
        )
        if application != APPLICATION_ID:
            reason = "it is an SQLite database, but not a store of settlesim"
            raise StoreDamagedError(path=self.path, reason=reason)
        if version > SCHEMA_VERSION:
            reason = (
                f"it has schema {version}, and this version of settlesim knows up to "
                f"{SCHEMA_VERSION}: use a newer settlesim"
            )
            raise StoreUnavailableError(path=self.path, reason=reason)
        if mode != "wal":  # such as in a copy that another program made
            found = self._retry(lambda: connection.execute("PRAGMA journal_mode=WAL").fetchone()[0])
            if found != "wal":
                reason = f"its file system allows no write-ahead log, only mode {found!r}"
                raise StoreUnavailableError(path=self.path, reason=reason)
        if version < SCHEMA_VERSION or _missing(connection):
            self._retry(lambda: connection.execute("BEGIN IMMEDIATE"))
            for table, column, kind in _missing(connection):  # others may have been first
                connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
            if _has_tables(connection):
                for statement in (*ADDED_TABLES.values(), *ADDED_INDEXES.values()):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            connection.execute("COMMIT")

    # --- transactions -----------------------------------------------------------------------
    # Work is passed as a function, not done in a ``with`` block: Python can deliver an interrupt
    # between entering a block and its first line, and the lock would stay held.

    def read(self, work: Callable[[Execute], T]) -> T:
        """Call `work` within one read transaction, and return its result."""

        def run(execute: Execute) -> T:
            execute("BEGIN")
            # The transaction takes its lock with the first statement that reads.
            self._retry(lambda: execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone())
            return work(execute)

        return self._alone(run)

    def write(self, work: Callable[[Execute], T], *, durable: bool = True) -> T:
        """Call `work` within one write transaction, and return its result.

        Parameters
        ----------
        durable : whether the changes have to survive a power cut once this returns
        """

        def run(execute: Execute) -> T:
            level = "FULL" if durable or not self._synced else "NORMAL"
            if level != self._level:
                self._level = ""  # an interrupt may come before the new value is noted
                execute(f"PRAGMA synchronous={level}")
                self._level = level
            self._retry(lambda: execute("BEGIN IMMEDIATE"))
            before = self._connection.total_changes
            result = work(execute)
            execute("COMMIT")
            # If nothing was changed, SQLite has not synced anything.
            self._synced = self._synced or self._connection.total_changes > before
            return result

        return self._alone(run)

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """Return the rows that one read-only statement finds."""
        return self._alone(
            lambda execute: self._retry(lambda: execute(statement, values).fetchall())
        )

    def changes(self) -> tuple[int, int]:
        """Return a value that differs after every change by any process; it is cheap to read."""
        return self._alone(
            lambda execute: (
                int(execute("PRAGMA data_version").fetchone()[0]),
                self._connection.total_changes,
            )
        )

    def _alone(self, work: Callable[[Execute], T]) -> T:
        """Call `work` while no other thread uses the connection; roll back what it leaves open.

        Raises
        ------
        RuntimeError
            The calling thread is already within such a call, as when a signal handler uses the
            store.
        InvalidValueError
            A number is too large for SQLite, or a text has a lone surrogate.
        """
        with self._lock:
            if self._in_use:
                raise RuntimeError("one use of a store inside another one, by the same thread")
            try:
                self._in_use = True
                self._check_usable()
                if os.getpid() != self._process:
                    self._open_after_fork()
                return work(self._connection.execute)
            except _ERRORS as error:
                raise self._error(error) from error
            except (OverflowError, UnicodeEncodeError) as error:
                reason = f"is none that SQLite can keep: {error}"
                raise InvalidValueError(where="a value", reason=reason) from error
            finally:
                try:
                    if not self.closed:
                        # Not wrapped in a function of ours: Python could deliver an interrupt
                        # before its first line, and the transaction would stay open.
                        self._connection.rollback()
                finally:
                    self._in_use = False

    def _check_usable(self) -> None:
        if self.closed:
            raise StoreUnavailableError(path=self.path, reason="it was closed", final=True)
        if not self._in_memory and _identity(self.path) != self._identity:
            reason = "its file was moved, removed or replaced while it was open: open it again"
            raise StoreUnavailableError(path=self.path, reason=reason, final=True)

    def _open_after_fork(self) -> None:
        if not self._in_memory:  # the fork has copied a database in memory
            self._connection = self._open()
        self._opened()

    def _retry(self, call: Callable[[], T]) -> T:
        """Repeat the call while another process has the database locked; return its result."""
        end = time.monotonic() + self.lock_timeout
        while True:
            try:
                return call()
            except sqlite3.OperationalError as error:
                if _code(error) not in _BUSY or time.monotonic() >= end:
                    raise

    def _error(self, error: sqlite3.Error | json.JSONDecodeError) -> StoreError:
        """Translate an error that SQLite raised into one of ours."""
        if isinstance(error, json.JSONDecodeError):
            reason = f"a text in it is no JSON: {error}"
            return StoreDamagedError(path=self.path, reason=reason)
        code = _code(error)
        if code in _DAMAGED and not isinstance(error, sqlite3.ProgrammingError):
            return StoreDamagedError(path=self.path, reason=str(error))
        if code in _BUSY:
            reason = (
                f"another process has written to it for more than {self.lock_timeout:g} seconds"
            )
            return StoreUnavailableError(path=self.path, reason=reason)
        return StoreUnavailableError(path=self.path, reason=str(error))

    # --- backup and closing -------------------------------------------------------------------

    def backup(self, path: str) -> None:
        """Copy the database, as of one moment, into a new file with SQLite's online backup.

        Raises
        ------
        StoreUnavailableError
            The file exists, or cannot be written; no partial file is left.
        """

        def fill(target: sqlite3.Connection) -> None:
            self._alone(lambda _: self._connection.backup(target))

        try:
            _make_file(path, fill, new=True)
        except _ERRORS as error:
            raise self._error(error) from error

    def close(self) -> None:
        """Close the database; every later use raises StoreUnavailableError.

        Raises
        ------
        RuntimeError
            The calling thread is using the store, as when a signal handler closes it.
        """
        with self._lock:
            if self._in_use:
                raise RuntimeError("a store is closed inside a use of it, by the same thread")
            self.closed = True
            if self._process == os.getpid():
                self._connection.close()

    def __del__(self) -> None:
        # A test or a notebook may forget to close. If opening failed, there is no `_process`.
        if getattr(self, "_process", None) == os.getpid():
            self._connection.close()


# --- forks ------------------------------------------------------------------------------------
# A forked child has only one thread, but inherits every lock as it is: a lock that another thread
# of the parent holds, even one inside SQLite, would stay locked in the child. So a fork waits until
# no thread is inside SQLite.

_databases: Final[weakref.WeakSet[Database]] = weakref.WeakSet()
_forking: Final = threading.Lock()
_held: Final[list[Database]] = []
"""The databases that are locked during a fork."""
_inherited: Final[list[sqlite3.Connection]] = []
"""Connections of a parent process, kept because a child may neither use nor close them."""


def _before_fork() -> None:
    _forking.acquire()
    for database in sorted(_databases, key=id):
        database._lock.acquire()
        _held.append(database)


def _after_fork() -> None:
    while _held:
        _held.pop()._lock.release()
    _forking.release()


def _after_fork_in_child() -> None:
    _inherited.extend(each._connection for each in _held if hasattr(each, "_connection"))
    _after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork,
        after_in_child=_after_fork_in_child,
    )


def _code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code; -1 if the error did not come from SQLite."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return -1 if code is None else code & 0xFF


def _missing(connection: sqlite3.Connection) -> list[tuple[str, str, str]]:
    """Return table, name and type of the columns that an older file lacks.

    A table that is missing altogether is damage, and is skipped here.
    """
    missing = []
    for table, columns in ADDED_COLUMNS.items():
        found = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]
        missing += [(table, name, kind) for name, kind in columns if found and name not in found]
    return missing


def _has_tables(connection: sqlite3.Connection) -> bool:
    """Whether the database has the tables of a store."""
    found = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'instances'"
    return connection.execute(found).fetchone() is not None


def _connect(name: str, *, uri: bool) -> sqlite3.Connection:
    return sqlite3.connect(
        name, uri=uri, isolation_level=None, timeout=_STEP, check_same_thread=False
    )


def open_connection(path: str, mode: str = "rw") -> sqlite3.Connection:
    """Open an existing file.

    Parameters
    ----------
    mode : ``"rw"``, or ``"ro"`` for read-only
    """
    return _connect(f"{Path(path).absolute().as_uri()}?mode={mode}", uri=True)


def _identity(path: str) -> tuple[int, int]:
    """Return device and inode of a file: they differ once another file has taken its name."""
    try:
        found = os.stat(path)
    except OSError:
        return (-1, -1)
    return found.st_dev, found.st_ino


def _fill(connection: sqlite3.Connection) -> None:
    connection.executescript(f"BEGIN; {TABLES} COMMIT;")
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def _make_file(
    path: str, fill: Callable[[sqlite3.Connection], None] = _fill, *, new: bool = False
) -> None:
    """Create a database, readable by its owner only, unless the file exists.

    The file gets its name only when it is complete, so an empty file is damage.

    Parameters
    ----------
    new : whether it is an error that the file exists

    Raises
    ------
    StoreDamagedError
        The file is empty, or missing while its log exists.
    StoreUnavailableError
        The system refused.
    """
    exists = "it exists; a backup makes a new file"
    try:
        if new and os.path.lexists(path):
            raise StoreUnavailableError(path=path, reason=exists)
        if os.path.exists(path):
            if os.path.getsize(path) == 0:
                reason = "it is empty; remove it to begin a new store"
                raise StoreDamagedError(path=path, reason=reason)
            return
        if os.path.exists(f"{path}-wal"):
            reason = f"it is missing, and {path}-wal, which belongs to it, is there"
            raise StoreDamagedError(path=path, reason=reason)
        folder = os.path.dirname(path) or "."
        if not os.path.isdir(folder):
            reason = f"its folder {folder} does not exist; make it first"
            raise StoreUnavailableError(path=path, reason=reason)
        handle, made = tempfile.mkstemp(prefix=".settlesim-", dir=folder)
        os.close(handle)
        try:
            connection = open_connection(made)
            try:
                fill(connection)
                connection.execute("PRAGMA journal_mode=WAL")
            finally:
                connection.close()
            try:
                os.link(made, path)
            except FileExistsError as error:  # another process was first
                if new:
                    raise StoreUnavailableError(path=path, reason=exists) from error
        finally:
            for end in ("", "-wal", "-shm", "-journal"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(made + end)
        _sync_folder(path)
    except OSError as error:
        reason = f"{error.strerror or error}"
        raise StoreUnavailableError(path=path, reason=reason) from error


def _sync_folder(path: str) -> None:
    if os.name == "nt":  # where a folder cannot be opened
        return
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
