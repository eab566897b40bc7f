"""The system calls that change a disk, and the atomic replacement of a file made of them."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from errno import EACCES, EINVAL, ENOTSUP

__all__ = ["FileSystem", "replace_file"]


class FileSystem:
    """Every call of the store that changes a disk.

    One object, so that a test can put another one in its place and let any single call
    fail. All methods raise OSError.
    """

    def may_write(self, path: str) -> bool:
        """Say whether the file's permissions let this process write it."""
        return os.access(path, os.W_OK)

    def create(self, path: str, mode: int) -> int:
        """Create a file that must not exist and return its descriptor, open for writing."""
        # O_NOFOLLOW: a link that somebody planted under this name is not written through.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        return os.open(path, flags, mode)

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        """Write what fits and return how many bytes that were."""
        return os.write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        """Return when the file's content would survive a power cut."""
        if sys.platform == "darwin":
            import fcntl

            # There fsync leaves the data in the drive's cache; not every file system has
            # the stronger call.
            with suppress(OSError):
                fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
                return
        os.fsync(descriptor)

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


def _keep_owner_and_mode(descriptor: int, old: os.stat_result) -> None:
    if sys.platform == "win32":
        return
    new = os.fstat(descriptor)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        with suppress(PermissionError):  # only root may give a file away
            os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))


def _write_all(files: FileSystem, descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[files.write(descriptor, rest) :]


def replace_file(files: FileSystem, path: str, data: bytes) -> int | None:
    """Put `data` in the place of the file at `path`, whole or not at all.

    The caller holds the store's lock, so that one name for the temporary file is enough:
    what a killed process left behind is replaced by the next save and never piles up.
    The folder is not synced yet.

    Returns
    -------
    descriptor : of the new file, for the caller to close; None where an open file can not
        be renamed

    Raises
    ------
    OSError
        The old file is as it was and the temporary one is gone.
    """
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.tmp")
    old = os.stat(path) if os.path.exists(path) else None
    # Renaming over a read-only file would succeed: only the folder's permissions count.
    if old is not None and not files.may_write(path):
        raise PermissionError(EACCES, "the file is read-only", path)
    with suppress(FileNotFoundError):
        files.remove(temporary)
    descriptor = files.create(temporary, 0o666 if old is None else 0o600)
    kept: int | None = descriptor
    try:
        if old is not None:
            _keep_owner_and_mode(descriptor, old)
        _write_all(files, descriptor, data)
        files.sync(descriptor)
        if sys.platform == "win32":
            kept = None
            os.close(descriptor)
        files.replace(temporary, path)
    except BaseException:
        if kept is not None:
            os.close(kept)
        with suppress(OSError):
            files.remove(temporary)
        raise
    return kept
