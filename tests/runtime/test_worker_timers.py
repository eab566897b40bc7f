"""Delays of settled states: they fire at or after their time, once, also after a restart."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from settlesim import FifoQueue, Interpreter, MemoryStore, SimulatedClock, Worker
from settlesim.chart import Chart, Snapshot
from settlesim.chart.outcome import Outcome
from settlesim.errors import ChartMismatchError, ReceiptExpiredError, VersionConflictError
from settlesim.ports import Transaction
from settlesim.store import DurableTimer
from tests.runtime.working import Stage
from tests.settling.driving import chart_of, settled


def tell(name: str) -> Any:
    """An assign that adds its name and the event's to the log."""

    def note(context: Any, event: Any) -> Any:
        return {"log": [*context["log"], f"{name} by {event.name}"]}

    note.__name__ = f"tell_{name}"
    return note


def order(**held: Any) -> Chart:
    """An order that is cancelled when nobody pays in time."""
    return chart_of(
        [
            settled("new"),
            settled("held", on_enter=tell("held"), **({"after": {"60": "late"}} | held)),
            settled("paid", on_enter=tell("paid")),
            settled("late", on_enter=tell("late")),
        ],
        [
            ["HOLD", "new", "held"],
            ["HOLD", "held", "="],
            ["LOOK", "held", None],
            ["PAY", "held", "paid"],
        ],
        name="order",
        context={"log": []},
    )


def send(stage: Stage, *events: str, key: str = "k") -> None:
    """Send events without data."""
    for event in events:
        stage.queue.send({"event": event}, key)


def pass_by(stage: Stage, seconds: float) -> None:
    """Let time pass while no worker runs."""
    asyncio.run(stage.clock.sleep(seconds))


def log(stage: Stage) -> Any:
    """What the instance has seen."""
    return stage.log("k")


def test_a_delay_of_a_settled_node_fires_at_its_time() -> None:
    """While a worker runs and nothing else happens."""
    stage = Stage(order())
    send(stage, "HOLD")
    began = stage.clock.now()

    async def main(worker: Worker) -> None:
        await stage.clock.sleep(59.5)
        assert log(stage) == ["held by HOLD"]
        await stage.clock.sleep(0.6)

    stage.work(main, poll=30)
    assert log(stage) == ["held by HOLD", "late by after.held.0"]
    assert stage.clock.now() - began == pytest.approx(60.1)
    assert stage.records.fields("event", "event_id", "outcome", "revision") == [
        ("HOLD", "#1", "resolved", 1),
        ("after.held.0", "#2", "resolved", 2),
    ]
    assert stage.store.timers("k") == ()


def test_a_delay_passes_while_no_process_runs() -> None:
    """The next worker finds it due, and it fires once."""
    stage = Stage(order())
    send(stage, "HOLD")
    stage.run()
    due = stage.clock.now() + 60
    assert stage.store.timers("k") == (DurableTimer("k", "held.0", 1, due, sent=False),)
    pass_by(stage, 86_400)
    stage.run()
    stage.run()
    assert log(stage) == ["held by HOLD", "late by after.held.0"]


def test_until_empty_does_not_wait_for_timers() -> None:
    """They are no messages yet."""
    stage = Stage(order())
    send(stage, "HOLD")
    began = stage.clock.now()
    stage.run()
    assert stage.clock.now() == began
    assert stage.queue.status().timers == 1


def test_leaving_the_node_ends_its_delay() -> None:
    """PAY came in time."""
    stage = Stage(order())
    send(stage, "HOLD", "PAY")
    stage.run()
    assert stage.store.timers("k") == ()
    pass_by(stage, 100)
    stage.run()
    assert log(stage) == ["held by HOLD", "paid by PAY"]


def test_an_event_that_does_not_leave_the_node_lets_its_delay_go_on() -> None:
    """It is due when it was due."""
    stage = Stage(order())
    send(stage, "HOLD")
    stage.run()
    (timer,) = stage.store.timers("k")
    pass_by(stage, 30)
    send(stage, "LOOK")
    stage.run()
    assert stage.store.timers("k") == (timer,)


