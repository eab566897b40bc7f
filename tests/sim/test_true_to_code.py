"""The model is true to the code: the real interpreter comes to the same endings."""

from __future__ import annotations

from typing import Any

import pytest

from settlesim.chart.strict_json import encode
from settlesim.gallery import counter, order
from settlesim.gallery.order import CardDeclinedError
from settlesim.sim import DISCIPLINES, Scenario, explore
from tests.sim.charts import ending, patient, starting
from tests.sim.controlled import World, at_point, every_ending, note_effect


async def reached(call: Any, point: str) -> None:
    """Stop at a point; do not come back in time where the scheduler says so."""
    if at_point(point) == "time out":
        await call.sleep(1e6)


async def charge_card(call: Any) -> dict[str, Any]:
    """As that of the gallery, with a point, and without taking time."""
    await reached(call, "charge_card")
    if isinstance(call.event.data, dict) and call.event.data.get("card") == "declined":
        raise CardDeclinedError("the bank declined the card")
    note_effect("charge_card")
    return {"charge": f"charge of {call.context['amount']}"}


async def refund_card(call: Any) -> None:
    """As that of the gallery."""
    await reached(call, "refund_card")
    note_effect("refund_card")


async def print_label(call: Any) -> dict[str, Any]:
    """As that of the gallery."""
    await reached(call, "print_label")
    note_effect("print_label")
    return {"label": f"label for {call.context['charge']}"}


async def work(call: Any) -> None:
    """A point, and an effect where the chart says that it has one."""
    await reached(call, "work")
    if call.context.get("count") is None:
        note_effect("work")


async def again(call: Any) -> None:
    """A point, and an effect."""
    await reached(call, "again")
    note_effect("again")


ORDER = order.bind(
    {"charge_card": charge_card, "refund_card": refund_card, "print_label": print_label}
)
PATIENT = patient.bind({"work": work, "again": again})
STARTING = starting.bind({"work": work, "again": again})
ENDING = ending.bind({"work": work})
COUNTER = counter().bind({"work": work})
DECLINED = ("o", "PAY", {"card": "declined"})

SCENARIOS: list[list[Any]] = [
    [("o", "PAY"), ("o", "SHIP")],
    [("o", "PAY"), ("o", "CANCEL")],
    [DECLINED, ("o", "PAY")],
    [("o", "SHIP"), ("o", "PAY")],
    [("a", "PAY"), ("b", "CANCEL")],
]
LONGER: list[list[Any]] = [
    [("o", "PAY"), ("o", "SHIP"), ("o", "CANCEL")],
    [DECLINED, ("o", "PAY"), ("o", "CANCEL")],
    [("o", "PAY"), ("o", "CANCEL"), ("o", "SHIP")],
]


def at_night(is_so: object) -> list[pytest.MarkDecorator]:
    """The mark of what is not run each time, where that is so."""
    return [pytest.mark.nightly] if is_so else []


def compare(scenario: Scenario, *, merge: bool) -> None:
    cas = "cas" in scenario.protections
    failures = scenario.faults.service_failures

    def make() -> World:
        return World(
            scenario.chart,
            tuple(scenario.events),
            scenario.workers,
            scenario.queue,
            cas=cas,
            failures=failures,
        )

    endings, _ = every_ending(make, merge=merge)
    found = {
        (tuple((key, leaves, encode(context)) for key, leaves, context in each.store), each.effects)
        for each in explore(scenario).endings
    }
    assert endings == found


@pytest.mark.parametrize(
    ("protections", "queue", "events"),
    [
        pytest.param(protections, queue, events, marks=at_night(protections and (row + column) % 2))
        for protections in ((), ("cas",))
        for row, queue in enumerate(DISCIPLINES)
        for column, events in enumerate(SCENARIOS)
    ],
    ids=str,
)
def test_two_real_handlers_end_as_explored(
    protections: tuple[str, ...], queue: str, events: list[Any]
) -> None:
    """Every interleaving of the real coroutines, each run alone, gives the explored endings."""
    scenario = Scenario(ORDER, events, queue=queue, protections=protections)
    compare(scenario, merge=bool(protections) and queue != "fifo_group")


@pytest.mark.parametrize(
    ("queue", "events"),
    [
        pytest.param(
            queue, events, marks=at_night(queue in {"standard", "fifo_dispatch"} and column != row)
        )
        for row, queue in enumerate(DISCIPLINES)
        for column, events in enumerate(LONGER)
    ],
    ids=str,
)
def test_three_real_handlers_end_as_explored(queue: str, events: list[Any]) -> None:
    """Every situation that the real coroutines of three events can come to."""
    compare(Scenario(ORDER, events, queue=queue), merge=True)


