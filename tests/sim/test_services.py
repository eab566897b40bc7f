"""Services in the simulation: what is learnt by running them, and what is refused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from settlesim import Chart
from settlesim.errors import SimulationError
from settlesim.gallery import order
from settlesim.settling.settlement import Answer, Pending
from settlesim.sim import Scenario, Verdict, explore
from settlesim.sim.compiled import CompiledChart
from settlesim.sim.services import Services


def chart(service: Callable[..., Any], timeout: float | None = 30) -> Chart:
    """GO runs a service; its answer is kept, its failure leads elsewhere."""

    def keep(context: dict[str, Any], event: Any) -> dict[str, Any]:
        return {"kept": event.data}

    return Chart(
        [
            {"name": "a", "tags": ["settled"]},
            {
                "name": "busy",
                "invoke": {
                    "src": "work",
                    "timeout": timeout,
                    "on_done": {"dest": "b", "assign": "keep"},
                    "on_error": {"dest": "failed", "assign": "keep"},
                },
            },
            {"name": "b", "tags": ["settled"]},
            {"name": "failed", "tags": ["settled"]},
        ],
        [["GO", "a", "busy"]],
        "a",
        name="one",
        context={"kept": None},
    ).bind({"work": service, "keep": keep})


def answer(service: Callable[..., Any], timeout: float | None = 30) -> tuple[str, Any]:
    """Return where GO leads, and what is kept."""
    (ending,) = explore(Scenario(chart(service, timeout), ["GO"])).endings
    return ending.label, ending.store[0][2]["kept"]


# --- what waits for the world outside -----------------------------------------------------


async def sleeps(call: Any) -> None:
    await asyncio.sleep(0.001)


async def waits_for_an_event(call: Any) -> None:
    await asyncio.Event().wait()


async def uses_a_thread(call: Any) -> None:
    await asyncio.to_thread(time.sleep, 0)


async def runs_side_by_side(call: Any) -> None:
    await asyncio.gather(call.sleep(1), call.sleep(2))


async def has_a_time_out(call: Any) -> None:
    async with asyncio.timeout(5):
        await call.sleep(1)


async def has_a_time_out_of_the_clock(call: Any) -> None:
    async with call.clock.timeout(5):
        await call.sleep(1)


async def polls(call: Any) -> None:
    while True:
        await call.sleep(0)


async def hides_it(call: Any) -> None:
    try:
        await asyncio.wait_for(asyncio.Event().wait(), 1)
    except Exception as error:
        raise OSError("down") from error


def is_a_future(call: Any) -> Any:
    return asyncio.get_running_loop().create_future()


OUTSIDE = [
    sleeps,
    waits_for_an_event,
    uses_a_thread,
    runs_side_by_side,
    has_a_time_out,
    has_a_time_out_of_the_clock,
    polls,
    hides_it,
    is_a_future,
]


@pytest.mark.parametrize("service", OUTSIDE, ids=lambda each: str(each.__name__))
@pytest.mark.parametrize("inside", [False, True], ids=["", "in a loop"])
def test_a_service_that_waits_for_the_world_outside_is_refused(
    service: Callable[..., Any], inside: bool
) -> None:
    """It did not fail: it was never asked in earnest. So nothing is proved with it."""
    scenario = Scenario(chart(service), ["GO"], queue="fifo_group")

    async def cell() -> None:
        explore(scenario)

    with pytest.raises(SimulationError, match=r"service work: .*results=\{'work': \.\.\.\}"):
        asyncio.run(cell()) if inside else explore(scenario)
    found = explore(scenario.replace(results={"work": 7}))
    assert found.endings[0].store[0][2]["kept"] == 7


def test_no_thread_is_started_for_a_service_that_is_refused() -> None:
    """What it would do outside is not done."""
    ran: list[int] = []

    async def service(call: Any) -> None:
        await asyncio.to_thread(ran.append, 1)

    with pytest.raises(SimulationError, match="starts a thread"):
        explore(Scenario(chart(service), ["GO"]))
    assert ran == []


@pytest.mark.parametrize("kind", [SystemExit, GeneratorExit])
@pytest.mark.parametrize("inside", [False, True], ids=["", "in a loop"])
def test_a_service_that_ends_the_program_is_refused(
    kind: type[BaseException], inside: bool
) -> None:
    """Neither the caller ends with it, nor is it an answer."""

    async def leaves(call: Any) -> None:
        raise kind

    async def cell() -> None:
        explore(Scenario(chart(leaves), ["GO"]))

    with pytest.raises(SimulationError, match=f"raised {kind.__name__}"):
        asyncio.run(cell()) if inside else explore(Scenario(chart(leaves), ["GO"]))


def test_an_interrupt_in_a_service_is_an_interrupt() -> None:
    """It ends the search, and is no answer of the service."""

    async def interrupted(call: Any) -> None:
        raise KeyboardInterrupt

    found = explore(Scenario(chart(interrupted), ["GO"]))
    assert (found.complete, found.reason) == (False, "it was interrupted")


# --- what is learnt -----------------------------------------------------------------------


def test_a_service_gets_a_key_that_is_always_the_same() -> None:
    """One that needs its idempotency key does not fail here."""
    keys: list[str] = []

    async def needs_a_key(call: Any) -> str:
        keys.append(call.idempotency_key.upper())
        return str(call.idempotency_key)

    assert answer(needs_a_key) == answer(needs_a_key)
    assert answer(needs_a_key)[0] == "b"
    assert len(set(keys)) == 1


def test_time_passes_for_a_service_that_sleeps() -> None:
    """On a clock of its own, which begins at nought."""

    async def looks_at_the_clock(call: Any) -> float:
        await call.sleep(2.5)
        await call.sleep(0)
        return float(call.clock.now())

    assert answer(looks_at_the_clock) == ("b", 2.5)


@pytest.mark.parametrize(("timeout", "seconds", "text"), [(30, 30, "30"), (None, 61, "60")])
def test_a_service_that_sleeps_too_long_runs_out_of_time(
    timeout: float | None, seconds: float, text: str
) -> None:
    """With the words of the interpreter, and whatever it makes of its end."""

    async def stubborn(call: Any) -> int:
        try:
            await call.sleep(seconds)
        except asyncio.CancelledError:
            await call.sleep(1)
        return 3

    late = {"type": "TimeoutError", "message": f"did not end within {text} seconds"}
    assert answer(stubborn, timeout) == ("failed", late)


def test_a_service_that_cancels_itself_has_failed() -> None:
    """As in the interpreter."""

    async def cancels(call: Any) -> None:
        raise asyncio.CancelledError

    label, kept = answer(cancels)
    assert (label, kept["message"]) == ("failed", "the service cancelled itself")


def test_seconds_that_are_no_number_are_the_service_s_own_failure() -> None:
    """The clock refuses them, as the interpreter's does, and `on_error` takes that."""

    async def sleeps_wrong(call: Any) -> None:
        await call.sleep("long")

    label, kept = answer(sleeps_wrong)
    assert (label, kept["type"]) == ("failed", "InvalidValueError")


