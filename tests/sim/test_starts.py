"""Messages that start an instance without an event, as runtime and queue have them."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from settlesim import Interpreter, MemoryStore, SimulatedClock
from settlesim.chart import Chart
from settlesim.errors import SimulationError
from settlesim.gallery import order
from settlesim.sim import Arrival, Scenario, Verdict, explore, replay
from tests.sim.charts import starting

Rest = tuple[tuple[str, ...], str]


def real(chart: Chart, events: tuple[str | None, ...]) -> Rest:
    """Where the real interpreter comes to when it handles these one after another."""
    store = MemoryStore()
    interpreter = Interpreter(chart, store, clock=SimulatedClock())
    for event in events:
        if event is None:
            interpreter.start_sync("k")
        else:
            interpreter.settle_sync("k", event)
    snapshot = store.load("k")
    assert snapshot is not None
    return snapshot.configuration, str(snapshot.context)


@pytest.mark.parametrize(
    ("chart", "events"),
    [
        (starting, [None, "GO", "END"]),
        (starting, ["GO", None]),
        (starting, [None, None, "LATER"]),
        (order, [None, "PAY", "CANCEL"]),
    ],
)
def test_under_a_lock_all_ends_as_some_order_of_the_real_interpreter(
    chart: Chart, events: list[Any]
) -> None:
    """Exactly these endings; under a FIFO queue exactly that of the order of arrival."""
    scenario = Scenario(chart, [("k", each) for each in events], queue="mutex", workers=1)
    rests = {(each.store[0][1], str(each.store[0][2])) for each in explore(scenario).endings}
    assert rests == {real(chart, each) for each in permutations(events)}
    fifo = explore(scenario.replace(queue="fifo_group"))
    assert fifo.verdict is Verdict.PROVED
    assert {(each.store[0][1], str(each.store[0][2])) for each in fifo.endings} == {
        real(chart, tuple(events))
    }


def test_a_start_is_a_save_that_others_have_not_seen() -> None:
    """With compare-and-set a payment that loaded before is refused; the card is charged twice."""
    found = explore(Scenario(order, [None, "PAY"], queue="direct", protections=["cas"]))
    charged = {len(each.effects) for each in found.endings}
    assert charged == {1, 2}
    way = next(found.way_to(each) for each in found.endings if len(each.effects) == 2)
    played = replay(found.scenario, way)
    texts = [frame.text for frame in played.frames]
    assert any(each.startswith("start: new") and "revision 1" in each for each in texts)
    assert played.frames[-1].messages[0].event == "start"


def test_a_scenario_with_a_start_is_read_as_it_was_written() -> None:
    """None stands for the event in JSON too; an event that is called start is another one."""
    scenario = Scenario(order, [None, "PAY"], keys=2)
    assert scenario.events[0].starts
    assert [each.words for each in scenario.events[:2]] == ["start", "PAY"]
    again = Scenario.from_dict(scenario.to_dict(), order.functions)
    assert again == scenario
    assert again.events == scenario.events
    assert scenario.to_dict()["events"][0] == ["order-1", None, None]
    assert not Arrival("k", "start").starts
    assert scenario.unknown_events == ()
    with pytest.raises(SimulationError, match="has no data"):
        Scenario(order, [("k", None, {"amount": 1})])
