"""The real worker, killed at every point, ends as the simulator says that it may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from settlesim import FifoQueue, SimulatedClock, StandardQueue, Worker
from settlesim.chart import Chart
from settlesim.chart.strict_json import encode
from settlesim.gallery import append_log, order
from settlesim.gallery.order import CardDeclinedError
from settlesim.sim import Scenario, explore
from settlesim.store.sql import SqlStore
from tests.runtime.working import KilledError, MortalDatabase
from tests.sim.charts import starting

LEASE = 30.0
LOG = append_log(3, services=1)
EVENTS: list[list[Any]] = [
    [("o", "PAY"), ("o", "SHIP")],
    [("o", "PAY"), ("o", "CANCEL")],
    [("o", "PAY", {"card": "declined"}), ("o", "PAY")],
    [("o", "SHIP"), ("o", "PAY"), ("o", "CANCEL")],
    [("a", "PAY"), ("b", "CANCEL")],
]
STARTS: list[list[Any]] = [
    [("s", "LATER"), ("s", "GO")],
    [("s", "GO", "no"), ("s", "GO", "yes")],
    [("s", "END"), ("t", "LATER")],
]


class World:
    """A store, a queue, and workers that die and come again, on one simulated clock."""

    def __init__(self, chart: Chart, events: list[Any], queue: Any = FifoQueue) -> None:
        self.clock = SimulatedClock(1_000.0)
        self.database = MortalDatabase()
        self.store = SqlStore(self.database, now=self.clock.now)
        self.queue = queue(self.store, chart.name, visibility_timeout=LEASE)
        self.effects: list[tuple[str, str, int]] = []
        self.calls: list[str] = []
        invocations = [each for node in chart.states for each in node.invoke]
        self.effective = {each.src for each in invocations if each.effect}
        self.chart = chart.bind(
            {each: self.service(each) for each in sorted(chart.functions) if each in SERVICES}
        )
        for key, event, *data in events:
            self.queue.send({"event": event, "data": data[0] if data else None}, key)
        self.database.writes = 0
        self.meanwhile: list[Callable[[], None]] = []

    def service(self, name: str) -> Any:
        """A service of the gallery that notes when it has had its effect."""

        async def run(call: Any) -> Any:
            if self.database.dead:
                raise KilledError
            self.calls.append(call.idempotency_key)
            if self.meanwhile:
                self.meanwhile.pop()()
            data = call.event.data
            if isinstance(data, dict) and data.get("card") == "declined":
                raise CardDeclinedError("the bank declined the card")
            _, key, number, *_ = call.idempotency_key.split(":")
            if name in self.effective:
                self.effects.append((key, name, int(number.removeprefix("#"))))
            return SERVICES[name](call)

        return run

    def work(self) -> None:
        """Let one worker run until the queue is empty, or until it is killed."""
        worker = Worker(self.chart, self.store, self.queue, clock=self.clock)
        try:
            worker.run_sync(until_empty=True)
        except KilledError:
            self.database.dead = False
            self.clock = self.queue_time()

    def queue_time(self) -> SimulatedClock:
        """The clock after the lease of what the dead worker had."""
        clock = SimulatedClock(self.clock.now() + LEASE + 1)
        self.store.now = clock.now
        return clock

    def until_empty(self) -> None:
        """Let one worker after the other run, until the queue is empty."""
        for _ in range(20):
            self.work()
            if not self.queue.status().depth:
                return
        raise AssertionError("the queue does not become empty")

    def ending(self) -> Any:
        """Where everything is, as `explore` tells it."""
        store = []
        for key in self.store.keys():  # noqa: SIM118  # a store is no mapping
            snapshot = self.store.load(key)
            assert snapshot is not None
            store.append((key, snapshot.configuration, encode(snapshot.context)))
        effects = tuple(sorted(self.effects, key=lambda each: each[0]))
        return tuple(store), effects, tuple(each.id for each in self.queue.dead_letters())


SERVICES: dict[str, Callable[[Any], Any]] = {
    "charge_card": lambda call: {"charge": f"charge of {call.context['amount']}"},
    "refund_card": lambda call: None,
    "print_label": lambda call: {"label": f"label for {call.context['charge']}"},
    "work": lambda call: None,
    "again": lambda call: None,
}


def explored(chart: Chart, events: list[Any], **options: Any) -> set[Any]:
    """The endings that the simulator finds, without instances that were never saved."""
    found = explore(Scenario(chart, events, **options)).endings
    return {
        (
            tuple((key, leaves, encode(context)) for key, leaves, context in each.store),
            tuple(sorted(each.effects, key=lambda effect: effect[0])),
            each.dead,
        )
        for each in found
    }


def endings_with_crashes(chart: Chart, events: list[Any], crashes: int) -> set[Any]:
    """Every ending of real workers that are killed at so many writes, at each of them."""
    found: set[Any] = set()
    todo: list[frozenset[tuple[int, str]]] = [frozenset()]
    for fatal in todo:
        world = World(chart, events)
        world.database.fatal = set(fatal)
        world.until_empty()
        found.add(world.ending())
        last = max((write for write, _ in fatal), default=0)
        if len(fatal) < crashes:
            later = range(last + 1, world.database.writes + 1)
            todo += [fatal | {(write, when)} for write in later for when in ("before", "after")]
    return found


def up_to_two_crashes(all_events: list[list[Any]], *twice: int) -> pytest.MarkDecorator:
    """Parametrize over events and crashes; those at the places `twice` crash twice in CI, too."""
    return pytest.mark.parametrize(
        ("crashes", "events"),
        [
            pytest.param(
                crashes,
                events,
                id=f"{crashes}-{events}",
                marks=pytest.mark.nightly if crashes == 2 and place not in twice else [],
            )
            for crashes in (0, 1, 2)
            for place, events in enumerate(all_events)
        ],
    )


@up_to_two_crashes(EVENTS, 0, 2)
def test_a_worker_killed_at_any_write_ends_as_explored(events: list[Any], crashes: int) -> None:
    """Kills before and after every write: the endings are those of the model, all of them.

    What the worker does is ``atomic``; with an inbox a separate delete comes to the same.
    """
    real = endings_with_crashes(order, events, crashes)
    for protections in (("cas", "atomic"), ("cas", "inbox")):
        model = explored(
            order,
            events,
            queue="fifo_group",
            protections=protections,
            faults={"crashes": crashes},
        )
        assert real == model


@up_to_two_crashes(STARTS, 1)
def test_a_worker_killed_at_any_write_starts_instances_as_explored(
    events: list[Any], crashes: int
) -> None:
    """Charts that start by themselves, with first events that are ignored and rejected."""
    model = explored(
        starting,
        events,
        queue="fifo_group",
        protections=("cas", "inbox"),
        faults={"crashes": crashes},
    )
    assert endings_with_crashes(starting, events, crashes) == model


def test_crashes_show_only_where_the_model_has_them() -> None:
    """The comparison can fail: the model without crashes has no repeated effect."""
    events = EVENTS[0]
    calm = explored(order, events, queue="fifo_group", protections=("cas", "inbox"))
    assert endings_with_crashes(order, events, 1) > calm


@pytest.mark.parametrize("events", EVENTS, ids=str)
def test_a_frozen_worker_ends_as_explored(events: list[Any]) -> None:
    """Its lease runs out while its service runs, and another worker does all that waits."""
    world = World(order, events)

    def freeze() -> None:
        world.queue_time()
        Worker(world.chart, world.store, world.queue, clock=SimulatedClock()).run_sync(True)

    world.meanwhile.append(freeze)
    world.until_empty()
    model = explored(
        order, events, queue="fifo_group", protections=("cas", "inbox"), faults={"expiries": 1}
    )
    assert world.ending() in model
    assert world.calls.count(world.calls[0]) == 2  # the zombie's run, and the one that counts


def test_a_queue_without_order_ends_as_explored() -> None:
    """Real workers on a standard queue: endings of the model's, and more than one of them."""
    chart = LOG
    events = [("k", f"E{number}") for number in (1, 2, 3)]
    found = set()
    for seed in range(12):
        world = World(
            chart,
            events,
            lambda *given, seed=seed, **more: StandardQueue(*given, seed=seed, **more),
        )
        world.until_empty()
        found.add(world.ending())
    model = explored(chart, events, queue="standard", protections=("cas", "inbox"))
    assert found <= model
    assert len(found) > 1
