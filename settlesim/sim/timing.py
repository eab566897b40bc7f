"""What is known about time inside one handler, and which orders of completion that allows.

Theory of operation
-------------------
While a handler waits, services and delays run. Each has a *window*: how long it takes at least
and at most. An order of completion is possible if some choice of durations within the windows
leads to it. That is a question about differences of times, so the set of all choices that lead to a
situation can be represented by a *zone*: an upper bound on the difference of each pair of *clocks*.
A clock is the age of a running service or delay, or of the event itself.

A zone is kept closed, that is, every bound is as tight as the others imply (the shortest paths of
Floyd and Warshall). So equal sets are equal values, and a negative difference of a clock and itself
shows that the set is empty. A handler waits for few things, so this plain algorithm is fast enough
and no solver is needed. Times are whole nanoseconds, which add up exactly.

A service or delay without any bound needs no clock. With ``timing="any"`` nothing has an upper
bound, so every order is possible; the lower bounds of delays are used only to find out whether the
deadline of the event is certain to have passed.

References
----------
Dill, "Timing assumptions and verification of finite-state concurrent systems", 1989.
Bengtsson and Yi, "Timed automata: semantics, algorithms and tools", 2004, section 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

__all__ = ["ANY", "EVENT", "INSTANT", "START", "Clock", "Window", "Zone", "nanoseconds"]

Clock: TypeAlias = tuple[str, int, int]
"""The id of a service or the trigger of a delay, the number of its start, and the attempt."""
Bound: TypeAlias = int | None
"""An upper bound on the difference of two clocks, in nanoseconds; None for no bound."""

EVENT: Final[Clock] = ("", 0, 0)
"""The age of the event itself."""
INSTANT: Final[Clock] = ("", 0, 1)
"""A clock that may not get older than 0; while it is kept, no time passes."""


def nanoseconds(seconds: float) -> int:
    """Return a time in whole nanoseconds."""
    return round(seconds * 1_000_000_000)


class Window(NamedTuple):
    """How long something takes, in nanoseconds."""

    least: int = 0
    most: int | None = None
    """None for no bound."""


ANY: Final = Window()


class Zone(NamedTuple):
    """The set of all ages that the clocks may have now."""

    clocks: tuple[Clock, ...]
    bounds: tuple[tuple[Bound, ...], ...]
    """Row i, column j: the bound on clock i minus clock j. Index 0 is a clock that is always 0."""

    def age(self, clock: Clock) -> Window:
        """Return the ages that a clock may have: any age if it is not kept."""
        if clock not in self.clocks:
            return ANY
        place = self.clocks.index(clock) + 1
        least = self.bounds[0][place]
        return Window(0 if least is None else -least, self.bounds[place][0])

    def passed(
        self, windows: Iterable[tuple[Clock, Window]], most: Mapping[Clock, int | None]
    ) -> Zone | None:
        """Let time pass until clocks are within windows; return None if that is not possible.

        Parameters
        ----------
        most : the greatest age that each clock can reach; None for no bound
        """
        size = len(self.clocks) + 1
        rows = [list(row) for row in self.bounds]
        for place, clock in enumerate(self.clocks, 1):
            rows[place][0] = most.get(clock)
        for clock, window in windows:
            if clock in self.clocks:
                place = self.clocks.index(clock) + 1
                rows[place][0] = _tighter(rows[place][0], window.most)
                rows[0][place] = _tighter(rows[0][place], -window.least)
        return Zone(self.clocks, _frozen(rows)) if _close(rows, size) else None

    def with_clocks(self, kept: Iterable[Clock], new: Sequence[Clock]) -> Zone:
        """Drop all clocks except `kept` and that of the event, and start new ones at zero."""
        left = {EVENT, *kept} - set(new)
        places = [0, *(i for i, each in enumerate(self.clocks, 1) if each in left)]
        places += [0] * len(new)  # a new clock equals the one that is always 0
        clocks = tuple(each for each in self.clocks if each in left) + tuple(new)
        if clocks == self.clocks:
            return self
        return Zone(clocks, tuple(tuple(self.bounds[i][j] for j in places) for i in places))


START: Final = Zone((EVENT,), ((0, 0), (0, 0)))
"""The zone when the event begins."""


def _tighter(one: Bound, other: Bound) -> Bound:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def _close(rows: list[list[Bound]], size: int) -> bool:
    """Tighten every bound by all others; return False if the set is empty."""
    for middle in range(size):
        for row in rows:
            first = row[middle]
            if first is None:
                continue
            for place, second in enumerate(rows[middle]):
                if second is not None:
                    row[place] = _tighter(row[place], first + second)
    return all(rows[i][i] == 0 for i in range(size))


def _frozen(rows: list[list[Bound]]) -> tuple[tuple[Bound, ...], ...]:
    return tuple(map(tuple, rows))
