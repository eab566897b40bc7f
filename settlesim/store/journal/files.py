"""The system calls of a store, behind one object, and the replacement of a file made of them."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from errno import EACCES, EAGAIN, EINVAL, ENOTSUP, ENOTTY
from typing import Final, Literal, NamedTuple

from settlesim.store.wall import wall_clock

__all__ = ["FileSystem", "Status", "replace_file", "write_all"]

if sys.platform == "win32":
    _MISSING: tuple[str, ...] = ("flock", "pread", "the replacement of a file that is open")
else:
    import fcntl

    _MISSING = ()

_TICK: Final = 0.1
"""Seconds, more than the least by which two times of a file system differ: up to 0.01 on Linux
before 6.13, and on exFAT."""
_COARSE_TICK: Final = 3.0
"""The same where times are whole seconds, as on ext4 with small inodes and on HFS+; 2 on FAT."""

_FLAGS: Final = {
    "read": os.O_RDONLY,
    "write": os.O_RDWR,
    "append": os.O_RDWR | os.O_APPEND,
}
_NOT_NEEDED: Final = getattr(os, "POSIX_FADV_DONTNEED", 0)
# So far as it can be, without the permission to list it.
_FOLDER: Final = getattr(os, "O_PATH", os.O_RDONLY)

if sys.platform == "darwin":

    def _sync(descriptor: int) -> None:
        # There fsync leaves the data in the drive's cache; not every file system has the
        # stronger call.
        try:
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        except OSError as error:
            if error.errno not in (EINVAL, ENOTSUP, ENOTTY):
                raise
            os.fsync(descriptor)
else:
    # fdatasync where there is one: the same without the time of the last change.
    _sync: Final[Callable[[int], None]] = getattr(os, "fdatasync", os.fsync)


class Status(NamedTuple):
    """What a store asks about a file."""

    device: int
    inode: int
    """With `device`, tells a file from another one under the same name."""
    size: int
    """In bytes."""
    modified: int
    """When its content changed last, in nanoseconds since the epoch."""
    kind: Literal["file", "folder", "other"]


class FileSystem:
    """Every system call of a store, those that only look included.

    One object, so that a test can put another one in its place: let any single call fail,
    or keep files in memory and enumerate what a crash leaves of them. All methods raise
    OSError; paths are absolute.
    """

    missing: tuple[str, ...] = _MISSING
    """What a store needs and this system has not; empty where a store can work."""

    # --- looking --------------------------------------------------------------------------

    def stat(self, path: str) -> Status:
        """Return the status of the file or folder at `path`, links followed."""
        return _status(os.stat(path))

    def status(self, descriptor: int) -> Status:
        """Return the status of an open file."""
        return _status(os.fstat(descriptor))

    def size(self, descriptor: int) -> int:
        """Return the size of an open file that is neither read nor written in sequence."""
        return os.lseek(descriptor, 0, os.SEEK_END)

    def is_at(self, descriptor: int, path: str) -> bool:
        """Say whether an open file or folder is the one that has this name, links followed."""
        try:
            now = os.stat(path)
        except FileNotFoundError:
            return False
        own = os.fstat(descriptor)
        return (own.st_ino, own.st_dev) == (now.st_ino, now.st_dev)

    def is_link(self, path: str) -> bool:
        """Say whether the name is that of a symbolic link."""
        return os.path.islink(path)

    def names_stamp(self, folder: int, last: object = None) -> object:
        """Return what is another value after a name in an open folder was changed.

        None where the last change is so young that the next one may have the same time, or
        where the folder can not be looked at.

        Parameters
        ----------
        last : an earlier stamp; where nothing was changed since, no clock is asked
        """
        try:
            found = os.fstat(folder)
        except OSError:
            return None
        stamp = found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev
        if stamp == last:
            return stamp
        changed = max(found.st_mtime_ns, found.st_ctime_ns)
        tick = _TICK if changed % 1_000_000_000 else _COARSE_TICK
        return stamp if 0 <= changed < 1e9 * (wall_clock() - tick) else None

    def may_write(self, path: str) -> bool:
        """Say whether the file's permissions let this process write it."""
        return os.access(path, os.W_OK)

    if sys.platform != "win32":
        # As it is: each event reads twice, and a call in between would take half as long again.
        read = staticmethod(os.pread)
        """Return up to `size` bytes from `offset` on; fewer than that at the file's end or not."""

    # --- opening and closing --------------------------------------------------------------

    def open(self, path: str, to: Literal["read", "write", "append"] = "read") -> int:
        """Open a file that exists, for reading, and for writing at places or at its end."""
        return os.open(path, _FLAGS[to])

    def open_folder(self, path: str) -> int:
        """Open a folder, to ask for its `names_stamp` and whether it still `is_at` its path."""
        return os.open(path, _FOLDER)

    def create(self, path: str, mode: int) -> int:
        """Make a file that must not exist and open it for reading and writing."""
        # O_NOFOLLOW: a link that somebody planted under this name is not written through.
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        return os.open(path, flags, mode)

    def close(self, descriptor: int) -> None:
        """Let an open file go."""
        os.close(descriptor)

    # --- changing what a file holds -------------------------------------------------------

    def write(self, descriptor: int, data: bytes | memoryview, offset: int | None = None) -> int:
        """Write what fits and return how many bytes that were.

        Parameters
        ----------
        offset : from the file's begin; None for where the last such write ended or, in a file
            that was opened to append, for its end
        """
        if offset is None:
            return os.write(descriptor, data)
        return os.pwrite(descriptor, data, offset)

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut an open file to its first `size` bytes."""
        os.ftruncate(descriptor, size)

    def begin_sync(self, descriptor: int, offset: int, size: int) -> None:
        """Let the system begin to bring a stretch of the file to the disk, if it has such a call.

        It goes on while the caller works, and the `sync` that has to follow takes less time.
        Never fails: what does not reach the disk is the concern of `sync`.
        """
        if sys.platform == "linux":
            # To say that a stretch is not needed makes the system write what is changed in it.
            try:  # noqa: SIM105  # `suppress` would take as long as the call
                os.posix_fadvise(descriptor, offset, size, _NOT_NEEDED)
            except OSError:
                pass

    sync = staticmethod(_sync)
    """Return when the file's content and size would survive a power cut."""

    # --- changing names -------------------------------------------------------------------

    def copy_mode(self, descriptor: int, path: str) -> None:
        """Give an open file the permissions of the one at `path`, and its owner if allowed."""
        if sys.platform == "win32":
            return
        old, new = os.stat(path), os.fstat(descriptor)
        if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
            with suppress(PermissionError):  # only root may give a file away
                os.fchown(descriptor, old.st_uid, old.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(old.st_mode))

    def replace(self, source: str, target: str) -> None:
        """Give `source` the name `target` in one step."""
        os.replace(source, target)

    def remove(self, path: str) -> None:
        """Remove a file."""
        os.remove(path)

    def sync_folder(self, path: str) -> None:
        """Return when the folder's names would survive a power cut, where that can be asked."""
        if sys.platform == "win32":
            return  # a folder has no descriptor there
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in (EINVAL, ENOTSUP):  # the file system has no such call
                raise
        finally:
            os.close(descriptor)

    # --- the lock -------------------------------------------------------------------------

    def open_lock(self, path: str) -> int:
        """Open the lock file at `path`, made where there is none."""
        return os.open(path, os.O_RDONLY | os.O_CREAT, 0o666)

    def try_lock(self, descriptor: int) -> bool:
        """Take the lock for this opening of the lock file, or say that another one has it.

        The kernel drops it when the last copy of the descriptor is closed, however the
        process ends.
        """
        if sys.platform == "win32":
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (EAGAIN, EACCES):
                return False
            raise
        return True

    def unlock(self, descriptor: int) -> None:
        """Drop the lock, also for the copies of the descriptor that a fork made."""
        if sys.platform != "win32":
            fcntl.flock(descriptor, fcntl.LOCK_UN)


