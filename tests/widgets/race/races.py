"""Scenarios to race, and walks through them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from settlesim.errors import SimulationError
from settlesim.gallery import append_log, order
from settlesim.sim import DISCIPLINES, Scenario
from settlesim.sim.model import Model
from settlesim.widgets.race.walk import ScheduleWalk

__all__ = ["clicks", "ended_walk", "random_walk", "scenarios"]


def clicks(queue: str = "direct", **options: Any) -> Scenario:
    """Return two clicks on one order."""
    return Scenario(order, ["PAY", "CANCEL"], queue=queue, **options)


def scenarios() -> Iterator[Scenario]:
    """Yield scenarios under every discipline, with one and several workers, keys and faults."""
    log = append_log(3)
    for queue in DISCIPLINES:
        for workers in (1, 3):
            yield Scenario(log, ["E1", "E2", "E3"], workers, queue)
            yield Scenario(log, ["E1", "E2"], workers, queue, keys=2)
        for faults in ({"crashes": 1, "service_failures": 1}, {"expiries": 1}, {"duplicates": 1}):
            try:
                yield Scenario(order, ["PAY", "SHIP"], 2, queue, faults=faults)
            except SimulationError:
                continue  # makes no sense under this discipline


def ended_walk(scenario: Scenario, seed: int) -> ScheduleWalk:
    """Take random steps, and return the walk at its end."""
    dice, model, steps = random.Random(seed), Model(scenario), []
    state = model.start
    while enabled := model.successors(state):
        step, state = dice.choice(enabled)
        steps.append(step)
    walk = ScheduleWalk(scenario)
    assert walk.follow(tuple(steps)) is None
    walk.go(walk.last)
    return walk


def random_walk(scenario: Scenario, seed: int) -> Iterator[ScheduleWalk]:
    """Take random steps to the end, and yield the walk at the beginning and after every step."""
    walk = ended_walk(scenario, seed)
    for position in range(walk.last + 1):
        walk.go(position)
        yield walk
