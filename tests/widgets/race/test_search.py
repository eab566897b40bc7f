"""Explorations in a thread: told at home, stopped, given up."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from settlesim.errors import SimulationError
from settlesim.gallery import append_log
from settlesim.sim import Exploration, Scenario, Verdict, explore
from settlesim.widgets.base.thread import Home
from settlesim.widgets.race.search import Search, State
from tests.widgets.race.races import clicks


class Told:
    """Keeps what a search tells, and in which thread."""

    def __init__(self, limit: int = 300_000) -> None:
        self.states: list[State] = []
        self.threads: set[int] = set()
        self.failed: list[BaseException] = []
        self.search = Search(Home(), self._told, self.failed.append, limit)

    def _told(self) -> None:
        self.states.append(self.search.state)
        self.threads.add(threading.get_ident())


def large() -> Scenario:
    """Return a scenario of some hundred thousand states."""
    names = ["E1", "E2", "E3", "E4", "E5"]
    return Scenario(append_log(5), names, 3, "standard", faults={"crashes": 2, "expiries": 1})


def test_a_search_ends_with_what_explore_finds() -> None:
    """Running first, then done; the exploration is that of the same scenario."""
    told = Told()
    told.search.start(clicks())
    assert told.search.wait()
    statuses = [each.status for each in told.states]
    assert statuses[0] == "running"
    assert statuses[-1] == "done"
    found = told.search.state.exploration
    assert found is not None
    assert found.endings == explore(clicks()).endings
    assert found.scenario == clicks()


def test_a_stopped_search_is_no_proof_and_keeps_what_it_knows() -> None:
    """UNDETERMINED, with the states that were found and the reason."""
    told = Told(limit=2_000_000)
    told.search.start(large())
    told.search.stop()
    assert told.search.state.status == "stopping"
    assert told.search.wait()
    found = told.search.state.exploration
    assert found is not None
    assert found.verdict is Verdict.UNDETERMINED
    assert not found.complete
    assert 0 < found.states < 2_000_000
    assert "interrupted" in found.reason


def test_a_search_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of states grows while it runs, and ends at the limit."""
    monkeypatch.setattr("settlesim.sim.search_choice.FEW_STATES", 5_000)
    told = Told(limit=60_000)
    told.search.start(large())
    assert told.search.wait()
    counts = [each.found for each in told.states if each.status == "running"]
    assert counts == sorted(counts)
    assert told.search.state.found >= 60_000


def test_another_search_is_all_that_is_told() -> None:
    """What was given up ends unheard."""
    told = Told(limit=2_000_000)
    told.search.start(large())
    told.search.start(clicks())
    assert told.search.wait()
    found = told.search.state.exploration
    assert found is not None
    assert found.scenario == clicks()
    names = {each.scenario.chart.name for s in told.states if (each := s.exploration) is not None}
    assert names == {"order"}


def test_after_giving_up_nothing_is_there() -> None:
    """No state, no exploration, and nothing to wait for."""
    told = Told(limit=2_000_000)
    told.search.start(large())
    told.search.abandon()
    assert told.search.state == State()
    assert told.search.wait()
    told.search.stop()
    assert told.search.state.status == "none"


def test_what_can_not_be_explored_is_told_as_an_error() -> None:
    """An event that comes back for ever: the error of the simulator, not a dead thread."""
    from settlesim import Chart

    states: list[Any] = [{"name": "a", "tags": ["settled"]}, {"name": "stuck"}]
    chart = Chart(states, [["GO", "a", "stuck"]], "a", name="poison")
    told = Told()
    told.search.start(Scenario(chart, ["GO"]))
    assert told.search.wait()
    assert told.search.state.status == "failed"
    assert isinstance(told.search.state.error, SimulationError)


def test_in_a_loop_everything_is_told_in_its_thread() -> None:
    """The loop goes on meanwhile: it is what brings the news."""
    turns = 0

    async def main() -> Told:
        nonlocal turns
        told = Told(limit=10_000)
        told.search.start(large())
        while told.search.state.status == "running":
            turns += 1
            await asyncio.sleep(0.001)
        return told

    told = asyncio.run(main())
    assert told.threads == {threading.get_ident()}
    assert told.search.state.status == "done"
    assert turns > 10


def test_waiting_in_the_loop_itself_does_not_wait_for_ever() -> None:
    """The result is taken over by who waits, before the loop could bring it."""

    async def main() -> State:
        told = Told()
        told.search.start(clicks())
        told.search.wait()
        return told.search.state

    assert asyncio.run(main()).status == "done"


@pytest.mark.parametrize("many", [False, True])
def test_a_schedule_is_worked_out_at_once_or_beside(
    many: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through many states it takes a thread; the schedule is the same."""
    if many:
        monkeypatch.setattr("settlesim.widgets.race.search._QUICK", 0)
    told = Told()
    told.search.start(clicks())
    told.search.wait()
    came = threading.Event()
    schedules: list[Any] = []

    def then(schedule: Any) -> None:
        schedules.append(schedule)
        came.set()

    assert told.search.jump(lambda found: found.counterexample, then) is many
    assert came.wait(20)
    assert schedules == [explore(clicks()).counterexample]


def test_a_schedule_that_cannot_be_worked_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost in a thread."""
    monkeypatch.setattr("settlesim.widgets.race.search._QUICK", 0)
    told = Told()
    told.search.start(clicks())
    told.search.wait()
    ended = threading.Event()

    def fail(found: Exploration) -> None:
        ended.set()
        raise KeyError("no such schedule")

    told.search.jump(fail, lambda schedule: None)
    assert ended.wait(20)
    while not told.failed:  # it is told right after
        threading.Event().wait(0.001)
    assert isinstance(told.failed[0], KeyError)


def test_without_a_result_there_is_no_way() -> None:
    """Nothing was explored yet."""
    assert Told().search.jump(lambda found: found.counterexample, lambda schedule: None) is False
