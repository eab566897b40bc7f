"""Looking at every byte of a store's files, and saying what is wrong with which."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from settlesim.errors import StoreDamagedError, StoreUnavailableError
from settlesim.store.documents import INSTANCES, TABLES, check_document, snapshot_of
from settlesim.store.files import FileSystem
from settlesim.store.first_format import newer, read_first_format
from settlesim.store.instances import Instances
from settlesim.store.journal_file import read_whole
from settlesim.store.lock import FileLock, InterruptsHeld
from settlesim.store.records import Header, Record, read_header, read_line
from settlesim.store.snapshot_file import Layout, read_layout, read_tables
from settlesim.store.tables import Tables
from settlesim.store.texts import StoredDocument

__all__ = [
    "Damage",
    "Examination",
    "StoreReport",
    "examine",
    "held",
    "verify_store",
    "wrong_documents",
]

_PIECE: Final = b"# cut off the journal at byte "


@dataclass(frozen=True, slots=True)
class Damage:
    """A stretch of a file that is not as it was written."""

    path: str
    start: int
    """The first byte."""
    end: int
    """The byte after the last; `start` where the place is not known."""
    reason: str
    place: tuple[str, int] | None = None
    """The table and the id of a document that is whole, and that no rule could use."""

    def __str__(self) -> str:
        if self.end > self.start + 1:
            return f"{self.path}, bytes {self.start} to {self.end - 1}: {self.reason}"
        if self.end > self.start:
            return f"{self.path}, byte {self.start}: {self.reason}"
        return f"{self.path}: {self.reason}"


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
    """What the journal ends in that is no record; nobody was told that it had been kept."""
    set_aside: tuple[int, int]
    """How many such pieces were cut before, and their bytes, in ``<path>.torn``."""

    @property
    def is_whole(self) -> bool:
        """Whether nothing is damaged."""
        return not self.damage


@dataclass(slots=True)
class Examination:
    """What can be read of a store's files, and what not."""

    path: str
    data: bytes = b""
    """Of the snapshot."""
    layout: Layout | None = None
    """None where its first lines can not be relied on."""
    format: int = 2
    header: Header | None = None
    """Of the journal; None where there is none that is whole."""
    tables: Tables = field(default_factory=Tables)
    """What is whole in the snapshot."""
    records: list[Record] = field(default_factory=list)
    """What is whole in the journal."""
    damage: list[Damage] = field(default_factory=list)
    unfinished: Damage | None = None
    readable: bool = True
    """Whether the snapshot could be read, at least in part."""

    @property
    def seq(self) -> int:
        """The last transaction that is known."""
        seq = 0 if self.layout is None else self.layout.seq
        return max([seq, *(record.seq for record in self.records)])

    def merge(self) -> None:
        """Take the records of the journal into the tables."""
        seq = 0 if self.layout is None else self.layout.seq
        for record in self.records:
            if record.seq > seq:
                self.tables.keep(record.delta, record.documents)


@contextmanager
def held(files: FileSystem, path: str, limit: float) -> Iterator[None]:
    """Hold the lock of the store at `path`."""
    interrupts = InterruptsHeld()
    interrupts.begin()
    lock = FileLock(f"{path}.lock", files, limit=limit, store=path)
    try:
        lock.acquire(interrupts)
        try:
            yield
        finally:
            lock.release()
            lock.close()
    finally:
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


def _seq(found: Examination) -> int:
    return 0 if found.layout is None else found.layout.seq


def _examine_still(files: FileSystem, path: str, limit: float) -> Examination:
    """Look while nobody writes; where the lock can not be made, nobody can write either."""
    if not _exists(files, path) and not _exists(files, f"{path}.journal"):
        raise StoreUnavailableError(path=path, reason="there is no such file")
    if not files.may_write(os.path.dirname(path)):
        return examine(files, path)
    with held(files, path, limit):
        return examine(files, path)


def _exists(files: FileSystem, path: str) -> bool:
    try:
        status = files.stat(path)
    except FileNotFoundError:
        return False
    if status.kind != "file":
        kind = "a folder" if status.kind == "folder" else "no regular file"
        raise StoreUnavailableError(path=path, reason=f"it is {kind}")
    return True


def examine(files: FileSystem, path: str) -> Examination:
    """Read what can be read of the files of a store, and name what can not.

    Raises
    ------
    StoreUnavailableError
        It has a newer format.
    OSError
        The system refused.
    """
    found = Examination(path)
    if _exists(files, path):
        found.data, _ = read_whole(files, path)
        _examine_snapshot(found)
    else:
        found.readable = False
        found.damage.append(Damage(path, 0, 0, "the file is missing"))
    journal = f"{path}.journal"
    if _exists(files, journal):
        _examine_journal(found, journal, read_whole(files, journal)[0])
    return found


