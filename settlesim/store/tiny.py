"""A durable store in one TinyDB file, shared by threads and processes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from settlesim.chart.snapshot import Snapshot
from settlesim.errors import (
    InvalidValueError,
    StoreDamagedError,
    StoreUnavailableError,
    VersionConflictError,
    shorten,
)
from settlesim.ports import Transaction
from settlesim.store.checks import check_key, check_transaction
from settlesim.store.files import FileSystem
from settlesim.store.lock import exclusive
from settlesim.store.storage import INSTANCES, Content, InstanceDB, WholeFileStorage

__all__ = ["TinyStore"]


class TinyStore:
    """Keeps instances in one TinyDB file that people can read, compare and query.

    A save is on the disk when `commit` returns, and whole or not there at all. Threads
    and processes may share the file: a writer holds a lock beside it (``<path>.lock``),
    readers need none. Stock TinyDB, `jq` and an editor may read the file at any time;
    what else they put into it while nobody saves is kept.

    Opening and reading write nothing; the first save makes the file.

    Parameters
    ----------
    path
        Links are followed, and the file that they lead to is replaced.
    lock_timeout : seconds to wait for another process that is saving
    files
        The system calls that change the disk, to be replaced in tests.

    Raises
    ------
    StoreDamagedError
        The file is not what this library wrote; it is not changed.
    StoreUnavailableError
        The folder is missing, the path is a folder, the file can not be read or has a
        newer format.

    Notes
    -----
    Every save writes the whole file: right for small stores, slower with every further instance.
    Network file systems and synchronised folders are not supported: their locks and their
    renames promise less.

    Examples
    --------
    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "store.json")
    >>> with TinyStore(path) as store:
    ...     store.keys()
    []
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        lock_timeout: float = 30.0,
        files: FileSystem | None = None,
    ) -> None:
        self.path = os.fspath(path)
        """As it was given."""
        real = os.path.realpath(self.path)
        self._storage = WholeFileStorage(real, files or FileSystem())
        self._instances = InstanceDB(storage=lambda: self._storage).table(INSTANCES, cache_size=0)
        self._lock_path = real + ".lock"
        self._lock_timeout = lock_timeout
        self._mutex = threading.Lock()
        self._process = os.getpid()
        self._closed = False
        self._storage.read()  # a damaged file is better found now than at the first event

    def load(self, key: str) -> Snapshot | None:
        """Return the instance's last saved state, or None for one that was never saved.

        Raises
        ------
        StoreDamagedError
            The file or the record can not be read; it is never taken for a missing one.
        StoreUnavailableError
            The system refused, or the store is closed.
        InvalidValueError
            A key that is no text, is empty, or has a lone surrogate.
        """
        check_key(key)
        with self._reading() as content:
            return self._find(content, key)[1]

    def keys(self) -> list[str]:
        """Return the keys of all instances, sorted; raises as `load`."""
        with self._reading() as content:
            return sorted(content.ids)

    def delete(self, key: str, expected: int) -> None:
        """Forget the instance if it is at revision `expected`, 0 where there is none.

        Raises
        ------
        VersionConflictError
            The instance is at another revision.
        StoreDamagedError, StoreUnavailableError, InvalidValueError
            As `commit`.
        """
        check_key(key)
        with self._writing() as content:
            number = self._compare(content, key, expected)
            if number is not None:
                self._instances.remove(doc_ids=[number])

    def commit(self, transaction: Transaction) -> None:
        """Write the transaction whole, if the instance is at its expected revision.

        Raises
        ------
        VersionConflictError
            The instance is at another revision; nothing was written.
        StoreDamagedError
            The file or the instance's record can not be read; nothing was written.
        StoreUnavailableError
            The system refused (disk full, no permission), another process held the lock
            too long, or the store is closed. The file holds what it held before; where
            only the sync of its folder failed, the text says that the save is in it.
        InvalidValueError
            A bad key, or a snapshot that is not the next revision, frozen and settled.
        """
        check_transaction(transaction)
        with self._writing() as content:
            number = self._compare(content, transaction.key, transaction.expected)
            record = {"key": transaction.key, **transaction.snapshot.to_dict()}
            if number is None:
                self._instances.insert(record)
            else:
                self._instances.update(record, doc_ids=[number])

    def close(self) -> None:
        """Let the file go; whatever comes after raises StoreUnavailableError."""
        with self._own_mutex():
            self._closed = True
            self._storage.close()

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
        closed = ", closed" if self._closed else ""
        return f"{type(self).__name__}({self.path!r}{closed})"

    def _own_mutex(self) -> threading.Lock:
        # In a forked child the parent's lock may be held by a thread that does not exist.
        if self._process != os.getpid():
            self._process, self._mutex = os.getpid(), threading.Lock()
        return self._mutex

    @contextmanager
    def _reading(self) -> Iterator[Content]:
        # Without the file lock: a file is replaced in one step, so that a reader sees
        # either the old one or the new one.
        with self._own_mutex():
            self._check_open()
            yield self._storage.content()

    @contextmanager
    def _writing(self) -> Iterator[Content]:
        with self._own_mutex():
            self._check_open()
            path = self._storage.path
            try:
                with exclusive(self._lock_path, limit=self._lock_timeout, store=path):
                    # Looked at under the lock: another process may just have saved.
                    yield self._storage.content()
            except OSError as error:
                reason = f"its lock {self._lock_path} failed: {error.strerror or error}"
                raise StoreUnavailableError(path=path, reason=reason) from error

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailableError(path=self.path, reason="it was closed; open it again")

    def _find(self, content: Content, key: str) -> tuple[int | None, Snapshot | None]:
        """Return the instance's document id and state, or None twice."""
        number = content.ids.get(key)
        if number is None:
            return None, None
        document: dict[str, Any] = content.tables[INSTANCES][str(number)]
        source = f"instance {shorten(key)} in document {number}"
        try:
            return number, Snapshot.from_dict(document, source=source)
        except StoreDamagedError as error:
            reason = f"{source}: {error.reason}"
        except InvalidValueError as error:
            reason = str(error)
        raise StoreDamagedError(path=self._storage.path, reason=reason)

    def _compare(self, content: Content, key: str, expected: int) -> int | None:
        """Return the instance's document id, None where there is none."""
        number, stored = self._find(content, key)
        actual = 0 if stored is None else stored.revision
        if actual != expected:
            raise VersionConflictError(key=key, expected=expected, actual=actual)
        return number