def test_a_node_that_is_entered_again_while_its_delay_is_looked_at_keeps_its_time() -> None:
    """Another writer lets the instance enter its node again between the worker's two looks."""
    stage = Stage(order())

    class BusyStore(MemoryStore):
        busy = False

        def timers(self, key: str) -> tuple[DurableTimer, ...]:
            found = super().timers(key)
            self.meet(key)
            return found

        def load(self, key: str) -> Snapshot | None:
            found = super().load(key)
            self.meet(key)
            return found

        def meet(self, key: str) -> None:
            if self.busy:
                self.busy = False
                writer = Interpreter(stage.chart, self, clock=SimulatedClock())
                writer.settle_sync(key, "HOLD")

    stage.store = store = BusyStore(now=stage.clock.now)
    stage.queue = FifoQueue(store, "order")
    send(stage, "HOLD")
    stage.run()
    pass_by(stage, 61)
    store.busy = True
    stage.run()
    assert not store.busy
    snapshot = store.load("k")
    assert snapshot is not None
    assert snapshot.configuration == ("held",)
    assert [each.due for each in store.timers("k")] == [stage.clock.now() + 60]


def test_a_delay_does_not_fire_for_an_instance_that_was_created_again_in_the_same_state() -> None:
    """State and revision are equal; the timer tells the two stays apart."""
    stage = Stage(order())
    send(stage, "HOLD")
    stage.run()
    pass_by(stage, 61)
    stage.queue.release_timers()
    (message,) = stage.queue.receive()
    before = stage.store.load("k")
    stage.store.delete("k", 1)
    Interpreter(stage.chart, stage.store, clock=stage.clock).settle_sync("k", "HOLD")
    assert stage.store.load("k") == before
    assert before is not None
    late = Snapshot("order", 1, ("late",), before.context, 2)
    transaction = Transaction("k", late, 1, consumed=message.receipt, before=before)
    with pytest.raises(VersionConflictError, match="its timer was ended"):
        stage.store.commit(transaction)
    stage.queue.change_visibility(message.receipt, 0)
    stage.run()
    assert stage.store.load("k") == before
    assert stage.outcomes()[-1] == "stale"


def test_entering_the_node_again_starts_its_delay_anew() -> None:
    """A new start of the delay, and the old one never fires."""
    stage = Stage(order())
    send(stage, "HOLD")
    stage.run()
    pass_by(stage, 30)
    send(stage, "HOLD")
    stage.run()
    (timer,) = stage.store.timers("k")
    assert (timer.token, timer.due) == (2, stage.clock.now() + 60)
    pass_by(stage, 40)
    stage.run()
    assert log(stage) == ["held by HOLD", "held by HOLD"]
    pass_by(stage, 20)
    stage.run()
    assert log(stage)[-1] == "late by after.held.0"


@pytest.mark.parametrize("event", ["PAY", "HOLD"])
def test_a_delay_that_lost_the_race_against_an_event_does_nothing(event: str) -> None:
    """Its message waits behind an event that leaves the node, be it only to come back."""
    stage = Stage(order())
    send(stage, "HOLD")
    stage.run()
    pass_by(stage, 60)
    send(stage, event)
    assert stage.queue.release_timers() == 1
    stage.run()
    said = "paid by PAY" if event == "PAY" else "held by HOLD"
    assert log(stage) == ["held by HOLD", said]
    assert stage.outcomes() == ["resolved", "resolved", "stale"]
    assert len(stage.store.timers("k")) == (event == "HOLD")


def test_a_delay_whose_message_was_sent_goes_on_when_an_event_stays() -> None:
    """LOOK comes between, and the delay fires behind it."""
    stage = Stage(order())
    send(stage, "HOLD")
    stage.run()
    pass_by(stage, 60)
    send(stage, "LOOK")
    stage.queue.release_timers()
    stage.run()
    assert log(stage) == ["held by HOLD", "late by after.held.0"]


def test_a_delay_whose_guards_say_no_is_over() -> None:
    """It passes once; the node has to be entered again for another time."""

    def never(context: Any, event: Any) -> bool:
        return False

    stage = Stage(order(after={"60": {"dest": "late", "conditions": never}}))
    send(stage, "HOLD")
    stage.run()
    pass_by(stage, 60)
    stage.run()
    assert stage.outcomes() == ["resolved", "ignored"]
    assert stage.store.timers("k") == ()
    pass_by(stage, 600)
    stage.run()
    assert stage.outcomes() == ["resolved", "ignored"]


