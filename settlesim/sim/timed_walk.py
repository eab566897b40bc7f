"""A random walk with times: the next step is the one that is due first.

Rules
-----
1. Every enabled step has a time at which it is due, drawn when it becomes enabled. A service or
   delay that keeps running while others complete keeps its time.
2. A service takes a time from its distribution, or from the `durations` of the scenario, uniformly.
   A delay takes the time that the chart says; a delay of a settled state begins with the save that
   starts it.
3. A receive, load, save or delete takes a time from the distribution ``step``; a message can be
   received when it has arrived and a worker is free. The times between arrivals have the
   distribution ``arrival``.
4. A fault happens after a time from the distribution of its kind, counted from when it becomes
   possible. A fault without a distribution does not happen, except for a time-out, which happens
   when the time is up.
5. Of several steps that are due at the same time, one is chosen at random.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

from settlesim.errors import SimulationError
from settlesim.sim.distributions import Distribution, Seconds, distributions_of
from settlesim.sim.model import Model, State
from settlesim.sim.program_nodes import Branch
from settlesim.sim.scenario import Scenario
from settlesim.sim.terms import Kind, Step
from settlesim.sim.walks import Walk

__all__ = ["TIMES", "TimedWalks", "read_times"]

TIMES: Final[Mapping[str, str]] = {
    "arrival": "between the arrivals of two events; 0 where it is not given",
    "step": "each receive, load, save and delete; 1 ms where it is not given",
    "crashes": "until the worker of a handler crashes",
    "expiries": "until the visibility time-out of a delivery passes",
    "duplicates": "until a message that was deleted is delivered again",
    "service_failures": "until a service fails with an error",
}
"""The times that may be given besides those of services, by name."""

_FAULTS: Final = {
    Kind.CRASH: "crashes",
    Kind.EXPIRE: "expiries",
    Kind.DUPLICATE: "duplicates",
    Kind.FAIL: "service_failures",
}
_STEP: Final = Distribution.constant(0.001)
_AT_ONCE: Final = Distribution.constant(0.0)
_Clock = tuple[str, int, int, str, int, int, str]
_MOST: Final = 100_000  # steps of one walk


def read_times(scenario: Scenario, given: Mapping[str, Seconds]) -> dict[str, Distribution]:
    """Return the distribution of everything that takes time.

    Parameters
    ----------
    given : the durations, by service and by the names of `TIMES`

    Raises
    ------
    SimulationError
        A name is unknown, a value is no distribution, or the duration of a service is missing.
    """
    plain = scenario.batch == 1 and scenario.while_running == "enqueue" and scenario.old is None
    if not plain:
        reason = "cannot be given for deployments, batches, and policies of arrival"
        raise SimulationError(where="durations", reason=reason)
    services = [name for name, role in scenario.chart.roles.items() if role == "service"]
    windows = {name: Distribution.uniform(*each) for name, each in scenario.durations.items()}
    times = windows | distributions_of(given, [*services, *TIMES])
    missing = [name for name in services if name not in times]
    if missing:
        raise SimulationError(
            where="durations",
            reason=f"do not say how long {', '.join(missing)} takes, and a measurement needs that",
        )
    return times


class TimedWalks:
    """Random walks with times through a model.

    Parameters
    ----------
    times : the distributions, by service and by the names of `TIMES`
    """

    def __init__(self, model: Model, times: Mapping[str, Distribution]) -> None:
        self._model = model
        self._times = times
        self._chance: Callable[[], float] = float

    def walk(self, chance: Callable[[], float]) -> Walk:
        """Walk once, from the start until nothing is due any more.

        Parameters
        ----------
        chance : returns uniform random numbers in [0, 1)
        """
        model, self._chance = self._model, chance
        arrivals = self._arrivals()
        due: dict[_Clock, float] = {}
        state, now = model.start, 0.0
        steps: list[Step] = []
        while len(steps) < _MOST:
            after = dict(model.successors(state))
            clocks = {step: self._clock(state, step) for step in after}
            due = {clock: due[clock] for clock in clocks.values() if clock in due}
            for step, clock in clocks.items():
                if clock not in due:
                    due[clock] = self._due(state, step, now, arrivals)
            first = min((due[clock] for clock in clocks.values()), default=math.inf)
            if first == math.inf:
                break
            next_ones = [step for step, clock in clocks.items() if due[clock] == first]
            step = next_ones[int(chance() * len(next_ones))]
            del due[clocks[step]]
            for clock in self._ended_timers(state, step, clocks):
                due.pop(clock, None)
            now, state = first, after[step]
            steps.append(step)
        return Walk(tuple(steps), state, 1, 0)

    def _arrivals(self) -> list[float]:
        apart = self._times.get("arrival", _AT_ONCE)
        found = [0.0]
        while len(found) < self._model.events:
            found.append(found[-1] + apart.draw(self._chance()))
        return found + [0.0] * (self._model.size - self._model.events)

    def _ended_timers(
        self, state: State, step: Step, clocks: Mapping[Step, _Clock]
    ) -> list[_Clock]:
        """Return the clocks of timers that a save ends or restarts."""
        if step.kind is not Kind.SAVE:
            return []
        model = self._model
        phase = model.phases[state[step.message - 1]]
        node = next(each.node for each in phase.deliveries if each.number == step.delivery)
        kept = model.table.node(node).kept
        key = model.key_of[step.message - 1]
        return [
            clock
            for each, clock in clocks.items()
            if each.kind is Kind.DUE
            and model.key_of[each.message - 1] == key
            and model.moves.timer_of[each.message - 1 - model.events][0] not in kept
        ]

    def _branch(self, state: State, step: Step) -> Branch | None:
        """Return the branch of a program that a step takes; None if it takes none."""
        phase = self._model.phases[state[step.message - 1]]
        nodes = (each.node for each in phase.deliveries if each.number == step.delivery)
        node = next(nodes, -1)
        if node < 0:
            return None
        branches = self._model.table.node(node).branches
        of_kind = [branch for branch in branches if branch.kind is step.kind]
        return of_kind[step.choice - 1] if of_kind else None

    def _clock(self, state: State, step: Step) -> _Clock:
        """Return an identity of a step that does not change while it remains enabled."""
        branch = self._branch(state, step)
        phase = self._model.phases[state[step.message - 1]]
        count = phase.receives if step.kind in {Kind.DUE, Kind.DUPLICATE} else step.delivery
        if branch is None:
            at = str(sum(each.number == step.delivery for each in phase.deliveries))
            place = next((e.node for e in phase.deliveries if e.number == step.delivery), 0)
            kept = step.kind in {Kind.CRASH, Kind.EXPIRE}  # these times run from the receive on
            return step.kind.value, step.message, count, at, 0 if kept else place, 0, ""
        which = (branch.activity, branch.number, branch.attempt, branch.text)
        return step.kind.value, step.message, count, *which

    def _due(self, state: State, step: Step, now: float, arrivals: list[float]) -> float:
        """Return when a step is due that becomes enabled now."""
        kind = step.kind
        if kind is Kind.EFFECT:
            return math.inf  # in a walk a service has its effect when it comes back
        if kind in _FAULTS:
            times = self._times.get(_FAULTS[kind])
            return math.inf if times is None else now + times.draw(self._chance())
        branch = self._branch(state, step)
        if branch is not None:
            return now + self._of_branch(branch)
        if kind is Kind.DUE:
            delay, _ = self._model.moves.timer_of[step.message - 1 - self._model.events]
            table = self._model.table
            return now + table.activities.delays[table.durable[delay]].seconds
        phase = self._model.phases[state[step.message - 1]]
        begins = now
        if not phase.deliveries and not phase.receives:
            begins = max(now, arrivals[step.message - 1])
        return begins + self._times.get("step", _STEP).draw(self._chance())

    def _of_branch(self, branch: Branch) -> float:
        """Return how long a service or delay runs."""
        table = self._model.table
        if branch.kind is Kind.DELAY:
            if branch.activity in table.activities.delays:
                return table.activities.delays[branch.activity].seconds
            what = "a wait before a service is called again" if branch.activity else branch.text
            raise SimulationError(where="durations", reason=f"{what} cannot be measured")
        limit = table.activities.invocations[branch.activity].timeout if branch.activity else None
        limit = table.service_timeout if limit is None else limit
        if branch.kind is Kind.TIMEOUT:
            return limit if branch.activity else table.deadline
        return self._times[branch.service].draw(self._chance())
