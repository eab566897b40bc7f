"""Looking at every byte of a store's files, and saying what is wrong with which."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from settlesim.errors import StoreUnavailableError
from settlesim.store.journal.files import FileSystem
from settlesim.store.journal.journal_file import is_file, read_whole
from settlesim.store.journal.lock import FileLock, InterruptsHeld
from settlesim.store.journal.names import Names
from settlesim.store.repair.examine import Damage, Examination, examine, wrong_documents

__all__ = ["StoreReport", "held", "verify_store"]

_PIECE: Final = b"# cut off the journal at byte "


@dataclass(frozen=True, slots=True)
class StoreReport:
    """What was found in the files of a store."""

    path: str
    format: int
    transactions: int
    """How many there were in the store's life."""
    in_journal: int
    """How many of them are in the journal, not yet in the file."""
    documents: dict[str, int]
    """How many of each table are whole."""
    damage: tuple[Damage, ...]
    unfinished: Damage | None
    """What the journal ends in that is no record, and what it may have been."""
    set_aside: tuple[int, int]
    """How many such pieces were cut before, and their bytes, in ``<path>.torn``."""

    @property
    def is_whole(self) -> bool:
        """Whether nothing is damaged."""
        return not self.damage


@contextmanager
def held(files: FileSystem, path: str, limit: float) -> Iterator[None]:
    """Hold the lock of the store at `path`."""
    interrupts = InterruptsHeld()
    interrupts.begin()
    names = Names(files, os.path.dirname(path))
    lock = FileLock(f"{path}.lock", files, names, limit=limit, store=path)
    try:
        lock.acquire(interrupts)
        try:
            yield
        finally:
            lock.drop()
    finally:
        names.close()
        interrupts.end()


def verify_store(
    path: str | os.PathLike[str], *, lock_timeout: float = 30.0, files: FileSystem | None = None
) -> StoreReport:
    """Read every byte of the files of a store and check it; nothing is changed.

    Raises
    ------
    StoreUnavailableError
        There is no store, it has a newer format, or the system refused.
    """
    files, path = files or FileSystem(), os.path.realpath(path)
    try:
        found = _examine_still(files, path, lock_timeout)
        pieces = _set_aside(files, path)
    except OSError as error:
        reason = f"reading failed: {error.strerror or error}"
        raise StoreUnavailableError(path=path, reason=reason) from error
    found.merge()
    found.damage += wrong_documents(found)
    documents = {name: len(table.texts) for name, table in found.tables.named.items()}
    return StoreReport(
        path=path,
        format=found.format,
        transactions=found.seq,
        in_journal=len(found.records),
        documents={name: count for name, count in documents.items() if count},
        damage=tuple(found.damage),
        unfinished=found.unfinished,
        set_aside=pieces,
    )


def _examine_still(files: FileSystem, path: str, limit: float) -> Examination:
    """Look while nobody writes; where the lock can not be made, nobody can write either."""
    if not is_file(files, path) and not is_file(files, f"{path}.journal"):
        raise StoreUnavailableError(path=path, reason="there is no such file")
    if not files.may_write(os.path.dirname(path)):
        return examine(files, path)
    with held(files, path, limit):
        return examine(files, path)


def _set_aside(files: FileSystem, path: str) -> tuple[int, int]:
    """Return how many pieces were cut off the journal, and how many bytes they have."""
    if not is_file(files, f"{path}.torn"):
        return 0, 0
    data, _ = read_whole(files, f"{path}.torn")
    pieces = size = 0
    position = 0
    while data.startswith(_PIECE, position):
        start = data.find(b"\n", position) + 1
        if not start:
            break
        length = int(data[position:start].split()[-2])
        position = start + length + 1
        # Whoever set it aside may have been killed in the middle of that.
        if not data.startswith(_PIECE, position) and position != len(data):
            position = data.find(_PIECE, start)
            position = len(data) if position < 0 else position
            length = position - start
        pieces, size = pieces + 1, size + length
    return pieces, size
