"""A database of JSON documents that survives its process: a snapshot and a journal.

Theory of operation
-------------------
Three files. `store.json` is the snapshot, an ordinary TinyDB file with checksums; the journal
beside it has one checksummed line for each transaction since; the lock file is empty and is
locked by whoever writes. A transaction is one line and one ``fdatasync``: all of it is there
or nothing, across tables.

* Every process has all documents in memory, as text, and takes in what others wrote by
  looking at what follows the last record that it knows. Readers need no lock of processes,
  and `glance` none of threads: what was read counts if the tables have the same version
  afterwards.
* The journal grows by blanks, and records are written into them: to sync a file that has
  not grown is a third cheaper, as the file system has nothing to note of it.
* The lock is released before the sync. A journal is durable from its begin to some point, so
  that one sync covers all transactions before it, whoever wrote them (group commit). The
  system is told to begin with it when the record is written, and works while the process
  takes the record in.
* A snapshot is written whole into a new file, which then takes the name; then an empty
  journal takes the name of the old one. Between the two, the records that the snapshot has
  already are told by their numbers.
* A record without a good end is one that nobody was told of. It is cut when somebody writes
  the next time, and kept in ``store.json.torn``. Where a later record says that it had been
  on the disk, it is damage, and is never cut.
* After a failed sync the system may have dropped what was to be written, and a second sync
  would say nothing of it. So everything is written anew, into a new snapshot. Where that
  fails, too, the changes are in doubt, and whoever waits for them is told so. At its next
  use the database reads the files anew, as another process would, and trusts no record that
  nobody has called durable.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final, Literal

from settlesim.errors import StoreError, StoreUnavailableError
from settlesim.store.database import Document, Index
from settlesim.store.journal.blocks import ReadingBlock, WritingBlock
from settlesim.store.journal.files import FileSystem
from settlesim.store.journal.lock import FileLock, InterruptsHeld, ThreadLock
from settlesim.store.journal.replica_writing import WritableReplica
from settlesim.store.journal.tables import Delta, Tables
from settlesim.store.wall import wall_clock

__all__ = ["JournalDatabase"]

_SMALL: Final = 1 << 20
"""Characters; a store up to this size is folded into its snapshot when it is closed."""

_CLOSING: Final = 1.0
"""Seconds that closing waits for the lock; if others are there, they will fold the journal."""


class JournalDatabase:
    """A `Database` in a file; threads and processes may share it.

    Parameters
    ----------
    path
        Of the snapshot; links are followed.
    lock_timeout : seconds to wait for another process that is writing
    now
        Where the time comes from, in seconds since the epoch.
    sync
        With ``"none"`` what was written survives the end of the process, not a power cut.
    compact_bytes
        The journal is folded into the snapshot when it is larger than this and than the
        snapshot; None for 4 megabytes.
    files
        The system calls, to be replaced in tests.

    Raises
    ------
    StoreDamagedError
        The files are not as this library wrote them; they are not changed.
    StoreUnavailableError
        The folder is missing, the path is a folder, a file can not be read or has a newer
        format, or the system has not what is needed.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        lock_timeout: float = 30.0,
        now: Callable[[], float] = wall_clock,
        sync: Literal["full", "none"] = "full",
        compact_bytes: int | None = None,
        files: FileSystem | None = None,
    ) -> None:
        self.path = os.path.realpath(path)
        """Of the snapshot, with links followed."""
        self.now = now
        self._files = files or FileSystem()
        if self._files.missing:
            raise StoreUnavailableError(
                path=self.path,
                reason=f"this system has no {', no '.join(self._files.missing)}, without which "
                "nothing could be promised. MemoryStore works everywhere",
            )
        if sync not in ("full", "none"):
            raise ValueError(f"sync is {sync!r}; 'full' and 'none' are possible")
        self._sync = sync == "full"
        self._lock_timeout = lock_timeout
        self.replica = WritableReplica(
            self.path, self._files, sync=self._sync, compact_bytes=compact_bytes
        )
        self._renew_locks()
        self.closed = self._wrote = False
        self._doubts = 0
        """How often changes were left in doubt."""
        self._must_reload = False
        _opened.add(self)
        with self.reading():
            pass  # a damaged file is better found now than at the first event

    def _renew_locks(self) -> None:
        self.mutex = ThreadLock()
        self._sync_mutex = threading.Lock()
        self._lock = FileLock(
            f"{self.path}.lock",
            self._files,
            self.replica.names,
            limit=self._lock_timeout,
            store=self.path,
        )
        self.process = os.getpid()

    # --- the port -------------------------------------------------------------------------

    @property
    def tables(self) -> Tables:
        """The documents; to be looked at in a `reading` or a `writing` block only."""
        return self.replica.tables

    def add_index(self, tables: Iterable[str], index: Index) -> None:
        """Keep an index up to date with these tables; it is told what is there already."""
        with self.reading():
            self.tables.add_index(tables, index)

    def read_with(self, table: str, reader: Callable[[str], Document]) -> None:
        """Let a function make the documents of a table of their texts, such as decodes them.

        Blocks hand out what it returns; it never fails.
        """
        self.tables.readers[table] = reader

    def reading(self) -> ReadingBlock:
        """Hold the tables still and up to date while the block runs. Not re-entrant.

        Raises
        ------
        StoreDamagedError, StoreUnavailableError
            The files can not be read.
        """
        return ReadingBlock(self)

    def glance(self) -> int:
        """Return the version of the tables where they can be read as they stand, without a lock.

        What was read is good if `replica.version` is the same afterwards; and it is as it would
        be in a `reading` block. 0 where one is needed.
        """
        version = self.replica.version
        if not version or self.closed or self._must_reload or self.mutex.is_mine():
            return 0
        return version if self.replica.is_up_to_date() else 0

    def writing(self, *, durable: bool = True) -> WritingBlock:
        """Hold the tables alone while the block runs, and keep what it changed. Not re-entrant.

        Parameters
        ----------
        durable : whether the changes have to be on the disk when the block is left

        Raises
        ------
        StoreDamagedError, StoreUnavailableError
            The files can not be read or written. Nothing was changed, unless the reason says
            that the changes are in doubt.
        """
        return WritingBlock(self, durable=durable)

    # --- what the blocks do ---------------------------------------------------------------

    def enter(self, interrupts: InterruptsHeld) -> None:
        """Take the threads' lock, which the calling thread has not."""
        if not self.mutex.acquire(False):
            self._wait(interrupts)
        if self.closed or self._must_reload:
            self._check_fit()

    def _wait(self, interrupts: InterruptsHeld) -> None:
        if not self.mutex.take(self._lock_timeout, interrupts):
            raise StoreUnavailableError(
                path=self.path,
                reason=f"another thread has used it for {self._lock_timeout:g} seconds. "
                "Nothing was changed; try again.",
            )

    def _check_fit(self) -> None:
        try:
            self._check_open()
            self._drop_doubtful()
        except BaseException:
            self.mutex.release()
            raise

    def _check_open(self) -> None:
        if self.closed:
            raise StoreUnavailableError(
                path=self.path, reason="it was closed; open it again", final=True
            )

    def back_out(self) -> None:
        """Let the locks go that the calling thread has, where a block was not entered after all."""
        if self.mutex.is_mine():
            self._lock.drop()
            self.mutex.release()

    def _drop_doubtful(self) -> None:
        """Let what is in memory go where it may be more than what is in the files."""
        if self._must_reload:
            self.replica.forget()
            self._must_reload = False

    @property
    def standing(self) -> tuple[int, int]:
        """Return what `make_durable` has to know of the changes that were made last."""
        return self.replica.seq, self._doubts

    def catch_up(self) -> None:
        """Take in what others wrote."""
        try:
            self.replica.names.look()
            self.replica.catch_up()
        except OSError as error:
            raise self._refused("reading", error) from error

    def lock(self, interrupts: InterruptsHeld) -> None:
        """Take both locks, that of the processes after that of the threads; and catch up."""
        if not self.mutex.acquire(False):
            self._wait(interrupts)
        if self.closed or self._must_reload:
            self._check_fit()
        self._lock.acquire(interrupts)
        try:
            self.replica.catch_up()
        except OSError as error:
            self._lock.release()
            raise self._refused("writing", error) from error
        except BaseException:
            self._lock.release()
            raise

    def unlock(self) -> None:
        """Let the processes' lock go."""
        self._lock.release()

    def append(self, delta: Delta, *, to_sync: bool, frozen: bool) -> None:
        """Write one transaction, which `make_durable` brings to the disk if it is to be synced.

        Parameters
        ----------
        frozen : whether all that it puts are frozen documents in the place of others
        """
        self._wrote = True
        # Where a sync of another thread is under way, the next one will cover all that waits.
        to_sync = to_sync and not self._sync_mutex.locked()
        try:
            self.replica.append(delta, self.now(), to_sync=to_sync, frozen=frozen)
        except OSError as error:
            raise self._refused("writing", error) from error
        self.replica.checkpoint_if_large()

    def clear_doubts(self) -> None:
        """Make a sync tell the truth about what others wrote; see `Replica.clear_doubts`."""
        try:
            self.replica.clear_doubts()
        except OSError as error:
            raise self._refused("writing", error) from error

    def _refused(
        self, doing: str, error: OSError, now: str = "Nothing was changed."
    ) -> StoreUnavailableError:
        reason = f"{doing} failed: {error.strerror or error}. {now}"
        return StoreUnavailableError(path=self.path, reason=reason)

    def make_durable(self, standing: tuple[int, int], interrupts: InterruptsHeld) -> None:
        """Return when all that stood there at a moment is on the disk; no lock is held.

        Parameters
        ----------
        standing : as it was at that moment, under the lock

        Raises
        ------
        StoreUnavailableError
            It may be or may not be.
        """
        seq, doubts = standing
        if not self._sync or (self.replica.durable >= seq and self._doubts == doubts):
            return
        try:
            with self._sync_mutex:
                if self.replica.durable < seq:  # else another thread's sync covered it
                    self.replica.sync()
        except OSError as error:
            self._write_anew(seq, error, interrupts)
        if self._doubts != doubts:  # the files were read anew: it may not be there any more
            raise self._in_doubt("a sync of another thread failed")

    def _write_anew(self, seq: int, error: OSError, interrupts: InterruptsHeld) -> None:
        if self.replica.durable >= seq:
            return  # it was closed meanwhile, by another thread
        try:
            self.enter(interrupts)
            try:
                if self.replica.durable < seq:
                    self._checkpoint(interrupts)
            finally:
                self.mutex.release()
        except (OSError, StoreError) as second:
            self._doubts += 1  # first: whoever sees the files read anew must see this, too
            self._must_reload = True
            what = f"{error.strerror or error}, and then: {second}"
            raise self._in_doubt(what) from error

    def _in_doubt(self, what: str) -> StoreUnavailableError:
        reason = f"the disk failed: {what}. The last changes may be there or not: look again"
        return StoreUnavailableError(path=self.path, reason=reason, final=self.closed)

    def _checkpoint(self, interrupts: InterruptsHeld, limit: float | None = None) -> None:
        self._lock.acquire(interrupts, limit, anew=True)  # files will be replaced by path
        try:
            self.replica.catch_up()
            self.replica.checkpoint()
        finally:
            self._lock.release()

    # --- the rest of its life -------------------------------------------------------------

    def compact(self) -> None:
        """Fold the journal into the snapshot, so that the file alone is the whole store.

        Raises
        ------
        StoreDamagedError
            Another program changed the snapshot.
        StoreUnavailableError
            The system refused; the store holds what it held before.
        """
        self.mutex.refuse_nesting()
        interrupts = InterruptsHeld()
        interrupts.begin()
        try:
            self.enter(interrupts)
            try:
                self._checkpoint(interrupts)
            except OSError as error:
                now = "The store holds what it held; the file may be new."
                raise self._refused("compacting", error, now) from error
            finally:
                self.mutex.release()
        finally:
            interrupts.end()

    def close(self) -> None:
        """Let the files go; whatever comes after raises StoreUnavailableError.

        A small store is folded into its snapshot before, if it was written to. Where a block
        is not left yet, nothing is folded, and the files go with this object.
        """
        interrupts = InterruptsHeld()
        interrupts.begin()
        try:
            # A block of this thread that was never left would be waited for in vain.
            in_vain = self.closed or self.mutex.is_mine()
            if in_vain or not self.mutex.take(self._lock_timeout, interrupts):
                self.closed = True
                return
            try:
                self._fold_if_small(interrupts)
                self.closed = True
                self.replica.forget()
                self.replica.names.close()
                self._lock.close()
            finally:
                self.mutex.release()
        finally:
            interrupts.end()

    def _fold_if_small(self, interrupts: InterruptsHeld) -> None:
        self._drop_doubtful()
        if not self._wrote or not self.replica.has_records:
            return
        # What fails here has lost nothing: the journal has it all.
        with suppress(OSError, StoreError):
            if self.tables.size() <= _SMALL:
                self._checkpoint(interrupts, min(_CLOSING, self._lock_timeout))
            elif self._sync and self.replica.durable < self.replica.seq:
                with self._sync_mutex:
                    self.replica.sync()

    def after_fork(self) -> None:
        """Begin anew in a child process: the parent's locks and open files are not its own."""
        self._lock.close()
        self._renew_locks()
        self._wrote = False
        self.replica.after_fork()

    def __enter__(self) -> JournalDatabase:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        closed = ", closed" if self.closed else ""
        return f"{type(self).__name__}({self.path!r}{closed})"


_opened: weakref.WeakSet[JournalDatabase] = weakref.WeakSet()


def _after_fork() -> None:
    for database in list(_opened):
        database.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