def test_of_two_delays_of_a_node_the_shorter_fires_first() -> None:
    """Also where both are due when a worker comes back."""
    chart = order(after={"90": {"dest": "paid"}, "60": {"dest": None, "assign": tell("reminder")}})
    stage = Stage(chart)
    send(stage, "HOLD")
    stage.run()
    pass_by(stage, 1000)
    stage.run()
    assert log(stage) == ["held by HOLD", "reminder by after.held.1", "paid by after.held.0"]


def test_a_delay_may_run_services_and_fail() -> None:
    """As an event does: attempts count, and the dead letter comes back by redrive."""
    keys: list[str] = []

    async def remind(call: Any) -> None:
        keys.append(call.idempotency_key)
        if len(keys) < 3:
            raise OSError("no mail")

    stage = Stage(
        chart_of(
            [
                settled("a"),
                settled("held", after={"5": "mailing"}),
                {"name": "mailing", "invoke": {"src": remind, "on_done": "a"}},
            ],
            [["HOLD", "a", "held"]],
            name="mail",
        ),
        max_failures=2,
    )
    send(stage, "HOLD")
    stage.run()
    pass_by(stage, 5)
    stage.run()
    assert len(stage.queue.dead_letters()) == 1
    stage.queue.redrive()
    stage.run()
    snapshot = stage.store.load("k")
    assert snapshot is not None
    assert snapshot.configuration == ("a",)
    assert keys == ["mail:k:#2:mailing.0:1"] * 3


def test_a_delay_that_began_during_the_event_has_only_its_rest_to_run() -> None:
    """A service of another region kept the event going for 20 of its 60 seconds."""

    async def work(call: Any) -> None:
        await call.sleep(20)

    chart = chart_of(
        [
            settled("a"),
            {
                "name": "both",
                "parallel": [
                    {
                        "name": "left",
                        "initial": "rest",
                        "children": [settled("rest", after={"60": "over"}), settled("over")],
                    },
                    {
                        "name": "right",
                        "initial": "busy",
                        "children": [
                            {"name": "busy", "invoke": {"src": work, "on_done": "both.right.free"}},
                            settled("free"),
                        ],
                    },
                ],
            },
        ],
        [["GO", "a", "both"]],
        name="both",
    )
    stage = Stage(chart)
    began = stage.clock.now()
    send(stage, "GO")
    stage.run()
    (timer,) = stage.store.timers("k")
    assert stage.clock.now() - began == 20.0
    assert timer.due - began == 60.0


def test_a_settle_without_a_worker_starts_and_ends_timers_too() -> None:
    """`Interpreter.settle` saves them; a worker sees to them."""
    stage = Stage(order())
    interpreter = Interpreter(stage.chart, stage.store, clock=stage.clock)
    interpreter.settle_sync("k", "HOLD")
    assert [each.delay for each in stage.store.timers("k")] == ["held.0"]
    interpreter.settle_sync("k", "LOOK")
    assert [each.delay for each in stage.store.timers("k")] == ["held.0"]
    pass_by(stage, 60)
    stage.run()
    assert log(stage) == ["held by HOLD", "late by after.held.0"]


def test_who_keeps_the_time_himself_may_say_that_a_delay_has_passed() -> None:
    """`Interpreter.elapsed` is what the worker does, without a queue."""
    stage = Stage(order())
    interpreter = Interpreter(stage.chart, stage.store, clock=stage.clock)

    async def main() -> None:
        await interpreter.settle("k", "HOLD")
        late = await interpreter.elapsed("k", "held.0")
        assert (late.outcome, late.after.configuration) == (Outcome.RESOLVED, ("late",))
        again = await interpreter.elapsed("k", "held.0")
        assert again.outcome is Outcome.IGNORED
        # In a notebook a loop runs, and nothing has to be awaited.
        assert interpreter.elapsed_sync("k", "held.0", "e3").outcome is Outcome.IGNORED

    asyncio.run(main())
    assert stage.store.timers("k") == ()


def test_a_rejected_event_leaves_timers_alone() -> None:
    """The instance stays where it was, and so does its delay."""
    chart = chart_of(
        [settled("a"), settled("held", after={"60": "a"}), {"name": "no", "tags": ["reject"]}],
        [["HOLD", "a", "held"], ["BAD", "held", "no"]],
        name="order",
    )
    stage = Stage(chart)
    send(stage, "HOLD", "BAD")
    stage.run()
    assert stage.outcomes() == ["resolved", "rejected"]
    assert [each.delay for each in stage.store.timers("k")] == ["held.0"]


