"""Time-outs, deadlines and delays, on a simulated clock that costs no time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from settlesim import SimulatedClock
from settlesim.chart import Chart
from settlesim.chart.outcome import Outcome
from settlesim.errors import (
    DeadlineExceededError,
    MicrostepLimitError,
    ServiceFailedError,
    StalledError,
)
from settlesim.gallery import donut
from settlesim.settling import CallStatus
from tests.runtime.driving import busy_chart, interpreter
from tests.settling.driving import chart_of, settled

GO = ["GO", "a", "busy"]

SIMULATED = " of simulated time (a service that awaits anything but call.sleep needs RealClock)"


async def hang(call: Any) -> None:
    """A service that never ends."""
    await asyncio.get_running_loop().create_future()


async def day(call: Any) -> None:
    """A service that takes a day."""
    await call.sleep(86_400)


def two_services(*services: Any, **more: Any) -> Chart:
    """A chart that runs several services in one node."""
    invoke = [{"src": each, "on_error": "late", **more} for each in services]
    return chart_of(
        [settled("a"), {"name": "busy", "invoke": invoke}, settled("late"), settled("done")], [GO]
    )


# --- the seed hangs in five cases; here each has an end -------------------------------------


def test_an_unknown_event_on_a_fresh_key_is_ignored() -> None:
    """The seed hangs where the first state has no tag."""
    run = interpreter(chart_of(["idle", settled("b")], [["GO", "idle", "b"]]))
    assert run.settle_sync("k", "UNKNOWN").outcome is Outcome.IGNORED
    assert run.load("k") is None


def test_a_transition_into_limbo_is_a_stall() -> None:
    """The seed hangs in an untagged state in which nothing is pending."""
    run = interpreter(chart_of([settled("a"), "limbo"], [["GO", "a", "limbo"], ["OK", "a", "a"]]))
    before = run.settle_sync("k", "OK").after
    with pytest.raises(StalledError, match="stalled in 'limbo'"):
        run.settle_sync("k", "GO")
    assert run.load("k") == before


@pytest.mark.parametrize("service", [hang, day])
def test_a_service_that_never_ends_runs_out_of_time(service: Any) -> None:
    """The seed hangs; here it is 60 simulated seconds, and on_error takes it."""
    clock = SimulatedClock()
    settlement = interpreter(busy_chart(service), clock=clock).settle_sync("k", "GO")
    assert clock.now() == 60.0
    (call,) = settlement.calls
    assert (call.status, call.seconds) == (CallStatus.TIMEOUT, 60.0)
    assert call.error == f"TimeoutError: did not end within 60 seconds{SIMULATED}"
    assert settlement.after.context["data"] == {
        "type": "TimeoutError",
        "message": f"did not end within 60 seconds{SIMULATED}",
    }


def test_a_failing_service_without_on_error_is_an_error() -> None:
    """The seed hangs; here the instance is as it was."""

    async def fails(call: Any) -> Any:
        raise OSError

    run = interpreter(busy_chart(fails, on_error=[]))
    with pytest.raises(ServiceFailedError, match="add on_error to the state"):
        run.settle_sync("k", "GO")
    assert run.load("k") is None


def test_final_without_a_tag_is_done_and_takes_no_further_event() -> None:
    """The seed hangs at an untagged final state, and at any event after a tagged one."""
    for tags in ([], ["resolve"]):
        end = {"name": "end", "final": True, "tags": tags}
        run = interpreter(chart_of([settled("a"), end], [["GO", "a", "end"]]))
        assert run.settle_sync("k", "GO").outcome is Outcome.DONE
        again = run.settle_sync("k", "GO")
        assert (again.outcome, again.after.revision) == (Outcome.IGNORED, 1)


# --- limits -------------------------------------------------------------------------------


def test_a_chart_may_say_how_long_a_service_takes() -> None:
    """Its time-out goes before the interpreter's; frying has 5 seconds."""
    clock = SimulatedClock()
    run = interpreter(busy_chart(day, timeout=2.5), clock=clock)
    assert run.settle_sync("k", "GO").calls[0].error == (
        f"TimeoutError: did not end within 2.5 seconds{SIMULATED}"
    )
    assert clock.now() == 2.5
    slow = Chart.from_dict({**donut.to_dict(), "context": {"minutes": 7, "donuts": 0}})
    burnt = interpreter(slow.bind(donut.functions)).settle_sync("d", "BAKE")
    assert burnt.after.configuration == ("burnt",)


@pytest.mark.parametrize("services", [(hang,), (hang, day)], ids=["alone", "several"])
def test_the_default_time_out_can_be_set(services: tuple[Any, ...]) -> None:
    """For all services of which the chart says nothing."""
    clock = SimulatedClock()
    run = interpreter(two_services(*services), clock=clock, service_timeout=7)
    settlement = run.settle_sync("k", "GO")
    assert clock.now() == 7.0
    assert settlement.calls[0].status is CallStatus.TIMEOUT
    assert [call.status for call in settlement.calls[1:]] == [CallStatus.CANCELLED] * (
        len(services) - 1
    )


@pytest.mark.parametrize("services", [(day,), (day, day), (hang, hang)])
def test_one_event_has_a_deadline(services: tuple[Any, ...]) -> None:
    """However patient each service's own time-out is."""
    clock = SimulatedClock()
    run = interpreter(two_services(*services, timeout=1_000), clock=clock, deadline=300)
    with pytest.raises(DeadlineExceededError, match="not settled after 300 seconds") as info:
        run.settle_sync("k", "GO")
    assert info.value.configuration == ("busy",)
    assert clock.now() == 300.0
    assert run.load("k") is None


