"""The shortest way to an ending or a state: fewest faults, then switches, then steps.

Theory of operation
-------------------
A *switch* is a step of another handler than the last one; so the cost of a way depends on
whose step was the last, and the search is over pairs of a state and that handler, *places*.
A fault is no step of a handler.

Every message that is not finished needs a handler to take a step, and so does every
delivery. Each but the one that went last costs a switch at least, which bounds from below
what is still to come on the way to an ending. A* takes that bound for its guide and finds
the cost of the shortest way. Dijkstra's algorithm then runs among the places from which that
cost can still be met, so that of the ways that cost alike the first in the search's own order
is returned, which is always the same. To a state that is no ending there is no such bound,
and Dijkstra's algorithm runs alone.

Where it depends on the way whether a state is wanted, one bit of it is kept: the search is then
over a `WatchedModel`, whose states are those of the model with that bit behind them.

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
_SWITCH: Final = 1 << 24  # a way has fewer steps, and fewer switches
_FAULT: Final = 1 << 48
_REPORT: Final = 8_192  # places between two reports of progress


class Searched(Protocol):
    """What a search needs to know of a `Model`, or of a `WatchedModel`."""

    @property
    def start(self) -> State:
        """Where it begins."""

    @property
    def one_message(self) -> bool:
        """Whether a step changes one message only."""

    @property
    def size(self) -> int:
        """How many messages there are: the first places of a state are their phases."""

    @property
    def phases(self) -> Sequence[MessagePhase]:
        """The phases by their numbers."""

    def may_end(self, state: State) -> bool:
        """Whether nothing has to happen any more."""

    def successors(self, state: State) -> list[tuple[Step, State]]:
        """Return the steps that are enabled, each with the state after it."""


class WatchedModel:
    """A model whose states have one bit more behind them: what is kept of the way there.

    Parameters
    ----------
    model
        What is watched.
    keep : from the bit before and a state to the bit from then on
    first : the bit before the beginning
    """

    def __init__(self, model: Model, keep: Callable[[int, State], int], first: int) -> None:
        self._model = model
        self._keep = keep
        self.start: State = (*model.start, keep(first, model.start))
        self.one_message = model.one_message
        self.size = model.size
        self.phases = model.phases

    def may_end(self, state: State) -> bool:
        """Whether nothing has to happen any more."""
        return self._model.may_end(state[:-1])

    def successors(self, state: State) -> list[tuple[Step, State]]:
        """Return the steps that are enabled, each with the state after it."""
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
    """Return the shortest schedule to an ending that is wanted.

    Parameters
    ----------
    model
        What it is a schedule of.
    wanted
        Says of an outcome whether it is one.
    most : how many states may be looked at
    reporter : is told how many were

    Returns
    -------
    schedule
        None where there is none, or where none was found among so many states.

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
    """What came of looking for a schedule."""

    schedule: Schedule | None
    states: int
    """How many states were looked at."""
    stopped: bool
    """Whether that were too many before all was seen."""


def shortest_to_end(
    model: Searched,
    reached: Callable[[State], bool],
    most: int,
    reporter: Reporter | None = None,
) -> ShortestWay:
    """Look for the shortest whole run: one whose last state is wanted, and may be the last."""
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
    """Look for the shortest schedule to any state that is wanted; a run may go on from there."""
    reporter = reporter or Reporter()
    return _Search(model, reached, most, reporter, worst=None, to_end=False).route()


class _Search:
    """One search: guided where `worst` is None, else exact among ways that cost no more."""

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
        """Return the way to the end that was found."""
        place = self.end
        if place is None:
            return ShortestWay(None, len(self._states), self._stopped)
        steps: list[Step] = []
        while place in self._before:
            place, step = self._before[place]
            steps.append(step)
        return ShortestWay(Schedule(tuple(reversed(steps))), len(self._states), self._stopped)

    # --- the search -----------------------------------------------------------------------

    def _run(self) -> int | None:
        done: set[int] = set()
        start = self._place(self._model.start, _NOBODY)
        self.costs[start] = 0
        self._wait(start, 0)
        while self._keys:
            for place in self._waiting.pop(heapq.heappop(self._keys)):
                if place in done:
                    continue
                done.add(place)
                if not len(done) % _REPORT:
                    number = len(self._states)
                    self._reporter.report(number, self._most, "states, looking for a schedule")
                if self._is_wanted(place):
                    return place
                self._go_on(place)
                if len(self._states) > self._most:
                    self._stopped = True
                    return None
        return None

    def _is_wanted(self, place: int) -> bool:
        state = self._states[place >> 32]
        return (not self._to_end or self._model.may_end(state)) and self._reached(state)

    def _go_on(self, place: int) -> None:
        last = self._actors[place & 0xFFFFFFFF]
        for step, new in self._model.successors(self._states[place >> 32]):
            cost = self.costs[place] + _STEP
            actor = last
            if step.kind.is_fault:
                cost += _FAULT
            elif step.kind.is_of_handler:
                actor = step.handler
                cost += _SWITCH * (last not in {_NOBODY, actor})
            after = self._place(new, actor)
            known = self.costs.get(after)
            if known is None or cost < known:
                bound = cost
                if self._to_end:
                    bound += _SWITCH * self._switches_left(new, actor)
                if self._worst is not None and bound > self._worst:
                    continue
                self.costs[after] = cost
                self._before[after] = (place, step)
                self._wait(after, bound if self._worst is None else cost)

    def _wait(self, place: int, key: int) -> None:
        """Keep a place for later; those of one key come back in their order."""
        bucket = self._waiting.get(key)
        if bucket is None:
            bucket = self._waiting[key] = []
            heapq.heappush(self._keys, key)
        bucket.append(place)

    def _place(self, state: State, actor: _Actor) -> int:
        number = self._numbers.get(state)
        if number is None:
            number = self._numbers[state] = len(self._states)
            self._states.append(state)
        who = self._actor_numbers.get(actor)
        if who is None:
            who = self._actor_numbers[actor] = len(self._actors)
            self._actors.append(actor)
        return number << 32 | who

    # --- the guide ------------------------------------------------------------------------

    def _switches_left(self, state: State, last: _Actor) -> int:
        """Return how many switches are still to come at least."""
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
        """Return how many handlers have to take a step for one message, at least."""
        need = self._needs.get(number)
        if need is None:
            phase = self._model.phases[number]
            need = len(phase.deliveries) or int(phase.status == VISIBLE)
            self._needs[number] = need
        return need
