"""The order in which a queue's messages come up: one lane for each message group."""

from __future__ import annotations

from heapq import heappop, heappush
from math import inf
from typing import NamedTuple, TypeAlias

from settlesim.store.rules.agenda import Agenda

__all__ = ["Lane", "Lanes", "Place"]

Lane: TypeAlias = str | int
"""A message group; in a standard queue every message has a lane of its own, its id."""


class Place(NamedTuple):
    """What is remembered of a message."""

    queue: str
    lane: Lane
    visible_at: float
    """0 for one that was never hidden."""
    in_flight: bool
    """It was received and not given back; it is in somebody's hands until `visible_at`."""
    sent_at: float


class _Line:
    """The messages of one lane."""

    __slots__ = ("flying", "ids")

    def __init__(self) -> None:
        self.ids: list[int] = []
        """A heap; may have some that are gone."""
        self.flying: tuple[int, ...] = ()
        """Those in flight: one, unless a message came back before it to its old place."""

    def fly(self, number: int, *, does: bool) -> None:
        if (number in self.flying) != does:
            others = tuple(each for each in self.flying if each != number)
            self.flying = (*others, number) if does else others


class Lanes:
    """The messages of one queue.

    A lane's head is its message with the least id. The lane comes up when its head is
    visible and none of its messages is in flight, unless it is parked. Lanes that are up
    are served in the order in which their heads became visible: were sent, if they were never
    hidden. Those come up whatever the clock says, and among them the one with the least id.
    """

    def __init__(self) -> None:
        self.places: dict[int, Place] = {}
        """By id, all messages."""
        self.parked: dict[Lane, int] = {}
        """The documents of the lanes that are parked."""
        self.dead: set[int] = set()
        """The ids of the dead letters."""
        self._lines: dict[Lane, _Line] = {}
        self._ready: Agenda[Lane] = Agenda()
        """Lanes whose heads were never hidden."""
        self._up: Agenda[Lane] = Agenda()
        """The others, by the time when they come up."""

    def put(self, number: int, place: Place) -> None:
        """Take in a message or what became of it."""
        line = self._lines.get(place.lane)
        if line is None:
            line = self._lines[place.lane] = _Line()
        if number not in self.places:
            heappush(line.ids, number)
        self.places[number] = place
        line.fly(number, does=place.in_flight)
        self._arm(place.lane)

    def remove(self, number: int) -> None:
        """Take a message out; one that is not there is no error."""
        place = self.places.pop(number, None)
        if place is not None:
            self._lines[place.lane].fly(number, does=False)
            self._arm(place.lane)

    def park(self, lane: Lane, number: int) -> None:
        """Hold a lane; `number` is the document that says so."""
        self.parked[lane] = number
        self._disarm(lane)

    def _disarm(self, lane: Lane) -> None:
        self._ready.discard(lane)
        self._up.discard(lane)

    def release(self, lane: Lane) -> None:
        """Let a lane go on."""
        self.parked.pop(lane, None)
        if lane in self._lines:
            self._arm(lane)

    def _arm(self, lane: Lane) -> None:
        line = self._lines[lane]
        head = self._head(lane, line)
        if head is None:
            del self._lines[lane]
            self._disarm(lane)
        elif lane not in self.parked:
            time = self._time_of(head)
            kind = type(lane) is int  # old entries may have the same head in a lane of the other
            if time > 0.0:
                self._ready.discard(lane)
                self._up.set(lane, (time, head, kind))
            else:
                self._up.discard(lane)
                self._ready.set(lane, (head, kind))

    def _head(self, lane: Lane, line: _Line) -> int | None:
        while line.ids:
            place = self.places.get(line.ids[0])
            if place is not None and place.lane == lane:
                return line.ids[0]
            heappop(line.ids)
        return None

    def heads(self, now: float, most: int) -> list[int]:
        """Return the messages that may be received now, the one that waited longest first."""
        ready = [self._lines[lane].ids[0] for lane in self._ready.upto(inf, most)]
        up = [self._lines[lane].ids[0] for lane in self._up.upto(now, most)]
        return ready if not up else self._merged(ready, up)[:most]

    def _merged(self, ready: list[int], up: list[int]) -> list[int]:
        found: list[int] = []
        ready, up = ready[::-1], up[::-1]
        while ready and up:
            sent = self.places[ready[-1]].sent_at, ready[-1]
            found.append((ready if sent < (self._time_of(up[-1]), up[-1]) else up).pop())
        return found + ready[::-1] + up[::-1]

    def _time_of(self, head: int) -> float:
        flying = self._lines[self.places[head].lane].flying
        return max(self.places[number].visible_at for number in (head, *flying))

    def next_at(self) -> float | None:
        """Return when the next lane comes up; None where none will."""
        if self._ready.first() is not None:
            return 0.0
        first = self._up.first()
        return None if first is None else float(first[0][0])

    def oldest(self) -> int | None:
        """Return the least id of all messages; takes time with the number of lanes."""
        return min((line.ids[0] for line in self._lines.values()), default=None)

    def length(self, lane: Lane) -> int:
        """Return how many messages a lane has; takes time with their number."""
        line = self._lines.get(lane)
        places = map(self.places.get, () if line is None else set(line.ids))
        return sum(place is not None and place.lane == lane for place in places)

    def flying(self, now: float) -> int:
        """Return how many are in flight; takes time with the number of lanes."""
        return sum(
            self.places[number].visible_at > now
            for line in self._lines.values()
            for number in line.flying
        )