def _examine_snapshot(found: Examination) -> None:
    try:
        found.layout = read_layout(found.data)
    except NotImplementedError as error:
        raise newer(found.path, error.args[0]) from None
    if found.layout is not None:
        read_tables(found.data, found.layout, found.tables)
        found.damage += [
            Damage(found.path, flaw.start, flaw.end, f"these {flaw.reason}")
            for flaw in found.layout.flaws
        ]
        return
    try:
        read_first_format(found.data, found.path, found.tables)
        found.format = 1
    except StoreDamagedError as error:
        found.readable = False
        found.tables = Tables()
        found.damage.append(Damage(found.path, 0, 0, error.reason))


def _examine_journal(found: Examination, path: str, data: bytes) -> None:
    try:
        found.header = read_header(data)
    except NotImplementedError as error:
        raise newer(path, error.args[0]) from None
    if found.header is None:
        end = data.find(b"\n") + 1 or len(data)
        found.damage.append(Damage(path, 0, end, "the first line is not as it was written"))
    elif found.readable:
        _compare(found, path, found.header)
    start = found.header.size if found.header is not None else data.find(b"\n") + 1
    seq = _seq(found)
    if found.layout is None and found.header is not None:
        seq = found.header.base
    _read_lines(found, path, list(_lines(data, start)), seq)


def _read_lines(
    found: Examination, path: str, lines: list[tuple[int, int, Record | None]], seq: int
) -> None:
    for number, (begin, end, record) in enumerate(lines):
        if record is not None:
            if record.seq > seq + 1 and found.header is not None:
                missing = f"transaction {seq + 1} is missing before transaction {record.seq}"
                found.damage.append(Damage(path, begin, begin, missing))
            if record.seq > seq:
                seq = record.seq
                found.records.append(record)
            continue
        behind = [each for *_, each in lines[number + 1 :] if each is not None]
        if behind and behind[0].seq <= seq + 1:
            continue  # nothing is missing: it stands there again, or the snapshot has it
        if not any(each.durable > seq for each in behind):
            found.unfinished = Damage(path, begin, lines[-1][1], "it was never finished")
            return
        reason = "this is no record, or one that is not as it was written"
        found.damage.append(Damage(path, begin, end, reason))
        seq = behind[0].seq - 1  # so that what is missing is said once


def _compare(found: Examination, path: str, header: Header) -> None:
    seq = _seq(found)
    same = seq > header.base or (found.layout is not None and found.layout.check == header.check)
    if seq < header.base or not same:
        found.damage.append(
            Damage(found.path, 0, 0, f"its state {seq} is not the one that {path} continues")
        )


def _lines(data: bytes, start: int) -> Iterator[tuple[int, int, Record | None]]:
    """Give the begin, the end and the record of every line, None for one that is none."""
    bad = -1
    while start < len(data):
        stop = data.find(b"\n", start)
        end = len(data) if stop < 0 else stop + 1
        record = None if stop < 0 else read_line(data[start:stop])
        if stop == start and bad < 0:
            start = end
            continue
        if record is None and bad < 0:
            bad = start
        if record is not None:
            if bad >= 0:
                yield bad, start, None
                bad = -1
            yield start, end, record
        start = end
    if bad >= 0:
        yield bad, len(data), None


def wrong_documents(found: Examination) -> Iterator[Damage]:
    """Name the documents that no rule could use."""
    instances = Instances(found.path)
    for name in TABLES:
        table = found.tables.named.get(name)
        for number, text in [] if table is None else table.in_order().items():
            try:
                document = StoredDocument(text)
                check_document(found.path, name, number, document)
                if name == INSTANCES:
                    instances.update(name, number, document)
                    where = f"document {number} of table {name!r}"
                    snapshot_of(dict(document), source=found.path, where=where)
            except StoreDamagedError as error:
                yield Damage(found.path, 0, 0, error.reason, (name, number))


def _set_aside(files: FileSystem, path: str) -> tuple[int, int]:
    """Return how many pieces were cut off the journal, and how many bytes they have."""
    if not _exists(files, f"{path}.torn"):
        return 0, 0
    data, _ = read_whole(files, f"{path}.torn")
    pieces = size = 0
    position = 0
    while data.startswith(_PIECE, position):
        end = data.find(b"\n", position)
        words = data[position:end].split()
        length = int(words[-2])
        pieces, size = pieces + 1, size + length
        position = end + 1 + length + 1
    return pieces, size
