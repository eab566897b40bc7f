"""The snapshot of a journalled store: an ordinary TinyDB file with checksums in it.

One document a line, so that `grep`, `jq` and a diff are useful on it::

    {"meta":{
    "1":{"store":"settlesim","format":2,"seq":2,"ids":{...},"blocks":[...],"check":"90d1c52f"}
    },
    "instances":{
    "1":{"key":"order-1","chart":"order","version":1,"revision":3,...},
    "2":{"key":"order-2","chart":"order","version":1,"revision":1,...}
    }}

`check` is over all that stands before its digits. What comes after them is cut into blocks,
at the ends of lines; `blocks` has the table, the size in bytes and the checksum of each. So
every byte of the file is under one checksum, and damage is known by the block.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from zlib import crc32

from settlesim.store.journal.files import FileSystem, Status, replace_file
from settlesim.store.journal.format import FORMAT, STORE, newer
from settlesim.store.journal.tables import META, Tables
from settlesim.store.journal.texts import encode_document, read_value

__all__ = ["Block", "Flaw", "Layout", "read_layout", "read_tables", "write_snapshot"]

"""The format that is written, and the newest one that is read."""

_START: Final = b'{"meta":{\n"1":'
_CHECK: Final = b',"check":"'
_DIGITS: Final = re.compile(rb"[0-9a-f]{8}")
_LEAST_BLOCK: Final = 1024
_MOST_BLOCKS: Final = 200


# --- writing ------------------------------------------------------------------------------


def _parts(tables: Tables, size: int) -> Iterator[tuple[str | None, bytes]]:
    """Give what comes after the check, in blocks of about `size` characters, with their tables."""
    yield META, "".join(_meta_rest(tables)).encode()
    for name, table in sorted(tables.named.items()):
        if name == META:
            continue
        lines, length = [f",\n{encode_document(name)}:{{\n"], 0
        first = True
        for number, text in table.in_order().items():
            if length > size:
                yield name, "".join(lines).encode()
                lines, length = [], 0
            lines.append(f'"{number}":{text}' if first else f',\n"{number}":{text}')
            first = False
            length += len(text)
        lines.append("}" if first else "\n}")
        yield name, "".join(lines).encode()
    for name, text in sorted(tables.foreign.items()):
        yield None, f",\n{encode_document(name)}:{text}".encode()
    yield META, b"}\n"


def _meta_rest(tables: Tables) -> Iterator[str]:
    yield '"}'
    if META in tables.named:
        for number, text in tables.named[META].in_order().items():
            yield f',\n"{number}":{text}'
    yield "\n}"


def write_snapshot(
    files: FileSystem, path: str, tables: Tables, seq: int, *, sync: bool
) -> tuple[str, Status]:
    """Put the tables in the place of the snapshot at `path`; the folder is not synced yet.

    The same tables are the same bytes, in whichever order they came to be and whoever
    writes them, so that two snapshots of one transaction have the same check.

    Returns
    -------
    check : of the new snapshot
    status : of its file
    """
    size = max(_LEAST_BLOCK, tables.size() // _MOST_BLOCKS)
    blocks = [[name, len(part), f"{crc32(part):08x}"] for name, part in _parts(tables, size)]
    facts = {
        "store": STORE,
        "format": FORMAT,
        "seq": seq,
        "ids": tables.counters(),
        "blocks": blocks,
    }
    head = _START + encode_document(facts)[:-1].encode() + _CHECK
    check = f"{crc32(head):08x}"

    def everything() -> Iterable[bytes]:
        # Made twice, so that a large store need not be in memory twice.
        yield head + check.encode()
        for _, part in _parts(tables, size):
            yield part

    descriptor = replace_file(files, path, everything(), like=path, sync=sync)
    try:
        return check, files.status(descriptor)
    finally:
        files.close(descriptor)


# --- reading ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Flaw:
    """A stretch of a file that is not as it was written."""

    start: int
    """The first byte."""
    end: int
    """The byte after the last."""
    reason: str

    def __str__(self) -> str:
        if self.end > self.start:
            return f"bytes {self.start} to {self.end - 1} {self.reason}"
        return f"byte {self.start} {self.reason}"


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of a snapshot under one checksum."""

    table: str | None
    """None for what is no table."""
    start: int
    end: int
    good: bool


@dataclass(slots=True)
class Layout:
    """What the first lines of a snapshot say, and which blocks of it are whole."""

    seq: int
    check: str
    counters: dict[str, int]
    blocks: list[Block] = field(default_factory=list)
    flaws: list[Flaw] = field(default_factory=list)


def read_layout(data: bytes, path: str) -> Layout | None:
    """Read the first lines of a snapshot of this format and check every block.

    Returns
    -------
    layout : None where the first lines are not as this format has them

    Raises
    ------
    StoreUnavailableError
        It has a newer format.
    """
    facts, start = _read_head(data)
    if facts is None:
        return None
    if facts["format"] != FORMAT:
        raise newer(path, facts["format"])
    layout = Layout(facts["seq"], facts["check"], facts["ids"])
    for table, size, check in facts["blocks"]:
        end = start + size
        part = memoryview(data)[start:end]
        good = len(part) == size and f"{crc32(part):08x}" == check
        if not good and start < len(data):
            layout.flaws.append(Flaw(start, min(end, len(data)), "are not as they were written"))
        layout.blocks.append(Block(table, start, end, good))
        start = end
    if start > len(data):
        layout.flaws.append(Flaw(len(data), start, "are missing at its end"))
    elif start < len(data):
        layout.flaws.append(Flaw(start, len(data), "are too many at its end"))
    return layout


def _read_head(data: bytes) -> tuple[dict[str, Any] | None, int]:
    """Return the facts under the check, and where the blocks begin."""
    line = data.find(b"\n", len(_START))
    position = data.rfind(_CHECK, 0, line) + len(_CHECK)
    digits = data[position : position + 8]
    if not data.startswith(_START) or position < len(_START) or not _DIGITS.fullmatch(digits):
        return None, 0
    if f"{crc32(data[:position]):08x}".encode() != digits:
        return None, 0
    facts = json.loads(data[len(_START) : position] + digits + b'"}')
    return facts, position + 8


def read_tables(data: bytes, layout: Layout, tables: Tables) -> None:
    """Read the documents of all blocks that are whole."""
    for name, last in layout.counters.items():
        tables.table(name).last = last
    for block in layout.blocks:
        if not block.good:
            continue
        if block.table is None:
            text = data[block.start + 2 : block.end].decode()
            name, end = read_value(text)
            tables.foreign[name] = text[end + 1 :]
        else:
            _read_block(data, block, tables.table(block.table).texts)
    for name in layout.counters.keys() - {block.table for block in layout.blocks}:
        tables.dropped[name] = tables.named.pop(name).last


def _read_block(data: bytes, block: Block, texts: dict[int, str]) -> None:
    """Read the documents of one block, each of which has a line of its own."""
    view, find = memoryview(data), data.find
    position, end = block.start, block.end
    while position < end:
        stop = find(b"\n", position, end)
        if stop < 0:
            stop = end
        # "12":{...} with a comma behind it or not; not "name":{ which opens a table
        if data[position] == 34 and 48 <= data[position + 1] <= 57 and data[stop - 1] != 123:
            colon = find(b":", position, stop)
            last = stop - 1 if data[stop - 1] == 44 else stop
            texts[int(view[position + 1 : colon - 1])] = str(view[colon + 1 : last], "utf-8")
        position = stop + 1
