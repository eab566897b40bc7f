"""Reading what can be read of a store's files, and naming what can not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from settlesim.errors import StoreDamagedError
from settlesim.store.documents import INSTANCES, TABLES, check_document, snapshot_of
from settlesim.store.journal.files import FileSystem
from settlesim.store.journal.first_format import read_first_format
from settlesim.store.journal.journal_file import is_file, read_whole
from settlesim.store.journal.records import (
    Header,
    Record,
    before_blanks,
    read_header,
    read_line,
    tail_words,
)
from settlesim.store.journal.snapshot_file import Layout, read_layout, read_tables
from settlesim.store.journal.tables import Tables
from settlesim.store.journal.texts import StoredDocument
from settlesim.store.rules.instances import Instances

__all__ = ["Damage", "Examination", "examine", "wrong_documents"]


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
    """What the journal ends in that is no record."""
    readable: bool = True
    """Whether the snapshot could be read, at least in part."""

    @property
    def written(self) -> int:
        """The last transaction that is in the snapshot."""
        return 0 if self.layout is None else self.layout.seq

    @property
    def seq(self) -> int:
        """The last transaction that is known."""
        return max([self.written, *(record.seq for record in self.records)])

    def merge(self) -> None:
        """Take the records of the journal into the tables."""
        for record in self.records:
            if record.seq > self.written:
                self.tables.keep(record.delta)


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
    if is_file(files, path):
        found.data, _ = read_whole(files, path)
        _examine_snapshot(found)
    else:
        found.readable = False
        found.damage.append(Damage(path, 0, 0, "the file is missing"))
    journal = f"{path}.journal"
    if is_file(files, journal):
        data, _ = read_whole(files, journal)
        _examine_journal(found, journal, data[: before_blanks(data)])
    return found


def _examine_snapshot(found: Examination) -> None:
    found.layout = read_layout(found.data, found.path)
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
    found.header = read_header(data, path)
    if found.header is None:
        end = data.find(b"\n") + 1 or len(data)
        found.damage.append(Damage(path, 0, end, "the first line is not as it was written"))
    elif found.readable:
        _compare(found, path, found.header)
    start = found.header.size if found.header is not None else data.find(b"\n") + 1
    seq = found.written
    if found.layout is None and found.header is not None:
        seq = found.header.base
    _read_lines(found, path, data, start, seq)


def _read_lines(found: Examination, path: str, data: bytes, start: int, seq: int) -> None:
    lines = list(_lines(data, start))
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
            found.unfinished = Damage(path, begin, len(data), tail_words(data[begin:]))
            return
        reason = "this is no record, or one that is not as it was written"
        found.damage.append(Damage(path, begin, end, reason))
        seq = behind[0].seq - 1  # so that what is missing is said once


def _compare(found: Examination, path: str, header: Header) -> None:
    seq = found.written
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
