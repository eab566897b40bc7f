"""Walks at random through a model: each enabled step is equally likely."""

from __future__ import annotations

import random
from collections.abc import Iterator
from fractions import Fraction
from typing import Final, NamedTuple

from settlesim.sim.model import Model, Outcome, State
from settlesim.sim.schedule import Schedule
from settlesim.sim.values import Step

__all__ = ["Met", "met", "walk"]

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


def walk(model: Model, dice: random.Random) -> tuple[list[Step], State]:
    """Walk once, from the start to an end."""
    steps: list[Step] = []
    state = model.start
    for step, state, _ in _steps(model, dice):  # noqa: B007  (the last state is what is wanted)
        steps.append(step)
    return steps, state


def _steps(model: Model, dice: random.Random) -> Iterator[tuple[Step, State, int]]:
    """Walk once; say with each step where it leads, and how many choices there were."""
    state = model.start
    while True:
        after = model.successors(state)
        choices = len(after) + model.may_end(state)
        # where there is no choice no dice are thrown
        choice = dice.randrange(choices) if after else 0
        if choice == len(after):
            return
        step, state = after[choice]
        yield step, state, choices


def met(model: Model) -> dict[Outcome, Met]:
    """Walk a number of times, and return the outcomes that were met.

    The dice are always the same, so the walks are.
    """
    dice = random.Random(0)
    found: dict[Outcome, dict[Schedule, Fraction]] = {}
    work = 0
    for _ in range(_WALKS):
        steps: list[Step] = []
        state, chance = model.start, Fraction(1)
        for step, state, choices in _steps(model, dice):
            steps.append(step)
            chance /= choices
            work += choices * len(state)
            if work > _WORK:
                return _summed(found)
        if model.successors(state):  # it ended where a fault might have come
            chance /= len(model.successors(state)) + 1
        found.setdefault(model.outcome(state), {})[Schedule(tuple(steps))] = chance
    return _summed(found)


def _summed(found: dict[Outcome, dict[Schedule, Fraction]]) -> dict[Outcome, Met]:
    return {
        outcome: Met(
            len(ways),
            sum(ways.values(), Fraction(0)),
            min(ways, key=lambda way: (way.faults, way.switches, len(way))),
        )
        for outcome, ways in found.items()
    }