def test_a_worker_that_dies_between_sending_and_settling_a_delay_loses_nothing() -> None:
    """The message is redelivered, and the delay fires once."""
    stage = Stage(order(), visibility_timeout=30)
    send(stage, "HOLD")
    stage.run()
    pass_by(stage, 60)
    assert stage.queue.release_timers() == 1
    (message,) = stage.queue.receive()
    pass_by(stage, 30)
    stage.run()
    assert log(stage) == ["held by HOLD", "late by after.held.0"]
    with pytest.raises(ReceiptExpiredError):
        stage.queue.delete(message.receipt)


def test_a_message_that_pretends_to_be_a_timer_does_nothing() -> None:
    """Only a timer of the store is one."""
    stage = Stage(order())
    send(stage, "HOLD")
    stage.queue.send({"timer": "held.0", "token": 7}, "k")
    stage.run()
    assert log(stage) == ["held by HOLD"]
    assert stage.outcomes() == ["resolved", "stale"]


# --- a chart that was edited without a new version ------------------------------------------

TWO = {"60": "late", "90": {"dest": None, "assign": tell("reminder")}}


def edited(stage: Stage, chart: Chart) -> None:
    """Let the stage's next workers have another chart of the same name and version."""
    stage.chart = chart


def warnings(stage: Stage) -> list[str]:
    """What was warned of, beside what became of messages."""
    return [each.getMessage() for each in stage.records.records if "outcome" not in vars(each)]


def test_a_timer_whose_delay_the_chart_does_not_have_is_kept_and_told() -> None:
    """It is given to nobody; each worker warns of it once."""
    stage = Stage(order())
    send(stage, "HOLD")
    stage.run()
    pass_by(stage, 10)
    send(stage, "LOOK")
    edited(stage, order(after={}))
    stage.run(on_edited="warn")
    pass_by(stage, 100)
    for count in (1, 2):
        stage.work(lambda worker: stage.clock.sleep(5))
        assert len(warnings(stage)) == count
    assert warnings(stage)[0] == (
        "instance 'k' waits for the delay 'held.0', which chart 'order' does not have: the timer "
        "is kept until a chart has it, or the instance is deleted"
    )
    assert [each.sent for each in stage.store.timers("k")] == [False]


def test_a_kept_timer_fires_when_the_chart_has_its_delay_again() -> None:
    """The edit is taken back."""
    stage = Stage(order())
    send(stage, "HOLD")
    stage.run()
    edited(stage, order(after={}))
    pass_by(stage, 100)
    stage.run()
    assert (log(stage), len(warnings(stage))) == (["held by HOLD"], 1)
    edited(stage, order())
    stage.run()
    assert log(stage) == ["held by HOLD", "late by after.held.0"]


def test_an_event_does_not_end_a_timer_whose_delay_the_chart_does_not_have() -> None:
    """The chart has other delays, so the settlement names those that go on."""
    stage = Stage(order(after=TWO))
    send(stage, "HOLD")
    stage.run()
    edited(stage, order(after={"60": "late"}))
    send(stage, "LOOK")
    stage.run(on_edited="warn")
    assert [each.delay for each in stage.store.timers("k")] == ["held.0", "held.1"]
    assert len(warnings(stage)) == 1
    interpreter = Interpreter(stage.chart, stage.store, clock=stage.clock, on_edited="warn")
    interpreter.settle_sync("k", "LOOK")
    assert [each.delay for each in stage.store.timers("k")] == ["held.0", "held.1"]


def test_a_timer_that_was_sent_waits_for_a_chart_that_has_its_delay() -> None:
    """Its message is released and held back, not ignored and consumed."""
    stage = Stage(order())
    send(stage, "HOLD")
    stage.run()
    pass_by(stage, 61)
    assert stage.queue.release_timers() == 1
    edited(stage, order(after={}))
    with pytest.raises(ChartMismatchError, match=r"'k' .* the delay 'held.0', which this chart"):
        stage.run(on_edited="warn")
    stage.work(lambda worker: stage.clock.sleep(600), on_edited="warn", poll=1)
    assert set(stage.outcomes()[1:]) == {"released"}
    assert len(stage.outcomes()) < 25  # held back longer each time
    assert stage.queue.status().dead_letters == 0
    edited(stage, order())
    stage.run()
    assert log(stage) == ["held by HOLD", "late by after.held.0"]