def test_something_that_can_be_awaited_is_a_service_too() -> None:
    """Not only coroutines."""

    class Later:
        def __await__(self) -> Any:
            yield None
            return 5

    assert answer(lambda call: Later()) == ("b", 5)


def test_services_that_fail_by_themselves_are_listed() -> None:
    """A proof says with which failures it was made."""
    declined = [("o", "PAY", {"card": "declined"})]
    found = explore(Scenario(order, declined, queue="fifo_group"))
    assert found.verdict is Verdict.PROVED
    assert found.note == (
        "charge_card fails by itself (CardDeclinedError: the bank declined the card)"
    )
    assert explore(Scenario(order, ["PAY"], queue="fifo_group")).note == ""


def test_an_event_that_fails_by_itself_is_listed() -> None:
    """Without a queue nobody handles it again: the proof would be about nothing."""

    def keep(context: Any, event: Any) -> Any:
        return {"code": event.data["code"]}

    chart = Chart(
        name="locker",
        context={"code": None},
        states=[{"name": "empty", "tags": ["settled"]}, {"name": "full", "tags": ["settled"]}],
        transitions=[{"trigger": "PUT", "source": "empty", "dest": "full", "assign": keep}],
        initial="empty",
    )
    assert explore(Scenario(chart, ["PUT"], queue="direct")).note == (
        "event PUT fails by itself (assign 'keep' raised TypeError: 'NoneType' object is not "
        "subscriptable; event 'PUT' has no data)"
    )
    sent = Scenario(chart, [("locker-1", "PUT", {"code": "7"})], queue="direct")
    assert explore(sent).note == ""


def test_a_shared_table_lists_only_the_failures_that_were_met() -> None:
    """What another scenario met is not said of this one."""
    declined = Scenario(order, [("o", "PAY", {"card": "declined"})])
    table = CompiledChart(order, perform=Services(order))
    assert explore(declined, table=table).note
    assert not explore(Scenario(order, ["PAY"]), table=table).note


def test_services_run_together_answer_alike() -> None:
    """One event loop for many, or one for each."""
    services = Services(chart(waits_for_nothing))
    pending = Pending("busy.0", 1, "work", None, None, order.context, _event())
    with services.together():
        together = [services(pending) for _ in range(2)]
    assert together == [services(pending)] * 2 == [Answer(1, seconds=1.0)] * 2


async def waits_for_nothing(call: Any) -> int:
    await call.sleep(1)
    return 1


def _event() -> Any:
    from settlesim import Event

    return Event("GO")
