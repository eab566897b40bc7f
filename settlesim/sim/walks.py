"""Walks through a model, in which the caller chooses each step.

`settlesim.sim.sample` chooses at random, with the seed of its caller. `met` looks for endings after
a search that stopped early. It uses a fixed sequence of numbers, so its walks through a scenario
are the same in every run.

References
----------
Knuth, The Art of Computer Programming, volume 2, 1997, section 3.3.4 (the multiplier).
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Final, NamedTuple

from settlesim.sim.model import EndingIdentity, Model, State
from settlesim.sim.schedule import Schedule
from settlesim.sim.terms import Step

__all__ = ["Choose", "Met", "Walk", "lengths_of_walks", "met", "walk"]

Choose = Callable[[int], int]
"""Given a number of choices, returns one of them, from 0."""

_WALKS: Final = 100
_WORK: Final = 3_000_000  # the limit of `Walk.work`, summed over all walks


class Met(NamedTuple):
    """An outcome that was met by walking."""

    interleavings: int
    """How many different walks reached it."""
    probability: Fraction
    """The probability of these walks together."""
    schedule: Schedule
    """The shortest of them."""


class Walk(NamedTuple):
    """One walk from the start to an end."""

    steps: tuple[Step, ...]
    state: State
    """The last state."""
    one_in: int
    """The inverse of its probability: the product of the numbers of choices."""
    work: int
    """How many elements of successor states were computed."""


def walk(model: Model, choose: Choose) -> Walk:
    """Walk once, from the start to an end."""
    steps: list[Step] = []
    state, one_in, work = model.start, 1, 0
    while after := model.successors(state):
        choices = len(after) + model.may_end(state)
        one_in *= choices
        work += choices * len(state)
        choice = choose(choices)
        if choice == len(after):
            break
        step, state = after[choice]
        steps.append(step)
    return Walk(tuple(steps), state, one_in, work)


def met(model: Model) -> dict[EndingIdentity, Met]:
    """Return the outcomes of a number of walks, which are the same in every run."""
    choose = _sequence()
    found: dict[EndingIdentity, dict[Schedule, Fraction]] = {}
    work = 0
    for _ in range(_WALKS):
        way = walk(model, choose)
        work += way.work
        if not model.may_end(way.state):  # the model could not continue
            continue
        found.setdefault(model.outcome(way.state), {})[Schedule(way.steps)] = Fraction(
            1, way.one_in
        )
        if work > _WORK:
            break
    return _summed(found)


def lengths_of_walks(model: Model, number: int) -> list[int]:
    """Return the lengths of a number of walks, which are the same in every run."""
    choose = _sequence()
    return [len(walk(model, choose).steps) for _ in range(number)]


def _sequence() -> Choose:
    """Return a function that chooses by a linear congruential sequence."""
    value = 0

    def choose(choices: int) -> int:
        nonlocal value
        value = (value * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        return (value >> 33) % choices  # the upper bits are the better ones

    return choose


def _summed(found: dict[EndingIdentity, dict[Schedule, Fraction]]) -> dict[EndingIdentity, Met]:
    return {
        outcome: Met(
            len(ways),
            sum(ways.values(), Fraction(0)),
            min(ways, key=lambda way: (way.faults, way.switches, len(way))),
        )
        for outcome, ways in found.items()
    }
