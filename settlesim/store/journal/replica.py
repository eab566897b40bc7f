"""A store's tables in the memory of one process, and how they follow its files."""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import count
from typing import Final, Literal

from settlesim.errors import StoreDamagedError
from settlesim.store.journal.files import FileSystem, Status
from settlesim.store.journal.journal_file import JournalFile, advice
from settlesim.store.journal.names import Names
from settlesim.store.journal.opening import Stand, check_pair, load_snapshot
from settlesim.store.journal.tables import Tables

__all__ = ["Replica"]

_LEAST_JOURNAL: Final = 4 << 20
"""Bytes; `compact_bytes` where nothing else is said."""


class Replica:
    """What one process knows of a store: kept by one thread at a time.

    Parameters
    ----------
    path : of the snapshot, with links followed; the journal is ``<path>.journal``
    sync : whether what is written has to survive a power cut
    compact_bytes
        The journal is folded into the snapshot when it is larger than this and than that.
    """

    def __init__(
        self,
        path: str,
        files: FileSystem,
        *,
        sync: bool,
        compact_bytes: int | None = None,
    ) -> None:
        self.path = path
        self.journal_path = f"{path}.journal"
        self._torn_path = f"{path}.torn"
        self._folder = os.path.dirname(path)
        self._files = files
        self.names = Names(files, self._folder)
        """To be looked at before the replica is asked to catch up."""
        self._sync = sync
        self.tables = Tables()
        self.seq = 0
        """The last transaction that is in the tables."""
        self._durable = 0
        self.journal: JournalFile | None = None
        self._stand: Stand | None = None
        self._chained = False
        """Whether the tables are what the journal is based on, and its records."""
        self._tail = b""
        self._doubtful: list[tuple[int, bytes]] = []
        """Records that nobody called durable yet."""
        self.loads = 0
        """How often everything was read anew."""
        self._last = 0
        """The last transaction of which the journal has a record."""
        self._versions = count(1)
        self.version = 0
        """Of the tables, another one after each change; 0 while they are changed or must be
        read anew, as after an interruption."""
        self._least = _LEAST_JOURNAL if compact_bytes is None else compact_bytes
        self._next_checkpoint = self._least

    @property
    def durable(self) -> int:
        """Return the last transaction that is known to survive a power cut."""
        journal = self.journal
        return self._durable if journal is None else max(self._durable, journal.durable)

    @durable.setter
    def durable(self, seq: int) -> None:
        self._durable = seq

    # --- following the files --------------------------------------------------------------

    def catch_up(self) -> None:
        """Take in what was written since the last time.

        Needs no lock: a record that somebody is about to write has no good checksum yet.

        Raises
        ------
        StoreDamagedError, StoreUnavailableError, OSError
            The files can not be read; nothing was changed.
        """
        if not self.version:
            self._load()
            return
        journal = self.journal
        if journal is None:
            known = None if self._stand is None else self._stand.status
            if self._stat(self.journal_path) is not None or self._stat(self.path) != known:
                self._load()
        elif not self.names.lead_to(journal.descriptor, self.journal_path):
            if self._stat(self.journal_path) is None:
                reason = f"its journal {self.journal_path} was removed while it was open"
                raise StoreDamagedError(path=self.path, reason=reason)
            self._change_over(journal)
        elif (found := journal.look()) != "same" or self._tail:
            self._take_in(journal, found)

    def is_up_to_date(self) -> bool:
        """Say whether nothing was written that the tables lack; needs no lock, changes nothing."""
        journal = self.journal
        if journal is None or self._tail:
            return False
        try:
            known = self.names.still_lead_to(journal.descriptor, self.journal_path)
            return known and journal.look() == "same"
        except OSError:
            return False

    def _take_in(
        self, journal: JournalFile, found: Literal["same", "more", "less", "other"]
    ) -> None:
        if found in ("less", "other"):
            self._refuse_older(journal)
        if found in ("same", "more") and journal.is_itself():
            self._read_on(journal, whole=False)
        else:
            self._load()

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
        self.loads += 1
        if self._stand is not None:
            self.seq = self._stand.seq
        if journal is not None:
            check_pair(self.path, self._stand, journal)
            self._chained = self.seq == journal.base
            self.durable = journal.base
            self._read_on(journal, tell=False)
        self.tables.tell_all()
        self.version = next(self._versions)

    def _change_over(self, old: JournalFile) -> None:
        """Go on in the journal that another process began, if it continues the old one."""
        with suppress(StoreDamagedError):  # what the new one is based on makes up for it
            self._read_on(old)
        new = JournalFile.open(self._files, self.journal_path)
        missed = new is None or (new.base, new.after) != (self.seq, old.digest)
        if new is None or missed or not self._chained:
            if new is not None:
                new.close()
            self._refuse_older(old)
            self._load()
            return
        # Where there is a new journal, the snapshot before it is on the disk.
        self.durable = max(self.durable, new.base)
        self.journal, self._tail, self._next_checkpoint = new, b"", self._least
        self._doubtful, self._last = [], 0
        old.close()
        self._set_stand(new.base, new.check)
        self._read_on(new)

    def _refuse_older(self, known: JournalFile) -> None:
        """Refuse a journal that is the begin of the known one, and lacks what was on the disk."""
        journal = JournalFile.open(self._files, self.journal_path)
        if journal is None:
            return
        try:
            if not journal.begins(known):
                return
            records = journal.scan(journal.base)[0].records
        finally:
            journal.close()
        last = records[-1].seq if records else journal.base
        if last < self.durable:
            raise StoreDamagedError(
                path=journal.path,
                reason=f"it ends with transaction {last}, and transaction {self.durable} was on "
                "the disk: an older copy may have been put in its place while it was open. Put "
                "the right one back, or open the store anew to go on with this one",
            )

    def _set_stand(self, seq: int, check: str) -> None:
        status = self._stat(self.path)
        # Somebody may have changed the file since the process that began the journal wrote it.
        if status is None:
            self._stand = None
        else:
            self._stand = Stand(seq, check, status, first_format=False, known=False)

    def _read_on(self, journal: JournalFile, *, tell: bool = True, whole: bool = True) -> None:
        found, known = journal.scan(self.seq, whole=whole)
        if found.flaw is not None:
            found, known = journal.scan(self.seq)  # it may have been read while it was written
        self.version = 0
        for record in found.records:
            if tell:
                self.tables.tell(record.delta, record.documents)
            self.tables.keep(record.delta)
            self.seq = record.seq
            self.durable = max(self.durable, record.durable)
            if self._sync and not journal.trusted:
                self._doubtful.append((record.seq, record.line))
        self._last = max(self._last, found.last)
        self._doubtful = [each for each in self._doubtful if each[0] > self.durable]
        journal.take(known)
        if tell:  # else the indexes know nothing yet
            self.version = next(self._versions)
        if found.flaw is not None:
            raise StoreDamagedError(
                path=journal.path,
                reason=f"at byte {journal.position} {found.flaw}; {advice(journal.path)}",
            )
        self._tail = found.tail

    @property
    def has_records(self) -> bool:
        """Whether there is something in the journal that is not in the snapshot."""
        return self.journal is not None and self.journal.position > self.journal.start

    def after_fork(self) -> None:
        """Let the files go in a child process; the tables when it looks at them next.

        It may have been forked in a block, in which they are held still.
        """
        self.version = 0
        journal, self.journal = self.journal, None
        if journal is not None:
            journal.after_fork()
            with suppress(OSError):
                journal.close()

    def forget(self) -> None:
        """Let the files and the tables go."""
        self.version = 0
        journal, self.journal = self.journal, None
        if journal is not None:
            journal.close()
        self.tables.clear()
        self._stand, self._tail, self._doubtful, self._last = None, b"", [], 0
