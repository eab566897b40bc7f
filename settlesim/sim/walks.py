"""Walks through a model, where whoever walks chooses each step.

`settlesim.sim.sample` chooses with dice that its caller gave the seed for. `met` walks for
a search that stopped early: by a fixed sequence of numbers, so that the same scenario is
always walked alike.

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
"""From a number of choices to one of them, from 0."""

_WALKS: Final = 100
_WORK: Final = 3_000_000  # places of successor states that are written


class Met(NamedTuple):
    """An outcome that was met by walking."""

    interleavings: int
    """How many different walks came to it."""
    probability: Fraction
    """How likely these are together."""
    schedule: Schedule
    """The shortest of them."""


class Walk(NamedTuple):
    """One way from the start to an end."""

    steps: tuple[Step, ...]
    state: State
    """Where it ends."""
    one_in: int
    """Of how many equally likely walks it is one: the product of the numbers of choices."""
    work: int
    """How many places of successor states were written."""


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
    """Walk a number of times, always the same ways, and return the outcomes that were met."""
    choose = _sequence()
    found: dict[EndingIdentity, dict[Schedule, Fraction]] = {}
    work = 0
    for _ in range(_WALKS):
        way = walk(model, choose)
        work += way.work
        if not model.may_end(way.state):  # what comes next is not known
            continue
        found.setdefault(model.outcome(way.state), {})[Schedule(way.steps)] = Fraction(
            1, way.one_in
        )
        if work > _WORK:
            break
    return _summed(found)


def lengths_of_walks(model: Model, number: int) -> list[int]:
    """Return how many steps a number of walks have, always the same ones."""
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
