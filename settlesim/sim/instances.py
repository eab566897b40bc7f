"""Explores instances one after another: what each alone proves about all of them together.

Theory of operation
-------------------
Instances share the workers, the budget of faults and the queue, and nothing else. Take a schedule
of all instances and leave out the steps of all but one. What remains is a schedule of that instance
alone, with the same number of workers and the whole budget: no more workers are busy in it, no more
faults are used, and every discipline that hands out a message from the whole queue also hands it
out from the messages of its own instance. So the endings of all together are among the combinations
of the endings of each alone. If the latter are all allowed, so are the former.

What is *allowed*, however, depends on one thing that instances share: services may fail in serial
runs too, within the budget of all instances. So the argument holds only if no ending needs more
failures in serial order than it took to reach it; see `failures_reach`.

Conversely, every schedule of one instance alone is part of a schedule of all: `lifted` handles the
messages of the others where the queue hands them out first, and at the end. So a wrong ending of
one instance is part of a wrong ending of all.
"""

from __future__ import annotations

from collections.abc import Iterator

from settlesim.sim.model import EndingIdentity, Model
from settlesim.sim.scenario import Scenario
from settlesim.sim.schedule import Schedule
from settlesim.sim.search import Graph
from settlesim.sim.serial import Serial
from settlesim.sim.terms import Step

__all__ = ["failures_reach", "instances_alone", "lifted", "may_be_taken_apart"]


def may_be_taken_apart(scenario: Scenario) -> bool:
    """Whether the argument above applies: it has not been made for batches and policies."""
    return scenario.batch == 1 and scenario.while_running == "enqueue"


def instances_alone(scenario: Scenario) -> Iterator[Scenario]:
    """Yield a scenario for each instance alone, with all workers and the whole budget."""
    for key in scenario.instances:
        events = [each for each in scenario.events if each.key == key]
        yield scenario.replace(events=events, keys=1, properties=())


def failures_reach(model: Model, graph: Graph, serial: Serial, *, fifo: bool) -> bool:
    """Whether every ending takes at least as many failures as it needs in serial order.

    Parameters
    ----------
    model : the model of one instance
    graph : all its states
    """
    used: dict[EndingIdentity, int] = {}
    for index in graph.ends:
        outcome, failures = model.outcome(graph.states[index]), model.failures(graph.states[index])
        used[outcome] = min(failures, used.get(outcome, failures))
    for outcome, failures in used.items():
        needed = serial.failures(outcome, fifo=fifo)
        if needed is None or needed > failures:
            return False
    return True


def lifted(model: Model, instance: int, schedule: Schedule) -> Schedule:
    """Return a schedule of all instances that contains a schedule of one of them.

    Parameters
    ----------
    model : the model of all instances
    instance : the position of the instance, from 0
    schedule : a schedule of that instance alone
    """
    own = [index + 1 for index, key in enumerate(model.key_of) if key == instance]
    state = model.start
    steps: list[Step] = []
    for each in schedule:
        step = each._replace(message=own[each.message - 1])
        after = dict(model.successors(state))
        while step not in after:  # the queue hands out a message of another instance first
            other = _other(list(after), own, steps)
            steps.append(other)
            state = after[other]
            after = dict(model.successors(state))
        steps.append(step)
        state = after[step]
    while not model.may_end(state):
        after = dict(model.successors(state))
        steps.append(_other(list(after), own, steps))
        state = after[steps[-1]]
    return Schedule(tuple(steps))


def _other(enabled: list[Step], own: list[int], steps: list[Step]) -> Step:
    """Return a step of another instance; if one of its handlers is at work, the next one of it."""
    others = [step for step in enabled if step.message not in own and step.kind.is_of_handler]
    last = next((step for step in reversed(steps) if step.message not in own), None)
    at_work = [step for step in others if last is not None and step.handler == last.handler]
    return (at_work or others)[0]
