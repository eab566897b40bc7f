"""The rank of a state: a number that every step makes larger.

Theory of operation
-------------------
Every step uses up something that does not come back: a receive uses an ordinal, a step of a handler
one of the remaining steps of its program, a fault a part of the budget. `Ranks` turns that into a
number. Each receive of a message counts as a whole handler, less the steps that its handler still
has to take; each fault, each timer that was sent and each take-over of a version counts one. A
handler that is refused has used up its receive.

If every handler takes the same number of steps, the rank is the number of steps so far.

References
----------
Christensen, Kristensen, Mailund, "A sweep-line method for state space exploration", TACAS 2001
(a progress measure, by whose order states are explored and forgotten).
"""

from __future__ import annotations

from settlesim.sim.disciplines import UNSENT
from settlesim.sim.model import Model
from settlesim.sim.moves import DONE, START, START_OLD, MessagePhase, Shared
from settlesim.sim.program_nodes import ProgramNodeKind
from settlesim.sim.terms import Step

__all__ = ["LongerProgramError", "NoRankError", "Ranks"]

_WRITES = {ProgramNodeKind.SAVE, ProgramNodeKind.SKIP}


class NoRankError(Exception):
    """A step does not make the rank larger, so states cannot be explored by rank."""


class LongerProgramError(Exception):
    """A program has more steps than was assumed, namely `steps`."""

    def __init__(self, steps: int) -> None:
        super().__init__(steps)
        self.steps = steps


class Ranks:
    """The ranks of a model.

    Parameters
    ----------
    model
        Its rules say which steps there are.
    longest : the assumed length of the longest program, in steps
    """

    def __init__(self, model: Model, longest: int = 0) -> None:
        scenario = model.scenario
        self._table = model.table
        self._write = 1 if scenario.queue == "direct" or "atomic" in scenario.protections else 2
        self._heights: dict[int, int] = {}
        self._ranks: dict[MessagePhase, int] = {}
        self.longest = longest or self._write

    def of_move(
        self,
        step: Step,
        before: tuple[MessagePhase, Shared],
        after: tuple[MessagePhase, Shared],
    ) -> int:
        """Return by how much a step raises the rank, 1 or more.

        Raises
        ------
        LongerProgramError
            A program is longer than `longest`.
        NoRankError
            The step does not make the rank larger.
        """
        rise = self._of_phase(after[0]) - self._of_phase(before[0])
        rise += after[1].deployed - before[1].deployed + step.kind.is_fault
        if rise < 1:
            raise NoRankError(f"step {step} uses nothing up")
        return rise

    def _of_phase(self, phase: MessagePhase) -> int:
        found = self._ranks.get(phase)
        if found is None:
            whole = self.longest + 2  # receive, load, and the program
            left = sum(self._left(each.node) for each in phase.deliveries)
            found = self._ranks[phase] = phase.receives * whole - left + (phase.status != UNSENT)
        return found

    def _left(self, node: int) -> int:
        """Return how many steps a handler still has to take at most."""
        if node in {START, START_OLD}:
            return self.longest + 1
        if node == DONE:
            return 1
        height = self._height(node)
        if height > self.longest:
            raise LongerProgramError(height)
        return height

    def _height(self, number: int) -> int:
        """Return the length of the longest path through a program."""
        waiting = [number]
        while waiting:
            node = self._table.node(waiting[-1])
            unknown = [each.after for each in node.branches if each.after not in self._heights]
            if unknown:
                waiting += unknown
                continue
            below = max((self._heights[each.after] for each in node.branches), default=0)
            own = self._write if node.kind in _WRITES else 1
            self._heights[waiting.pop()] = own + below
        return self._heights[number]