def _status(found: os.stat_result) -> Status:
    kind: Literal["file", "folder", "other"] = "other"
    if stat.S_ISREG(found.st_mode):
        kind = "file"
    elif stat.S_ISDIR(found.st_mode):
        kind = "folder"
    return Status(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, kind)


def write_all(files: FileSystem, descriptor: int, data: bytes, offset: int | None = None) -> None:
    """Write `data` in as many calls as the system wants; see `FileSystem.write`."""
    done = files.write(descriptor, data, offset)
    if done == len(data):
        return
    rest = memoryview(data)[done:]
    while rest:
        if offset is not None:
            offset += done
        done = files.write(descriptor, rest, offset)
        rest = rest[done:]


def replace_file(
    files: FileSystem, path: str, parts: Iterable[bytes], *, like: str, sync: bool
) -> int:
    """Put `parts` in the place of the file at `path`, whole or not at all.

    The caller holds the store's lock, so that one name for the temporary file is enough:
    what a killed process left behind is replaced by the next one and never piles up. The
    folder is not synced yet.

    Parameters
    ----------
    like : the file that lends its permissions and its owner, if there is one
    sync : whether the content has to be on the disk before it gets the name

    Returns
    -------
    descriptor : of the new file, for the caller to close

    Raises
    ------
    OSError
        The old file is as it was and the temporary one is gone.
    """
    # Renaming over a read-only file would succeed: only the folder's permissions count.
    if _exists(files, path) and not files.may_write(path):
        raise PermissionError(EACCES, "the file is read-only", path)
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.tmp")
    with suppress(FileNotFoundError):
        files.remove(temporary)
    lends = _exists(files, like)
    descriptor = files.create(temporary, 0o600 if lends else 0o666)
    try:
        if lends:
            files.copy_mode(descriptor, like)
        for part in parts:
            write_all(files, descriptor, part)
        if sync:
            files.sync(descriptor)
        files.replace(temporary, path)
    except BaseException:
        files.close(descriptor)
        with suppress(OSError):
            files.remove(temporary)
        raise
    return descriptor


def _exists(files: FileSystem, path: str) -> bool:
    try:
        files.stat(path)
    except FileNotFoundError:
        return False
    return True
