"""One writer at a time, between processes and threads."""

from __future__ import annotations

import os
import signal
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from threading import get_ident
from types import FrameType
from typing import Any, Final

from settlesim.errors import StoreUnavailableError
from settlesim.store.journal.files import FileSystem
from settlesim.store.journal.names import Names

__all__ = ["FileLock", "InterruptsHeld", "ThreadLock"]

# The functions behind those of `signal`, which look every handler up in an enumeration: that
# takes ten times as long, and this is done twice for each transaction.
_quick: Final = import_module("_signal")
_get_handler: Final = _quick.getsignal
_set_handler: Final = _quick.signal

_INTERRUPT: Final = int(signal.SIGINT)
_USUAL: Final = signal.default_int_handler

_main = threading.main_thread().ident
"""Kept, as to ask for it costs three calls for each block; a fork may make another one it."""

_FIRST_PAUSE: Final = 0.0002
_LONGEST_PAUSE: Final = 0.005
"""Seconds between two tries. A save takes about one millisecond; a wait of 50, as lock
libraries have it, lets a waiting process starve beside a busy one."""


class InterruptsHeld:
    """Holds Ctrl-C back from `begin` to `end`, so that no save is left half done.

    An interrupt between any two instructions could leave the lock held or memory and disk
    apart; a save takes a few milliseconds, so the interrupt can wait. Python runs signal
    handlers in the main thread only, so elsewhere there is nothing to do.
    """

    # On the class, so that the object of each block is made without a call.
    ended = False
    """Whether `end` was called since `begin`."""
    previous: Any = None
    """The handler that was there at `begin`."""
    _caught: FrameType | None = None
    _pending = False

    def begin(self) -> None:
        """Hold interrupts back from now on."""
        if self.ended:  # it was used before
            self.previous, self.ended, self._pending = None, False, False
        if get_ident() == _main:
            # None is a handler that C code installed; it could not be put back.
            previous = _get_handler(_INTERRUPT)
            if previous is not None:
                self.previous = previous
                _set_handler(_INTERRUPT, self._remember)

    def end(self) -> None:
        """Let interrupts through again, first the one that came meanwhile."""
        previous = self.previous
        if previous is not None:
            # Else another block that began later holds them back, or the program set a handler.
            if _get_handler(_INTERRUPT) == self._remember:
                if previous is not _USUAL:
                    previous = _behind_ended(previous)
                _set_handler(_INTERRUPT, previous)
            self.ended = True
            if self._pending:
                self.deliver()

    def deliver(self) -> None:
        """Pass an interrupt on that came meanwhile; usually raises KeyboardInterrupt."""
        if not self._pending:
            return
        self._pending = False
        previous = _behind_ended(self.previous)
        if callable(previous):
            previous(signal.SIGINT, self._caught)
        elif previous == signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.raise_signal(signal.SIGINT)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self._pending, self._caught = True, frame
        if self.ended:  # somebody put it back who found it in the block
            self.deliver()

    def forget(self) -> Any:
        """Hold nothing back any more, put nothing back later; return the handler before."""
        previous, self.previous = self.previous, None
        self._pending = False
        return previous


def _behind_ended(handler: Any) -> Any:
    """Return the handler that is to hear an interrupt: blocks may end in any order."""
    while isinstance(held := getattr(handler, "__self__", None), InterruptsHeld) and held.ended:
        handler = held.previous
    return handler


def _hear_interrupts() -> None:
    """Let a child hear Ctrl-C: it may never leave the block in which it was forked.

    It may have been forked by another thread than the one that holds interrupts back, which
    it does not have.
    """
    handler = now = _get_handler(_INTERRUPT)
    while isinstance(held := getattr(handler, "__self__", None), InterruptsHeld):
        handler = held.forget()
    if handler is not now and handler is not None:
        _set_handler(_INTERRUPT, handler)


