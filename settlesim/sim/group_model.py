"""`GroupModel`: a scenario whose steps may change several messages of one instance together.

The receive of a batch, its end, and the arrival of an event that cancels another one are such
steps. The state is that of `settlesim.sim.model.Model`, with the same methods. The moves, however,
are those of all messages of an instance and are looked up by the phases of all of them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar, NamedTuple, TypeAlias

from settlesim.sim.compiled import CompiledChart
from settlesim.sim.model import Model, State
from settlesim.sim.moves import MessagePhase, Moves, Shared
from settlesim.sim.scenario import Scenario
from settlesim.sim.terms import Step

__all__ = ["GroupModel", "GroupMove", "GroupMoves", "Offered", "Phases", "with_phase"]

Phases: TypeAlias = tuple[MessagePhase, ...]
"""The phases of all messages of one instance, in arrival order."""
GroupMove: TypeAlias = tuple[Step, Phases, Shared]
_Change: TypeAlias = tuple[Step, tuple[int, ...], int, int]
"""Step, new phases, change of the queue number, new shared part."""


class Offered(NamedTuple):
    """What the queue offers to one instance."""

    receivable: tuple[int, ...]
    """The messages that may be received now."""
    arriving: int | None
    """The event that arrives next, if it is for the instance."""


class GroupMoves(Moves):
    """The rules of one message, and of several messages of one instance."""

    @abstractmethod
    def together(
        self, phases: Phases, shared: Shared, mask: int, offered: Offered
    ) -> Iterator[GroupMove]:
        """Yield every move of an instance; `mask` has a bit for each kind of fault that is left."""


class GroupModel(Model):
    """The states and moves of a scenario in which messages of an instance change together."""

    one_message: ClassVar[bool] = False
    moves: GroupMoves

    def __init__(self, scenario: Scenario, table: CompiledChart | None = None) -> None:
        self._known: dict[tuple[object, ...], list[_Change]] = {}
        super().__init__(scenario, table)
        self._own = [
            tuple(index for index in range(self.size) if self.key_of[index] == key)
            for key in range(len(self.instances))
        ]

    def arriving(self, queue: int) -> int | None:
        """Return the event that arrives next; None if all have arrived."""
        return None

    def successors(self, state: State) -> list[tuple[Step, State]]:
        """Return every step that is enabled, with the state after it, instance by instance."""
        size = self.size
        queue = state[size]
        gate, arriving = self.gate(queue), self.arriving(queue)
        found = []
        for key, own in enumerate(self._own):
            offered = Offered(
                tuple(index for index in gate.receivable if self.key_of[index] == key),
                arriving if arriving is not None and self.key_of[arriving] == key else None,
            )
            place = size + 1 + key
            before = tuple(state[index] for index in own)
            parts = list(state)
            for step, after, change, shared in self._changes(
                before, state[place], gate.mask, offered
            ):
                for index, phase in zip(own, after, strict=True):
                    parts[index] = phase
                parts[size] = queue + change
                parts[place] = shared
                found.append((step, tuple(parts)))
        return found

    def _changes(
        self, before: tuple[int, ...], shared: int, mask: int, offered: Offered
    ) -> list[_Change]:
        key = (before, shared, mask, offered)
        found = self._known.get(key)
        if found is None:
            phases = tuple(self.phases[number] for number in before)
            moves = self.moves.together(phases, self.shared[shared], mask, offered)
            found = [self._change(before, *move) for move in moves]
            self._known[key] = found  # only when it is whole, since an interrupt may come before
        return found

    def _change(
        self, before: tuple[int, ...], step: Step, phases: Phases, shared: Shared
    ) -> _Change:
        after = tuple(map(self.number_of_phase, phases))
        change = sum(map(self.weight, after)) - sum(map(self.weight, before)) - self._cost(step)
        return step, after, change, self.number_of_shared(shared)


def with_phase(phases: Phases, place: int, phase: MessagePhase) -> Phases:
    """Return phases with one of them changed."""
    return (*phases[:place], phase, *phases[place + 1 :])
