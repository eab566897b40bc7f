"""A clock that only the test moves."""

from __future__ import annotations

__all__ = ["ManualTime"]


class ManualTime:
    """A clock that the test moves, in seconds since the epoch; a store takes it as its `now`.

    Examples
    --------
    >>> now = ManualTime()
    >>> now()
    1000000.0
    >>> now.step(30)
    >>> now()
    1000030.0
    """

    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.seconds

    def step(self, seconds: float) -> None:
        """Let time pass, or let the clock jump back if `seconds` is negative."""
        self.seconds += seconds
