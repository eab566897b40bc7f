"""One writer at a time, between processes and threads."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

from settlesim.errors import StoreUnavailableError

__all__ = ["InterruptsHeld", "exclusive"]

_PAUSE = 0.001
"""Seconds between two tries. A save takes about this long; a wait of 50 milliseconds, as
lock libraries have it, lets a waiting process starve beside a busy one."""


class InterruptsHeld:
    """Holds Ctrl-C back while a block runs, so that no save is left half done.

    An interrupt between any two instructions could leave the lock held or a temporary
    file behind; a save takes a few milliseconds, so the interrupt can wait. Python runs
    signal handlers in the main thread only, so elsewhere there is nothing to do.
    """

    def __enter__(self) -> InterruptsHeld:
        self._caught: FrameType | None = None
        self._pending = False
        self._previous: Any = None
        if threading.current_thread() is threading.main_thread():
            # None is a handler that C code installed; it could not be put back.
            self._previous = signal.getsignal(signal.SIGINT)
            if self._previous is not None:
                signal.signal(signal.SIGINT, self._remember)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
            self.deliver()

    def deliver(self) -> None:
        """Pass an interrupt on that came meanwhile; usually raises KeyboardInterrupt."""
        if not self._pending:
            return
        self._pending = False
        if callable(self._previous):
            self._previous(signal.SIGINT, self._caught)
        elif self._previous == signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.raise_signal(signal.SIGINT)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self._pending, self._caught = True, frame


if sys.platform == "win32":

    def _try_lock(path: str) -> Callable[[], object] | None:
        import filelock

        lock = filelock.FileLock(path)
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            return None
        return lock.release

else:
    # flock itself, not the filelock package: a fifth of a millisecond less for each save,
    # and the kernel drops the lock when its process dies, however it dies.
    import fcntl

    def _try_lock(path: str) -> Callable[[], object] | None:
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Somebody may have removed the lock file meanwhile: then this lock excludes
            # nobody, and the next try makes a new file.
            if not os.path.samestat(os.fstat(descriptor), os.stat(path)):
                raise FileNotFoundError
        except (BlockingIOError, FileNotFoundError):
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise

        def release() -> None:
            # Unlocked by name, not only by closing: a child that another thread forked
            # meanwhile has a copy of the descriptor.
            try:
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            finally:
                os.close(descriptor)

        return release


@contextmanager
def exclusive(path: str, *, limit: float, store: str) -> Iterator[None]:
    """Hold the lock file at `path` while the block runs.

    Not re-entrant: a second entry, by whichever thread, waits for the first to leave. The
    wait can be interrupted, the block can not. The lock file stays where it is; to remove
    it while somebody holds it would let two in.

    Parameters
    ----------
    limit : seconds to wait, about; a frozen process must not freeze the others
    store : how an error names the store

    Raises
    ------
    StoreUnavailableError
        Another process held the lock all the time.
    OSError
        The lock file can not be made or opened.
    """
    with InterruptsHeld() as interrupts:
        waited = 0.0  # counted, not measured: the library reads no clock of the machine
        while (release := _try_lock(path)) is None:
            interrupts.deliver()
            if waited >= limit:
                raise StoreUnavailableError(
                    path=store,
                    reason=f"another process has held {path} for {limit:g} seconds. "
                    "Nothing was changed; try again.",
                )
            time.sleep(_PAUSE)
            waited += _PAUSE
        try:
            yield
        finally:
            release()
