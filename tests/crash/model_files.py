"""The store's system calls on a `ModelDisk`, each of which can be made to go wrong."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from settlesim.store.journal.files import FileSystem, Status
from tests.crash.model_disk import Cut, ModelDisk, ModelFile, Write

__all__ = ["CHANGING", "Call", "Fail", "ModelFiles", "Short", "Trouble"]

CHANGING = frozenset(
    {"create", "open_lock", "write", "truncate", "sync", "replace", "remove", "sync_folder"}
)
"""The calls that change what a power cut may leave."""

FOLDER = "/model"
"""Where all files are."""


@dataclass(frozen=True, slots=True)
class Call:
    """A system call that is about to be made."""

    index: int
    name: str
    path: str
    file: ModelFile | None = None
    """Of a write; also the next two."""
    offset: int = 0
    data: bytes = b""

    def __str__(self) -> str:
        return f"at call {self.index}, {self.name} {self.path}".rstrip()


@dataclass(frozen=True, slots=True)
class Fail:
    """The call has no effect but an error."""

    number: int


@dataclass(frozen=True, slots=True)
class Short:
    """Only the first half is written, which is no error."""


Trouble = Fail | Short | None


def _quiet(call: Call) -> Trouble:
    return None


@dataclass(slots=True)
class _Opened:
    path: str
    file: ModelFile
    writable: bool
    told: int
    """Of the file's syncs that failed."""


_DESCRIPTORS = itertools.count(1_000_000)
"""Far from those of the real system, so that a call that goes past the model fails."""


class ModelFiles(FileSystem):
    """What one process sees of a disk in memory.

    Parameters
    ----------
    before
        Called before each call; what it returns happens to the call.
    """

    missing = ()

    def __init__(self, disk: ModelDisk, before: Callable[[Call], Trouble] = _quiet) -> None:
        self.disk = disk
        self.before = before
        self.calls: list[str] = []
        self._opened: dict[int, _Opened] = {}
        self._folders: set[int] = set()
        self._locked: dict[int, int] = {}
        """The descriptor that holds the lock, by the number of the lock file."""

    def _call(
        self,
        name: str,
        path: str,
        file: ModelFile | None = None,
        offset: int = 0,
        data: bytes = b"",
    ) -> Trouble:
        self.calls.append(name)
        trouble = self.before(Call(len(self.calls) - 1, name, path, file, offset, data))
        if isinstance(trouble, Fail):
            raise OSError(trouble.number, os.strerror(trouble.number), path)
        return trouble

    def _file(self, path: str) -> ModelFile:
        if path not in self.disk.names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return self.disk.names[path]

    def _descriptor(self, path: str, file: ModelFile, *, writable: bool) -> int:
        descriptor = next(_DESCRIPTORS)
        self._opened[descriptor] = _Opened(path, file, writable, file.failures)
        return descriptor

    # --- looking --------------------------------------------------------------------------

    def stat(self, path: str) -> Status:
        self._call("stat", path)
        return Status(1, 1, 0, 0, "folder") if path == FOLDER else _status(self._file(path))

    def status(self, descriptor: int) -> Status:
        opened = self._opened[descriptor]
        self._call("status", opened.path)
        return _status(opened.file)

    def size(self, descriptor: int) -> int:
        opened = self._opened[descriptor]
        self._call("size", opened.path)
        return len(opened.file.seen)

    def is_at(self, descriptor: int, path: str) -> bool:
        self._call("is_at", path)
        if path == FOLDER:
            return descriptor in self._folders
        return self.disk.names.get(path) is self._opened[descriptor].file

    def is_link(self, path: str) -> bool:
        self._call("is_link", path)
        return False

    def names_stamp(self, folder: int, last: object = None) -> object:
        assert folder in self._folders
        self._call("names_stamp", FOLDER)
        return tuple((path, file.number) for path, file in self.disk.names.items())

    def may_write(self, path: str) -> bool:
        self._call("may_write", path)
        return True

    def read(self, descriptor: int, size: int, offset: int) -> bytes:
        opened = self._opened[descriptor]
        self._call("read", opened.path)
        return opened.file.seen[offset : offset + size]

    # --- opening and closing --------------------------------------------------------------

    def open(self, path: str, to: Literal["read", "write", "append"] = "read") -> int:
        self._call("open", path)
        return self._descriptor(path, self._file(path), writable=to != "read")

    def open_folder(self, path: str) -> int:
        self._call("open_folder", path)
        assert path == FOLDER
        descriptor = next(_DESCRIPTORS)
        self._folders.add(descriptor)
        return descriptor

    def create(self, path: str, mode: int) -> int:
        self._call("create", path)
        if path in self.disk.names:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        return self._create(path)

    def _create(self, path: str) -> int:
        file = self.disk.new_file()
        self.disk.rename((path, file))
        return self._descriptor(path, file, writable=True)

    def close(self, descriptor: int) -> None:
        if descriptor in self._folders:
            self._folders.remove(descriptor)
            return
        opened = self._opened.pop(descriptor)
        if self._locked.get(opened.file.number) == descriptor:
            del self._locked[opened.file.number]

    # --- changing what a file holds -------------------------------------------------------

    def write(self, descriptor: int, data: bytes | memoryview, offset: int | None = None) -> int:
        opened, data = self._opened[descriptor], bytes(data)
        assert opened.writable, "written through a descriptor that is for reading"
        if offset is None:
            offset = len(opened.file.seen)
        trouble = self._call("write", opened.path, opened.file, offset, data)
        if isinstance(trouble, Short):
            data = data[: (len(data) + 1) // 2]
        opened.file.change(Write(offset, data))
        return len(data)

    def truncate(self, descriptor: int, size: int) -> None:
        opened = self._opened[descriptor]
        self._call("truncate", opened.path)
        opened.file.change(Cut(size))

    def begin_sync(self, descriptor: int, offset: int, size: int) -> None:
        with suppress(OSError):
            self._call("begin_sync", self._opened[descriptor].path)

    def sync(self, descriptor: int) -> None:
        opened = self._opened[descriptor]
        try:
            self._call("sync", opened.path)
        except OSError:
            opened.file.drop()
            opened.told = opened.file.failures
            raise
        opened.file.sync()
        if opened.told < opened.file.failures:
            opened.told = opened.file.failures
            raise OSError(errno.EIO, os.strerror(errno.EIO), opened.path)

    # --- changing names -------------------------------------------------------------------

    def copy_mode(self, descriptor: int, path: str) -> None:
        self._file(path)

    def replace(self, source: str, target: str) -> None:
        self._call("replace", target)
        self.disk.rename((source, None), (target, self._file(source)))

    def remove(self, path: str) -> None:
        self._call("remove", path)
        self._file(path)
        self.disk.rename((path, None))

    def sync_folder(self, path: str) -> None:
        self._call("sync_folder", path)
        self.disk.sync_names()

    # --- the lock -------------------------------------------------------------------------

    def open_lock(self, path: str) -> int:
        self._call("open_lock", path)
        if path not in self.disk.names:
            return self._create(path)
        return self._descriptor(path, self._file(path), writable=False)

    def try_lock(self, descriptor: int) -> bool:
        number = self._opened[descriptor].file.number
        # There is one thread and one process: to wait would be for ever.
        assert number not in self._locked, "the lock was not given back"
        self._locked[number] = descriptor
        return True

    def unlock(self, descriptor: int) -> None:
        number = self._opened[descriptor].file.number
        if self._locked.get(number) == descriptor:
            del self._locked[number]


def _status(file: ModelFile) -> Status:
    return Status(1, 1000 + file.number, len(file.seen), file.changed, "file")
