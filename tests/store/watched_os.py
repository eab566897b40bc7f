"""The module `os` as another module sees it, with a look at each call that touches a file."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from typing import Any

__all__ = ["CALLS", "ERRORS", "Failing", "Killing", "Short", "WatchedOs"]

CALLS = frozenset(
    ["access", "close", "fchmod", "fchown", "fsync", "open", "replace", "stat", "unlink", "write"]
)


class WatchedOs:
    """Stands in for `os`; `around` is told each call in order and makes it, or does not."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        value = getattr(os, name)
        if name not in CALLS:
            return value

        def call(*args: Any, **options: Any) -> Any:
            self.calls.append(name)
            return self.around(len(self.calls), name, lambda: value(*args, **options), args)

        return call

    def around(self, number: int, name: str, make: Callable[[], Any], args: tuple[Any, ...]) -> Any:
        """Make the call; the first one has number 1."""
        return make()


class Failing(WatchedOs):
    """One call fails, or that one and all after it.

    Parameters
    ----------
    at : which one fails, from 1
    code : of the OSError
    for_good : whether all later ones fail, too
    """

    def __init__(self, at: int, code: int, *, for_good: bool = False) -> None:
        super().__init__()
        self.at, self.code, self.for_good = at, code, for_good

    def around(self, number: int, name: str, make: Callable[[], Any], args: tuple[Any, ...]) -> Any:
        if number < self.at or (number > self.at and not self.for_good):
            return make()
        if name == "close":
            make()  # as the system does: the descriptor is gone, whatever it answers
        if name == "write":
            os.write(args[0], bytes(args[1])[: len(args[1]) // 2])
        raise OSError(self.code, os.strerror(self.code))


class Short(WatchedOs):
    """Each write takes seven bytes at most, and the one with number `never` nothing at all."""

    def __init__(self, never: int = 0) -> None:
        super().__init__()
        self.never = never

    def around(self, number: int, name: str, make: Callable[[], Any], args: tuple[Any, ...]) -> Any:
        if name != "write":
            return make()
        return 0 if number == self.never else os.write(args[0], bytes(args[1])[:7])


class Killing(WatchedOs):
    """The process is killed before one call.

    Parameters
    ----------
    at : before which one, from 1
    half : whether half of what a write was given is written first
    """

    def __init__(self, at: int, *, half: bool) -> None:
        super().__init__()
        self.at, self.half = at, half

    def around(self, number: int, name: str, make: Callable[[], Any], args: tuple[Any, ...]) -> Any:
        if number == self.at:
            if name == "write" and self.half:
                os.write(args[0], bytes(args[1])[: len(args[1]) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return make()


ERRORS = [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES]
