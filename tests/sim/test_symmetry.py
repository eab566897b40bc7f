"""Equal events: looking once at states that are alike changes nothing that is found."""

from __future__ import annotations

import random
from typing import Any

import pytest

from settlesim.gallery import append_log, counter, order
from settlesim.sim import PROTECTIONS, Exploration, Scenario, effect, explore, never, predict
from settlesim.sim.model import Model
from settlesim.sim.models import model_of
from settlesim.sim.moves import PoisonError
from settlesim.sim.symmetry import AlikeModel, equal_events, exchanges

CHARTS = [
    (counter(effect=True), ["INC"]),
    (order, ["PAY", "SHIP", "CANCEL"]),
    (append_log(3, effect=True), ["E1", "E2"]),
]


def scenario_by(dice: random.Random) -> Scenario:
    """Draw a scenario with equal events."""
    chart, names = dice.choice(CHARTS)
    events: list[Any] = [dice.choice(names) for _ in range(dice.randint(2, 4))]
    if dice.random() < 0.3:
        events = [(dice.choice("ab"), name) for name in events]
    queue = dice.choice(["direct", "standard", "mutex"])
    known = ["cas", "idempotent"] if queue == "direct" else list(PROTECTIONS)
    faults = {"crashes": dice.randint(0, 1), "service_failures": dice.randint(0, 1)}
    if queue != "direct" and dice.random() < 0.5:
        faults[dice.choice(["expiries", "duplicates"])] = 1
    return Scenario(
        chart,
        events,
        workers=dice.randint(1, 3),
        queue=queue,
        protections=[name for name in known if dice.random() < 0.4],
        faults=faults if len(events) < 4 else {},
        max_receives=None if queue == "direct" else dice.choice([1, 2]),
    )


def in_both_ways(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch, limit: int = 3_000
) -> tuple[Exploration, Exploration]:
    """Explore a scenario state by state, and with one state for all that are alike."""
    with monkeypatch.context() as patch:
        patch.setattr("settlesim.sim.search_choice.FEW_STATES", limit)
        plain = explore(scenario, limit, progress=False)
        patch.setattr("settlesim.sim.search_choice.FEW_STATES", 1)
        patch.setattr("settlesim.sim.search_choice.ENOUGH", 2)
        return plain, explore(scenario, limit, progress=False)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.nightly), 2])
def test_states_that_are_alike_are_counted_as_if_each_was_looked_at(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On random scenarios: endings, interleavings, probabilities, states and the certificate."""
    dice = random.Random(seed)
    compared = 0
    while compared < 5:
        scenario = scenario_by(dice)
        try:
            if exchanges(equal_events(Model(scenario))) < 2:
                continue
            plain, alike = in_both_ways(scenario, monkeypatch)
        except PoisonError:
            continue
        if not plain.complete or plain.states == 1:
            continue
        assert "stand for all" in alike.search
        assert alike.endings == plain.endings, scenario
        assert (alike.states, alike.transitions) == (plain.states, plain.transitions), scenario
        assert (alike.verdict, alike.holds) == (plain.verdict, plain.holds)
        assert alike.counterexample == plain.counterexample
        assert alike.certificate == plain.certificate
        compared += 1


def test_four_equal_increments_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve times fewer states stand for all; a search that is small is made without that."""
    scenario = Scenario(counter(), ["INC"] * 4, workers=4)
    assert "at most 50,000 states" in explore(scenario).search
    monkeypatch.setattr("settlesim.sim.search_choice.FEW_STATES", 100)
    found = explore(scenario)
    assert (found.states, found.interleavings) == (5_280, 11_732_745_024)
    assert found.search == "breadth first, in Python: 442 states stand for all that are alike"
    assert predict(scenario).states > 442


def test_a_search_of_states_that_are_alike_may_stop_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that it says are lower bounds; the certificate is over what it stands for."""
    monkeypatch.setattr("settlesim.sim.search_choice.FEW_STATES", 100)
    scenario = Scenario(counter(), ["INC"] * 4, workers=4)
    found = explore(scenario, limit=300)
    assert (found.complete, found.reason) == (False, "there are more than 300 states")
    assert 300 < found.states < 5_280
    assert found.interleavings < 11_732_745_024
    assert len(found.certificate["sha256"]) == 64


@pytest.mark.parametrize(
    "options",
    [
        {"queue": "fifo_group"},
        {"monitors": ["reordering"]},
        {"properties": [never("twice", effect("print_label", 2))]},
        {"while_running": "reject"},
    ],
)
def test_nothing_is_alike_where_somebody_looks_at_the_order(options: dict[str, Any]) -> None:
    """Of messages, that is."""
    model = Model(Scenario(order, ["PAY"] * 4))
    assert equal_events(model) == [(0, 1, 2, 3)]
    assert exchanges(equal_events(model)) == 24
    assert not equal_events(model_of(Scenario(order, ["PAY"] * 4, **options)))


def test_events_are_equal_with_their_instance_and_data() -> None:
    """Of three instances and two kinds of data."""
    events = [("a", "PAY", 1), ("a", "PAY", 2), ("b", "PAY", 1), ("a", "PAY", 1), ("b", "PAY", 1)]
    assert equal_events(Model(Scenario(order, events))) == [(0, 3), (2, 4)]


def test_one_state_stands_for_all_that_are_alike() -> None:
    """It is the same for each of them, and there are as many as was said."""
    model = Model(Scenario(counter(effect=True), ["INC"] * 3, protections=["inbox"]))
    alike = AlikeModel(model, equal_events(model))
    state = model.start
    for name in ("r2", "l2", "c2", "s2", "r3", "l3"):
        state = next(after for step, after in model.successors(state) if step.name == name)
    others = alike.all_alike(state)
    assert len(others) == alike.number_alike(state) == 6
    assert {alike.standing_for(each) for each in others} == {alike.standing_for(state)}
