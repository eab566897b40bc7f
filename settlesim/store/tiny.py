"""A durable store in one TinyDB file and its journal, shared by threads and processes."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType
from typing import Literal

from settlesim.chart.snapshot import Snapshot
from settlesim.errors import StoreError
from settlesim.store.base import HISTORY, MARK_WINDOW, DatabaseStore
from settlesim.store.checks import check_key
from settlesim.store.documents import INSTANCES, read_instance
from settlesim.store.journal.database import JournalDatabase
from settlesim.store.journal.files import FileSystem
from settlesim.store.journal.tinydb_form import JournalDB, JournalStorage
from settlesim.store.wall import wall_clock

__all__ = ["TinyStore"]


class TinyStore(DatabaseStore):
    """Keeps instances, messages and timers in a TinyDB file that people can read.

    A save is on the disk when `commit` returns, and whole or not there at all. It costs one
    line in the journal (``<path>.journal``) and one sync, whatever the number of instances.
    Threads and processes may share the store: a writer holds a lock beside it
    (``<path>.lock``), readers need none.

    The file itself is a snapshot: stock TinyDB, `jq` and an editor may read it at any time.
    It is current when a small store (up to about a megabyte) was closed, and after
    `compact`; between, the journal has what is newer, and `settlesim show` shows both. What
    was edited by hand while nobody had it open is taken with ``settlesim verify --accept``.

    Opening and reading write nothing; the first save makes the files.

    Parameters
    ----------
    path
        Links are followed, and the file that they lead to is replaced.
    lock_timeout : seconds to wait for another process that is saving
    now
        Where the time comes from, in seconds since the epoch.
    sync
        ``"none"`` leaves out the sync of each save: what was saved then survives the end of
        the process, but maybe not a power cut.
    history : how many settlements of each instance are remembered
    mark_window : seconds for which the id of an event that was settled is remembered
    compact_bytes
        The journal is folded into the file when it is larger than this and than the file;
        None for 4 megabytes.
    files
        The system calls, to be replaced in tests.

    Raises
    ------
    StoreDamagedError
        The files are not what this library wrote; they are not changed.
    StoreUnavailableError
        The folder is missing, the path is a folder, a file can not be read or has a newer
        format, or the system has no ``flock``, as Windows.

    Notes
    -----
    Every process has all documents in memory: a few milliseconds and megabytes for a thousand
    instances, about a second and 200 megabytes for a hundred thousand.

    It runs on Linux and macOS. Network file systems and synchronised folders are not
    supported: their locks and their renames promise less.

    Examples
    --------
    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "store.json")
    >>> with TinyStore(path) as store:
    ...     store.keys()
    []
    """

    database: JournalDatabase

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        lock_timeout: float = 30.0,
        now: Callable[[], float] = wall_clock,
        sync: Literal["full", "none"] = "full",
        history: int = HISTORY,
        mark_window: float = MARK_WINDOW,
        compact_bytes: int | None = None,
        files: FileSystem | None = None,
    ) -> None:
        self.path = os.fspath(path)
        """As it was given."""
        database = JournalDatabase(
            path,
            lock_timeout=lock_timeout,
            now=now,
            sync=sync,
            compact_bytes=compact_bytes,
            files=files,
        )
        database.read_with(INSTANCES, read_instance)
        try:
            super().__init__(
                database, source=database.path, history=history, mark_window=mark_window
            )
        except BaseException:
            database.close()
            raise
        self.db = JournalDB(storage=lambda: JournalStorage(database))
        """The store as a TinyDB, for queries over its tables."""

    def load(self, key: str) -> Snapshot | None:
        """Return what `DatabaseStore.load` does, and raise what it does.

        No lock is taken where nothing is new.
        """
        check_key(key)
        replica = self.database.replica
        version = self.database.glance()
        if version:
            try:
                found = self.indexes.instances.find(replica.tables, key)[1]
            except StoreError:
                return super().load(key)  # raises it again, if it is so
            if replica.version == version:
                return found
        return super().load(key)

    def compact(self) -> None:
        """Fold the journal into the snapshot, so that the file alone is the whole store.

        Raises
        ------
        StoreDamagedError
            Another program changed the snapshot, which is left as it is.
        StoreUnavailableError
            The system refused; the store holds what it held before.
        """
        self.database.compact()

    def close(self) -> None:
        """Let the files go; whatever comes after raises StoreUnavailableError.

        A small store that was written to is compacted before.
        """
        self.database.close()

    def __enter__(self) -> TinyStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        closed = ", closed" if self.database.closed else ""
        return f"{type(self).__name__}({self.path!r}{closed})"
