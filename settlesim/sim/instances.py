"""Instances one after another: what each alone proves about all of them together.

Theory of operation
-------------------
Instances share workers, budgets of faults, and the queue; they do not know each other. Take a
schedule of all, and leave out the steps of all other instances: what is left is a schedule of that
instance alone, with as many workers and the whole budget. Fewer workers are busy in it, each
discipline that hands out a message among those of all instances hands it out among those of its
own, and the faults that are left out are used by nobody. So the endings of all together are among
the combinations of the endings of each alone, and if those are allowed, so are these.

One thing is shared by what is *allowed*: services may fail in serial runs too, within the budget of
all instances. So no ending may need more failures in serial order than it took to reach it; see
`failures_reach`.

The other way round, a schedule of one instance alone is part of a schedule of all: `lifted` handles
the messages of the others where the queue insists, and at the end. So one wrong ending of one
instance is a wrong ending of all.
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
    """Whether what holds of each instance alone holds of all: with batches nobody has shown it."""
    return scenario.batch == 1 and scenario.while_running == "enqueue"


def instances_alone(scenario: Scenario) -> Iterator[Scenario]:
    """Yield a scenario for each instance, with all workers and the whole budget."""
    for key in scenario.instances:
        events = [each for each in scenario.events if each.key == key]
        yield scenario.replace(events=events, keys=1, properties=())


def failures_reach(model: Model, graph: Graph, serial: Serial, *, fifo: bool) -> bool:
    """Whether every ending takes at least as many failures as it needs in serial order.

    Parameters
    ----------
    model : of one instance
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
    """Return a schedule of all instances in which one of them has the given one.

    Parameters
    ----------
    model : of all instances
    instance : whose schedule it is, from 0
    schedule : of that instance alone
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
    """Return a step of another instance; that of the handler which is at work, if there is one."""
    others = [step for step in enabled if step.message not in own and step.kind.is_of_handler]
    last = next((step for step in reversed(steps) if step.message not in own), None)
    at_work = [step for step in others if last is not None and step.handler == last.handler]
    return (at_work or others)[0]
