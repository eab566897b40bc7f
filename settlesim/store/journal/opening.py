"""Reading the snapshot of a store whole, or not at all; and writing a store from nothing."""

from __future__ import annotations

import os

from settlesim.errors import StoreDamagedError, StoreUnavailableError
from settlesim.store.journal.files import FileSystem, Status
from settlesim.store.journal.first_format import read_first_format
from settlesim.store.journal.journal_file import JournalFile, advice, is_file, read_whole
from settlesim.store.journal.snapshot_file import Layout, read_layout, read_tables, write_snapshot
from settlesim.store.journal.tables import Tables

__all__ = ["Stand", "check_pair", "load_snapshot", "write_store"]


class Stand:
    """A snapshot: what it counts as, and of which file.

    Parameters
    ----------
    known
        Whether this process read or wrote the file; else it is what a journal says of it.
    """

    __slots__ = ("check", "first_format", "fits", "known", "looks", "seq", "status")

    def __init__(
        self, seq: int, check: str, status: Status, *, first_format: bool, known: bool = True
    ) -> None:
        self.seq, self.check, self.status = seq, check, status
        self.first_format, self.known = first_format, known
        self.fits: Status | None = None
        """Of a file that was put in its place, with which the journal can be read, too."""
        self.looks = -1
        """What `Names.looks` was when the file was last found fit to go on with."""

    def is_file(self, status: Status | None) -> bool:
        """Say whether a file with this status is known to hold this snapshot."""
        return self.known and self.status == status


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
    if not is_file(files, path):
        _check_folder(files, path)
        return None
    data, status = read_whole(files, path)
    layout = read_layout(data, path)
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


def check_pair(path: str, stand: Stand | None, journal: JournalFile) -> None:
    """Refuse a snapshot that is not the one which a journal continues, or one before it.

    Raises
    ------
    StoreDamagedError
        What is in the journal would be laid over something else. It is never said that it
        may be taken away where it holds what was acknowledged.
    """
    holds = _holds(journal)
    if stand is None:
        way = "" if holds else ", or take the journal away to begin with nothing"
        raise StoreDamagedError(
            path=path,
            reason=f"the file is missing, and {journal.path}{holds} continues it. "
            f"Put it back{way}; {advice(path)}",
        )
    same = stand.check == journal.check or stand.seq > journal.base
    if stand.first_format or stand.seq < journal.base or not same:
        way = "" if holds else ", or take the journal away to go on with this file"
        raise StoreDamagedError(
            path=path,
            reason=f"its state {stand.seq} is not the one that {journal.path}{holds} continues, "
            f"which is {journal.base}: an older copy may have been put in its place. Put the "
            f"right one back{way}; {advice(path)}",
        )


def _holds(journal: JournalFile) -> str:
    found, _ = journal.scan(journal.base)
    count = len(found.records)
    if not count and not found.tail:
        return ""
    if not count:
        return ", which is not empty,"
    return f", which holds {count} transaction{'' if count == 1 else 's'} more,"


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
