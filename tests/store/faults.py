"""File systems in which something goes wrong, and stores to try them on."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.values import freeze_object
from settlesim.ports import Transaction
from settlesim.store import TinyStore
from settlesim.store.journal.files import FileSystem
from settlesim.store.journal.records import before_blanks

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Faulty(FileSystem):
    """A file system in which one kind of call fails, once armed.

    Parameters
    ----------
    times : how often it fails; always where nothing is said
    """

    def __init__(self, step: str, error: BaseException, times: int = -1) -> None:
        self.step, self.error, self.times, self.armed = step, error, times, False

    def _at(self, step: str) -> None:
        if self.armed and step == self.step and self.times:
            self.times -= 1
            raise self.error

    def open_folder(self, path: str) -> int:
        self._at("open_folder")
        return super().open_folder(path)

    def create(self, path: str, mode: int) -> int:
        self._at("create")
        return super().create(path, mode)

    def write(self, descriptor: int, data: bytes | memoryview, offset: int | None = None) -> int:
        if self.armed and self.step == "write" and self.times:
            super().write(descriptor, data[: len(data) // 2], offset)
        self._at("write")
        return super().write(descriptor, data, offset)

    def truncate(self, descriptor: int, size: int) -> None:
        self._at("truncate")
        super().truncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        self._at("sync")
        super().sync(descriptor)

    def replace(self, source: str, target: str) -> None:
        self._at("replace")
        super().replace(source, target)

    def sync_folder(self, path: str) -> None:
        self._at("sync_folder")
        super().sync_folder(path)


class Hooked(FileSystem):
    """A file system that calls a function before each sync, while it is armed."""

    def __init__(self, hook: Callable[[], object]) -> None:
        self.hook, self.armed = hook, True

    def sync(self, descriptor: int) -> None:
        if self.armed:
            self.hook()
        super().sync(descriptor)


class Counting(FileSystem):
    """A file system that counts its calls that change a disk."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def write(self, descriptor: int, data: bytes | memoryview, offset: int | None = None) -> int:
        self.calls.append("write")
        return super().write(descriptor, data, offset)

    def begin_sync(self, descriptor: int, offset: int, size: int) -> None:
        self.calls.append("begin_sync")
        super().begin_sync(descriptor, offset, size)

    def sync(self, descriptor: int) -> None:
        self.calls.append("sync")
        super().sync(descriptor)

    def replace(self, source: str, target: str) -> None:
        self.calls.append("replace")
        super().replace(source, target)

    def sync_folder(self, path: str) -> None:
        self.calls.append("sync_folder")
        super().sync_folder(path)


class Exact(FileSystem):
    """A file system whose stamps of folders are as good the moment after a change as later.

    So what a store does where nothing changes is done in a test, in which all is young.
    """

    def __init__(self) -> None:
        self._folders: dict[int, str] = {}

    def open_folder(self, path: str) -> int:
        descriptor = super().open_folder(path)
        self._folders[descriptor] = path
        return descriptor

    def names_stamp(self, folder: int, last: object = None) -> object:
        opened = f"/proc/self/fd/{folder}"  # wherever it was moved to
        path = opened if os.path.isdir(opened) else self._folders[folder]
        with os.scandir(path) as found:
            return tuple(sorted((each.name, each.inode()) for each in found))


class Unprivileged(FileSystem):
    """A file system that takes permissions seriously even for root, who runs some tests."""

    def may_write(self, path: str) -> bool:
        return bool(os.stat(path).st_mode & stat.S_IWUSR)


class Dribble(FileSystem):
    """A file system that takes three bytes at a time."""

    def write(self, descriptor: int, data: bytes | memoryview, offset: int | None = None) -> int:
        return super().write(descriptor, data[:3], offset)


def save(store: TinyStore, key: str, count: int, revision: int = 1) -> None:
    """Save an instance at a revision."""
    context = freeze_object({"count": count}, where="context")
    new = Snapshot("count", 1, ("odd",), context, revision)
    store.commit(Transaction(key, new, revision - 1))


def count(store: TinyStore, key: str) -> int:
    """Return the count of an instance that is there."""
    found = store.load(key)
    assert found is not None
    return int(found.context["count"])


def names(folder: Path) -> list[str]:
    """Return what is in a folder."""
    return sorted(entry.name for entry in folder.iterdir())


def abandon(store: TinyStore) -> None:
    """Leave a store as a process does that is killed: nothing is folded, all is closed."""
    store.database.replica.forget()
    store.database._lock.close()
    store.database.closed = True


def journal_of(path: Path) -> Path:
    """Return the path of a store's journal."""
    return path.with_name(path.name + ".journal")


def journal_text(path: Path) -> bytes:
    """Return a store's journal without the blanks at its end."""
    data = journal_of(path).read_bytes()
    return data[: before_blanks(data)]


def write_behind(path: Path, data: bytes) -> int:
    """Write where the records of a store's journal end, and return that place."""
    start = len(journal_text(path))
    with journal_of(path).open("r+b") as stream:
        stream.seek(start)
        stream.write(data)
    return start
