"""The shortest schedule to an ending or a state: fewest faults, then switches, then steps.

Theory of operation
-------------------
A *switch* is a step of another handler than the previous one. So the cost of a schedule depends on
the handler of the last step, and the *nodes* of the search are pairs of a state and that handler.
Faults are no steps of a handler.

Every delivery, and every visible message without one, needs a handler that takes a step. Each of
these handlers costs at least one switch, except the one that took the last step. The search to an
ending first runs A* with this lower bound, which finds the lowest cost. Then Dijkstra's algorithm
runs, restricted to nodes from which that cost can still be reached. Of several schedules with that
cost it returns the first in its own order, so the result is always the same. For a state that is no
ending there is no such bound, and only Dijkstra's algorithm runs.

If it depends on the schedule and not only on the state whether a state is wanted, one bit about the
schedule is kept: the search is then over a `WatchedModel`, whose states have that bit appended.

References
----------
Dijkstra, "A note on two problems in connexion with graphs", 1959.
Hart, Nilsson, Raphael, "A formal basis for the heuristic determination of minimum cost
paths", 1968.
Musuvathi and Qadeer, "Iterative context bounding", PLDI 2007 (few switches show most).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol, TypeAlias

from settlesim.progress import Reporter
from settlesim.sim.disciplines import VISIBLE
from settlesim.sim.model import EndingIdentity, Model, State
from settlesim.sim.moves import MessagePhase
from settlesim.sim.schedule import Schedule
from settlesim.sim.terms import Step

__all__ = ["ShortestWay", "WatchedModel", "shortest", "shortest_to_end", "shortest_to_state"]

_Actor: TypeAlias = tuple[int, int]
_NOBODY: Final[_Actor] = (0, 0)
_STEP: Final = 1
_SWITCH: Final = 1 << 24  # more than the steps of a schedule; _FAULT is more than its switches
_FAULT: Final = 1 << 48
_REPORT: Final = 8_192  # nodes between two reports of progress


class Searched(Protocol):
    """What a search needs to know of a `Model`, or of a `WatchedModel`."""

    @property
    def start(self) -> State:
        """The state at the beginning."""

    @property
    def one_message(self) -> bool:
        """Whether every step changes only one message."""

    @property
    def size(self) -> int:
        """How many messages there are; a state begins with their phases."""

    @property
    def phases(self) -> Sequence[MessagePhase]:
        """The phases by their numbers."""

    def may_end(self, state: State) -> bool:
        """Whether a run may end in a state."""

    def successors(self, state: State) -> list[tuple[Step, State]]:
        """Return the enabled steps, each with the state after it."""


class WatchedModel:
    """A model with one bit appended to its states, which records something about the schedule.

    Parameters
    ----------
    model
        What is watched.
    keep : returns the new bit, given the bit before a state and the state
    first : the bit before the first state
    """

    def __init__(self, model: Model, keep: Callable[[int, State], int], first: int) -> None:
        self._model = model
        self._keep = keep
        self.start: State = (*model.start, keep(first, model.start))
        self.one_message = model.one_message
        self.size = model.size
        self.phases = model.phases

    def may_end(self, state: State) -> bool:
        """Whether a run may end in a state."""
        return self._model.may_end(state[:-1])

    def successors(self, state: State) -> list[tuple[Step, State]]:
        """Return the enabled steps, each with the state after it."""
        bit = state[-1]
        return [
            (step, (*after, self._keep(bit, after)))
            for step, after in self._model.successors(state[:-1])
        ]


def shortest(
    model: Model,
    wanted: Callable[[EndingIdentity], bool],
    most: int,
    reporter: Reporter | None = None,
) -> Schedule | None:
    """Return the shortest schedule to a wanted ending.

    Parameters
    ----------
    model
        What it is a schedule of.
    wanted
        Whether an outcome is wanted.
    most : how many states may be explored
    reporter : is told how many were explored

    Returns
    -------
    schedule
        None if there is none, or if none was found among the first `most` states.

    Raises
    ------
    KeyboardInterrupt
        It was interrupted.
    """
    verdicts: dict[EndingIdentity, bool] = {}

    def reached(state: State) -> bool:
        outcome = model.outcome(state)
        if outcome not in verdicts:
            verdicts[outcome] = wanted(outcome)
        return verdicts[outcome]

    return shortest_to_end(model, reached, most, reporter).schedule


class ShortestWay(NamedTuple):
    """The result of looking for the shortest schedule."""

    schedule: Schedule | None
    states: int
    """How many states were explored."""
    stopped: bool
    """Whether the search stopped because there were too many states."""


def shortest_to_end(
    model: Searched,
    reached: Callable[[State], bool],
    most: int,
    reporter: Reporter | None = None,
) -> ShortestWay:
    """Look for the shortest whole run whose last state is wanted."""
    reporter = reporter or Reporter()
    guided = _Search(model, reached, most, reporter, worst=None, to_end=True)
    if guided.end is None:
        return guided.route()
    exact = _Search(model, reached, most, reporter, worst=guided.costs[guided.end], to_end=True)
    return (guided if exact.end is None else exact).route()


def shortest_to_state(
    model: Searched,
    reached: Callable[[State], bool],
    most: int,
    reporter: Reporter | None = None,
) -> ShortestWay:
    """Look for the shortest schedule to a wanted state; the run need not end there."""
    reporter = reporter or Reporter()
    return _Search(model, reached, most, reporter, worst=None, to_end=False).route()


class _Search:
    """One search: A* if `worst` is None, else Dijkstra's among schedules of at most that cost."""

    def __init__(
        self,
        model: Searched,
        reached: Callable[[State], bool],
        most: int,
        reporter: Reporter,
        *,
        worst: int | None,
        to_end: bool,
    ) -> None:
        self._reporter = reporter
        self._model = model
        self._reached = reached
        self._most = most
        self._worst = worst
        self._to_end = to_end
        self._stopped = False
        self._states: list[State] = []
        self._numbers: dict[State, int] = {}
        self._actors: list[_Actor] = [_NOBODY]
        self._actor_numbers = {_NOBODY: 0}
        self._needs: dict[int, int] = {}
        self.costs: dict[int, int] = {}
        self._before: dict[int, tuple[int, Step]] = {}
        self._waiting: dict[int, list[int]] = {}
        self._keys: list[int] = []  # a heap
        self.end = self._run()

    def route(self) -> ShortestWay:
        """Return the schedule to the node that was found."""
        node = self.end
        if node is None:
            return ShortestWay(None, len(self._states), self._stopped)
        steps: list[Step] = []
        while node in self._before:
            node, step = self._before[node]
            steps.append(step)
        return ShortestWay(Schedule(tuple(reversed(steps))), len(self._states), self._stopped)

    # --- the search -----------------------------------------------------------------------

    def _run(self) -> int | None:
        done: set[int] = set()
        start = self._node(self._model.start, _NOBODY)
        self.costs[start] = 0
        self._wait(start, 0)
        while self._keys:
            for node in self._waiting.pop(heapq.heappop(self._keys)):
                if node in done:
                    continue
                done.add(node)
                if not len(done) % _REPORT:
                    number = len(self._states)
                    self._reporter.report(number, self._most, "states, looking for a schedule")
                if self._is_wanted(node):
                    return node
                self._go_on(node)
                if len(self._states) > self._most:
                    self._stopped = True
                    return None
        return None

    def _is_wanted(self, node: int) -> bool:
        state = self._states[node >> 32]
        return (not self._to_end or self._model.may_end(state)) and self._reached(state)

    def _go_on(self, node: int) -> None:
        last = self._actors[node & 0xFFFFFFFF]
        for step, new in self._model.successors(self._states[node >> 32]):
            cost = self.costs[node] + _STEP
            actor = last
            if step.kind.is_fault:
                cost += _FAULT
            elif step.kind.is_of_handler:
                actor = step.handler
                cost += _SWITCH * (last not in {_NOBODY, actor})
            after = self._node(new, actor)
            known = self.costs.get(after)
            if known is None or cost < known:
                bound = cost
                if self._to_end:
                    bound += _SWITCH * self._switches_left(new, actor)
                if self._worst is not None and bound > self._worst:
                    continue
                self.costs[after] = cost
                self._before[after] = (node, step)
                self._wait(after, bound if self._worst is None else cost)

    def _wait(self, node: int, key: int) -> None:
        """Queue a node; nodes of the same key come out in the order in which they were queued."""
        bucket = self._waiting.get(key)
        if bucket is None:
            bucket = self._waiting[key] = []
            heapq.heappush(self._keys, key)
        bucket.append(node)

    def _node(self, state: State, actor: _Actor) -> int:
        number = self._numbers.get(state)
        if number is None:
            number = self._numbers[state] = len(self._states)
            self._states.append(state)
        who = self._actor_numbers.get(actor)
        if who is None:
            who = self._actor_numbers[actor] = len(self._actors)
            self._actors.append(actor)
        return number << 32 | who

    # --- the lower bound ------------------------------------------------------------------

    def _switches_left(self, state: State, last: _Actor) -> int:
        """Return a lower bound of the switches that are still to come."""
        if not self._model.one_message:  # one step may end the handling of several
            return 0
        size = self._model.size
        handlers = sum(self._need(phase) for phase in state[:size])
        message, delivery = last
        if not message:
            return max(0, handlers - 1)
        phase = self._model.phases[state[message - 1]]
        return handlers - any(each.number == delivery for each in phase.deliveries)

    def _need(self, number: int) -> int:
        """Return how many handlers at least have to take a step for one message."""
        need = self._needs.get(number)
        if need is None:
            phase = self._model.phases[number]
            need = len(phase.deliveries) or int(phase.status == VISIBLE)
            self._needs[number] = need
        return need
