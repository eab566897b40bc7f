"""`Reporter`: how a long computation reports its progress and learns whether it should stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

__all__ = ["Cancelled", "Progress", "ProgressCallback", "Reporter", "StopFlag"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a computation is."""

    done: int
    """How many steps, states or scenarios are done."""
    expected: int | None = None
    """How many there will be at most; None if that is not known."""
    text: str = ""
    """What is counted or done now, such as ``"states"``."""


ProgressCallback: TypeAlias = Callable[[Progress], object]
"""Called with each `Progress`; an exception that it raises ends the computation."""


class StopFlag(Protocol):
    """A flag that another thread sets to stop a computation, such as a `threading.Event`."""

    def is_set(self) -> bool:
        """Whether the computation should stop."""
        ...


class Cancelled(KeyboardInterrupt):
    """A computation was stopped by its flag; it ends as by Ctrl-C."""


class Reporter:
    """Forwards progress to a callback, and stops the computation when a flag is set.

    Parameters
    ----------
    callback : called with each report; None to report to nobody
    stop : the flag; None if the computation cannot be stopped

    Examples
    --------
    >>> reporter = Reporter(print)
    >>> reporter.report(1, 10, "states")
    Progress(done=1, expected=10, text='states')
    """

    def __init__(
        self, callback: ProgressCallback | None = None, stop: StopFlag | None = None
    ) -> None:
        self._callback = callback
        self._stop = stop

    def report(self, done: int, expected: int | None = None, text: str = "") -> None:
        """Say how far the computation is; see `Progress`.

        Raises
        ------
        Cancelled
            The flag is set.
        """
        self._check()
        if self._callback is not None:
            self._callback(Progress(done, expected, text))
            self._check()  # the callback may set the flag

    def _check(self) -> None:
        if self._stop is not None and self._stop.is_set():
            raise Cancelled
