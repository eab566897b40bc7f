"""What the model works out once for many instances is what the rules say of each of them."""

from __future__ import annotations

import pytest

from settlesim import Chart, migration
from settlesim.gallery import order, order_with_review
from settlesim.sim import Scenario
from settlesim.sim.model import Model
from settlesim.sim.moves import PoisonError
from settlesim.sim.search import search
from tests.sim.charts import patient
from tests.sim.test_sweep import scenarios

LAPSE = Chart(
    [
        {"name": "open", "tags": ["settled"], "after": {"10": "lapsed", "20": "forgotten"}},
        {"name": "busy", "invoke": {"src": "work", "on_done": "open", "on_error": "lapsed"}},
        {"name": "lapsed", "tags": ["settled"], "after": {"5": "busy"}},
        {"name": "forgotten", "tags": ["settled"]},
    ],
    [["GO", "open", "busy"], ["GO", "lapsed", "open"]],
    "open",
).bind({"work": patient.functions["work"]})
REVIEWED = order_with_review.with_migrations(
    migration(order, states={"paid": "review"}, context=lambda old: {**old, "reviewer": None})
)


def compared(scenario: Scenario, limit: int = 2_000) -> int:
    """Compare every move of the states that a search finds; return how many there were."""
    model = Model(scenario)
    try:
        graph = search(model, limit)
    except PoisonError:
        return 0
    size, number = model.size, 0
    for state in graph.states[: graph.looked_at]:
        gate = model.gate(state[size])
        asked = [(message, -1) for message in gate.receivable]
        asked += [(message, gate.mask) for message, _ in gate.active]
        for message, mask in asked:
            phase, shared = state[message], state[size + 1 + model.key_of[message]]
            parts = model.phases[phase], model.shared[shared]
            moves = [model.moves.receive(*parts)] if mask < 0 else model.moves.of(*parts, mask)
            found = [
                (step, model.phases[new], model.shared[kept])
                for step, (new, _, kept) in model.worked_out(phase, shared, mask)
            ]
            assert found == list(moves), scenario
            number += len(found)
    return number


@pytest.mark.parametrize("seed", range(3))
def test_moves_are_those_of_the_rules(seed: int) -> None:
    """Under every discipline, with faults, protections, monitors and several instances."""
    assert sum(map(compared, scenarios(40, seed))) > 10_000


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario(LAPSE, ["GO", "GO"], faults={"crashes": 1}, monitors="all"),
        Scenario(LAPSE, ["GO", "GO"], queue="fifo_group", protections=["inbox"], timers=2),
        Scenario(
            REVIEWED,
            ["PAY", "SHIP", "CANCEL"],
            old=order,
            max_receives=2,
            monitors="all",
        ),
    ],
    ids=["timers", "timers of a FIFO queue", "a deployment"],
)
def test_moves_with_timers_and_deployments_are_those_of_the_rules(scenario: Scenario) -> None:
    """A timer is started by the state that is saved, and a version by the first load after it."""
    assert compared(scenario) > 1_000
