"""The shortest way to an ending: fewest faults, then fewest switches, then fewest steps.

Theory of operation
-------------------
Dijkstra's algorithm with a cost that is compared part by part. A *switch* is a step of
another handler than the last one; so the cost of a way depends on whose step was the last,
and the search is over pairs of a state and that handler. A fault is no step of a handler.

References
----------
Dijkstra, "A note on two problems in connexion with graphs", 1959.
Musuvathi and Qadeer, "Iterative context bounding", PLDI 2007 (few switches show most).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from settlesim.sim.model import Model, Outcome, State
from settlesim.sim.schedule import Schedule
from settlesim.sim.values import Step

__all__ = ["shortest"]

_Actor = tuple[int, int]
_Place = tuple[State, _Actor]
_NOBODY: _Actor = (0, 0)


def shortest(model: Model, wanted: Callable[[Outcome], bool]) -> Schedule | None:
    """Return the shortest schedule to an ending that is wanted; None where there is none.

    Among equally short ones the search's own order decides, which is always the same.
    """
    start: _Place = (model.start, _NOBODY)
    before: dict[_Place, tuple[_Place, Step] | None] = {}
    waiting: list[tuple[int, int, int, int, _Place, tuple[_Place, Step] | None]]
    waiting = [(0, 0, 0, 0, start, None)]
    verdicts: dict[Outcome, bool] = {}
    number = 0
    while waiting:
        faults, switches, steps, _, place, origin = heapq.heappop(waiting)
        if place in before:
            continue
        before[place] = origin
        state, last = place
        after = model.successors(state)
        if model.may_end(state):
            outcome = model.outcome(state)
            if outcome not in verdicts:
                verdicts[outcome] = wanted(outcome)
            if verdicts[outcome]:
                return Schedule(_path(before, place))
        for step, new in after:
            number += 1
            fault = step.kind.is_fault
            actor = last if fault else (step.message, step.delivery)
            switch = not fault and last not in {_NOBODY, actor}
            if (new, actor) not in before:
                heapq.heappush(
                    waiting,
                    (
                        faults + fault,
                        switches + switch,
                        steps + 1,
                        number,
                        (new, actor),
                        (place, step),
                    ),
                )
    return None


def _path(before: dict[_Place, tuple[_Place, Step] | None], place: _Place) -> tuple[Step, ...]:
    steps: list[Step] = []
    while True:
        origin = before[place]
        if origin is None:
            return tuple(reversed(steps))
        place, step = origin
        steps.append(step)
