"""One event to a transaction, with drivers that are not asyncio's."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from settlesim import Event, Interpreter, MemoryStore, Settling, SimulatedClock
from settlesim.chart import Chart
from settlesim.chart.outcome import Outcome
from settlesim.errors import (
    DeadlineExceededError,
    FunctionFailedError,
    ServiceFailedError,
    SettleError,
)
from settlesim.machine.program import program_of
from settlesim.ports import Timer, Timers
from settlesim.runtime.driver import Activity, Settled, drive, settle
from settlesim.runtime.transactions import Keeping
from settlesim.settling.settlement import Answer, Pending, Settlement
from tests.examples import scaled
from tests.settling.driving import chart_of, settled
from tests.strategies_charts import TRIGGERS, charts

T = TypeVar("T")


def finished(coroutine: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns that never waits: no event loop is there."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("it waits")


class Script:
    """A driver that answers from a list, each answer at its time; it waits for nothing."""

    def __init__(self, *answers: tuple[float, str, Any], deadline: float = 100.0) -> None:
        self.deadline = deadline
        self.answers = list(answers)
        self.log: list[str] = []
        self.running: dict[str, Activity] = {}
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def start(self, activity: Activity) -> None:
        kind = "service" if isinstance(activity, Pending) else "delay"
        self.log.append(f"start {kind} {activity.id} {activity.number}")
        self.running[f"{kind} {activity.id}"] = activity

    def stop(self, activity: Activity) -> None:
        self.log.append(f"stop {activity.id}")

    async def next(self) -> tuple[Activity, Answer]:
        if not self.answers:
            raise TimeoutError
        self.time, name, value = self.answers.pop(0)
        answer = value if isinstance(value, Answer) else Answer(value)
        return self.running[name], answer

    async def close(self) -> None:
        self.log.append("close")


def run(chart: Chart, driver: Script, **keeping: Any) -> Settled:
    """Settle GO of a new instance."""
    options = Keeping(timers=True, **keeping)
    return finished(settle(program_of(chart), None, Event("GO"), driver, key="k", keeping=options))


async def work(call: Any) -> None:
    """A service that no driver here calls."""
    raise AssertionError


def keep(context: Any, event: Any) -> Any:
    """Keep what the service answered."""
    return {"data": event.data}


def busy(**more: Any) -> Chart:
    """A chart with one service between two settled states."""
    invoke = {"src": work, "on_done": "done", "on_error": "failed", **more.pop("invoke", {})}
    return chart_of(
        [
            settled("a"),
            {"name": "busy", "invoke": invoke, **more},
            settled("done", on_enter=keep),
            settled("failed", on_enter=keep),
            {"name": "end", "final": True},
        ],
        [["GO", "a", "busy"], ["END", "done", "end"]],
        name="busy",
    )


def test_an_event_becomes_a_transaction_without_an_event_loop() -> None:
    """The driver starts the service, answers, and is closed; nothing awaits anything."""
    driver = Script((2.0, "service busy.0", {"n": 1}))
    settlement, transaction = run(busy(), driver, event_id="e1", consumed="r", mark="e1")
    assert driver.log == ["start service busy.0 1", "close"]
    assert (settlement.outcome, settlement.after.context) == (Outcome.RESOLVED, {"data": {"n": 1}})
    assert (transaction.key, transaction.snapshot, transaction.expected) == (
        "k",
        settlement.after,
        0,
    )
    assert (transaction.consumed, transaction.mark, transaction.timers) == ("r", "e1", None)
    assert transaction.record is not None
    (call,) = transaction.record["calls"]
    assert (call["invocation"], call["status"], call["result"]) == ("busy.0", "done", {"n": 1})
    assert transaction.record["event_id"] == "e1"
    assert not transaction.final


def test_an_event_without_services_never_meets_the_driver() -> None:
    """There is nothing to start and nothing to close."""
    driver = Script()
    chart = chart_of([settled("a"), settled("b")], [["GO", "a", "b"]])
    assert run(chart, driver).settlement.after.configuration == ("b",)
    assert driver.log == []


def test_the_end_of_the_chart_is_told_to_the_store() -> None:
    """Where no event leads on, and only there."""
    ends = chart_of([settled("a"), {"name": "end", "final": True}], [["GO", "a", "end"]])
    assert run(ends, Script()).transaction.final
    again = chart_of(
        [
            settled("a"),
            {
                "name": "box",
                "initial": "end",
                "children": [{"name": "end", "final": True}],
            },
        ],
        [["GO", "a", "box"], ["AGAIN", "box", "a"]],
    )
    settlement, transaction = run(again, Script())
    assert settlement.outcome is Outcome.DONE
    assert not transaction.final


def test_a_failure_and_a_time_out_are_answers() -> None:
    """`on_error` takes them, and the record has type and message."""
    for answer, kept in (
        (Answer(error=OSError("gone")), ("error", "OSError: gone")),
        (Answer.late(5.0), ("timeout", "TimeoutError: did not end within 5 seconds")),
    ):
        settlement, transaction = run(busy(), Script((1.0, "service busy.0", answer)))
        assert settlement.after.configuration == ("failed",)
        assert transaction.record is not None
        (call,) = transaction.record["calls"]
        assert (call["status"], call["error"]) == kept


def test_delays_run_beside_services_and_what_was_left_is_stopped() -> None:
    """The delay passes first; the answer of the service comes too late and is ignored."""
    chart = chart_of(
        [
            settled("a"),
            {"name": "busy", "invoke": {"src": work, "on_done": "a"}, "after": {"5": "more"}},
            {"name": "more", "invoke": {"src": work, "on_done": "late"}},
            settled("late"),
        ],
        [["GO", "a", "busy"]],
    )
    driver = Script(
        (5.0, "delay busy.0", None), (6.0, "service busy.0", 1), (7.0, "service more.0", 2)
    )
    settlement, transaction = run(chart, driver)
    assert driver.log == [
        "start service busy.0 1",
        "start delay busy.0 1",
        "stop busy.0",
        "start service more.0 1",
        "close",
    ]
    assert settlement.after.configuration == ("late",)
    assert transaction.record is not None
    assert transaction.record["delays"] == [{"id": "busy.0", "after": 0}]
    assert [(each["status"], each["result"]) for each in transaction.record["calls"]] == [
        ("cancelled", None),
        ("done", 2),
    ]


def test_a_timer_has_only_its_rest_to_run() -> None:
    """It began 20 seconds before the event was settled, on the driver's clock."""
    region = {
        "name": "left",
        "initial": "rest",
        "children": [settled("rest", after={"60": "over"}), settled("over")],
    }
    other = {
        "name": "right",
        "initial": "busy",
        "children": [
            {"name": "busy", "invoke": {"src": work, "on_done": "both.right.free"}},
            settled("free"),
        ],
    }
    chart = chart_of(
        [settled("a"), {"name": "both", "parallel": [region, other]}], [["GO", "a", "both"]]
    )
    driver = Script((20.0, "service both.right.busy.0", None))
    _, transaction = run(chart, driver, unknown_delays=("old.0",))
    assert transaction.timers == Timers((Timer("both.left.rest.0", 40.0),), ("old.0",))


