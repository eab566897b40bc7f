"""What a service is given, and what becomes of what it gives back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from settlesim import Interpreter, ServiceCall
from settlesim.chart import Chart
from settlesim.chart.outcome import Outcome
from settlesim.errors import (
    FunctionFailedError,
    InvalidValueError,
    ServiceFailedError,
)
from settlesim.settling import CallStatus
from tests.runtime.driving import busy_chart, interpreter
from tests.settling.driving import chart_of, settled


def test_a_service_is_given_its_call() -> None:
    """Context, event, input, and a key that repeats with the event's id."""
    seen: list[ServiceCall] = []

    async def work(call: ServiceCall) -> Any:
        seen.append(call)
        return {"n": len(seen)}

    chart = busy_chart(
        work, input={"x": 1}, on_done=[{"dest": "busy", "conditions": "once"}, "done"]
    )

    def once(context: Any, event: Any) -> bool:
        return bool(event.data["n"] == 1)

    run = interpreter(chart.bind({"once": once}))
    settlement = run.settle_sync("k:1", "GO", {"d": 2}, event_id="e7")
    assert settlement.after.context == {"data": {"n": 2}}
    assert [call.idempotency_key for call in seen] == [
        "chart:k%3A1:e7:busy.0:1",
        "chart:k%3A1:e7:busy.0:2",
    ]
    first = seen[0]
    assert (first.service, first.input, first.context) == ("work", {"x": 1}, {})
    assert (first.event.name, first.event.data) == ("GO", {"d": 2})
    run.settle_sync("k2", "GO")
    assert seen[-1].idempotency_key is None


def test_repeating_an_event_repeats_its_keys() -> None:
    """A crash between service and save leads to the same key, never to the revision."""
    keys: list[str | None] = []

    async def work(call: ServiceCall) -> None:
        keys.append(call.idempotency_key)

    chart = busy_chart(work)
    for _ in range(2):
        interpreter(chart).settle_sync("k", "GO", event_id="e")
    assert keys == ["chart:k:e:busy.0:1"] * 2


def not_awaitable(call: Any) -> Any:
    """A service that was meant to be asynchronous."""
    return {"n": 1}


def test_a_service_that_is_not_asynchronous_is_an_error_of_the_chart() -> None:
    """No on_error takes it; the instance is as it was. Alone or beside another."""
    alone = busy_chart(not_awaitable)
    several = busy_chart(not_awaitable).to_dict()
    several["states"][1]["invoke"] *= 2
    for chart in (alone, Chart.from_dict(several).bind(alone.functions)):
        run = interpreter(chart)
        with pytest.raises(FunctionFailedError, match="make it an async function") as info:
            run.settle_sync("k", "GO")
        assert info.value.function == "not_awaitable"
        assert run.load("k") is None


class Reply:
    """An object with ``__await__``."""

    def __await__(self) -> Any:
        yield from asyncio.sleep(0).__await__()
        return 3


def test_whatever_can_be_awaited_is_a_service() -> None:
    """A future, an object with ``__await__``."""

    def future(call: Any) -> Any:
        found = asyncio.get_running_loop().create_future()
        found.set_result(3)
        return found

    def reply(call: Any) -> Any:
        return Reply()

    for service in (future, reply):
        settlement = interpreter(busy_chart(service)).settle_sync("k", "GO")
        assert settlement.after.context == {"data": 3}


def test_what_a_service_raises_is_data_for_on_error() -> None:
    """Before or after it waits, and when it is called at all."""

    async def at_once(call: Any) -> Any:
        raise LookupError("gone")

    async def later(call: Any) -> Any:
        await call.sleep(2)
        raise LookupError("gone")

    def called(call: Any) -> Any:
        raise LookupError("gone")

    for service in (at_once, later, called):
        settlement = interpreter(busy_chart(service)).settle_sync("k", "GO")
        assert settlement.after.context == {"data": {"type": "LookupError", "message": "gone"}}
        assert settlement.calls[0].status is CallStatus.ERROR


def test_a_time_out_of_a_service_itself_is_an_ordinary_error() -> None:
    """Only the interpreter's own limit is a time-out."""

    async def impatient(call: Any) -> Any:
        async with call.clock.timeout(1):
            await call.sleep(5)

    settlement = interpreter(busy_chart(impatient)).settle_sync("k", "GO")
    assert settlement.calls[0].status is CallStatus.ERROR
    assert settlement.calls[0].seconds == 1.0


def test_an_error_of_settling_inside_a_service_is_a_failure_of_the_service() -> None:
    """A service may settle another instance; what that raises goes to on_error."""

    def broken(context: Any, event: Any) -> Any:
        raise ValueError("no")

    inner = interpreter(chart_of([settled("a")], [{"trigger": "GO", "source": "a", "dest": "a",
                                                   "conditions": broken}]))  # fmt: skip

    async def nested(call: Any) -> Any:
        await inner.settle("x", "GO")

    settlement = interpreter(busy_chart(nested)).settle_sync("k", "GO")
    assert settlement.outcome is Outcome.REJECTED
    assert settlement.after.context["data"]["type"] == "FunctionFailedError"


def test_a_failure_without_on_error_is_an_error_and_saves_nothing() -> None:
    """ServiceFailedError carries the service's own error as cause."""

    async def fails(call: Any) -> Any:
        raise OSError("no disk")

    run = interpreter(busy_chart(fails, on_error=[]))
    with pytest.raises(ServiceFailedError, match="OSError: no disk") as info:
        run.settle_sync("k", "GO")
    assert isinstance(info.value.__cause__, OSError)
    assert run.load("k") is None


async def nothing(call: Any) -> None:
    """A service that does nothing."""


@pytest.mark.parametrize("event_id", ["", 7, {"x": 1}])
def test_an_event_id_that_is_no_text_is_refused(event_id: Any) -> None:
    """It becomes a part of every idempotency key."""
    run = interpreter(busy_chart(nothing))
    with pytest.raises(InvalidValueError, match="event_id"):
        run.settle_sync("k", "GO", event_id=event_id)


def test_no_two_events_share_an_idempotency_key() -> None:
    """A colon in a key or an id is escaped."""
    keys = []

    async def work(call: Any) -> None:
        keys.append(call.idempotency_key)

    run = interpreter(busy_chart(work))
    run.settle_sync("1:2", "GO", event_id="3")
    run.settle_sync("1", "GO", event_id="2:3")
    assert len(set(keys)) == 2


def test_swapped_arguments_are_named() -> None:
    """A person who gives a file's name for a store reads what is needed."""
    with pytest.raises(TypeError, match="a Chart and a store are needed"):
        Interpreter(busy_chart(nothing), "store.json")  # type: ignore[arg-type]
