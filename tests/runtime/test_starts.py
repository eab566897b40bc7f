"""New instances that start by themselves: in a store, without an event, and under a worker."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from settlesim import Interpreter, MemoryStore, SimulatedClock
from settlesim.chart import Chart
from settlesim.chart.outcome import Outcome
from settlesim.errors import ChartMismatchError, StalledError
from settlesim.gallery import count
from tests.examples import scaled
from tests.runtime.working import KilledError, MortalDatabase, Stage
from tests.settling.driving import LOG, add, chart_of, settled

START: Any = {"start": True}


def greeting(
    calls: list[str], database: MortalDatabase | None = None, *, crash_at: int = 0, **more: Any
) -> Chart:
    """A chart that greets, then takes GO (a service), NO (rejected) and BACK.

    The `crash_at`-th run of a service is a crash of the process that runs it.
    """

    async def serve(call: Any) -> str:
        calls.append(call.idempotency_key)
        if database is not None and len(calls) == crash_at:
            database.dead = True
            raise KilledError
        await call.sleep(1)
        return str(call.event.name)

    return chart_of(
        [{"name": "boot", "always": {"dest": "hello", "assign": add("boot")}},
         {"name": "hello", "invoke": {
             "src": serve, "on_done": {"dest": "open", "assign": add("hello")}}},
         settled("open", after={"60": {"dest": "late", "assign": add("late")}}),
         settled("late"),
         {"name": "busy", "invoke": {
             "src": serve, "on_done": {"dest": "late", "assign": add("busy")}}},
         {"name": "bad", "tags": ["reject"]}],
        [["GO", "open", "busy"], ["NO", "open", "bad"], ["BACK", "late", "open"]],
        context=LOG,
        **more,
    )  # fmt: skip


def mortal_stage(calls: list[str], *, crash_at: int) -> Stage:
    """A stage on which the worker dies in a service."""
    database = MortalDatabase()
    return Stage(greeting(calls, database, crash_at=crash_at), database, visibility_timeout=30.0)


def revive(stage: Stage) -> None:
    """Let another worker come, after the lease of what the dead one had."""
    assert stage.database is not None
    stage.database.dead = False
    stage.clock = SimulatedClock(stage.clock.now() + 31)
    stage.store.now = stage.clock.now


# --- embedded -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "outcome"), [("BACK", Outcome.IGNORED), ("NO", Outcome.REJECTED)]
)
def test_what_the_start_did_is_in_the_store_where_the_event_is_not(
    event: str, outcome: Outcome
) -> None:
    """With its timer; the service is not run again for the next event."""
    calls: list[str] = []
    store = MemoryStore(now=lambda: 0.0)
    interpreter = Interpreter(greeting(calls), store, clock=SimulatedClock())
    settlement = interpreter.settle_sync("k", event, event_id="e1")
    assert settlement.outcome is outcome
    assert store.load("k") == settlement.after
    assert settlement.after.configuration == ("open",)
    assert [(each.delay, each.due) for each in store.timers("k")] == [("open.0", 60.0)]
    (past,) = store.settlements("k")
    assert (past.outcome, past.record["start"]) == (
        outcome.value, {"outcome": "resolved", "calls": 1},
    )  # fmt: skip
    assert interpreter.settle_sync("k", "GO", event_id="e2").after.revision == 2
    assert calls == ["chart:k:e1:hello.0:1", "chart:k:e2:busy.0:1"]


def test_an_instance_is_started_without_an_event_once() -> None:
    """The second start is told that it exists, and runs nothing."""
    calls: list[str] = []
    store = MemoryStore()
    interpreter = Interpreter(greeting(calls), store, clock=SimulatedClock())
    first = asyncio.run(interpreter.start("k", "e1"))
    assert (first.outcome, first.after.revision) == (Outcome.RESOLVED, 1)
    again = interpreter.start_sync("k", "e2")
    assert (again.outcome, again.start, again.saved) == (Outcome.IGNORED, None, False)
    assert again.before == store.load("k") == first.after
    assert calls == ["chart:k:e1:hello.0:1"]
    other = greeting(calls, version=2)
    with pytest.raises(ChartMismatchError):
        Interpreter(other, store, clock=SimulatedClock()).start_sync("k")


def test_a_chart_whose_first_state_does_nothing_is_started_as_it_was() -> None:
    """An untagged first state is not saved; the first COUNT enters ``even``."""
    store = MemoryStore()
    interpreter = Interpreter(count, store, clock=SimulatedClock())
    settlement = interpreter.start_sync("c")
    assert (settlement.outcome, store.load("c")) == (Outcome.IGNORED, None)
    assert settlement.start is not None
    assert interpreter.settle_sync("c", "COUNT").after.configuration == ("even",)


def test_a_start_that_stalls_saves_nothing() -> None:
    """It worked, and rests where no tag is."""
    store = MemoryStore()
    chart = chart_of([{"name": "a", "always": "b"}, "b", settled()])
    with pytest.raises(StalledError):
        Interpreter(chart, store, clock=SimulatedClock()).start_sync("k")
    assert list(store.keys()) == []


# --- under a worker -----------------------------------------------------------------------


def test_a_worker_starts_what_a_message_asks_it_to_start() -> None:
    """One that exists is left alone, and the message is consumed."""
    calls: list[str] = []
    stage = Stage(greeting(calls))
    stage.queue.send(START, "k", "s1")
    stage.queue.send(START, "k", "s2")
    stage.run()
    assert stage.outcomes() == ["resolved", "ignored"]
    assert stage.log("k") == ["boot:_settlesim.start", "hello:done.invoke.hello.0"]
    assert calls == ["chart:k:s1:hello.0:1"]
    assert stage.queue.status().depth == 0
    snapshot = stage.store.load("k")
    assert snapshot is not None
    assert snapshot.revision == 1


def test_the_timer_of_a_start_fires_under_the_worker() -> None:
    """Where the first event was ignored, too."""
    stage = Stage(greeting([]))
    stage.queue.send({"event": "BACK"}, "k")
    stage.run()
    (timer,) = stage.store.timers("k")
    stage.clock = SimulatedClock(timer.due + 1)
    stage.store.now = stage.clock.now
    stage.queue.release_timers()
    stage.run()
    assert stage.outcomes() == ["ignored", "resolved"]
    assert stage.log("k")[-1] == "late:after.open.0"


@pytest.mark.parametrize("body", [START, {"event": "GO"}, {"event": "NO"}, {"event": "BACK"}])
@pytest.mark.parametrize("crash_at", [1, 2])
def test_a_crash_in_the_services_of_the_start_repeats_the_message(body: Any, crash_at: int) -> None:
    """It is received again, the services run under the same keys, and nothing else differs."""
    endings = []
    for crashing in (0, crash_at):
        calls: list[str] = []
        stage = mortal_stage(calls, crash_at=crashing)
        stage.queue.send(body, "k", "e1")
        crashed = False
        try:
            stage.run()
        except KilledError:
            crashed = True
            revive(stage)
            assert stage.store.load("k") is None
            stage.run()
        assert crashed is (0 < crashing <= len(set(calls)))
        if crashed:
            assert calls == [*calls[:crashing], *dict.fromkeys(calls)]
        endings.append((stage.store.load("k"), list(dict.fromkeys(calls))))
        assert stage.queue.status().depth == 0
    assert endings[0] == endings[1]
    snapshot = endings[0][0]
    assert snapshot is not None
    assert snapshot.revision == 1


EVENTS = st.lists(st.sampled_from(["GO", "NO", "BACK", None]), min_size=1, max_size=6)


@settings(max_examples=scaled(15), deadline=None)
@given(EVENTS, st.integers(0, 6))
def test_worker_and_interpreter_come_to_the_same_with_and_without_a_crash(
    events: list[str | None], crash_at: int
) -> None:
    """One interpreter, one for each event, one worker, and one that dies in a service."""
    endings = []
    for fresh in (False, True):
        store = MemoryStore()
        interpreter = Interpreter(greeting([]), store, clock=SimulatedClock())
        for event in events:
            if fresh:
                interpreter = Interpreter(greeting([]), store, clock=SimulatedClock())
            if event is None:
                interpreter.start_sync("k")
            else:
                interpreter.settle_sync("k", event)
        endings.append(store.load("k"))
    for crashing in (0, crash_at):
        stage = mortal_stage([], crash_at=crashing)
        for event in events:
            stage.queue.send(START if event is None else {"event": event}, "k")
        try:
            stage.run()
        except KilledError:
            revive(stage)
            stage.run()
        endings.append(stage.store.load("k"))
    assert all(each == endings[0] for each in endings)