class ThreadLock:
    """A lock between the threads of one process, which knows its holder.

    Not re-entrant: to take it twice in one thread is a fault of the program, which waiting
    would not mend.
    """

    __slots__ = ("acquire", "is_mine", "release")

    def __init__(self) -> None:
        # Its holder is noted in the same step in which it is taken. It is never taken twice.
        lock: Any = threading.RLock()
        # As they are: to go through methods of this class would take three times as long.
        self.acquire: Final[Callable[..., bool]] = lock.acquire
        self.release: Final[Callable[[], None]] = lock.release
        """Let it go."""
        self.is_mine: Final[Callable[[], bool]] = lock._is_owned
        """Return whether the calling thread holds the lock."""

    def refuse_nesting(self) -> None:
        """Say that the calling thread must not take it, where it holds it already.

        Raises
        ------
        RuntimeError
            It does.
        """
        if self.is_mine():
            raise RuntimeError("one use of a store inside another one, by the same thread")

    def take(self, limit: float, interrupts: InterruptsHeld) -> bool:
        """Wait up to `limit` seconds, interruptibly; say whether it was taken.

        The caller has seen to it that it is not its own already.
        """
        if not self.acquire(blocking=False):
            waited, step = 0.0, 0.05  # only for the interrupts: it wakes when the lock is free
            while not self.acquire(timeout=step):
                interrupts.deliver()
                waited += step
                if waited >= limit:
                    return False
        return True


class FileLock:
    """A lock between processes: ``flock`` on a file beside the store.

    The lock file stays where it is; to remove it while somebody holds it would let two in.

    Parameters
    ----------
    names : of the lock file's folder; they are looked at when the lock is taken
    limit : seconds to wait, about; a frozen process must not freeze the others
    store : how an error names the store
    """

    def __init__(
        self, path: str, files: FileSystem, names: Names, *, limit: float, store: str
    ) -> None:
        self.path = path
        self._files = files
        self._names = names
        self._limit = limit
        self._store = store
        self._descriptor = -1
        _file_locks.add(self)

    def acquire(
        self, interrupts: InterruptsHeld, limit: float | None = None, *, anew: bool = False
    ) -> None:
        """Take the lock; the wait for it can be interrupted.

        Parameters
        ----------
        limit : seconds; None for the lock's own
        anew : whether the path of the folder is followed in any case

        Raises
        ------
        StoreUnavailableError
            Another process held it all the time, or the lock file can not be opened.
        """
        files, limit = self._files, self._limit if limit is None else limit
        waited, pause = 0.0, _FIRST_PAUSE  # counted, not measured
        try:
            while True:
                if self._descriptor < 0:
                    self._descriptor = files.open_lock(self.path)
                    anew = True
                if files.try_lock(self._descriptor):
                    # Somebody may have removed the lock file meanwhile: then this lock excludes
                    # nobody, and a new file is needed.
                    if anew:
                        self._names.look_anew()
                    else:
                        self._names.look()
                    if self._names.lead_to(self._descriptor, self.path):
                        return
                    self.drop()
                    continue
                interrupts.deliver()
                if waited >= limit:
                    raise StoreUnavailableError(
                        path=self._store,
                        reason=f"another process has held {self.path} for {limit:g} seconds. "
                        "Nothing was changed; try again.",
                    )
                time.sleep(pause)
                waited += pause
                pause = min(1.5 * pause, _LONGEST_PAUSE)
        except OSError as error:
            self.drop()
            reason = f"its lock {self.path} failed: {error.strerror or error}"
            raise StoreUnavailableError(path=self._store, reason=reason) from error
        except BaseException:
            self.drop()
            raise

    def release(self) -> None:
        """Let it go."""
        self._files.unlock(self._descriptor)

    def drop(self) -> None:
        """Let it go and close the lock file, whether it was taken or not.

        Closing alone would leave it to a forked process that has a copy of the descriptor.
        """
        if self._descriptor >= 0:
            with suppress(OSError):
                self.release()
            with suppress(OSError):
                self.close()

    def close(self) -> None:
        """Close the lock file; the lock goes with the last copy of its descriptor."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            self._files.close(descriptor)

    def __del__(self) -> None:
        with suppress(BaseException):  # a finalizer has nobody to tell
            self.close()


_file_locks: weakref.WeakSet[FileLock] = weakref.WeakSet()


def _after_fork() -> None:
    global _main  # noqa: PLW0603
    _main = threading.main_thread().ident
    _hear_interrupts()
    for lock in list(_file_locks):
        # The lock is the parent's, and would stay with this copy when the parent is killed.
        with suppress(OSError):
            lock.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
