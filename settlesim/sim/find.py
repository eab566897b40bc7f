"""`find`: the shortest schedule to a state in which something holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from settlesim.chart.report import Verdict
from settlesim.errors import SimulationError, shorten
from settlesim.sim.drawing import DrawsSchedule
from settlesim.sim.model import Model, State
from settlesim.sim.models import model_of
from settlesim.sim.observation import Observation
from settlesim.sim.observer import Observer
from settlesim.sim.properties import Question, sometimes
from settlesim.sim.scenario import Scenario
from settlesim.sim.schedule import Schedule
from settlesim.sim.serial import MOST, Serial
from settlesim.sim.shortest import ShortestWay, WatchedModel, shortest_to_end, shortest_to_state
from settlesim.sim.terms import Criterion

__all__ = ["FoundSchedule", "find"]

_LIMIT: Final = 500_000
"""How many states are explored by default."""
_NAME: Final = "what is looked for"


@dataclass(frozen=True, eq=False)
class FoundSchedule(DrawsSchedule):
    """The result of `find`: a schedule, or that there is none, or that it is not known.

    Examples
    --------
    >>> from settlesim.gallery import order
    >>> from settlesim.sim import effect, in_state
    >>> scenario = Scenario(order, ["PAY", "CANCEL"], queue="direct")
    >>> print(find(scenario, in_state("cancelled") & effect("charge_card")))
    found in 4 steps: l1 c1 l2 s2
    >>> print(find(scenario, effect("charge_card", times=2)))
    there is none: 18 states were looked at
    """

    scenario: Scenario
    verdict: Verdict
    """PROVED: there is one. REFUTED: there is none. UNDETERMINED: none was found so far."""
    schedule: Schedule | None
    """The shortest: fewest faults, then fewest switches between handlers, then fewest steps."""
    observation: Observation | None
    """What can be seen where the schedule ends; None without a schedule."""
    states: int
    """How many states were explored."""
    reason: str
    """Why the verdict is undetermined; empty if it is not."""

    def __bool__(self) -> bool:
        """Whether a schedule was found."""
        return self.schedule is not None

    def __str__(self) -> str:
        if self.schedule is not None:
            steps = len(self.schedule)
            return f"found in {steps} step{'s'[: steps != 1]}: {self.schedule}"
        if self.verdict is Verdict.REFUTED:
            return f"there is none: {_states_were(self.states)} looked at"
        return f"not known: {self.reason}"

    def __repr__(self) -> str:
        return f"<FoundSchedule {self}>"


def find(
    scenario: Scenario, predicate: Question, *, passing: bool = False, limit: int = _LIMIT
) -> FoundSchedule:
    """Find the shortest schedule to a state in which a predicate holds.

    Parameters
    ----------
    scenario
        What is simulated.
    predicate : a pure function from an `Observation` to True or False
    passing
        True to look for a whole run in which the predicate holds somewhere, although the scenario's
        criterion allows its ending: a run that every test of its result would pass.
    limit : how many states are explored at most

    Raises
    ------
    SimulationError
        An argument is wrong; the predicate has a name that the scenario does not have, raises, or
        is no pure function; or as `explore`.
    """
    if not isinstance(scenario, Scenario):
        raise SimulationError(
            where="scenario", reason=f"is {shorten(scenario)}; a Scenario is needed"
        )
    if type(limit) is not int or limit < 1:
        reason = f"is {shorten(limit)}; a whole number, 1 or more, is needed"
        raise SimulationError(where="limit", reason=reason)
    model = model_of(scenario.replace(properties=[sometimes(_NAME, predicate)]))
    observer = Observer(model, {_NAME: predicate})
    with model.services_together():
        if passing:
            serial = Serial(model, MOST)
            found = _passing(model, observer, serial, limit)
        else:
            serial = None
            found = shortest_to_state(model, lambda state: bool(observer.answers(state)), limit)
    doubts = [*model.moves.gaps, *model.moves.doubts]
    if found.stopped:
        doubts.insert(0, f"more than {_states_were(limit)} looked at")
    if serial is not None and serial.reason:
        doubts.append(serial.reason)
    verdict = Verdict.UNDETERMINED if doubts else Verdict.REFUTED
    seen = None
    if found.schedule is not None:
        verdict = Verdict.PROVED
        seen = _seen_at_the_end(model, observer, found.schedule)
    reason = "; ".join(doubts) if verdict is Verdict.UNDETERMINED else ""
    return FoundSchedule(scenario, verdict, found.schedule, seen, found.states, reason)


def _states_were(number: int) -> str:
    return "1 state was" if number == 1 else f"{number:,} states were"


def _passing(model: Model, observer: Observer, serial: Serial, limit: int) -> ShortestWay:
    """Look for a whole run with an allowed ending in which the predicate holds somewhere."""
    fifo = model.scenario.criterion is Criterion.FIFO
    judged = serial.is_fifo if fifo else serial.is_serializable

    def keep(bit: int, state: State) -> int:
        return bit or observer.answers(state)

    def reached(state: State) -> bool:
        return bool(state[-1]) and judged(model.outcome(state[:-1])) is True

    return shortest_to_end(WatchedModel(model, keep, 0), reached, limit)


def _seen_at_the_end(model: Model, observer: Observer, schedule: Schedule) -> Observation:
    """Return what can be seen after a schedule of the model."""
    state = model.start
    for step in schedule:
        state = dict(model.successors(state))[step]
    return observer.observation(state)
