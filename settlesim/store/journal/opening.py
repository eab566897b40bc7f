"""Reading the snapshot of a store whole, or not at all; and writing a store from nothing."""

from __future__ import annotations

import os

from settlesim.errors import StoreDamagedError, StoreUnavailableError
from settlesim.store.journal.files import FileSystem, Status
from settlesim.store.journal.first_format import newer, read_first_format
from settlesim.store.journal.journal_file import JournalFile, advice, read_whole
from settlesim.store.journal.snapshot_file import Layout, read_layout, read_tables, write_snapshot
from settlesim.store.journal.tables import Tables

__all__ = ["Stand", "load_snapshot", "write_store"]


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
