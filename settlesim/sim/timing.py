"""What is known of time inside one handler, and which orders of completion that allows.

Theory of operation
-------------------
While a handler waits, services and delays run. Each has a *window*: how long it takes at least
and at most. An order in which they complete is possible if some choice of durations within the
windows gives it. That is a question about differences of times, and the set of all choices that
led to one situation is a *zone*: an upper bound on the difference of each pair of *clocks*, where
a clock is the age of what still runs, or of the event itself.

A zone is kept closed: every bound is as tight as the others make it, by the shortest paths of
Floyd and Warshall. So two equal sets are equal values, and a negative difference of a clock with
itself shows that there is no choice. A handler waits for few things, so the plain algorithm does;
no solver is needed. Times are whole nanoseconds, which add up exactly.

What has no bounds at all needs no clock. With ``timing="any"`` nothing has an upper bound, so
every order is possible; the lower bounds of delays only say when the deadline of the event has
passed for certain.

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
"""The id of a service, or the trigger of a delay, the number of its start, and its attempt."""
Bound: TypeAlias = int | None
"""Of a difference of two clocks, in nanoseconds; None for no bound."""

EVENT: Final[Clock] = ("", 0, 0)
"""The age of the event itself."""
INSTANT: Final[Clock] = ("", 0, 1)
"""The age of a moment in which several things happen: it does not get older than 0."""


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
    """All ages that the clocks may have now."""

    clocks: tuple[Clock, ...]
    bounds: tuple[tuple[Bound, ...], ...]
    """Row i and column j bound clock i minus clock j; place 0 is time zero."""

    def age(self, clock: Clock) -> Window:
        """Return how old a clock may be; of one that is not kept, any age."""
        if clock not in self.clocks:
            return ANY
        place = self.clocks.index(clock) + 1
        least = self.bounds[0][place]
        return Window(0 if least is None else -least, self.bounds[place][0])

    def passed(
        self, windows: Iterable[tuple[Clock, Window]], most: Mapping[Clock, int | None]
    ) -> Zone | None:
        """Let time pass until clocks are within windows; None where that is not possible.

        Parameters
        ----------
        most : for every clock, the age beyond which it does not get
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
        """Forget all clocks but `kept` and that of the event, and start new ones at zero."""
        left = {EVENT, *kept} - set(new)
        places = [0, *(i for i, each in enumerate(self.clocks, 1) if each in left)]
        places += [0] * len(new)  # at the same time as zero
        clocks = tuple(each for each in self.clocks if each in left) + tuple(new)
        if clocks == self.clocks:
            return self
        return Zone(clocks, tuple(tuple(self.bounds[i][j] for j in places) for i in places))


START: Final = Zone((EVENT,), ((0, 0), (0, 0)))
"""When the event begins."""


def _tighter(one: Bound, other: Bound) -> Bound:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def _close(rows: list[list[Bound]], size: int) -> bool:
    """Tighten every bound by all others; say whether anything is left."""
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
