"""A store's tables in the memory of one process, and how they follow its files."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from errno import EACCES, EIO
from typing import Final

from settlesim.errors import StoreDamagedError, StoreError, StoreUnavailableError
from settlesim.store.files import FileSystem, Status
from settlesim.store.first_format import newer, read_first_format
from settlesim.store.journal_file import JournalFile, advice, read_whole
from settlesim.store.records import record_line
from settlesim.store.snapshot_file import Layout, read_layout, read_tables, write_snapshot
from settlesim.store.tables import Delta, Documents, Tables

__all__ = ["Replica", "Stand", "load_snapshot", "write_store"]

_LEAST_JOURNAL: Final = 4 << 20
"""Bytes; `compact_bytes` where nothing else is said."""

_MOST_AGAIN: Final = 65_536
"""Bytes; where more would have to be written again, a new snapshot is."""


class Stand:
    """A snapshot that was read: what it counts as, and of which file."""

    __slots__ = ("check", "first_format", "seq", "status")

    def __init__(self, seq: int, check: str, status: Status, *, first_format: bool) -> None:
        self.seq, self.check, self.status = seq, check, status
        self.first_format = first_format


def load_snapshot(files: FileSystem, path: str, tables: Tables) -> Stand | None:
    """Read the snapshot at `path` into `tables`; None where there is none.

    Raises
    ------
    StoreDamagedError
        It is not as this library wrote it.
    StoreUnavailableError
        It is no file, or has a newer format, or its folder is missing.
    OSError
        The system refused.
    """
    try:
        status = files.stat(path)
    except FileNotFoundError:
        _check_folder(files, path)
        return None
    if status.kind != "file":  # a pipe would be waited for
        kind = "a folder" if status.kind == "folder" else "no regular file"
        raise StoreUnavailableError(path=path, reason=f"it is {kind}")
    data, status = read_whole(files, path)
    try:
        layout = read_layout(data)
    except NotImplementedError as error:
        raise newer(path, error.args[0]) from None
    if layout is None:
        read_first_format(data, path, tables)
        return Stand(0, "", status, first_format=True)
    if layout.flaws:
        raise _flawed(path, layout)
    read_tables(data, layout, tables)
    return Stand(layout.seq, layout.check, status, first_format=False)


def _check_folder(files: FileSystem, path: str) -> None:
    folder = os.path.dirname(path)
    try:
        files.stat(folder)
    except FileNotFoundError:
        reason = f"its folder {folder} does not exist; make it first"
        raise StoreUnavailableError(path=path, reason=reason) from None


def _flawed(path: str, layout: Layout) -> StoreDamagedError:
    shown = "; ".join(map(str, layout.flaws[:3]))
    more = f"; and {len(layout.flaws) - 3} more places" if len(layout.flaws) > 3 else ""
    return StoreDamagedError(
        path=path,
        reason=f"{shown}{more}. If somebody changed it on purpose, "
        f"`settlesim verify --store {path} --accept` takes it as it is; {advice(path)}",
    )


class Replica:
    """What one process knows of a store: kept by one thread at a time.

    Parameters
    ----------
    path : of the snapshot, with links followed; the journal is ``<path>.journal``
    sync : whether what is written has to survive a power cut
    now : seconds since the epoch
    compact_bytes
        The journal is folded into the snapshot when it is larger than this and than that.
    """

    def __init__(
        self,
        path: str,
        files: FileSystem,
        *,
        sync: bool,
        now: Callable[[], float],
        compact_bytes: int | None = None,
    ) -> None:
        self.path = path
        self.journal_path = f"{path}.journal"
        self._torn_path = f"{path}.torn"
        self._folder = os.path.dirname(path)
        self._files = files
        self._sync = sync
        self._now = now
        self.tables = Tables()
        self.seq = 0
        """The last transaction that is in the tables."""
        self.durable = 0
        """The last transaction that is known to survive a power cut."""
        self.journal: JournalFile | None = None
        self._stand: Stand | None = None
        self._tail = b""
        self._doubtful: list[tuple[int, bytes]] = []
        """Records that nobody called durable yet."""
        self._last = 0
        """The last transaction of which the journal has a record."""
        self._whole = False
        """Whether the tables are what was read; False before, and after an interruption."""
        self._least = _LEAST_JOURNAL if compact_bytes is None else compact_bytes
        self._next_checkpoint = self._least

    # --- following the files --------------------------------------------------------------

    def catch_up(self) -> None:
        """Take in what was written since the last time.

        Needs no lock: a record that somebody is about to write has no good checksum yet.

        Raises
        ------
        StoreDamagedError, StoreUnavailableError, OSError
            The files can not be read; nothing was changed.
        """
        if not self._whole:
            self._load()
            return
        status, journal = self._stat(self.journal_path), self.journal
        if journal is None:
            known = None if self._stand is None else self._stand.status
            if status is not None or self._stat(self.path) != known:
                self._load()
        elif status is None:
            reason = f"its journal {self.journal_path} was removed while it was open"
            raise StoreDamagedError(path=self.path, reason=reason)
        elif status.identity != journal.identity:
            self._change_over(journal)
        elif status.size < journal.position:
            self._load()
        elif status.size > journal.position:
            self._read_on(journal)
        else:
            self._tail = b""

    def _stat(self, path: str) -> Status | None:
        try:
            return self._files.stat(path)
        except FileNotFoundError:
            return None

    def _load(self) -> None:
        """Read everything anew."""
        self.forget()
        journal = JournalFile.open(self._files, self.journal_path)
        self.journal = journal
        self._stand = load_snapshot(self._files, self.path, self.tables)
        self.seq = self.durable = 0
        if self._stand is not None:
            self.seq = self._stand.seq
        if journal is not None:
            self._check_pair(journal)
            self.durable = journal.base
            self._read_on(journal, tell=False)
        self._whole = False
        self.tables.tell_all()
        self._whole = True

    def _check_pair(self, journal: JournalFile) -> None:
        """Refuse a snapshot that is not the one on which the journal is based."""
        stand = self._stand
        if stand is None:
            raise StoreDamagedError(
                path=self.path,
                reason=f"the file is missing, and {journal.path} continues it. Put it back, or "
                f"take the journal away to begin with nothing; {advice(self.path)}",
            )
        same = stand.check == journal.check or stand.seq > journal.base
        if stand.first_format or stand.seq < journal.base or not same:
            raise StoreDamagedError(
                path=self.path,
                reason=f"its state {stand.seq} is not the one that {journal.path} continues, "
                f"which is {journal.base}: an older copy may have been put in its place. Take the "
                f"journal away to go on with this file; {advice(self.path)}",
            )

    def _change_over(self, old: JournalFile) -> None:
        """Go on in the journal that another process began."""
        with suppress(StoreDamagedError):  # what the new one is based on makes up for it
            self._read_on(old)
        new = JournalFile.open(self._files, self.journal_path)
        if new is None or new.base != self.seq:
            if new is not None:
                new.close()
            self._load()
            return
        # Where there is a new journal, the snapshot before it is on the disk.
        self.durable = max(self.durable, new.base)
        self.journal, self._tail, self._next_checkpoint = new, b"", self._least
        self._doubtful, self._last = [], 0
        old.close()
        self._set_stand(new.base, new.check)
        self._read_on(new)

    def _set_stand(self, seq: int, check: str) -> None:
        status = self._stat(self.path)
        self._stand = None if status is None else Stand(seq, check, status, first_format=False)

    def _read_on(self, journal: JournalFile, *, tell: bool = True) -> None:
        found = journal.scan(self.seq)
        if found.flaw is not None:
            found = journal.scan(self.seq)  # it may have been read while it was written
        self._whole = False
        for record in found.records:
            if tell:
                self.tables.tell(record.delta, record.documents)
            self.tables.keep(record.delta, record.documents)
            self.seq = record.seq
            self.durable = max(self.durable, record.durable)
            if self._sync and not journal.trusted:
                self._doubtful.append((record.seq, record.line))
        self._last = max(self._last, found.last)
        self._doubtful = [each for each in self._doubtful if each[0] > self.durable]
        journal.position += found.end
        self._whole = True
        if found.flaw is not None:
            raise StoreDamagedError(
                path=journal.path,
                reason=f"at byte {journal.position} {found.flaw}; {advice(journal.path)}",
            )
        self._tail = found.tail

    # --- writing, under the lock ----------------------------------------------------------

    def prepare(self) -> JournalFile:
        """Make the files fit to be written: the caller holds the lock and has caught up.

        Raises
        ------
        OSError
            They can not be.
        """
        if self._stand is not None and not self._files.may_write(self.path):
            raise PermissionError(EACCES, "the file is read-only", self.path)
        if self.journal is None:
            self._write_snapshot()  # also where there is one: of the first format, or a copy
            return self._write_journal()
        if not self.journal.writable:
            self.journal.make_writable()
        if self._tail:
            # Nobody writes now, so nobody will ever finish it.
            self.journal.set_aside(self._tail, self._torn_path, like=self.path, sync=self._sync)
            self._tail = b""
        return self.journal

    def append(self, delta: Delta, documents: Documents) -> None:
        """Write one transaction; it is not durable yet.

        Raises
        ------
        StoreDamagedError
            An index refused a document; nothing was changed.
        OSError
            The system refused; nothing was changed.
        """
        journal = self.prepare()
        journal = self._clear_doubts(journal)
        line = record_line(self.seq + 1, self.durable, round(self._now(), 3), delta)
        undo = self.tables.inverse(delta)
        self._whole = False
        try:
            self.tables.tell(delta, documents)
        except BaseException:
            self.tables.tell_all()
            self._whole = True
            raise
        try:
            journal.append(line)
        except BaseException:
            self.tables.tell(undo, {})
            self._whole = True
            raise
        self.tables.keep(delta, documents)
        self.seq += 1
        self._whole = True

    @property
    def doubtful(self) -> bool:
        """Whether a sync would not tell for sure that all is on the disk."""
        journal = self.journal
        return journal is not None and not journal.trusted and self._last > self.durable

    def clear_doubts(self) -> None:
        """Write again what may have been dropped by a sync that failed; under the lock.

        A sync that fails is told once, to those who have the file open. A process that opens
        it later reads what was to be written from the system's memory, and its own sync says
        nothing. So before it relies on records that nobody has called durable, it writes them
        once more; a record that is there twice counts once.

        Raises
        ------
        OSError
            The system refused; nothing was changed.
        """
        self._clear_doubts(self.prepare())

    def _clear_doubts(self, journal: JournalFile) -> JournalFile:
        lines = b"".join(line for seq, line in self._doubtful if seq > self.durable)
        if len(lines) > _MOST_AGAIN:
            self.checkpoint()
            assert self.journal is not None
            return self.journal
        if self.doubtful:
            # The line end is for the case that only zeros will be found before it.
            journal.append(b"\n" + lines)
        self._doubtful, journal.trusted = [], True
        return journal

    def checkpoint_if_large(self) -> None:
        """Fold a large journal into the snapshot, if the system lets us."""
        journal = self.journal
        if journal is None or journal.position <= self._next_checkpoint:
            return
        if self._stand is not None and journal.position <= self._stand.status.size:
            return
        # What was to be kept is in the journal, so a failure here is nobody's business yet.
        self._next_checkpoint = 2 * journal.position
        with suppress(OSError, StoreError):
            self.checkpoint()

    def checkpoint(self) -> None:
        """Fold the journal into the snapshot; the caller holds the lock and has caught up.

        Raises
        ------
        StoreDamagedError
            Another program changed the snapshot, which is left as it is.
        OSError
            The system refused; every transaction is still in the files.
        """
        self.prepare()
        self._check_untouched()
        self._write_snapshot()
        self._write_journal()

    def _check_untouched(self) -> None:
        status = self._stat(self.path)
        if status is None or (self._stand is not None and status == self._stand.status):
            return
        found = load_snapshot(self._files, self.path, Tables())
        base = 0 if self.journal is None else self.journal.base
        if found is None or found.first_format or not base <= found.seq <= self.seq:
            raise StoreDamagedError(
                path=self.path,
                reason="another program changed it while it was open; the journal has everything",
            )

    def _write_snapshot(self) -> None:
        check, status = write_snapshot(
            self._files, self.path, self.tables, self.seq, sync=self._sync
        )
        self._stand = Stand(self.seq, check, status, first_format=False)
        if self._sync:
            self._files.sync_folder(self._folder)
            self.durable = self.seq

    def _write_journal(self) -> JournalFile:
        assert self._stand is not None
        new = JournalFile.create(
            self._files,
            self.journal_path,
            self._stand.seq,
            self._stand.check,
            like=self.path,
            sync=self._sync,
        )
        old, self.journal = self.journal, new
        self._tail, self._doubtful, self._last = b"", [], 0
        self._next_checkpoint = self._least
        if old is not None:
            old.close()
        if self._sync:
            self._files.sync_folder(self._folder)
        new.name_synced = True
        return new

    # --- without a lock -------------------------------------------------------------------

    def sync(self) -> None:
        """Return when all that the journal has is on the disk; one thread at a time.

        Raises
        ------
        OSError
            It may not be, now or ever.
        """
        # In this order: what is appended after the first line may be missed by the sync.
        appended, journal = self.seq, self.journal
        if journal is None:
            raise OSError(EIO, "the journal is gone")
        journal.sync()
        if not journal.name_synced:  # whoever gave it its name may have died before this
            self._files.sync_folder(self._folder)
            journal.name_synced = True
        self.durable = max(self.durable, appended)

    @property
    def has_records(self) -> bool:
        """Whether there is something in the journal that is not in the snapshot."""
        return self.journal is not None and self.journal.position > self.journal.start

    def after_fork(self) -> None:
        """Let the files and the tables go in a child process."""
        if self.journal is not None:
            self.journal.after_fork()
        with suppress(OSError):
            self.forget()

    def forget(self) -> None:
        """Let the files and the tables go."""
        self._whole = False
        journal, self.journal = self.journal, None
        if journal is not None:
            journal.close()
        self.tables.clear()
        self._stand, self._tail, self._doubtful, self._last = None, b"", [], 0


def write_store(files: FileSystem, path: str, tables: Tables, seq: int) -> None:
    """Put a store with these tables in the place of whatever is at `path`, under its lock.

    Raises
    ------
    OSError
        The system refused.
    """
    folder = os.path.dirname(path)
    check, _ = write_snapshot(files, path, tables, seq, sync=True)
    files.sync_folder(folder)
    JournalFile.create(files, f"{path}.journal", seq, check, like=path, sync=True).close()
    files.sync_folder(folder)
