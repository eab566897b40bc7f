"""Events that cannot be settled: counted, put aside, skipped or halted, and brought back."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from settlesim import Interpreter
from settlesim.chart import Chart
from tests.runtime.working import Stage, log_chart, note
from tests.settling.driving import chart_of, settled


def poison(log: list[str] | None = None) -> Any:
    """A service that fails for the data "bad"."""

    async def work(call: Any) -> None:
        if log is not None:
            log.append(call.idempotency_key)
        await call.sleep(1)
        if call.event.data == "bad":
            raise ValueError("cannot be done")

    return work


def test_a_poison_event_goes_to_the_dead_letters_and_its_group_goes_on() -> None:
    """With its errors and how often it was tried; the instance is as it was."""
    stage = Stage(log_chart(poison()))
    stage.send(("k", 1), ("k", "bad", "id1"), ("k", 3))
    stage.run()
    assert stage.log("k") == [1, 3]
    (letter,) = stage.queue.dead_letters()
    assert (letter.id, letter.body) == (2, {"event": "GO", "data": "bad"})
    assert (letter.failures, letter.receives, letter.group_id) == (3, 3, "k")
    assert (
        letter.errors
        == (
            "ServiceFailedError: service 'work' failed with ValueError: cannot be done, and no "
            "on_error of invocation 'busy.0' takes it: add on_error to the state",
        )
        * 3
    )
    assert stage.outcomes() == ["resolved", "failed", "failed", "dead", "resolved"]
    assert stage.store.mark("k", "id1") is None


def test_a_failed_event_is_held_back_twice_as_long_each_time() -> None:
    """Its group waits with it, other groups do not."""
    stage = Stage(log_chart(poison()), max_failures=4)
    stage.send(("k", "bad"), ("other", 1))
    began = stage.clock.now()
    stage.run(backoff=10, concurrency=2)
    assert stage.records.fields("key", "outcome")[:2] == [("k", "failed"), ("other", "resolved")]
    assert stage.clock.now() - began == 4 * 1.0 + 10 + 20 + 40


def test_a_halted_group_is_parked_in_order_until_it_is_resumed() -> None:
    """Others go on; redrive puts the event back into its old place."""
    keys: list[str] = []
    good: list[bool] = []

    async def work(call: Any) -> None:
        keys.append(call.idempotency_key)
        if call.event.data == "bad" and not good:
            raise ValueError

    stage = Stage(log_chart(work), policy="halt", max_failures=2)
    stage.send(("k", 1), ("k", "bad"), ("k", 3), ("other", 4))
    stage.run()
    assert (stage.log("k"), stage.log("other")) == ([1], [4])
    assert [each.group_id for each in stage.queue.parked()] == ["k"]
    stage.send(("k", 5))
    good.append(True)
    assert stage.queue.redrive() == (2,)
    stage.run()
    assert stage.log("k") == [1]
    assert stage.queue.resume("k")
    stage.run()
    assert stage.log("k") == [1, "bad", 3, 5]
    assert [key for key in keys if ":#2:" in key] == ["log:k:#2:busy.0:1"] * 3


def test_a_skipped_event_that_comes_back_has_the_same_idempotency_key() -> None:
    """It is the same event, though it stands at the end now."""
    keys: list[str] = []
    good: list[bool] = []

    async def work(call: Any) -> None:
        keys.append(call.idempotency_key)
        if call.event.data == "bad" and not good:
            raise ValueError

    stage = Stage(log_chart(work), max_failures=1)
    stage.send(("k", "bad"), ("k", 2), ("k", "bad", "id1"))
    stage.run()
    good.append(True)
    stage.queue.redrive()
    stage.send(("k", 5))
    stage.run()
    assert stage.log("k") == [2, "bad", "bad", 5]
    counts = {key: keys.count(key) for key in keys}
    assert counts == {
        "log:k:#1:busy.0:1": 2,
        "log:k:#2:busy.0:1": 1,
        "log:k:id1:busy.0:1": 2,
        "log:k:#6:busy.0:1": 1,
    }


async def hang(call: Any) -> None:
    """A service that never ends."""
    await asyncio.get_running_loop().create_future()


def stalled() -> Chart:
    """A chart that comes to rest where no tag is."""
    return chart_of([settled("rest"), "limbo"], [["GO", "rest", "limbo"]], name="log")


def endless() -> Chart:
    """A chart that never comes to rest."""
    ring = [{"name": "one", "always": "two"}, {"name": "two", "always": "one"}]
    return chart_of([settled("rest"), *ring], [["GO", "rest", "one"]], name="log")


def guarded(guard: Any) -> Chart:
    """A chart with a guard."""
    go = {"trigger": "GO", "source": "rest", "dest": None, "conditions": guard, "assign": note}
    return chart_of([settled("rest")], [go], name="log", context={"log": []})


def raises(context: Any, event: Any) -> bool:
    """A guard that raises."""
    raise ZeroDivisionError("by zero")


def exits(context: Any, event: Any) -> bool:
    """A guard that wants to end the process."""
    sys.exit(3)


class OddError(BaseException):
    """No Exception, and nobody's text."""

    def __str__(self) -> str:
        raise ValueError


def odd(context: Any, event: Any) -> bool:
    """A guard that raises what hardly anybody catches."""
    raise OddError


