"""The journal as an open file: read from where one stands, written at its end."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from errno import EDQUOT, EFBIG, EIO, ENOSPC
from typing import Final, Literal
from zlib import crc32

from settlesim.errors import StoreDamagedError, StoreUnavailableError
from settlesim.store.journal.files import FileSystem, Status, replace_file, write_all
from settlesim.store.journal.records import (
    Header,
    Record,
    Scan,
    before_blanks,
    header_line,
    read_header,
    scan,
)

__all__ = ["JournalFile", "advice", "is_file", "read_range", "read_whole"]

_LEAST_ROOM: Final = 1 << 12
"""Bytes. To sync a file that has grown takes the file system a transaction of its own, so it
grows by some blanks at a time, and records are written into them."""
_MOST_ROOM: Final = 1 << 16
"""Between the two, as many bytes as the journal has already."""

_GLANCE: Final = 1 << 12
"""Bytes that are read for what another process has written."""

_MARK: Final = 1024
"""Bytes; by so many of the last ones a file is known again."""


def advice(path: str) -> str:
    """Say what can be done about a damaged store."""
    store = path.removesuffix(".journal")
    return (
        f"`settlesim verify --store {store}` tells more; with --salvage NEW it writes what is "
        "whole into a new store"
    )


def read_range(files: FileSystem, descriptor: int, start: int, end: int) -> bytes:
    """Read a stretch of an open file, which may end before `end`."""
    parts = []
    while start < end and (part := files.read(descriptor, end - start, start)):
        parts.append(part)
        start += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def read_whole(files: FileSystem, path: str) -> tuple[bytes, Status]:
    """Read a file, and return its status from before it was read."""
    descriptor = files.open(path)
    try:
        status = files.status(descriptor)
        return read_range(files, descriptor, 0, status.size), status
    finally:
        files.close(descriptor)


def is_file(files: FileSystem, path: str) -> bool:
    """Say whether there is a file.

    Raises
    ------
    StoreUnavailableError
        There is something else; a pipe, say, would be waited for.
    """
    try:
        status = files.stat(path)
    except FileNotFoundError:
        return False
    if status.kind != "file":
        kind = "a folder" if status.kind == "folder" else "no regular file"
        raise StoreUnavailableError(path=path, reason=f"it is {kind}")
    return True


class JournalFile:
    """A journal that is open.

    Parameters
    ----------
    descriptor : of the file, which is closed with this object
    line : the first one, of which `header` is what it says
    """

    def __init__(
        self,
        files: FileSystem,
        path: str,
        descriptor: int,
        header: Header,
        line: bytes,
        *,
        writable: bool,
    ) -> None:
        self._files = files
        self.path = path
        self.descriptor = descriptor
        self.base, self.check, self.after, self.start = header
        """`start` is where the records begin."""
        self.position = 0
        """Where the records end that are known."""
        self._digest = 0
        self._mark = b""
        self._advance(line)
        self.writable = writable
        self._room = self.position
        """Where the blanks end into which records are written, when this was last known: where
        another process has cut them since, the file grows by a record that is written there."""
        self.name_synced = False
        """Whether the file is known to keep its name over a power cut."""
        self.trusted = False
        """Whether a sync that fails is known to be told through this descriptor."""
        self.durable = 0
        """The last transaction that was brought to the disk through this descriptor."""
        self._failed = False
        self._in_use = threading.Lock()  # nobody closes a descriptor while another thread syncs it

    @classmethod
    def open(cls, files: FileSystem, path: str) -> JournalFile | None:
        """Open a journal for reading; None where there is none.

        Raises
        ------
        StoreDamagedError
            Its first line is not as it was written.
        StoreUnavailableError
            It has a newer format.
        OSError
            The system refused.
        """
        if not is_file(files, path):
            return None
        descriptor = files.open(path)
        try:
            start = read_range(files, descriptor, 0, 4096)
            header = read_header(start, path)
            if header is None:
                end = start.find(b"\n") + 1 or len(start)
                where = f"its first line (bytes 0 to {end - 1})" if end else "its first line"
                reason = f"{where} is not as it was written; {advice(path)}"
                raise StoreDamagedError(path=path, reason=reason)
            return cls(files, path, descriptor, header, start[: header.size], writable=False)
        except BaseException:
            files.close(descriptor)
            raise

    @classmethod
    def create(
        cls,
        files: FileSystem,
        path: str,
        base: int,
        check: str,
        after: str = "",
        *,
        like: str,
        sync: bool,
    ) -> JournalFile:
        """Put an empty journal in the place of the one at `path`; see `replace_file`."""
        line = header_line(base, check, after)
        header = Header(base, check, after, len(line))
        descriptor = replace_file(files, path, [line], like=like, sync=sync)
        try:
            new = cls(files, path, descriptor, header, line, writable=True)
            new.trusted = True
            return new
        except BaseException:
            files.close(descriptor)
            raise

    def make_writable(self) -> None:
        """Open the file for writing, too; the caller holds the lock.

        Raises
        ------
        OSError
            The system refused.
        """
        descriptor = self._files.open(self.path, "write")
        with self._in_use:
            old, self.descriptor, self.writable = self.descriptor, descriptor, True
        self._files.close(old)

    def size(self) -> int:
        """Return the size of the file in bytes."""
        return self._files.size(self.descriptor)

    @property
    def digest(self) -> str:
        """Return the checksum of all that stands before `position`."""
        return f"{self._digest:08x}"

    def _advance(self, data: bytes | memoryview) -> None:
        self._digest = crc32(data, self._digest)
        self._mark = (self._mark + bytes(data[-_MARK:]))[-_MARK:]
        self.position += len(data)

    def look(self) -> Literal["same", "more", "less", "other"]:
        """Look at the last byte of the known records and at the one behind it.

        Returns
        -------
        found : ``"same"`` where nothing follows the records, or blanks; ``"more"`` where
            something does; ``"less"`` where their last byte is gone; ``"other"`` where it is
            another one
        """
        files, position = self._files, self.position
        around = files.read(self.descriptor, 2, position - 1)
        if around == b"\n ":
            return "same"
        if around == b"\n":
            around += files.read(self.descriptor, 1, position)
        if around in (b"\n", b"\n "):
            return "same"
        if not around:
            return "less"
        return "more" if around.startswith(b"\n") else "other"

    def is_itself(self) -> bool:
        """Say whether what stands before `position` is, as far as it can be told, what stood there.

        Somebody may have copied another file into this one.
        """
        start = self.position - len(self._mark)
        return read_range(self._files, self.descriptor, start, self.position) == self._mark

    def begins(self, other: JournalFile) -> bool:
        """Say whether the other file begins with all that is in this one, or is this one."""
        own = read_range(self._files, self.descriptor, 0, self.size())
        own = own[: before_blanks(own)]
        others = read_range(self._files, other.descriptor, 0, len(own))
        same = (self.base, self.check, self.after) == (other.base, other.check, other.after)
        return same and own == others

    def scan(self, seq: int, *, whole: bool = True) -> tuple[Scan, memoryview]:
        """Read what comes after `position`, where transaction `seq` ends.

        Parameters
        ----------
        whole : whether to read to the end of the file, where a power cut may have left
            something behind the blanks

        Returns
        -------
        found : the records
        known : their bytes, for `take`
        """
        if not whole:
            data = self._files.read(self.descriptor, _GLANCE, self.position)
            if b"\n " in data:  # as between a record and the blanks, and in no record
                found = scan(data, seq)
                if found.flaw is None and not found.tail:
                    return found, memoryview(data)[: found.end]
        data = read_range(self._files, self.descriptor, self.position, self.size())
        found = scan(data, seq)
        return found, memoryview(data)[: found.end]

    def records(self, seq: int) -> list[Record]:
        """Read the records after transaction `seq` that are known, from the begin of the file."""
        data = read_range(self._files, self.descriptor, self.start, self.position)
        return scan(data, seq).records

    def take(self, known: memoryview) -> None:
        """Count records as known."""
        self._advance(known)

    def append(self, line: bytes, *, to_sync: bool = False) -> None:
        """Write a line behind the known ones, all of it or nothing.

        Parameters
        ----------
        to_sync : whether a `sync` follows soon, for which the system may begin now

        Raises
        ------
        OSError
            The system refused, and the records are as they were: if the line can not be cut
            either, the next one to write finds a record without an end, and cuts it.
        """
        files, descriptor, start, size = self._files, self.descriptor, self.position, len(line)
        try:
            if start + size > self._room:
                self._write_with_room(line, start + size)
            elif (done := files.write(descriptor, line, start)) < size:
                write_all(files, descriptor, line[done:], start + done)
        except BaseException:
            self._room = self.position
            with suppress(OSError):
                self._files.truncate(self.descriptor, self.position)
            raise
        if to_sync:
            files.begin_sync(descriptor, start, size)
        self._advance(line)

    def _write_with_room(self, line: bytes, end: int) -> None:
        """Write a line, and blanks behind it if there are none, for the lines that come."""
        files, start = self._files, self.position
        self._room = max(files.size(self.descriptor), end)  # another process may have made room
        if end < self._room:
            write_all(files, self.descriptor, line, start)
            return
        blanks = min(max(start, _LEAST_ROOM), _MOST_ROOM)
        try:
            done = files.write(self.descriptor, line + b" " * blanks, start)
        except OSError as error:
            if error.errno not in (ENOSPC, EDQUOT, EFBIG):
                raise
            done = 0  # there may be a place for the line alone
        # Nothing fails any more once the line is whole: others may have read it.
        if done < len(line):
            write_all(files, self.descriptor, line[done:], start + done)
        self._room = max(end, start + done)

    def set_aside(self, tail: bytes, path: str, *, like: str, sync: bool) -> None:
        """Cut what comes after `position`, and keep it in the file at `path`.

        Raises
        ------
        OSError
            The system refused; what was kept aside may be there twice later.
        """
        try:
            descriptor = self._files.open(path, "append")
        except FileNotFoundError:
            descriptor = self._files.create(path, 0o600)
            with suppress(OSError):
                self._files.copy_mode(descriptor, like)
        try:
            note = f"# cut off the journal at byte {self.position}, {len(tail)} bytes:\n"
            write_all(self._files, descriptor, b"%b%b\n" % (note.encode(), tail))
            if sync:
                self._files.sync(descriptor)
        finally:
            self._files.close(descriptor)
        if sync:
            self._files.sync_folder(os.path.dirname(path))
        self._room = self.position
        self._files.truncate(self.descriptor, self.position)
        if sync:
            # Else a power cut could bring back what was cut, behind a record that is written
            # in its place: and that may be a record that seems to come next.
            self.sync()

    def sync(self) -> None:
        """Return when all that was appended is on the disk.

        Raises
        ------
        OSError
            It may not be, now or ever: what was to be written may have been dropped, and a
            second sync would not tell, so this one and all later ones fail.
        """
        with self._in_use:
            if self._failed or self.descriptor < 0:
                raise OSError(EIO, "the journal can not be synced any more")
            try:
                self._files.sync(self.descriptor)
            except OSError:
                self._failed = True
                raise

    def close(self) -> None:
        """Let the file go; a second call does nothing."""
        with self._in_use:
            descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            self._files.close(descriptor)

    def __del__(self) -> None:
        with suppress(BaseException):  # a finalizer has nobody to tell
            self.close()

    def after_fork(self) -> None:
        """Forget a lock that a thread of the parent may hold."""
        self._in_use = threading.Lock()
