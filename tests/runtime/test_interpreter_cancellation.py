"""Cancellations and interrupts: the instance stays settled as it was, and no task is left."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import signal
import threading
from typing import Any

import pytest

from settlesim import Interpreter, SimulatedClock
from settlesim.chart import Chart
from settlesim.chart.outcome import Outcome
from settlesim.errors import ServiceFailedError
from settlesim.runtime.clock import RealClock
from settlesim.settling import CallStatus
from tests.runtime.driving import busy_chart, interpreter
from tests.runtime.test_interpreter_time import hang, two_services
from tests.settling.driving import chart_of, settled

SHAPES = [(hang,), (hang, hang)]
ids = ["alone", "several"]


async def settle_cancelled(run: Interpreter) -> None:
    """Begin to settle, let it wait, cancel it, and see that nothing is left."""
    task = asyncio.create_task(run.settle("k", "GO"))
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("clock", [RealClock(), SimulatedClock()], ids=["real", "simulated"])
@pytest.mark.parametrize("services", SHAPES, ids=ids)
def test_a_cancelled_settle_leaves_nothing_behind(services: Any, clock: Any) -> None:
    """Neither a task nor a write; the next event finds the instance as it was."""
    run = interpreter(two_services(*services), clock=clock)
    asyncio.run(settle_cancelled(run))
    assert run.load("k") is None
    assert run.settle_sync("k", "NEVER").outcome is Outcome.IGNORED


@pytest.mark.parametrize("services", SHAPES, ids=ids)
def test_a_time_out_around_a_settle_is_a_time_out(services: Any) -> None:
    """``asyncio.timeout`` and the clock's own both see their own cancellation."""
    clock = SimulatedClock()
    run = interpreter(two_services(*services), clock=clock)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with clock.timeout(5):
                await run.settle("k", "GO")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await run.settle("k", "GO")
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    assert clock.now() == 5.0
    assert run.load("k") is None


async def interrupt(call: Any) -> None:
    """A service in which the user presses Ctrl-C."""
    await call.sleep(1)
    raise KeyboardInterrupt


async def interrupt_at_once(call: Any) -> None:
    """The same before it waits."""
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "services", [(interrupt,), (interrupt_at_once,), (hang, interrupt), (hang, interrupt_at_once)]
)
def test_an_interrupt_in_a_service_passes_through(services: Any) -> None:
    """KeyboardInterrupt is nobody's on_error."""
    run = interpreter(two_services(*services))
    with pytest.raises(KeyboardInterrupt):
        run.settle_sync("k", "GO")
    assert run.load("k") is None


def test_an_interrupt_of_a_settle_in_a_thread_passes_through() -> None:
    """`settle_sync` in a running loop tells its caller."""

    async def main() -> None:
        run = interpreter(two_services(interrupt))
        with pytest.raises(KeyboardInterrupt):
            run.settle_sync("k", "GO")
        assert run.load("k") is None

    asyncio.run(main())


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs POSIX signals")
def test_an_interrupt_of_the_waiting_caller_cancels_the_settle_in_the_thread() -> None:
    """Ctrl-C in a notebook: the service sees a cancellation, the thread ends."""
    log: list[str] = []

    async def ctrl_c(call: Any) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        try:
            await hang(call)
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    async def main() -> None:
        run = interpreter(two_services(ctrl_c), clock=RealClock())
        with pytest.raises(KeyboardInterrupt):
            run.settle_sync("k", "GO")
        assert run.load("k") is None

    with contextlib.closing(asyncio.new_event_loop()) as loop:  # `asyncio.run` has its own Ctrl-C
        loop.run_until_complete(main())
    assert log == ["cancelled"]
    for thread in threading.enumerate():
        if thread.name == "settlesim-settle":
            thread.join(10)
            assert not thread.is_alive()


# --- services and cancellation ------------------------------------------------------------


async def raises_cancelled(call: Any) -> None:
    """A service that ends as if it were cancelled."""
    await call.sleep(1)
    raise asyncio.CancelledError


async def raises_cancelled_at_once(call: Any) -> None:
    """The same before it waits."""
    raise asyncio.CancelledError


async def awaits_cancelled(call: Any) -> None:
    """A service that waits for something that was cancelled."""
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


@pytest.mark.parametrize("service", [raises_cancelled, raises_cancelled_at_once, awaits_cancelled])
@pytest.mark.parametrize("beside", [(), (hang,)], ids=ids)
def test_a_cancellation_of_its_own_is_a_failure_of_the_service(service: Any, beside: Any) -> None:
    """Nobody cancelled the settle, so on_error takes it."""
    settlement = interpreter(two_services(service, *beside)).settle_sync("k", "GO")
    assert settlement.after.configuration == ("late",)
    assert settlement.calls[0].error == "RuntimeError: the service cancelled itself"