def test_a_driver_whose_time_is_up_ends_the_event() -> None:
    """With the deadline in the error; the driver is closed."""
    driver = Script(deadline=7.0)
    with pytest.raises(DeadlineExceededError, match="not settled after 7 seconds"):
        run(busy(), driver)
    assert driver.log[-1] == "close"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(error=ValueError("no")), ServiceFailedError),
        (Answer({1, 2}), FunctionFailedError),
    ],
)
def test_an_error_passes_through_and_the_driver_is_closed(answer: Answer, error: Any) -> None:
    """The event came to no settled state."""
    chart = chart_of(
        [settled("a"), {"name": "busy", "invoke": {"src": work, "on_done": "a"}}],
        [["GO", "a", "busy"]],
    )
    driver = Script((1.0, "service busy.0", answer))
    with pytest.raises(error):
        run(chart, driver)
    assert driver.log.count("close") == 1


# --- the record ---------------------------------------------------------------------------


def test_answers_may_be_left_out_of_the_record() -> None:
    """Neither values nor the messages of errors: they may be secrets."""
    secret = "sk-123"
    for answer in (Answer({"token": secret}), Answer(error=OSError(f"401 for {secret}"))):
        chart = chart_of(
            [
                settled("a"),
                {"name": "busy", "invoke": {"src": work, "on_done": "b", "on_error": "b"}},
                settled("b"),
            ],
            [["GO", "a", "busy"]],
        )
        _, transaction = run(chart, Script((1.0, "service busy.0", answer)), answers=False)
        assert secret not in str(transaction)
        assert transaction.record is not None
        (call,) = transaction.record["calls"]
        assert "result" not in call
        assert call["error"] in {None, "OSError"}


