"""One file that is read whole and replaced whole, under a lock between processes and threads."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import EACCES, EINVAL, EIO, ENOTSUP
from time import sleep
from typing import Final, TypeVar

from filelock import FileLock, Timeout

from settlesim.errors import StoreUnavailableError

__all__ = ["locked", "read_file", "replace_file", "write_new_file"]

_POLL: Final = 0.01
"""Seconds between two attempts to take a lock, or to use a file that Windows keeps locked."""
_ATTEMPTS: Final = 200 if sys.platform == "win32" else 1
_T = TypeVar("_T")

if sys.platform == "darwin":
    import fcntl

    def _sync(descriptor: int) -> None:
        # On macOS fsync leaves the data in the drive's cache; some file systems can do no more.
        try:
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        except OSError:
            os.fsync(descriptor)
else:

    def _sync(descriptor: int) -> None:
        os.fsync(descriptor)


@contextmanager
def locked(path: str, timeout: float) -> Iterator[None]:
    """Hold the lock ``<path>.lock`` while the block runs, or until the process ends.

    Each call opens the lock file again. So threads, and two stores on one file, exclude each other
    as processes do, and a forked process inherits no lock that it would have to wait for.

    Parameters
    ----------
    timeout : seconds to wait for the lock

    Raises
    ------
    StoreUnavailableError
        Somebody else held it all the time, or the lock file cannot be created.
    """
    _check_folder(path)  # otherwise FileLock would create the folder
    lock = FileLock(f"{path}.lock")
    try:
        lock.acquire(timeout=timeout, poll_interval=_POLL)
    except Timeout:
        reason = f"somebody else held its lock {path}.lock for {timeout:g} seconds; try again later"
        raise StoreUnavailableError(path=path, reason=reason) from None
    except OSError as error:
        reason = f"its lock {path}.lock cannot be taken: {_words(error)}"
        raise StoreUnavailableError(path=path, reason=reason) from error
    try:
        yield
    finally:
        lock.release()


def read_file(path: str) -> bytes | None:
    """Return the content of the file, or None if it does not exist.

    Raises
    ------
    StoreUnavailableError
        It cannot be read, is not a regular file, or its folder is missing.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise StoreUnavailableError(path=path, reason="it is no regular file")
        return _retry_on_windows(lambda: _content(path))
    except FileNotFoundError:
        _check_folder(path)
        return None
    except OSError as error:
        reason = f"it cannot be read: {_words(error)}"
        raise StoreUnavailableError(path=path, reason=reason) from error


def replace_file(path: str, data: bytes, *, sync: bool = True) -> None:
    """Replace the content of the file, whole or not at all.

    The caller holds the lock, so a fixed name for the temporary file is enough: one that a killed
    process left behind is removed by the next save.

    Parameters
    ----------
    sync : whether the content has to be on disk afterwards, and so survive a power cut

    Raises
    ------
    StoreUnavailableError
        The system refused. The file holds what it held before, unless the text says that it
        has the new content.
    """
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.tmp")
    try:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        try:
            _write(temporary, data, like=path, sync=sync)
            _retry_on_windows(lambda: os.replace(temporary, path))
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        reason = f"it cannot be written: {_words(error)}. It holds what it held before"
        raise StoreUnavailableError(path=path, reason=reason) from error
    try:
        if sync:
            _sync_folder(folder)
    except OSError as error:
        reason = f"it has the new content, which a power cut could undo: {_words(error)}"
        raise StoreUnavailableError(path=path, reason=reason) from error


def write_new_file(path: str, data: bytes) -> None:
    """Create a file with this content, whole or not at all; it is on disk afterwards.

    Raises
    ------
    StoreUnavailableError
        The file exists, or the system refused; no partial file is left.
    """
    folder, name = os.path.split(path)
    _check_folder(path)
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
        os.close(handle)
        try:
            os.unlink(temporary)
            _write(temporary, data, like=temporary)
            os.link(temporary, path)  # fails if the file exists; otherwise it appears whole
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
        _sync_folder(folder)
    except FileExistsError as error:
        reason = "it exists; a backup makes a new file"
        raise StoreUnavailableError(path=path, reason=reason) from error
    except OSError as error:
        reason = f"it cannot be written: {_words(error)}"
        raise StoreUnavailableError(path=path, reason=reason) from error


def _content(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()


def _write(path: str, data: bytes, *, like: str, sync: bool = True) -> None:
    """Create a file with the permissions and the owner of the file `like`, if that exists."""
    try:
        old = os.stat(like)
    except FileNotFoundError:
        old = None
    if old is not None and not os.access(like, os.W_OK):
        # Replacing it would work: only the permissions of the folder matter for that.
        raise PermissionError(EACCES, "the file is read-only", like)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    flags |= getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        if old is not None and sys.platform != "win32":
            with suppress(PermissionError):  # only root may give a file away
                os.fchown(descriptor, old.st_uid, old.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
        rest = memoryview(data)
        while rest:
            written = os.write(descriptor, rest)
            if not written:
                raise OSError(EIO, "the system wrote nothing", path)
            rest = rest[written:]
        if sync:
            _sync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: str) -> None:
    """Sync the names in the folder, so that they survive a power cut, if the system can do so."""
    if sys.platform == "win32":
        return  # a folder cannot be opened there
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (EINVAL, ENOTSUP):  # the file system cannot sync folders
            raise
    finally:
        os.close(descriptor)


def _retry_on_windows(call: Callable[[], _T]) -> _T:
    """Retry on Windows, which refuses while somebody else has the file open."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return call()
        except PermissionError:
            sleep(_POLL)
    return call()


def _check_folder(path: str) -> None:
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        reason = f"its folder {folder} does not exist; make it first"
        raise StoreUnavailableError(path=path, reason=reason)


def _words(error: OSError) -> str:
    return error.strerror or str(error)
