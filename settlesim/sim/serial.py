"""The endings that are allowed: those of handling the events one after another.

Theory of operation
-------------------
A serial run handles one message at a time from its receive to its delete, by the same rules
as everything else (`settlesim.sim.moves`), without crashes, expiries and duplicates. Some choices
are not made by the order of the events, so serial runs have them too. Services may fail as often as
the scenario says. Services and delays of one handler may complete in any order. A timer may be due
at any point. A message that is released may be handled again.

*FIFO-serial* runs always handle the oldest message that is left. If no service fails, nothing runs
concurrently in a handler, and no timer is due, they have a single ending, the fold of the chart
over the events in arrival order. *Serializable* runs handle any message next. Instances do not
affect each other, so the endings are worked out for each instance alone. An ending is allowed if
each instance's part of it is, and if the service failures that the parts need are not more in total
than the scenario has. Events that a policy kept out are in no serial run: an ending is compared
with runs of the events that were accepted.

The model has no real time, so *serializable* has its usual meaning. FIFO-serial corresponds to
strict serializability, with arrival order instead of real time.

References
----------
Papadimitriou, "The serializability of concurrent database updates", JACM 26(4), 1979.
Herlihy and Wing, "Linearizability", TOPLAS 12(3), 1990 (locality: one object at a time).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

from settlesim.chart.strict_json import FrozenDict
from settlesim.sim.disciplines import DEAD, UNSENT, VISIBLE
from settlesim.sim.model import EndingIdentity, Model
from settlesim.sim.moves import MessagePhase, PoisonError, Shared
from settlesim.sim.program_nodes import ProgramNodeKind

__all__ = ["FEW", "MOST", "Serial", "SerialEnding", "SerialPart"]

MOST: Final = 20_000
"""How many serial situations of one instance are explored; 7 events of a log have 13,700."""
FEW: Final = 2_000
"""The limit where the result is only partial anyway; 6 events of a log have 1,957."""

SerialEnding: TypeAlias = tuple[int, tuple[tuple[str, int], ...], tuple[int, ...]]
"""The ending of one instance: its state, its effects in order (service and message), and its dead
letters. Messages count from 0."""
_Asked = tuple[bool, tuple[int, ...]]
"""Whether in arrival order, and which events were kept out."""


class _Point(NamedTuple):
    """One instance in a serial run, with its messages."""

    phases: tuple[MessagePhase, ...]
    shared: Shared


def _with(point: _Point, index: int, phase: MessagePhase, shared: Shared) -> _Point:
    phases = point.phases
    return _Point((*phases[:index], phase, *phases[index + 1 :]), shared)


class SerialPart(NamedTuple):
    """The ending of one instance, for people."""

    configuration: tuple[str, ...]
    context: FrozenDict
    effects: tuple[tuple[str, int], ...]
    """The services that had an effect, in order, each with its message, from 1."""
    dead: tuple[int, ...]
    """The messages that became dead letters, from 1."""
    history: FrozenDict
    """What the history states remember."""


class Serial:
    """The endings of serial runs of a model.

    Parameters
    ----------
    model
        Its rules are those of the runs.
    most : how many serial situations of one instance are explored at most
    """

    def __init__(self, model: Model, most: int = MOST) -> None:
        self._model = model
        self._most = most
        self._budget = model.scenario.faults.service_failures
        self._known: dict[_Asked, list[dict[SerialEnding, int]] | None] = {}
        self._reasons: dict[bool, str] = {}
        self._stopped = ""

    @property
    def reason(self) -> str:
        """Why the endings of serial runs are not known; empty if they are."""
        return self._reasons.get(True) or self._reasons.get(False, "")

    def stop(self, reason: str) -> None:
        """Compute nothing more, for this reason."""
        self._stopped = reason
        for fifo in (True, False):
            if not any(asked[0] is fifo for asked in self._known):
                self._reasons[fifo] = reason

    def is_fifo(self, outcome: EndingIdentity) -> bool | None:
        """Whether handling in arrival order has this ending; None if that is not known."""
        return self._allows(self._endings(outcome.excluded, fifo=True), outcome)

    def is_serializable(self, outcome: EndingIdentity) -> bool | None:
        """Whether some serial order has this ending; None if that is not known."""
        if self.is_fifo(outcome):
            return True
        return self._allows(self._endings(outcome.excluded, fifo=False), outcome)

    def failures(self, outcome: EndingIdentity, *, fifo: bool) -> int | None:
        """Return how many failing services a serial run needs at least for an ending.

        None if no serial run has this ending, or if that is not known.
        """
        parts = self._endings(outcome.excluded, fifo=fifo)
        return None if parts is None else self._needed(parts, outcome)

    def fifo_part(self, instance: int, excluded: Sequence[int] = ()) -> SerialPart | None:
        """Return the ending of an instance when handled in arrival order; None if not known.

        If there are several, return the one that needs the fewest failing services.

        Parameters
        ----------
        excluded : the events, from 1, that a policy kept out
        """
        parts = self._endings(tuple(each - 1 for each in excluded), fifo=True)
        if parts is None:
            return None
        part = parts[instance]
        state, effects, dead = min(part, key=part.__getitem__)
        table = self._model.table
        return SerialPart(
            table.configuration(state),
            table.context(state),
            tuple((service, message + 1) for service, message in effects),
            tuple(message + 1 for message in dead),
            table.history(state),
        )

    def _allows(
        self, parts: list[dict[SerialEnding, int]] | None, outcome: EndingIdentity
    ) -> bool | None:
        if parts is None:
            return None
        failures = self._needed(parts, outcome)
        if failures is None:
            # a serial run that the model could not continue may have this ending
            return None if self._model.moves.gaps else False
        return failures <= self._budget

    def _needed(self, parts: list[dict[SerialEnding, int]], outcome: EndingIdentity) -> int | None:
        """Return the failures that an ending needs; None if a part of it is in no serial run."""
        failures = 0
        for key, part in enumerate(parts):
            dead = tuple(each for each in outcome.dead if self._model.key_of[each] == key)
            least = part.get((outcome.states[key], outcome.effects[key], dead))
            if least is None:
                return None
            failures += least
        return failures

    def parts(self, *, fifo: bool) -> list[dict[SerialEnding, int]] | None:
        """Return each instance's endings with the failures that each needs; None if not known."""
        return None if self._model.moves.gaps else self._endings((), fifo=fifo)

    def allowed(self, *, fifo: bool) -> int | None:
        """Return how many endings are allowed; None if that is not known.

        Combinations that together need more failing services than the scenario has are included.
        """
        parts = None if self._model.moves.gaps else self._endings((), fifo=fifo)
        return None if parts is None else math.prod(map(len, parts))

    def _endings(
        self, excluded: tuple[int, ...], *, fifo: bool
    ) -> list[dict[SerialEnding, int]] | None:
        asked = fifo, excluded
        if asked not in self._known:
            if self._stopped:
                return None
            with self._model.services_together():
                found = self._of_all(excluded, fifo=fifo)
            if isinstance(found, str):
                compared = "nothing" if fifo else "only arrival order"
                self._reasons[fifo] = f"{found}; {compared} was compared"
            self._known[asked] = None if isinstance(found, str) else found
        return self._known[asked]

    def _of_all(
        self, excluded: tuple[int, ...], *, fifo: bool
    ) -> list[dict[SerialEnding, int]] | str:
        """Return the endings of every instance, or why they are not known."""
        parts = []
        for key, name in enumerate(self._model.instances):
            try:
                part = self._of_instance(key, excluded, fifo=fifo)
            except PoisonError as error:  # possibly only in an order that the queue does not allow
                return f"in a serial order {error.where} {error.reason.partition(';')[0]}"
            if part is None:
                return f"{name} has more than {self._most} serial situations"
            parts.append(part)
        return parts

    def _of_instance(
        self, key: int, excluded: tuple[int, ...], *, fifo: bool
    ) -> dict[SerialEnding, int] | None:
        """Return the endings of one instance, with the failures that each needs at least."""
        model = self._model
        first = self._beginning(key, excluded)
        events = sum(each.message < model.events for each in first.phases)
        if not fifo and 1 << events > self._most:
            return None  # there are at least as many situations as sets of handled messages
        seen = {first: 0}
        waiting = [first]
        endings: dict[SerialEnding, int] = {}
        for point in waiting:  # the loop itself appends to `waiting`
            left = self._left(point)
            if not left:
                part = self._part(point)
                endings[part] = min(seen[point], endings.get(part, seen[point]))
            budget = self._budget - seen[point]
            nexts = [(after, 0) for after in (*self._timers_due(point), *self._deployed(point))]
            for index in left[:1] if fifo else left:
                nexts += self._handled(point, index, budget)
            for after, failures in nexts:
                total = seen[point] + failures
                if after not in seen or seen[after] > total:
                    seen[after] = total
                    waiting.append(after)
            if len(seen) > self._most:
                return None
        return endings

    def _beginning(self, key: int, excluded: tuple[int, ...]) -> _Point:
        """Return an instance at the beginning, with all events that were accepted."""
        model, start = self._model, self._model.start
        phases = (model.phases[start[i]] for i, k in enumerate(model.key_of) if k == key)
        return _Point(
            tuple(
                each._replace(status=VISIBLE) if each.message < model.events else each
                for each in phases
                if each.message not in excluded
            ),
            model.shared[start[model.size + 1 + key]],
        )

    def _left(self, point: _Point) -> list[int]:
        """Return the waiting messages in the order of the queue.

        First come events that were released, then messages of timers, then events that were never
        received.
        """
        events = self._model.events

        def place(index: int) -> tuple[int, int]:
            phase = point.phases[index]
            if phase.message >= events:
                return 1, phase.place
            return (0 if phase.receives else 2), phase.message

        left = (i for i, each in enumerate(point.phases) if each.status == VISIBLE)
        return sorted(left, key=place)

    def _timers_due(self, point: _Point) -> Iterator[_Point]:
        """Yield the situations after one of the timers is due."""
        for index, phase in enumerate(point.phases):
            if phase.status == UNSENT:
                for _, after, shared in self._model.moves.of(phase, point.shared, 0):
                    yield _with(point, index, after, shared)

    def _deployed(self, point: _Point) -> Iterator[_Point]:
        """Yield the situation after the later version of the chart takes over."""
        for index, phase in enumerate(point.phases):
            if phase.message in self._model.moves.firsts and not point.shared.deployed:
                shared = point.shared._replace(deployed=True)
                yield _with(point, index, phase, shared)

    def _handled(self, point: _Point, index: int, budget: int) -> list[tuple[_Point, int]]:
        """Handle one message from receive to delete; return what it leads to, with failures."""
        model, moves = self._model, self._model.moves
        _, phase, shared = moves.receive(point.phases[index], point.shared)
        first = _with(point, index, phase, shared)
        seen = {first: 0}
        stack = [first]
        found = []
        while stack:
            point = stack.pop()
            phase, failures = point.phases[index], seen[point]
            if not phase.deliveries:
                found.append((point, failures))
                continue
            node = phase.deliveries[0].node
            if node >= 0 and model.table.node(node).kind is ProgramNodeKind.STRANDED:
                continue  # an order that strands an instance is not allowed
            mask = 8 if failures < budget and node >= 0 else 0
            nexts = [(each, failures) for each in self._timers_due(point)]
            nexts += [
                (_with(point, index, after, kept), failures + step.kind.is_fault)
                for step, after, kept in moves.of(phase, point.shared, mask)
            ]
            for after, total in nexts:
                if after not in seen or seen[after] > total:
                    seen[after] = total
                    stack.append(after)
        return found

    def _part(self, point: _Point) -> SerialEnding:
        model = self._model
        calls = model.moves.calls
        return (
            model.table.as_saved(point.shared.state),
            tuple((calls[n].service, calls[n].message) for n in point.shared.effects),
            tuple(each.message for each in point.phases if each.status == DEAD),
        )