@pytest.mark.parametrize(
    ("queue", "workers"),
    [
        ("direct", 3),
        ("standard", 2),
        ("fifo_dispatch", 2),
        ("mutex", 3),
        ("fifo_group", 3),
        ("fifo_global", 3),
        pytest.param("standard", 3, marks=pytest.mark.nightly),
        pytest.param("fifo_dispatch", 3, marks=pytest.mark.nightly),
    ],
)
def test_real_counters_lose_the_updates_that_were_explored(queue: str, workers: int) -> None:
    """Three increments at once."""
    compare(Scenario(COUNTER, [("c", "INC")] * 3, workers=workers, queue=queue), merge=True)


@pytest.mark.parametrize(
    ("failures", "queue"),
    [
        *((1, queue) for queue in ("direct", "standard", "mutex", "fifo_group")),
        (2, "direct"),
        pytest.param(2, "standard", marks=pytest.mark.nightly),
        (2, "mutex"),
        (2, "fifo_group"),
    ],
)
def test_real_services_fail_and_run_out_of_time_as_explored(queue: str, failures: int) -> None:
    """A chart that tells a time-out from an error: the real interpreter does the same."""
    faults = {"service_failures": failures}
    scenario = Scenario(PATIENT, [("p", "GO"), ("p", "GO")], queue=queue, faults=faults)
    compare(scenario, merge=True)
    labels = {each.label for each in explore(scenario).endings}
    assert labels == {"done", "broken"}


@pytest.mark.parametrize("queue", ["standard", "fifo_group"])
def test_real_orders_fail_as_explored(queue: str) -> None:
    """One failure, of either kind, anywhere."""
    events = [("o", "PAY"), ("o", "SHIP")]
    compare(Scenario(ORDER, events, queue=queue, faults={"service_failures": 1}), merge=True)


@pytest.mark.parametrize(("queue", "runs"), [("direct", 20), ("standard", 252), ("mutex", 2)])
def test_there_are_as_many_real_runs_as_interleavings(queue: str, runs: int) -> None:
    """Step by step, not only in the end: the walk of the real code has the counted size."""
    scenario = Scenario(COUNTER, [("c", "INC")] * 2, queue=queue)
    messages = tuple(scenario.events)
    _, walked = every_ending(lambda: World(COUNTER, messages, 2, queue, cas=False), merge=False)
    assert walked == explore(scenario).interleavings == runs


STARTS: list[list[Any]] = [
    [("s", "LATER"), ("s", "GO")],
    [("s", "GO", "no"), ("s", "GO", "yes")],
    [("s", "GO"), ("s", "LATER")],
    [("s", "END"), ("t", "LATER")],
    [("s", "LATER"), ("s", "LATER")],
]
LONG_START: list[Any] = [("s", "GO", "no"), ("s", "END"), ("s", "LATER")]


@pytest.mark.parametrize(
    ("protections", "queue", "events"),
    [
        pytest.param(
            protections,
            queue,
            events,
            marks=at_night(
                queue in {"direct", "standard", "fifo_dispatch"}
                if events is LONG_START
                else protections and (row + column) % 2
            ),
        )
        for protections in ((), ("cas",))
        for row, queue in enumerate(DISCIPLINES)
        for column, events in enumerate([*STARTS, LONG_START])
    ],
    ids=str,
)
def test_charts_that_start_by_themselves_end_as_explored(
    protections: tuple[str, ...], queue: str, events: list[Any]
) -> None:
    """What the start did is kept where the first event is ignored or rejected, and only once."""
    compare(Scenario(STARTING, events, queue=queue, protections=protections), merge=True)


@pytest.mark.parametrize("queue", ["direct", "standard", "fifo_group"])
def test_a_start_whose_service_fails_ends_as_explored(queue: str) -> None:
    """A rejected start saves nothing, and the next event starts the instance again."""
    events = [("s", "LATER"), ("s", "GO")]
    faults = {"service_failures": 1}
    compare(Scenario(STARTING, events, queue=queue, faults=faults), merge=True)


@pytest.mark.parametrize("queue", DISCIPLINES)
def test_a_start_that_leads_to_the_end_ends_as_explored(queue: str) -> None:
    """No event is applied, and in arrival order the service runs once."""
    scenario = Scenario(ENDING, [("e", "NEVER")] * 2, queue=queue)
    compare(scenario, merge=True)
    if queue == "fifo_group":
        (found,) = explore(scenario).endings
        assert [service for _, service, _ in found.effects] == ["work"]


def test_another_discipline_has_other_endings() -> None:
    """The comparison can fail: real handlers without order are not as explored with it."""
    scenario = Scenario(ORDER, [("o", "PAY"), ("o", "SHIP")])
    messages = tuple(scenario.events)
    real, _ = every_ending(lambda: World(ORDER, messages, 2, "standard", cas=False), merge=True)
    assert len(real) > len(explore(scenario.replace(queue="fifo_group")).endings)