def test_the_deadline_counts_all_services_one_after_the_other() -> None:
    """Each is quick enough by itself."""

    async def nap(call: Any) -> None:
        await call.sleep(4)

    clock = SimulatedClock()
    chart = busy_chart(nap, on_done="busy")
    with pytest.raises(DeadlineExceededError):
        interpreter(chart, clock=clock, deadline=10).settle_sync("k", "GO")
    assert clock.now() == 10.0


def test_the_deadline_counts_a_delay_before_a_lone_service() -> None:
    """The clock runs from the beginning of the event."""

    async def nap(call: Any) -> None:
        await call.sleep(4)

    states = [
        settled("a"),
        {"name": "wait", "after": {"7": "busy"}},
        {"name": "busy", "invoke": {"src": nap, "on_done": "a", "on_error": "a"}},
    ]
    chart = chart_of(states, [["GO", "a", "wait"]])
    with pytest.raises(DeadlineExceededError):
        interpreter(chart, deadline=10).settle_sync("k", "GO")
    assert interpreter(chart, deadline=12).settle_sync("k", "GO").after.configuration == ("a",)


def test_a_delay_beyond_the_deadline_never_passes() -> None:
    """The check warns of it; the interpreter ends it."""
    chart = chart_of([settled("a"), {"name": "busy", "after": {"400": "a"}}], [GO])
    with pytest.raises(DeadlineExceededError):
        interpreter(chart).settle_sync("k", "GO")
    assert interpreter(chart, deadline=401).settle_sync("k", "GO").after.revision == 1


def test_microsteps_are_limited_too() -> None:
    """A service that comes back at once cannot spin for ever."""

    async def quick(call: Any) -> None: ...

    chart = busy_chart(quick, on_done="busy")
    with pytest.raises(MicrostepLimitError) as info:
        interpreter(chart, max_microsteps=50).settle_sync("k", "GO")
    assert info.value.limit == 50
    assert info.value.cycle == ("busy",)


# --- delays beside services ---------------------------------------------------------------


def test_a_delay_takes_its_time_and_the_shortest_passes_first() -> None:
    """Guard-false delays are passed over."""

    def never(context: Any, event: Any) -> bool:
        return False

    after = {"5": "late", "2": {"dest": "a", "conditions": never}, "3": "done"}
    chart = chart_of(
        [settled("a"), {"name": "busy", "after": after}, settled("late"), settled("done")], [GO]
    )
    clock = SimulatedClock()
    assert interpreter(chart, clock=clock).settle_sync("k", "GO").after.configuration == ("done",)
    assert clock.now() == 3.0


def test_a_delay_ends_a_service_and_the_service_sees_it() -> None:
    """The service of a node that is left is cancelled, and may clean up."""
    log: list[str] = []

    async def long(call: Any) -> None:
        try:
            await call.sleep(50)
        except asyncio.CancelledError:
            log.append("cancelled")
            raise
        finally:
            log.append("cleaned up")

    busy = {
        "name": "busy",
        "invoke": {"src": long, "on_done": "done", "on_error": "done"},
        "after": {"3": "late"},
    }
    chart = chart_of([settled("a"), busy, settled("late"), settled("done")], [GO])
    clock = SimulatedClock()
    settlement = interpreter(chart, clock=clock).settle_sync("k", "GO")
    assert settlement.after.configuration == ("late",)
    assert [call.status for call in settlement.calls] == [CallStatus.CANCELLED]
    assert (log, clock.now()) == (["cancelled", "cleaned up"], 3.0)


def test_a_node_that_is_entered_again_runs_its_services_again() -> None:
    """Number 1 of the other service is cancelled, number 2 has its own key."""
    keys: list[str | None] = []

    async def quick(call: Any) -> None:
        keys.append(call.idempotency_key)
        await call.sleep(1)

    async def slow(call: Any) -> None:
        keys.append(call.idempotency_key)
        await call.sleep(3)

    def first(context: Any, event: Any) -> bool:
        return not context["again"]

    def again(context: Any, event: Any) -> Any:
        return {"again": True}

    busy = {
        "name": "busy",
        "invoke": [
            {
                "src": quick,
                "on_done": [{"dest": "busy", "conditions": first, "assign": again}],
                "on_error": "a",
            },
            {"src": slow, "on_done": "a", "on_error": "a"},
        ],
    }
    chart = chart_of([settled("a"), busy], [GO], context={"again": False})
    clock = SimulatedClock()
    settlement = interpreter(chart, clock=clock).settle_sync("k", "GO", event_id="e")
    assert [call.status for call in settlement.calls] == [
        CallStatus.DONE,
        CallStatus.CANCELLED,
        CallStatus.DONE,
        CallStatus.DONE,
    ]
    assert keys == [f"chart:k:e:busy.{index}:{number}" for number in (1, 2) for index in (0, 1)]
    assert clock.now() == 4.0


@pytest.mark.parametrize("naps", [(60,), (30, 30), (20, 40)])
@pytest.mark.parametrize("alone", [True, False])
def test_at_equal_times_the_time_out_comes_first(naps: tuple[int, ...], alone: bool) -> None:
    """However the service sleeps, and as the simulator has it."""

    async def sleeps(call: Any) -> None:
        for seconds in naps:
            await call.sleep(seconds)

    services = [sleeps] if alone else [sleeps, hang]
    settlement = interpreter(two_services(*services)).settle_sync("k", "GO")
    assert settlement.calls[0].status is CallStatus.TIMEOUT
