"""What a person can do about a store that was edited by hand or is damaged."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from settlesim.errors import StoreDamagedError, StoreUnavailableError
from settlesim.store.journal.files import FileSystem
from settlesim.store.journal.first_format import read_plain
from settlesim.store.journal.journal_file import JournalFile
from settlesim.store.journal.opening import write_store
from settlesim.store.journal.records import record_line
from settlesim.store.journal.tables import META, Tables
from settlesim.store.journal.texts import read_value
from settlesim.store.repair.examine import Damage, Examination, examine, wrong_documents
from settlesim.store.repair.verify import held

__all__ = ["Salvage", "accept_edits", "salvage_store"]

_TABLE: Final = re.compile(r'[,{]?("(?:[^"\\]|\\.)*"):\{')
_DOCUMENT: Final = re.compile(r'"(\d{1,18})":(?=\{)')


# --- edits by hand ------------------------------------------------------------------------


def accept_edits(
    path: str | os.PathLike[str], *, lock_timeout: float = 30.0, files: FileSystem | None = None
) -> bool:
    """Take the file as somebody edited it: give it new checksums.

    What the journal changed after the file was written is laid over the edit.

    Returns
    -------
    changed : False where the file was as the library wrote it

    Raises
    ------
    StoreDamagedError
        It is no store any more, or its journal is damaged; nothing was changed.
    StoreUnavailableError
        The system refused.
    """
    files, path = files or FileSystem(), os.path.realpath(path)
    try:
        with held(files, path, lock_timeout):
            found = examine(files, path)
            if found.layout is not None and not found.layout.flaws:
                _check_rest(found)
                return False
            seq = _read_edited(found) + 1
            _check_rest(found)
            _take_number(files, found, seq)
            write_store(files, path, found.tables, seq)
            return True
    except OSError as error:
        reason = f"{error.strerror or error}. Nothing was changed."
        raise StoreUnavailableError(path=path, reason=reason) from error


def _take_number(files: FileSystem, found: Examination, seq: int) -> None:
    """Let a transaction that changes nothing stand in the old journal.

    A process that has the store open would else give its number to another one, if this
    process is killed before there is a new journal; and the new snapshot would seem to have
    that one.
    """
    journal = JournalFile.open(files, f"{found.path}.journal")
    if journal is None:
        return
    at = max((record.at for record in found.records), default=0.0)
    try:
        journal.make_writable()
        end, known = journal.scan(seq - 1)
        journal.take(known)
        if end.tail:
            journal.set_aside(end.tail, f"{found.path}.torn", like=found.path, sync=True)
        journal.append(record_line(seq, 0, at, {}))
        journal.sync()
    finally:
        journal.close()


def _check_rest(found: Examination) -> None:
    """Refuse what no edit of the file explains."""
    for damage in [*found.damage, *wrong_documents(found)]:
        raise StoreDamagedError(path=damage.path, reason=damage.reason)


def _read_edited(found: Examination) -> int:
    """Read the file as it is, lay the journal over it; return the last transaction."""
    found.damage = [each for each in found.damage if each.path != found.path]
    found.tables = Tables()
    meta = read_plain(found.data, found.path, found.tables)
    seq = meta.get("seq", 0)
    base = 0 if found.header is None else found.header.base
    if type(seq) is not int or seq < base:
        reason = f"its state {seq!r} is older than its journal, which begins at {base}"
        raise StoreDamagedError(path=found.path, reason=reason)
    _take_counters(meta, found.tables)
    for record in found.records:
        if record.seq > seq:
            found.tables.keep(record.delta)
            seq = record.seq
    return seq


def _take_counters(meta: Mapping[str, Any], tables: Tables) -> None:
    counters = meta.get("ids")
    for name, last in counters.items() if isinstance(counters, dict) else ():
        if type(last) is not int:
            continue
        if name in tables.named:
            tables.named[name].last = max(last, tables.named[name].last)
        elif name not in tables.foreign:
            tables.dropped[name] = last


# --- damage -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Salvage:
    """What could be saved of a damaged store."""

    documents: dict[str, int]
    """How many of each table are in the new store."""
    missing: tuple[str, ...]
    """What is not, or may not be as it was."""


def salvage_store(
    path: str | os.PathLike[str],
    new: str | os.PathLike[str],
    *,
    lock_timeout: float = 30.0,
    files: FileSystem | None = None,
) -> Salvage:
    """Write all that is whole in a store into a new one; the old one stays as it is.

    Raises
    ------
    StoreUnavailableError
        There is something at `new`, or the system refused.
    """
    files = files or FileSystem()
    path, new = os.path.realpath(path), os.path.realpath(new)
    for each in (new, f"{new}.journal"):
        if os.path.lexists(each):
            raise StoreUnavailableError(path=each, reason="it exists; name a file that does not")
    try:
        with held(files, path, lock_timeout):
            found = examine(files, path)
        missing = list(_missing_of_snapshot(found))
        found.merge()
        missing = [each for each in missing if not _is_there(found, each)]
        texts = [str(each) for each in missing]
        texts += [str(each) for each in found.damage if each.path != path]
        texts += [str(each) for each in _drop_wrong(found)]
        with held(files, new, lock_timeout):
            write_store(files, new, found.tables, found.seq)
    except OSError as error:
        reason = f"{error.strerror or error}. The old store is as it was."
        raise StoreUnavailableError(path=error.filename or new, reason=reason) from error
    documents = {name: len(table.texts) for name, table in found.tables.named.items()}
    return Salvage({name: count for name, count in documents.items() if count}, tuple(texts))


@dataclass(frozen=True, slots=True)
class _Missing:
    """A document, or a stretch of the file where nothing can be told apart."""

    table: str | None
    id: int | None
    text: str

    def __str__(self) -> str:
        return self.text


def _is_there(found: Examination, each: _Missing) -> bool:
    if each.table is None or each.id is None:
        return False
    # Also when a later record removed it: then it is not missing.
    return any(
        each.table in record.delta
        and (changes := record.delta[each.table]) is not None
        and each.id in changes
        for record in found.records
    )


def _missing_of_snapshot(found: Examination) -> Iterator[_Missing]:
    if found.layout is not None:
        for block in found.layout.blocks:
            if not block.good:
                yield from _missing_of_block(found, block.table, block.start, block.end)
        end = min(len(found.data), found.layout.blocks[-1].end)
        for flaw in found.layout.flaws:
            if flaw.start >= end:
                yield _Missing(None, None, f"{found.path}, {flaw}")
    elif not found.readable:
        yield from _read_unchecked(found)


def _missing_of_block(
    found: Examination, table: str | None, start: int, end: int
) -> Iterator[_Missing]:
    lines = found.data[start:end].decode(errors="replace").split("\n")
    ids = [int(match[1]) for line in lines if (match := _DOCUMENT.match(line))]
    for number in ids if table is not None else ():
        if found.tables.text(str(table), number) is None:
            yield _Missing(table, number, f"document {number} of table {table!r}")
    where = f"bytes {start} to {end - 1} of {found.path}"
    if table != META and not ids:
        yield _Missing(None, None, f"what stood in {where} of table {table!r}")


def _read_unchecked(found: Examination) -> Iterator[_Missing]:
    """Read the lines of a file of which the checksums are lost."""
    name: str | None = None
    count = 0
    for line in found.data.decode(errors="replace").split("\n"):
        if match := _TABLE.fullmatch(line):
            name = read_value(match[1])[0]
        elif name is not None and name != META and (match := _DOCUMENT.match(line)):
            try:
                _, end = read_value(line, match.end())
            except ValueError:
                yield _Missing(name, int(match[1]), f"document {match[1]} of table {name!r}")
                continue
            if "\ufffd" not in line:
                found.tables.table(name).put(int(match[1]), line[match.end() : end])
                count += 1
    text = f"{found.path}: its checksums are lost, so {count} documents could not be checked"
    yield _Missing(None, None, text)


def _drop_wrong(found: Examination) -> list[Damage]:
    """Leave documents out that no rule could use."""
    wrong = list(wrong_documents(found))
    for each in wrong:
        if each.place is not None:
            table, number = each.place
            del found.tables.named[table].texts[number]
    return wrong