def cancelled(context: Any, event: Any) -> bool:
    """A guard that ends as if its task was cancelled."""
    raise asyncio.CancelledError


async def odd_service(call: Any) -> None:
    """A service that raises what hardly anybody catches."""
    await call.sleep(1)
    raise OddError


def no_bool(context: Any, event: Any) -> Any:
    """A guard that says neither yes nor no."""
    return 1


def no_service(call: Any) -> int:
    """A service that cannot be awaited."""
    return 5


async def service_exits(call: Any) -> None:
    """A service that wants to end the process."""
    sys.exit(3)


async def later_exits(call: Any) -> None:
    """The same after a while."""
    await call.sleep(1)
    sys.exit(3)


async def cancels(call: Any) -> None:
    """A service that ends as if it was cancelled."""
    raise asyncio.CancelledError


def two(service: Any) -> Chart:
    """A chart that runs two services at once."""
    invoke = [{"src": service, "on_done": "rest"}, {"src": hang, "on_done": "rest"}]
    return chart_of(
        [settled("rest"), {"name": "busy", "invoke": invoke}], [["GO", "rest", "busy"]], name="log"
    )


@pytest.mark.parametrize(
    ("chart", "error"),
    [
        (stalled(), "StalledError: stalled in 'limbo'"),
        (endless(), "MicrostepLimitError: more than 1000 microsteps"),
        (guarded(raises), "FunctionFailedError: guard 'raises' raised ZeroDivisionError: by zero"),
        (guarded(no_bool), "FunctionFailedError: guard 'no_bool'"),
        (guarded(exits), "SystemExit: 3"),
        (guarded(odd), "OddError: (its text cannot be made: ValueError)"),
        (guarded(cancelled), "CancelledError"),
        (log_chart(odd_service), "OddError"),
        (two(odd_service), "OddError"),
        (log_chart(hang), "ServiceFailedError: service 'hang' did not end within 60 seconds"),
        (log_chart(hang, timeout=400), "DeadlineExceededError: not settled after 300 seconds"),
        (log_chart(service_exits), "RuntimeError: the service called sys.exit(3)"),
        (log_chart(later_exits), "RuntimeError: the service called sys.exit(3)"),
        (two(later_exits), "RuntimeError: the service called sys.exit(3)"),
        (log_chart(cancels), "RuntimeError: the service cancelled itself"),
        (log_chart(no_service), "returned 5 at once: make it an async function"),
    ],
)
def test_no_chart_stops_the_worker(chart: Chart, error: str) -> None:
    """A stall, a loop, a hang, an error of any kind: a dead letter, and other keys go on."""
    stage = Stage(chart, max_failures=2)
    stage.send(("bad", 1))
    stage.queue.send({"event": "NEVER"}, "good")
    stage.run()
    (letter,) = stage.queue.dead_letters()
    assert error in letter.errors[-1]
    assert letter.failures == 2
    assert stage.outcomes().count("ignored") == 1
    assert stage.queue.status().depth == 0


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("COUNT", 'is \'COUNT\'; {"event": NAME, "data": JSON} or {"start": true} is needed'),
        ({"data": 1}, "is needed"),
        ({"start": False}, "is needed"),
        ({"start": 1}, "is needed"),
        ({"start": True, "event": "GO"}, "is needed"),
        ({"event": "GO", "more": 1}, "is needed"),
        ({"event": 5}, "is of type int; a name is text"),
        ({"event": "done.invoke.busy.0"}, "is a reserved name"),
        ({"event": "after.rest.0"}, "is a reserved name"),
        ({"timer": "rest.0"}, "is needed"),
    ],
)
def test_a_message_that_is_no_event_is_put_aside_at_once(body: Any, error: str) -> None:
    """No further attempt could make it one."""
    stage = Stage(log_chart())
    stage.queue.send(body, "k")
    stage.send(("k", 2))
    stage.run()
    (letter,) = stage.queue.dead_letters()
    assert letter.failures == 1
    assert error in letter.errors[0]
    assert stage.log("k") == [2]
    assert stage.outcomes() == ["dead", "resolved"]


def test_an_id_that_no_record_could_hold_is_remembered_by_its_beginning() -> None:
    """It is no reason to refuse an event that was settled."""
    stage = Stage(log_chart())
    interpreter = Interpreter(stage.chart, stage.store, clock=stage.clock)
    interpreter.settle_sync("k", "GO", 1, event_id="i" * 300_000)
    assert stage.log("k") == [1]
    (past,) = stage.store.settlements("k")
    assert past.record["event_id"] == "i" * 1000


def test_a_failure_is_logged_with_its_reason_and_level() -> None:
    """Failures are warnings, dead letters errors, everything else is information."""
    stage = Stage(log_chart(poison()), max_failures=2)
    stage.send(("k", "bad"), ("k", 1))
    stage.run()
    assert [each.levelname for each in stage.records.records] == ["WARNING", "ERROR", "INFO"]
    assert stage.records.fields("error")[0][0].startswith("ServiceFailedError: service 'work'")
    texts = [each.getMessage() for each in stage.records.records]
    assert texts[2] == "GO of 'k': resolved at revision 1 in 1.000 s"
    assert texts[1].startswith("GO of 'k': dead in 1.000 s: ServiceFailedError: ")
