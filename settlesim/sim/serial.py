"""What is allowed: the endings of handling the events one after another.

Theory of operation
-------------------
A serial run handles one message at a time from its receive to its delete, by the same rules
as everything else (`settlesim.sim.moves`), without crashes, expiries and duplicates.
Services may fail as often as the scenario says: that is the world's choice and no fault of
the order. So are the order in which services and delays of one handler complete, and when a
timer is due: its message may come at any place. A message that is released may be handled again.

*FIFO-serial*: always the oldest message that is left. Where no service fails, nothing runs beside
a service, and no timer is due, that is one ending, the fold of the chart over the events in arrival
order. *Serializable*: any message. Instances do not know each other, so both are worked out
for each instance alone, and an ending is allowed if each of its parts is; the failures that the
parts need at least must not be more in all than the scenario has. Events that a policy kept out
are in no serial run: an ending is compared with runs of those that were accepted.

The model has no real time, so *serializable* is the plain notion; FIFO-serial is what
strict serializability becomes when arrival order takes the place of real time.

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
"""How many serial situations of one instance are looked at; 7 events of a log have 13,700."""
FEW: Final = 2_000
"""The same where not everything is seen anyway; 6 events of a log have 1,957."""

SerialEnding: TypeAlias = tuple[int, tuple[tuple[str, int], ...], tuple[int, ...]]
_Asked = tuple[bool, tuple[int, ...]]
"""Whether in arrival order, and which events were kept out."""


class _Point(NamedTuple):
    """Between two handlers of one instance."""

    phases: tuple[MessagePhase, ...]
    shared: Shared


def _with(point: _Point, index: int, phase: MessagePhase, shared: Shared) -> _Point:
    phases = point.phases
    return _Point((*phases[:index], phase, *phases[index + 1 :]), shared)


class SerialPart(NamedTuple):
    """What becomes of one instance."""

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
        Gives the rules.
    most : how many serial situations of one instance are looked at
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
        """Why the endings of serial runs are not known; empty where they are."""
        return self._reasons.get(True) or self._reasons.get(False, "")

    def stop(self, reason: str) -> None:
        """Work out nothing more."""
        self._stopped = reason
        for fifo in (True, False):
            if not any(asked[0] is fifo for asked in self._known):
                self._reasons[fifo] = reason

    def is_fifo(self, outcome: EndingIdentity) -> bool | None:
        """Whether it comes out of handling in arrival order; None where that is not known."""
        return self._allows(self._endings(outcome.excluded, fifo=True), outcome)

    def is_serializable(self, outcome: EndingIdentity) -> bool | None:
        """Whether it comes out of some serial order; None where there are too many."""
        if self.is_fifo(outcome):
            return True
        return self._allows(self._endings(outcome.excluded, fifo=False), outcome)

    def failures(self, outcome: EndingIdentity, *, fifo: bool) -> int | None:
        """Return how many failing services an ending needs at least in serial order.

        None where no serial run has this ending, or where that is not known.
        """
        parts = self._endings(outcome.excluded, fifo=fifo)
        return None if parts is None else self._needed(parts, outcome)

    def fifo_part(self, instance: int, excluded: Sequence[int] = ()) -> SerialPart | None:
        """Return where handling in arrival order leads an instance; None if not known.

        Of several such places the one that needs the fewest failing services.

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
            # where a serial run leads beyond what is known, it may be allowed all the same
            return None if self._model.moves.gaps else False
        return failures <= self._budget

    def _needed(self, parts: list[dict[SerialEnding, int]], outcome: EndingIdentity) -> int | None:
        """Return the failures that an ending needs; None where a part of it is in no serial run."""
        failures = 0
        for key, part in enumerate(parts):
            dead = tuple(each for each in outcome.dead if self._model.key_of[each] == key)
            least = part.get((outcome.states[key], outcome.effects[key], dead))
            if least is None:
                return None
            failures += least
        return failures

    def parts(self, *, fifo: bool) -> list[dict[SerialEnding, int]] | None:
        """Return the endings of each instance with the failures that each needs; None if unknown.

        An ending is the state, the effects in order, each a service and a message, and the dead
        letters; messages count from 0.
        """
        return None if self._model.moves.gaps else self._endings((), fifo=fifo)

    def allowed(self, *, fifo: bool) -> int | None:
        """Return how many endings are allowed; None where that is not known.

        Those that need more failing services than there are in all count too.
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
            except PoisonError as error:  # in an order that the queue may not allow
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
            return None  # so many sets of handled messages there are at least
        seen = {first: 0}
        waiting = [first]
        endings: dict[SerialEnding, int] = {}
        for point in waiting:  # grows while it is gone through
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
        """Return an instance with all events that were accepted."""
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
        """Return the messages that wait, in the order in which they stand in the queue.

        One that came back is the oldest; messages of timers stand before the events that were not
        received yet.
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
        """Yield what is there when one of the timers is due."""
        for index, phase in enumerate(point.phases):
            if phase.status == UNSENT:
                for _, after, shared in self._model.moves.of(phase, point.shared, 0):
                    yield _with(point, index, after, shared)

    def _deployed(self, point: _Point) -> Iterator[_Point]:
        """Yield what is there when the later version of the chart takes over."""
        for index, phase in enumerate(point.phases):
            if phase.message in self._model.moves.firsts and not point.shared.deployed:
                shared = point.shared._replace(deployed=True)
                yield _with(point, index, phase, shared)

    def _handled(self, point: _Point, index: int, budget: int) -> list[tuple[_Point, int]]:
        """Handle one message from receive to delete; return where that leads."""
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
                continue  # no order in which an instance is left behind is allowed
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