async def cancels_its_task(call: Any) -> None:
    """A service that cancels the task it runs in."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await call.sleep(1)


def test_a_service_that_cancels_its_task_fails_beside_others_and_cancels_when_alone() -> None:
    """Beside others it has a task of its own; alone it runs in that of the settle."""
    settlement = interpreter(two_services(cancels_its_task, hang)).settle_sync("k", "GO")
    assert settlement.calls[0].error == "RuntimeError: the service cancelled itself"
    run = interpreter(two_services(cancels_its_task))
    with pytest.raises(asyncio.CancelledError):
        run.settle_sync("k", "GO")
    assert run.load("k") is None


@pytest.mark.parametrize("answer", ["a value", ValueError("not now")])
def test_a_service_that_hides_its_time_out_has_timed_out_all_the_same(answer: Any) -> None:
    """What it returns or raises in place of the cancellation comes too late."""

    async def stubborn(call: Any) -> Any:
        try:
            await call.sleep(100)
        except asyncio.CancelledError:
            if isinstance(answer, Exception):
                raise answer from None
        return answer

    settlement = interpreter(busy_chart(stubborn)).settle_sync("k", "GO")
    assert settlement.calls[0].status is CallStatus.TIMEOUT


def test_a_cancelled_settle_is_not_saved_by_a_service_that_hides_it() -> None:
    """The caller's cancellation is not lost, and the instance is as it was."""

    async def stubborn(call: Any) -> str:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.get_running_loop().create_future()
        return "done all the same"

    run = interpreter(busy_chart(stubborn))

    async def main() -> None:
        task = asyncio.create_task(run.settle("k", "GO"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert run.load("k") is None


def test_two_services_that_fail_at_once_are_answered_in_document_order() -> None:
    """The first failure ends the event; the second is nobody's surprise."""

    async def fails(call: Any) -> None:
        raise OSError

    chart = two_services(fails, fails).to_dict()
    for each in chart["states"][1]["invoke"]:
        each["on_error"] = []
    run = interpreter(Chart.from_dict(chart).bind({"fails": fails}))
    with pytest.raises(ServiceFailedError) as info:
        run.settle_sync("k", "GO")
    assert info.value.invocation == "busy.0"


def test_a_service_that_will_not_end_does_not_stop_the_others() -> None:
    """It ignores its cancellation once; the settlement waits for it and ends."""
    log: list[str] = []

    async def stubborn(call: Any) -> None:
        for _ in range(2):
            try:
                await call.sleep(100)
            except asyncio.CancelledError:
                log.append("not yet")

    async def quick(call: Any) -> None:
        await call.sleep(1)

    busy = {
        "name": "busy",
        "invoke": [
            {"src": quick, "on_done": "a", "on_error": "a"},
            {"src": stubborn, "on_done": "a", "on_error": "a"},
        ],
    }
    chart = chart_of([settled("a"), busy], [["GO", "a", "busy"]])
    settlement = interpreter(chart).settle_sync("k", "GO")
    assert [call.status for call in settlement.calls] == [CallStatus.DONE, CallStatus.CANCELLED]
    assert log[0] == "not yet"


# --- a service is an ordinary coroutine ---------------------------------------------------

NUMBER: contextvars.ContextVar[int] = contextvars.ContextVar("NUMBER", default=0)


@pytest.mark.parametrize("beside", [False, True], ids=ids)
def test_context_variables_and_the_current_task_are_the_callers(beside: bool) -> None:
    """Before and after its first wait a service sees the same task and variables."""
    seen: list[Any] = []

    async def look(call: Any) -> None:
        before = asyncio.current_task()
        seen.append(NUMBER.get())
        await call.sleep(1)
        assert asyncio.current_task() is before
        seen.append(NUMBER.get())

    async def quiet(call: Any) -> None:
        await call.sleep(2)

    services = [look, quiet] if beside else [look]
    invoke = [{"src": each, "on_done": "end" if each is services[-1] else None,
               "on_error": "a"} for each in services]  # fmt: skip
    chart = chart_of(
        [settled("a"), {"name": "busy", "invoke": invoke}, settled("end")], [["GO", "a", "busy"]]
    )

    async def main() -> None:
        NUMBER.set(7)
        settlement = await interpreter(chart).settle("k", "GO")
        assert settlement.after.configuration == ("end",)

    asyncio.run(main())
    assert seen == [7, 7]


@pytest.mark.parametrize("real", [False, True], ids=["simulated", "real"])
def test_asyncio_timeouts_and_task_groups_work_inside_a_service(real: bool) -> None:
    """Also those that are entered before its first wait."""

    async def busy(call: Any) -> Any:
        async with asyncio.timeout(60):
            await asyncio.sleep(0)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await asyncio.get_running_loop().create_future()
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(asyncio.sleep(0, n)) for n in range(3)]
        return [task.result() for task in tasks]

    clock = RealClock() if real else SimulatedClock()
    settlement = interpreter(busy_chart(busy), clock=clock).settle_sync("k", "GO")
    assert settlement.after.context == {"data": [0, 1, 2]}
