"""Instances one after another: the same verdict, and the same endings, as all together."""

from __future__ import annotations

import random
from itertools import product
from typing import Any

import pytest

from settlesim.chart import Chart
from settlesim.errors import SimulationError
from settlesim.gallery import counter, order
from settlesim.sim import Ending, Exploration, Scenario, Verdict, explore, replay
from tests.sim.charts import patient

Part = tuple[Any, ...]


def part_of(ending: Ending, scenario: Scenario, key: str) -> Part:
    """What an ending says of one instance; its messages by their place among its own."""
    own = [number for number, each in enumerate(scenario.messages, 1) if each.key == key]
    _, leaves, context = next(each for each in ending.store if each[0] == key)
    effects = [(service, own.index(n) + 1) for k, service, n in ending.effects if k == key]
    dead = tuple(own.index(number) + 1 for number in ending.dead if number in own)
    return leaves, tuple(sorted(context.items())), tuple(effects), dead


def parts_together(found: Exploration, key: str) -> set[Part]:
    return {part_of(each, found.scenario, key) for each in found.endings}


def check(scenario: Scenario) -> Verdict:
    """Compare with the joint search."""
    together = explore(scenario, 150_000, progress=False, by_instance=False)
    alone = explore(scenario, progress=False, by_instance=True)
    assert together.complete
    if alone.verdict is Verdict.UNDETERMINED:
        assert together.verdict is alone.verdict or "share them" in alone.note
    else:
        assert alone.verdict is together.verdict, scenario
        assert alone.holds in {None, together.holds}
    for key, each in zip(scenario.instances, alone.instances, strict=False):
        own = {part_of(ending, each.scenario, key) for ending in each.endings}
        assert own == parts_together(together, key), (scenario, key)
    if alone.verdict is Verdict.REFUTED:
        way = alone.counterexample
        assert way is not None
        ending = replay(scenario, way).ending
        assert ending is not None
        assert ending.fifo is False
    return alone.verdict


CHARTS: list[tuple[Chart, list[str]]] = [
    (order, ["PAY", "SHIP", "CANCEL"]),
    (counter(effect=True), ["INC"]),
    (patient, ["GO"]),
]


def random_scenario(choose: random.Random) -> Scenario:
    chart, names = choose.choice(CHARTS)
    queue = choose.choice(["direct", "standard", "fifo_dispatch", "mutex", "fifo_global"])
    queue = choose.choice([queue, "fifo_group"])
    kinds = ["crashes", "service_failures"] + ["expiries"] * (queue != "direct")
    faults = dict.fromkeys(choose.sample(kinds, choose.randrange(2)), 1)
    named = chart is patient and "service_failures" in faults
    errors = {"work": [ValueError("no"), TimeoutError()], "again": []} if named else None
    protections = [
        name
        for name in ("cas", "idempotent", *(["inbox", "atomic"] if queue != "direct" else []))
        if choose.random() < 0.4
    ]
    events = [("a", choose.choice(names)), ("b", choose.choice(names))]
    if queue != "direct" or not faults:
        events.append((choose.choice("ab"), choose.choice(names)))
    choose.shuffle(events)
    return Scenario(
        chart,
        events,
        queue=queue,
        workers=choose.choice([1, 2]),
        faults=faults,
        errors=errors,
        protections=protections,
        max_receives=choose.choice([None, 2]) if queue != "direct" else None,
    )


@pytest.mark.parametrize("seed", range(40))
def test_instances_alone_and_together_have_one_verdict_and_the_same_endings(seed: int) -> None:
    """Random scenarios of two instances: the endings of each are those that all together have."""
    check(random_scenario(random.Random(seed)))


def test_a_counterexample_of_one_instance_is_played_among_all() -> None:
    """Also where the queue hands out messages of others before."""
    for queue, first in product(["direct", "standard", "fifo_dispatch"], ["a", "b"]):
        events = [(first, "PAY"), ("a", "PAY"), ("b", "PAY"), ("b", "CANCEL")]
        assert check(Scenario(order, events, queue=queue)) is Verdict.REFUTED


def test_failures_that_all_instances_share_are_counted_together() -> None:
    """Each alone may end within the budget; together some endings need more than it."""
    scenario = Scenario(
        order,
        [("a", "PAY"), ("b", "PAY")],
        queue="fifo_group",
        faults={"service_failures": 1},
    )
    assert check(scenario) is Verdict.PROVED
    crashed = scenario.replace(faults={"service_failures": 1, "crashes": 1}, protections=["inbox"])
    check(crashed)


def test_what_is_too_much_together_is_proved_one_after_another() -> None:
    """Three instances with three events each, two crashes and an expiry."""
    scenario = Scenario(
        order,
        ["PAY", "SHIP", "CANCEL"],
        keys=3,
        queue="fifo_group",
        protections=["cas", "inbox", "idempotent"],
        faults={"crashes": 2, "expiries": 1},
    )
    found = explore(scenario, 5_000, progress=False)
    assert found.verdict is Verdict.PROVED
    assert str(found).startswith("proved: 3 instances, each alone with the whole budget: 3 endings")
    assert [each.scenario.instances for each in found.instances] == [
        ("order-1",), ("order-2",), ("order-3",),
    ]  # fmt: skip
    assert found.counterexample is None
    bare = explore(scenario.replace(protections=[]), 5_000, progress=False)
    assert bare.verdict is Verdict.REFUTED
    assert bare.counterexample is not None
    assert replay(bare.scenario, bare.counterexample).ending is not None
    assert explore(scenario, 5_000, progress=False, by_instance=False).verdict is (
        Verdict.UNDETERMINED
    )


def test_an_instance_that_is_too_much_alone_proves_nothing() -> None:
    """The note says which limit was met."""
    found = explore(Scenario(order, ["PAY", "SHIP"], keys=2, queue="fifo_group"), 8, progress=False)
    assert found.verdict is Verdict.UNDETERMINED
    assert "more than 8 states" in found.note


def test_the_certificate_of_instances_is_made_of_theirs() -> None:
    """It is equal for two people who explored the same."""
    scenario = Scenario(order, ["PAY", "SHIP"], keys=2, queue="fifo_group")
    one, other = (explore(scenario, by_instance=True, progress=False).certificate for _ in range(2))
    assert one == other
    assert one["verdict"] == "proved"
    third = explore(scenario.replace(queue="mutex"), by_instance=True, progress=False).certificate
    assert third["sha256"] != one["sha256"]


def test_one_instance_is_explored_as_ever() -> None:
    """There is nothing to take apart."""
    found = explore(Scenario(order, ["PAY"]), by_instance=True, progress=False)
    assert found.instances == ()
    assert found.complete
    with pytest.raises(SimulationError):
        explore(Scenario(order, ["PAY"]), 0)
