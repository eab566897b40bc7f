"""`ScheduleWalk`: a schedule that a person walks along, back and forth, step by step.

A walk is a replay and a position in it. The steps after the position are kept while it moves
back and forth, and dropped when a different step is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Final

from settlesim.errors import ReplayDivergedError
from settlesim.runtime.coroutines import in_thread
from settlesim.sim import Ending, Frame, Kind, Replay, Scenario, Schedule, Step, replay
from settlesim.sim.compiled import CompiledChart
from settlesim.sim.model import table_for
from settlesim.sim.serial import FEW
from settlesim.sim.services import Services

__all__ = ["ScheduleWalk", "translated"]

_OVER: Final = frozenset({Kind.SAVE, Kind.SKIP})
"""After these a handler has only its delete left."""


class ScheduleWalk:
    """A schedule of a scenario, and how far it is shown.

    Parameters
    ----------
    scenario
        The scenario of the schedule.
    table : the programs of its chart; walks of one chart may share it
    """

    def __init__(self, scenario: Scenario, table: CompiledChart | None = None) -> None:
        self.scenario = scenario
        self.table = table_for(scenario) if table is None else table
        self.replay: Replay = self._replayed(())
        self.at = 0
        """How many steps are shown."""

    def _replayed(self, steps: tuple[Step, ...]) -> Replay:
        schedule, table = Schedule(steps), self.table
        # few serial orders whatever the criterion, because somebody waits for the next step
        return _apart(lambda: replay(self.scenario, schedule, table=table, judge=FEW), table)

    # --- looking --------------------------------------------------------------------------

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps, including those that are not shown."""
        return self.replay.schedule.steps

    @property
    def last(self) -> int:
        """How many steps there are."""
        return len(self.steps)

    @property
    def frame(self) -> Frame:
        """The frame at the position."""
        return self.replay.frames[self.at]

    @property
    def before(self) -> Frame | None:
        """The frame before that; None at the beginning."""
        return self.replay.frames[self.at - 1] if self.at else None

    @property
    def ending(self) -> Ending | None:
        """The ending; None while steps have to come."""
        return self.replay.ending if self.at == self.last else None

    @property
    def anomalies(self) -> tuple[str, ...]:
        """The names of all anomalies up to here, in the order in which they came."""
        frames = self.replay.frames[: self.at + 1]
        return tuple(dict.fromkeys(name for frame in frames for name in frame.anomalies))

    @property
    def shown(self) -> Schedule:
        """The steps up to here."""
        return Schedule(self.steps[: self.at])

    # --- walking --------------------------------------------------------------------------

    def go(self, position: int) -> None:
        """Show the first `position` steps, at least none and at most all of them."""
        self.at = max(0, min(position, self.last))

    def take(self, step: Step) -> None:
        """Take a step from here; the later steps are dropped, unless they begin with this one.

        Raises
        ------
        ReplayDivergedError
            The step is not enabled.
        """
        if self.at == self.last or self.steps[self.at] != step:
            self.replay = self._replayed((*self.steps[: self.at], step))
        self.at += 1

    def follow(self, steps: tuple[Step, ...]) -> ReplayDivergedError | None:
        """Follow these steps from the beginning, as far as they are possible.

        Returns
        -------
        error : of the first step that is not possible; None if all are
        """
        error: ReplayDivergedError | None = None
        try:
            found = self._replayed(steps)
        except ReplayDivergedError as diverged:
            error = diverged
            found = self._replayed(steps[: diverged.position - 1])
        self.replay = found
        self.at = self.last
        return error

    def under(self, scenario: Scenario) -> tuple[ScheduleWalk, ReplayDivergedError | None]:
        """Return the same steps in another scenario of the chart, as far as they are possible."""
        same = scenario.faults.service_failures == self.scenario.faults.service_failures
        other = ScheduleWalk(scenario, self.table if same else None)
        steps = translated(self.steps[: self.at], self.scenario.queue, scenario.queue)
        return other, other.follow(steps)


def _apart(work: Callable[[], Replay], table: CompiledChart) -> Replay:
    """Do the work in a thread without an event loop, where many services cost least.

    To judge an ending, thousands of services may be needed. Where a loop runs, as in a notebook,
    each of them would need its own thread.
    """

    def run() -> Replay:
        services = table.perform
        with services.together() if isinstance(services, Services) else nullcontext():
            return work()

    return in_thread(run)


def translated(steps: tuple[Step, ...], queue: str, other: str) -> tuple[Step, ...]:
    """Return the steps as they are under another queue discipline.

    Without a queue nothing is received or deleted: a handler begins with its load, and ends
    with its save.

    Examples
    --------
    >>> direct = Schedule.parse("l1 l2 c1 s1 s2").steps
    >>> str(Schedule(translated(direct, "direct", "standard")))
    'r1 l1 r2 l2 c1 s1 d1 s2 d2'
    """
    if (queue == "direct") == (other == "direct"):
        return steps
    if other == "direct":
        return tuple(each for each in steps if each.kind not in {Kind.RECEIVE, Kind.DELETE})
    found: list[Step] = []
    for each in steps:
        if each.kind is Kind.LOAD:
            found.append(each._replace(kind=Kind.RECEIVE))
        found.append(each)
        if each.kind in _OVER:
            found.append(each._replace(kind=Kind.DELETE))
    return tuple(found)
