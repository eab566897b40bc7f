"""The lines of a journal: one for each transaction, with a checksum before it.

::

    5a1c0b7e {"journal":"settlesim","format":2,"base":16,"check":"90d1c52f"}
    0e84c7b2 {"seq":17,"d":16,"at":1700000000.0,"set":{"instances":{"3":{...}},"marks":{"9":null}}}

The first line says on which snapshot the journal is based, and, where it took the place of
another journal, the checksum of all that stood in that one (`after`): so a process that had
read that one to its end knows that it missed nothing. `seq` counts the transactions of
the store; `d` is the last one that was known to be durable when the line was written. A line
that is no good may be the end of a write that was cut short, and then nobody was told that it
had been kept; but if a later line says that it was durable, it has been damaged since. Of the
last lines no later one says anything: they are set aside, and what they may have been is told.
Behind the last line there may be blanks, into which the next ones will be written.
"""

from __future__ import annotations

from binascii import hexlify
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from zlib import crc32

from msgspec import Raw
from msgspec.json import Encoder

from settlesim.store.database import Document
from settlesim.store.journal.format import FORMAT, STORE, newer
from settlesim.store.journal.tables import Delta, as_text
from settlesim.store.journal.texts import encode_document, read_value

__all__ = [
    "Header",
    "Record",
    "Scan",
    "before_blanks",
    "header_line",
    "read_header",
    "read_line",
    "record_line",
    "scan",
    "tail_words",
]


class Header(NamedTuple):
    """The first line of a journal."""

    base: int
    """The `seq` of the snapshot that it continues."""
    check: str
    """The check of that snapshot."""
    after: str
    """The checksum of the journal before it, whole; empty where nothing is known of one."""
    size: int
    """Of the line, in bytes."""


@dataclass(frozen=True, slots=True)
class Record:
    """One transaction."""

    seq: int
    durable: int
    """The last transaction that was known to be durable."""
    at: float
    """Seconds since the epoch."""
    delta: Delta
    documents: dict[tuple[str, int], Document]
    """Those of the delta that are put."""
    line: bytes
    """As it stands in the file, with its end."""


class Scan(NamedTuple):
    """What stands in a stretch of a journal."""

    records: list[Record]
    end: int
    """Where the good records end, in bytes from the begin of the stretch."""
    tail: bytes
    """What comes after them and may never have been finished."""
    flaw: str | None
    """What can not be explained by a write that was cut short."""
    skipped: list[tuple[int, int]]
    """Bad stretches from which nothing is missing, from and to."""
    last: int
    """The greatest number of a transaction, also of those that were known; 0 where none is."""


# --- writing ------------------------------------------------------------------------------


def _line(data: bytes) -> bytes:
    # In the middle of an event this takes half the time of b"%08x %b\n" % (crc32(data), data).
    return b"".join((hexlify(crc32(data).to_bytes(4, "big")), b" ", data, b"\n"))


def header_line(base: int, check: str, after: str = "") -> bytes:
    """Return the first line of a journal that continues a snapshot; see `Header`."""
    facts = {"journal": STORE, "format": FORMAT, "base": base, "check": check}
    return _line(_encode({**facts, "after": after} if after else facts))


def record_line(seq: int, durable: int, at: float, delta: Delta, *, frozen: bool = False) -> bytes:
    """Return the line of a transaction; the texts of its documents go in as they are.

    Parameters
    ----------
    frozen : whether there are no texts, and for sure no NaN
    """
    if type(at) is float and 0 <= at < _FAR:
        time: float | Raw = int(at * 1000) / 1000  # it takes less than to round
    else:  # what else a clock may give is for JSON to take or to refuse
        time = Raw(encode_document(round(at, 3)))
    try:
        changes = delta if frozen else _with_texts(delta)
        body = _encode({"seq": seq, "d": durable, "at": time, "set": changes})
    except (ValueError, TypeError):
        return _line(_encode_surely(seq, durable, time, delta))  # a lone surrogate, say
    if not frozen and b"null" in body:  # which may have been NaN
        body = _encode_surely(seq, durable, time, delta)
    return _line(body)


def _with_texts(delta: Delta) -> dict[str, Any]:
    """Return a delta in which the texts are known as JSON."""
    tables: dict[str, Any] = {}
    for name, changes in delta.items():
        if changes is None:
            tables[name] = None
            continue
        contents = tables[name] = {}
        for number, content in changes.items():
            contents[number] = Raw(content) if isinstance(content, str) else content
    return tables


def _encode_surely(seq: int, durable: int, time: float | Raw, delta: Delta) -> bytes:
    """Return the same as JSON, with an escape for a lone surrogate.

    Raises
    ------
    ValueError, TypeError
        What JSON cannot carry.
    """
    tables = []
    for name, changes in delta.items():
        content = "null"
        if changes is not None:
            texts = (f'"{number}":{as_text(each) or "null"}' for number, each in changes.items())
            content = f"{{{','.join(texts)}}}"
        tables.append(f"{encode_document(name)}:{content}")
    head = _encode({"seq": seq, "d": durable, "at": time})[:-1]
    return head + f',"set":{{{",".join(tables)}}}}}'.encode()


