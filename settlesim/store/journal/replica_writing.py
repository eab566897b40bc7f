"""What a process writes to a store's files, under the lock; and the sync that needs none."""

from __future__ import annotations

from contextlib import suppress
from errno import EACCES, EIO
from typing import Final

from settlesim.errors import StoreDamagedError, StoreError
from settlesim.store.journal.journal_file import JournalFile
from settlesim.store.journal.opening import Stand, load_snapshot
from settlesim.store.journal.records import record_line
from settlesim.store.journal.replica import Replica
from settlesim.store.journal.snapshot_file import write_snapshot
from settlesim.store.journal.tables import Delta, Documents, Tables

__all__ = ["WritableReplica"]

_MOST_AGAIN: Final = 65_536
"""Bytes; where more would have to be written again, a new snapshot is."""


class WritableReplica(Replica):
    """A `Replica` that also writes."""

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
