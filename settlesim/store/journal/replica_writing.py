"""What a process writes to a store's files, under the lock; and the sync that needs none."""

from __future__ import annotations

import logging
from contextlib import suppress
from errno import EACCES, EIO, ESTALE
from typing import Final

from settlesim.errors import StoreDamagedError, StoreError
from settlesim.store.journal.journal_file import JournalFile
from settlesim.store.journal.opening import Stand, check_pair, load_snapshot
from settlesim.store.journal.records import record_line, tail_words
from settlesim.store.journal.replica import Replica
from settlesim.store.journal.snapshot_file import write_snapshot
from settlesim.store.journal.tables import Delta, Tables

__all__ = ["WritableReplica"]

_logger: Final = logging.getLogger("settlesim.store")

_MOST_AGAIN: Final = 65_536
"""Bytes; where more would have to be written again, a new snapshot is."""


class WritableReplica(Replica):
    """A `Replica` that also writes."""

    # --- writing, under the lock ----------------------------------------------------------

    def prepare(self) -> JournalFile:
        """Make the files fit to be written: the caller holds the lock and has caught up.

        Raises
        ------
        StoreDamagedError
            An older snapshot was put in the place of the one that the journal continues.
        OSError
            They can not be.
        """
        gone, stand, journal, looks = False, self._stand, self.journal, self.names.looks
        is_due = stand is not None and stand.looks != looks
        if is_due or journal is None or not journal.writable or self._tail:
            self._check_place()
        if stand is not None and is_due:
            gone = not self._is_there(stand)
            if not gone:
                stand.looks = looks
        if journal is None:
            self._write_snapshot()  # also where there is one: of the first format, or a copy
            return self._write_journal()
        if not journal.writable:
            self._make_writable(journal)
        if self._tail:
            # Nobody writes now, so nobody will ever finish it.
            self._set_aside(journal)
        if gone:  # somebody removed it; without it the journal would be worth nothing
            self._write_snapshot()
            return self._write_journal()
        return journal

    def _check_place(self) -> None:
        """Refuse to open or to make a file by its path where that leads into another folder now.

        It may be a moment since the path was followed. The next block will follow it.
        """
        if self.names.have_moved():
            self.names.look_anew()
            raise OSError(ESTALE, "its folder was moved", self._folder)

    def _make_writable(self, journal: JournalFile) -> None:
        # Whoever looks at the old descriptor without a lock must not believe what it says.
        whole, self.version = bool(self.version), 0
        try:
            journal.make_writable()
        finally:
            if whole:
                self.version = next(self._versions)

    def _is_there(self, stand: Stand) -> bool:
        """Say whether there still is a snapshot; refuse one that does not fit."""
        status = self._stat(self.path)
        if status is None:
            return False
        if not self._files.may_write(self.path):
            raise PermissionError(EACCES, "the file is read-only", self.path)
        if self.journal is not None and status not in (stand.status, stand.fits):
            self._check_fits(self.journal)
            stand.fits = status
        return True

    def _check_fits(self, journal: JournalFile) -> None:
        """Refuse a snapshot that another program put there, where nobody could open the store."""
        try:
            found = load_snapshot(self._files, self.path, Tables())
        except StoreDamagedError:
            return  # an edit, which is never overwritten and can be taken; the journal goes on
        check_pair(self.path, found, journal)

    def _set_aside(self, journal: JournalFile) -> None:
        tail, start = self._tail, journal.position
        journal.set_aside(tail, self._torn_path, like=self.path, sync=self._sync)
        self._tail = b""
        _logger.warning(
            "%s, bytes %d to %d: no record, cut off and kept in %s: %s",
            journal.path,
            start,
            start + len(tail) - 1,
            self._torn_path,
            tail_words(tail),
        )

    def append(
        self, delta: Delta, at: float, *, to_sync: bool = False, frozen: bool = False
    ) -> None:
        """Write one transaction; it is not durable yet.

        Parameters
        ----------
        at : seconds since the epoch
        to_sync : whether a `sync` follows soon
        frozen : whether all that is put are frozen documents in the place of others, which no
            index refuses

        Raises
        ------
        StoreDamagedError
            An index refused a document; nothing was changed.
        OSError
            The system refused; nothing was changed.
        """
        journal = self.prepare()
        if self._doubtful or not journal.trusted:
            journal = self._clear_doubts(journal)
        durable = max(self._durable, journal.durable)
        line = record_line(self.seq + 1, durable, at, delta, frozen=frozen)
        self.version = 0
        if not frozen:
            try:
                self.tables.tell(delta)
            except BaseException:
                self.tables.tell_all()
                self.version = next(self._versions)
                raise
        try:
            journal.append(line, to_sync=to_sync and self._sync)
        except OSError:
            if not frozen:
                self.tables.tell(self.tables.inverse(delta))
            self.version = next(self._versions)
            raise
        # After any other exception, as one that a signal handler raises, the line may be in
        # the file or not: the tables are not whole, and all is read anew.
        if frozen:  # told now, as mostly the disk is at work
            self.tables.tell(delta)
        self.tables.keep(delta)
        self.seq += 1
        self.version = next(self._versions)

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
        if not journal.trusted and journal.position > journal.start:
            # The line end is for the case that only zeros will be found before it: also where
            # the snapshot has the records, and the journal itself was never synced.
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

        Where there is nothing to fold nothing is written: a new snapshot with the number of
        the old one, and a journal that continues the old one, would be two stores.

        Raises
        ------
        StoreDamagedError
            Another program changed the snapshot, which is left as it is.
        OSError
            The system refused; every transaction is still in the files.
        """
        self._check_place()
        journal = self.prepare()
        self._check_untouched(journal)
        if self._is_folded(journal):
            return
        self._write_snapshot()
        self._write_journal()

    def _is_folded(self, journal: JournalFile) -> bool:
        stand = self._stand
        return (
            stand is not None
            and (stand.seq, stand.check) == (journal.base, journal.check)
            and stand.is_file(self._stat(self.path))
            and self.seq == journal.base
        )

    def _check_untouched(self, journal: JournalFile) -> None:
        status = self._stat(self.path)
        if status is None or (self._stand is not None and self._stand.is_file(status)):
            return
        tables = Tables()
        found = load_snapshot(self._files, self.path, tables)
        if found is None or not self._leads_here(journal, found, tables):
            raise StoreDamagedError(
                path=self.path,
                reason="another program changed it while it was open; what was saved since "
                f"{journal.path} was begun is in there",
            )
        if (found.seq, found.check) == (journal.base, journal.check):
            self._stand = found

    def _leads_here(self, journal: JournalFile, found: Stand, tables: Tables) -> bool:
        """Say whether a snapshot and the records after it are the tables that are in memory.

        As one is of which the process that wrote it was killed before it began a journal.
        """
        if found.first_format or not journal.base <= found.seq <= self.seq:
            return False
        if found.seq == journal.base and found.check != journal.check:
            return False
        for record in journal.records(found.seq):
            tables.keep(record.delta)
        return tables.same_as(self.tables)

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
        old = self.journal
        new = JournalFile.create(
            self._files,
            self.journal_path,
            self._stand.seq,
            self._stand.check,
            old.digest if old is not None and self._chained else "",
            like=self.path,
            sync=self._sync,
        )
        self.journal, self._chained = new, True
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
            It may not be, now or ever. So it is where the files were read anew since the last
            transaction was written: the journal that is open now was told of no failure.
        """
        # What is appended after this may be missed by the sync; and another thread may read
        # the files anew at any moment.
        journal = self.journal
        appended = self.seq
        if journal is None or journal is not self.journal:
            raise OSError(EIO, "the journal is gone")
        if not journal.trusted:
            raise OSError(EIO, "the journal was opened anew")
        journal.sync()
        if not journal.name_synced:  # whoever gave it its name may have died before this
            self._files.sync_folder(self._folder)
            journal.name_synced = True
        journal.durable = max(journal.durable, appended)