_encode: Final = Encoder().encode

_FAR: Final = 1e12
"""Seconds, some thirty thousand years."""


# --- reading ------------------------------------------------------------------------------


def _body(line: bytes) -> str | None:
    """Return what a line says, None where its checksum does not fit."""
    # the digits are compared as they stand: int() would take other spellings of them
    if len(line) < 11 or line[:9] != b"%08x " % crc32(line[9:]):
        return None
    try:
        return line[9:].decode()
    except UnicodeDecodeError:
        return None


def read_header(data: bytes, path: str) -> Header | None:
    """Read the first line of a journal; None where it is not as it was written.

    Raises
    ------
    StoreUnavailableError
        It has a newer format.
    """
    line, end, _ = data.partition(b"\n")
    body = _body(line) if end else None
    if body is None:
        return None
    facts = read_value(body)[0]
    if facts.get("journal") != STORE:
        return None
    if facts["format"] != FORMAT:
        raise newer(path, facts["format"])
    return Header(facts["base"], facts["check"], facts.get("after", ""), len(line) + 1)


def _read_record(body: str, line: bytes) -> Record:
    facts: dict[str, Any] = {}
    delta: Delta = {}
    documents: dict[tuple[str, int], Document] = {}
    position = 0
    while body[position] != "}":
        name, end = read_value(body, position + 1)
        if name == "set":
            position = _read_set(body, end + 1, delta, documents)
        else:
            facts[name], position = read_value(body, end + 1)
    return Record(facts["seq"], facts["d"], facts["at"], delta, documents, line + b"\n")


def _read_set(
    body: str, position: int, delta: Delta, documents: dict[tuple[str, int], Document]
) -> int:
    """Read the changes, with the text of each document as it stands; return their end."""
    position += 1
    while body[position] != "}":
        name, position = read_value(body, position + (body[position] == ","))
        position += 1
        if body[position] != "{":
            delta[name], position = read_value(body, position)  # null
            continue
        changes = delta[name] = {}
        position += 1
        while body[position] != "}":
            number, start = read_value(body, position + (body[position] == ","))
            document, position = read_value(body, start + 1)
            if document is None:
                changes[int(number)] = None
            else:
                changes[int(number)] = body[start + 1 : position]
                documents[name, int(number)] = document
        position += 1
    return position + 1


def read_line(line: bytes) -> Record | None:
    """Read a line without its end; None where it is no record as it was written."""
    body = _body(line)
    if body is None:
        return None
    try:
        return _read_record(body, line)
    except (LookupError, ValueError):  # the first line of a journal, say
        return None


def before_blanks(data: bytes) -> int:
    """Return where the blanks begin in which a journal ends, or a stretch of one."""
    end = data.find(b"\n ") + 1  # in no record, and so mostly where they begin
    if end and data.count(b" ", end) == len(data) - end:
        return end
    return len(data.rstrip(b" "))


def scan(data: bytes, seq: int) -> Scan:
    """Read the records of a stretch of a journal that comes after transaction `seq`.

    A record that is there twice counts once, and a line without anything not at all; see
    `Replica.clear_doubts`.
    """
    records: list[Record] = []
    skipped: list[tuple[int, int]] = []
    end = last = 0
    size = before_blanks(data)
    while end < size:
        stop = data.find(b"\n", end)
        if stop == end:
            end += 1
            continue
        record = read_line(data[end:stop]) if stop >= 0 else None
        if record is None:
            stop, flaw = _behind(data, end, seq)
            if flaw is not None or stop < 0:
                return Scan(records, end, data[end:size], flaw, skipped, last)
            skipped.append((end, stop))
            end = stop
            continue
        if record.seq > seq + 1:
            flaw = f"transaction {record.seq} comes after transaction {seq}"
            return Scan(records, end, data[end:size], flaw, skipped, last)
        last = max(last, record.seq)
        if record.seq == seq + 1:
            records.append(record)
            seq += 1
        end = stop + 1
    return Scan(records, end, b"", None, skipped, last)


def tail_words(tail: bytes) -> str:
    """Say what the end of a journal may have been that is no record."""
    if tail.endswith(b"\n"):
        return (
            "it ends as a record does and has no good checksum, so it may be a write that was cut "
            "short by a power cut, or a record that was damaged and may have been acknowledged"
        )
    return "a write that was never finished"


def _behind(data: bytes, start: int, seq: int) -> tuple[int, str | None]:
    """Look at what follows a bad stretch.

    Returns
    -------
    stop : where good records go on that need nothing from the bad stretch, else -1
    flaw : what proves that the bad stretch was durable, and so has been damaged
    """
    first = True
    position = data.find(b"\n", start) + 1
    while position > 0 and (stop := data.find(b"\n", position)) >= 0:
        record = read_line(data[position:stop])
        if record is not None:
            if first and record.seq <= seq + 1:
                return position, None
            first = False
            if record.durable > seq:
                return -1, (
                    f"the record of transaction {seq + 1} is not as it was written, and that of "
                    f"transaction {record.seq} says that it was on the disk"
                )
        position = stop + 1
    return -1, None
