"""What holds for every chart and every migration of it."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from settlesim import Chart, Interpreter, MemoryStore, SimulatedClock, migration
from settlesim.chart import Snapshot
from settlesim.chart.migration import Migration
from settlesim.errors import SettleError
from settlesim.versions import apply_migration, chain_of, plan_migration
from tests.examples import scaled
from tests.strategies_charts import FUNCTIONS, TRIGGERS, chart_records

EVENTS = st.lists(st.sampled_from(TRIGGERS), min_size=1, max_size=4)
RECORDS = chart_records(resting=True)


def renamed(value: Any, letter: str) -> Any:
    """A chart's record with every state called by another letter."""
    if isinstance(value, dict):
        return {key: renamed(each, letter) for key, each in value.items()}
    if isinstance(value, list):
        return [renamed(each, letter) for each in value]
    if not isinstance(value, str):
        return value
    return re.sub(r"(^|\.)[stu](?=\d)", rf"\g<1>{letter}", value)


def bound(record: dict[str, Any]) -> Chart:
    """A chart with its functions."""
    chart = Chart.from_dict(record)
    return chart.bind({name: FUNCTIONS[name] for name in chart.roles})


def noted(context: dict[str, Any]) -> dict[str, Any]:
    """A step's function of the context: that it was there."""
    return {**context, "steps": context.get("steps", 0) + 1}


def step(old: Chart, letter: str) -> Migration:
    """A step that calls every state by another letter."""
    states = {node.name: renamed(node.name, letter) for node in old.states}
    return migration(old, states=states, context=noted)


def versions(record: dict[str, Any]) -> tuple[Chart, Chart, Chart]:
    """Three versions of a chart, each with the states of the one before under other names."""
    first = bound({**record, "version": 1})
    second = bound({**renamed(record, "t"), "version": 2}).with_migrations(step(first, "t"))
    third = bound({**renamed(record, "u"), "version": 3})
    return first, second, third.with_migrations(step(second, "u"))


class World:
    """A store with one instance, on its own clock."""

    def __init__(self) -> None:
        self.clock = SimulatedClock(1_000_000.0)
        self.store = MemoryStore(now=self.clock.now)

    def settle(self, chart: Chart, event: str) -> Any:
        """Settle an event; what is told of it."""
        interpreter = Interpreter(chart, self.store, clock=self.clock, max_microsteps=60)
        try:
            settlement = interpreter.settle_sync("k", event)
        except SettleError as error:
            return type(error)
        return settlement.outcome

    @property
    def snapshot(self) -> Snapshot | None:
        """The instance."""
        return self.store.load("k")

    @property
    def rows(self) -> list[Any]:
        """All that the store has of it, byte for byte."""
        read = self.store.database.rows
        return [
            *read("SELECT * FROM instances ORDER BY key"),
            *read("SELECT key, chart, delay, due, sent FROM timers ORDER BY key, delay"),
        ]


def begun(chart: Chart, events: list[str]) -> World:
    """A world in which an instance has settled events, and others if it was not saved by then."""
    world = World()
    for event in events:
        world.settle(chart, event)
    others = iter(TRIGGERS)
    while world.snapshot is None and (event := next(others, "")):
        world.settle(chart, event)
    return world


SELDOM = settings(
    max_examples=scaled(10, at_night=400), suppress_health_check=[HealthCheck.filter_too_much]
)
"""In many charts no event of the few leads to an instance that is saved."""


@SELDOM
@given(RECORDS, EVENTS, st.sampled_from(TRIGGERS))
def test_an_instance_that_was_migrated_settles_where_the_new_chart_does(
    record: dict[str, Any], events: list[str], event: str
) -> None:
    """What the old chart does in the old names, the new one does in the new names."""
    old, new, _ = versions(record)
    one = begun(old, events)
    before = one.snapshot
    assume(before is not None)
    two = begun(old, events)
    told = one.settle(old, event)
    assert two.settle(new, event) == told
    expected, found = one.snapshot, two.snapshot
    assert expected is not None
    assert found is not None
    if expected == before:  # nothing was saved, so nothing was migrated
        assert found == before
        return
    assert found.version == 2
    assert found.configuration == tuple(renamed(leaf, "t") for leaf in expected.configuration)
    assert {**expected.context, "steps": 1} == found.context
    assert found.revision == expected.revision
    dues = [
        sorted((renamed(each.delay, "t"), each.due) for each in world.store.timers("k"))
        for world in (one, two)
    ]
    assert dues[0] == dues[1]


@SELDOM
@given(RECORDS, EVENTS, st.sampled_from(TRIGGERS))
def test_lazy_equals_eager_byte_for_byte(
    record: dict[str, Any], events: list[str], event: str
) -> None:
    """Whether all instances are migrated first, or each with its next event."""
    old, _, new = versions(record)
    lazy = begun(old, events)
    before = lazy.snapshot
    assume(before is not None)
    eager = begun(old, events)
    assert apply_migration(new, eager.store).ok
    told = eager.settle(new, event)
    assert lazy.settle(new, event) == told
    if lazy.snapshot == before:  # nothing was saved, so nothing was migrated
        assert apply_migration(new, lazy.store).ok
    assert lazy.rows == eager.rows


@SELDOM
@given(RECORDS, EVENTS)
def test_a_chain_equals_its_steps(record: dict[str, Any], events: list[str]) -> None:
    """One after another, with all that a step says."""
    old, between, new = versions(record)
    snapshot = begun(old, events).snapshot
    assume(snapshot is not None)
    assert snapshot is not None
    whole = chain_of(new).carry(snapshot, timers=())
    first = chain_of(between).carry(snapshot, timers=())
    last = chain_of(new).carry(first.snapshot, timers=first.started)
    assert whole.snapshot == last.snapshot
    assert [each.name for each in chain_of(new).path(1)] == [
        "the step from version 1 to 2",
        "the step from version 2 to 3",
    ]


@SELDOM
@given(RECORDS, EVENTS)
def test_to_migrate_twice_changes_nothing(record: dict[str, Any], events: list[str]) -> None:
    """Not in memory, and not in the store; a dry run changes nothing at all."""
    old, _, new = versions(record)
    world = begun(old, events)
    snapshot = world.snapshot
    assume(snapshot is not None)
    assert snapshot is not None
    chain = chain_of(new)
    once = chain.carry(snapshot).snapshot
    assert chain.carry(once).snapshot == once
    before = world.rows
    over = [each.final for each in world.store.find()]
    plan = plan_migration(new, world.store)
    assert (plan.ok, plan.migrated) == (True, 1)
    assert world.rows == before
    assert apply_migration(new, world.store).migrated == 1
    after = world.rows
    assert world.snapshot == once
    assert [each.final for each in world.store.find()] == over
    assert apply_migration(new, world.store).migrated == 0
    assert world.rows == after
    assert plan_migration(new, world.store).current == 1
