"""What holds for every chart: a worker is a fold of `settle`, on every store, crashes or not."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any, TypeAlias

from hypothesis import assume, given, settings
from hypothesis import event as note
from hypothesis import strategies as st

from settlesim import FifoQueue, Interpreter, MemoryStore, SimulatedClock, SqliteStore, Worker
from settlesim.chart import Chart
from settlesim.errors import SettleError
from tests.examples import scaled
from tests.strategies_charts import TRIGGERS, charts

Step: TypeAlias = tuple[str, Any]
CHARTS = charts(bound=True, resting=True)
KEYS = st.sampled_from(["k", "other"])
EVENTS = st.lists(st.tuples(KEYS, st.sampled_from([*TRIGGERS, "UNKNOWN"])), max_size=8)
STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.tuples(KEYS, st.sampled_from(TRIGGERS))),
        st.tuples(st.just("wait"), st.sampled_from([1, 30, 60, 90, 1000])),
        st.tuples(st.just("die"), st.integers(1, 2)),
        st.tuples(st.just("work"), st.none()),
    ),
    max_size=12,
)


def queue_of(store: Any, chart: Chart) -> FifoQueue:
    """The chart's queue; an event that fails is put aside at once, deaths are not counted."""
    return FifoQueue(store, chart.name, max_failures=1, max_receives=20, visibility_timeout=20)


def states(store: Any) -> dict[str, Any]:
    """What the store says of each instance."""
    return {key: (store.load(key), store.timers(key)) for key in store.keys()}  # noqa: SIM118


HORIZON = 5_000.0
"""Seconds on a simulated clock: more than the events of a test take."""


def work(chart: Chart, store: Any, clock: SimulatedClock) -> None:
    """Let a worker go on until nothing waits.

    A chart that always has more to do is left out, as one where the delays of two instances
    pass while an event of the other is handled: that would never end.
    """
    worker = Worker(chart, store, queue_of(store, chart), clock=clock, max_microsteps=60)

    async def watched() -> bool:
        running = asyncio.ensure_future(worker.run(until_empty=True))
        horizon = asyncio.ensure_future(clock.sleep(HORIZON))
        await asyncio.wait({running, horizon}, return_when=asyncio.FIRST_COMPLETED)
        came_to_the_end = running.done()
        worker.stop()
        horizon.cancel()
        await running
        return came_to_the_end

    assume(asyncio.run(watched()))


@settings(max_examples=scaled(20), deadline=None)
@given(CHARTS, EVENTS)
def test_a_worker_leads_where_settle_leads(chart: Chart, events: list[tuple[str, str]]) -> None:
    """One event after the other, those that fail left out; the timers are the same, too."""
    clock = SimulatedClock()
    store = MemoryStore(now=clock.now)
    queue = queue_of(store, chart)
    for key, event in events:
        queue.send({"event": event}, key)
    work(chart, store, clock)

    folded_clock = SimulatedClock()
    folded = MemoryStore(now=folded_clock.now)
    interpreter = Interpreter(chart, folded, clock=folded_clock, max_microsteps=60)
    failed, timed, began = 0, False, folded_clock.now()
    for key, event in events:
        try:
            interpreter.settle_sync(key, event)
        except SettleError:
            failed += 1
        timed = timed or bool(folded.timers(key))
    # While one instance waits for an `after` of its own, a timer of the other may fire; `settle`
    # alone lets none fire.
    assume(not timed or folded_clock.now() == began)
    note(f"failed: {min(failed, 3)}")
    assert len(queue.dead_letters()) == failed
    assert {key: store.load(key) for key in ("k", "other")} == {
        key: folded.load(key) for key in ("k", "other")
    }
    for key in ("k", "other"):
        assert [each.delay for each in store.timers(key)] == [
            each.delay for each in folded.timers(key)
        ]


def take(step: Step, chart: Chart, store: Any, clock: SimulatedClock) -> None:
    """Do one step with what is in the store."""
    queue = queue_of(store, chart)
    kind, what = step
    if kind == "send":
        queue.send({"event": what[1]}, what[0])
    elif kind == "wait":
        asyncio.run(clock.sleep(what))
    elif kind == "die":
        queue.release_timers()
        queue.receive(what)
    else:
        work(chart, store, clock)


@settings(max_examples=scaled(12), deadline=None)
@given(CHARTS, STEPS)
def test_a_worker_on_files_does_what_it_does_in_memory(chart: Chart, steps: list[Step]) -> None:
    """Also where each step is another process, and some die with messages in hand."""
    clock, file_clock = SimulatedClock(), SimulatedClock()
    store = MemoryStore(now=clock.now)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "s.db")
        for step in [*steps, ("work", None)]:
            take(step, chart, store, clock)
            with SqliteStore(path, now=file_clock.now) as files:
                take(step, chart, files, file_clock)
                queues = queue_of(store, chart), queue_of(files, chart)
                assert queues[0].status() == queues[1].status()
                assert queues[0].dead_letters() == queues[1].dead_letters()
                assert states(store) == states(files)
                for key in ("k", "other"):
                    assert store.settlements(key) == files.settlements(key)


@settings(max_examples=scaled(20), deadline=None)
@given(CHARTS, STEPS)
def test_deaths_change_no_outcome(chart: Chart, steps: list[Step]) -> None:
    """Receptions that led to nothing are as if they had not been, but for the time."""

    def play(steps: list[Step]) -> Any:
        clock = SimulatedClock()
        store = MemoryStore(now=clock.now)
        for step in [*steps, ("work", None)]:
            take(step, chart, store, clock)
        letters = [(each.id, each.errors) for each in queue_of(store, chart).dead_letters()]
        return [store.load(key) for key in ("k", "other")], letters

    events = [step for step in steps if step[0] in {"send", "die"}]
    assert play(events) == play([step for step in events if step[0] == "send"])