def test_a_record_that_is_too_large_is_cut_step_by_step() -> None:
    """The results go first, then everything but names."""
    large = "x" * 200_000
    chart = busy(invoke={"on_done": "a"})
    driver = Script((1.0, "service busy.0", {"one": large, "two": large[:50_000]}))
    _, transaction = run(chart, driver)
    assert transaction.record is not None
    assert transaction.record["calls"][0]["result"]["one"] == large
    both = finished(
        settle(
            program_of(chart),
            None,
            Event("GO", large),
            Script((1.0, "service busy.0", large)),
            key="k",
            keeping=Keeping(event_id="i" * 2000),
        )
    ).transaction.record
    assert both is not None
    assert ("result" in both["calls"][0], both["cut"], both["path"][-1]) == (False, True, ["a"])


class Recorded:
    """A driver that answers what a record says."""

    deadline = 1_000_000.0

    def __init__(self, record: Any) -> None:
        self.calls = list(record["calls"])
        self.delays = list(record.get("delays", ()))
        self.ended = 0
        self.running: dict[tuple[str, str], Activity] = {}

    def now(self) -> float:
        return 0.0

    def start(self, activity: Activity) -> None:
        kind = "service" if isinstance(activity, Pending) else "delay"
        self.running[kind, activity.id] = activity

    def stop(self, activity: Activity) -> None:
        """Nothing runs."""

    async def next(self) -> tuple[Activity, Answer]:
        while True:
            if self.delays and self.delays[0]["after"] == self.ended:
                return self.running["delay", self.delays.pop(0)["id"]], Answer()
            call = self.calls[self.ended]
            self.ended += 1
            if call["status"] != "cancelled":
                break
        activity = self.running["service", call["invocation"]]
        if call["error"] is None:
            return activity, Answer(call["result"], seconds=call["seconds"])
        kind, _, message = call["error"].partition(": ")
        error = type(kind, (Exception,), {})(message)
        timed_out = call["status"] == "timeout"
        return activity, Answer(error=error, timed_out=timed_out, seconds=call["seconds"])

    async def close(self) -> None:
        """Nothing runs."""


@settings(max_examples=scaled(20))
@given(charts(bound=True, resting=True), st.lists(st.sampled_from(TRIGGERS), max_size=5))
def test_a_settlement_can_be_run_again_from_its_record(chart: Chart, events: list[str]) -> None:
    """The recorded answers, in their order, lead to the same settlement."""
    store = MemoryStore(now=SimulatedClock().now, history=1)
    interpreter = Interpreter(chart, store, clock=SimulatedClock(), max_microsteps=60)
    for event in events:
        before = store.load("k")
        try:
            first = interpreter.settle_sync("k", event)
        except SettleError:
            continue
        if not first.saved:
            continue
        (past,) = store.settlements("k")
        if "cut" in past.record:
            continue
        settling = Settling(chart, before, event, key="k", max_microsteps=60)
        finished(drive(settling, Recorded(past.record)))
        again: Settlement | None = settling.settlement
        assert again == first
