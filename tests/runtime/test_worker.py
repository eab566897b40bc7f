"""A worker: every event applied once and in order, in one write, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path
from typing import Any

import pytest

from settlesim import (
    FifoQueue,
    MemoryStore,
    RealClock,
    SimulatedClock,
    SqliteStore,
    StandardQueue,
    Worker,
)
from settlesim.chart import Chart, Snapshot
from settlesim.chart.strict_json import freeze_object
from settlesim.errors import (
    ChartMismatchError,
    InvalidValueError,
    StoreDamagedError,
    StoreUnavailableError,
    UnboundFunctionError,
)
from settlesim.gallery import count
from settlesim.ports import Message, Transaction
from settlesim.store import ParkedGroup, QueueStatus
from tests.runtime.working import Stage, log_chart
from tests.settling.driving import chart_of, settled


async def second(call: Any) -> None:
    """A service that takes a second."""
    await call.sleep(1)


# --- what it is for -----------------------------------------------------------------------


def test_events_of_one_key_are_applied_in_order_and_their_messages_are_gone() -> None:
    """The queue is empty, the store has everything, and every settlement was logged."""
    stage = Stage(log_chart(second))
    stage.send(*(("k", number) for number in range(5)))
    stage.run()
    assert stage.log("k") == [0, 1, 2, 3, 4]
    assert stage.queue.status().depth == 0
    assert stage.records.fields("key", "event", "event_id", "outcome", "revision", "receives") == [
        ("k", "GO", f"#{number}", "resolved", number, 1) for number in range(1, 6)
    ]
    assert stage.records.fields("seconds", "error") == [(1.0, None)] * 5


def test_groups_run_side_by_side_and_events_of_one_group_never() -> None:
    """Three keys take as long as one; within a key the services do not overlap."""
    running: dict[str, int] = {}
    most: list[int] = []

    async def watch(call: Any) -> None:
        key = call.idempotency_key.split(":")[1]
        running[key] = running.get(key, 0) + 1
        assert running[key] == 1
        most.append(sum(running.values()))
        await call.sleep(1)
        running[key] -= 1

    stage = Stage(log_chart(watch))
    stage.send(*((key, number) for number in range(3) for key in ("a", "b", "c")))
    began = stage.clock.now()
    stage.run(concurrency=3)
    assert [stage.log(key) for key in ("a", "b", "c")] == [[0, 1, 2]] * 3
    assert max(most) == 3
    assert stage.clock.now() - began == 3.0
    assert set(stage.outcomes()) == {"resolved"}


def test_concurrency_is_a_limit() -> None:
    """Two concurrently, however many groups wait."""
    running: list[str] = []
    most: list[int] = []

    async def watch(call: Any) -> None:
        running.append("x")
        most.append(len(running))
        await call.sleep(1)
        running.pop()

    stage = Stage(log_chart(watch))
    stage.send(*((key, 0) for key in "abcdef"))
    stage.run(concurrency=2)
    assert max(most) == 2
    assert all(stage.log(key) == [0] for key in "abcdef")


def test_two_workers_share_a_queue() -> None:
    """Each event goes to one of them."""
    stage = Stage(log_chart(second))
    stage.send(*((key, number) for number in range(3) for key in ("a", "b")))

    async def both() -> None:
        await asyncio.gather(*(stage.worker().run(until_empty=True) for _ in range(2)))

    asyncio.run(both())
    assert (stage.log("a"), stage.log("b")) == ([0, 1, 2], [0, 1, 2])
    assert stage.records.fields("receives") == [(1,)] * 6


def test_a_run_is_the_same_every_time() -> None:
    """Simulated time, and no other source of order."""

    def run() -> Any:
        stage = Stage(log_chart(second))
        stage.send(*((key, number) for number in range(4) for key in "abcde"))
        stage.run(concurrency=3)
        return stage.records.fields("key", "event_id", "seconds", "revision"), stage.clock.now()

    assert run() == run()


def test_what_is_rejected_or_ignored_is_consumed_and_remembered() -> None:
    """Nothing is saved, the message is gone, and the history tells."""
    chart = chart_of(
        [settled("a"), {"name": "no", "tags": ["reject"]}], [["GO", "a", "no"]], name="no"
    )
    stage = Stage(chart)
    stage.send(("k", None, "id1"))
    stage.queue.send({"event": "NEVER"}, "k")
    stage.run()
    assert stage.outcomes() == ["rejected", "ignored"]
    assert stage.store.load("k") is None
    assert stage.queue.status().depth == 0
    assert [each.outcome for each in stage.store.settlements("k")] == ["rejected", "ignored"]
    assert stage.store.mark("k", "id1") is not None


def test_a_settlement_is_remembered_with_its_event_and_services() -> None:
    """Enough to tell what happened, beside the state that it saved."""
    stage = Stage(log_chart(second))
    stage.send(("k", {"amount": 5}, "id1"))
    stage.run()
    (past,) = stage.store.settlements("k")
    assert past.snapshot == stage.store.load("k")
    assert past.record == {
        "event": {"name": "GO", "data": {"amount": 5}},
        "event_id": "id1",
        "outcome": "resolved",
        "path": [["rest"], ["busy"], ["rest"]],
        "edges": [0, 1],
        "calls": [
            {
                "service": "second",
                "invocation": "busy.0",
                "status": "done",
                "seconds": 1.0,
                "error": None,
                "result": None,
            }
        ],
    }


def test_services_may_be_bound_by_the_worker() -> None:
    """As `Chart.bind` takes them, over what the chart has."""
    called: list[str] = []

    async def wait(call: Any) -> None:
        called.append(call.service)

    stage = Stage(count)
    for _ in range(2):
        stage.queue.send({"event": "COUNT"}, "c")
    stage.run(services={"wait": wait})
    assert called == ["wait", "wait"]


# --- events that are redelivered --------------------------------------------------------------


def test_an_event_that_was_settled_is_consumed_without_being_applied() -> None:
    """Its id is known longer than the queue deduplicates."""
    called: list[str] = []

    async def work(call: Any) -> None:
        called.append(call.idempotency_key)

    stage = Stage(log_chart(work), deduplication_window=10)
    stage.send(("k", 1, "id1"))
    stage.run()
    asyncio.run(stage.clock.sleep(60))
    stage.send(("k", 1, "id1"), ("k", 2))
    stage.run()
    assert stage.log("k") == [1, 2]
    assert called == ["log:k:id1:busy.0:1", "log:k:#3:busy.0:1"]
    assert stage.records.fields("outcome", "event_id", "revision") == [
        ("resolved", "id1", 1),
        ("repeated", "id1", 1),
        ("resolved", "#3", 2),
    ]


def test_an_id_that_is_used_again_for_another_event_goes_to_the_dead_letters() -> None:
    """Also after the queue has forgotten it: nothing that was accepted is lost in silence."""
    stage = Stage(log_chart(), deduplication_window=10)
    stage.send(("k", 1, "id1"))
    stage.run()
    asyncio.run(stage.clock.sleep(60))
    stage.send(("k", 2, "id1"), ("k", 3))
    stage.run()
    assert stage.log("k") == [1, 3]
    (letter,) = stage.queue.dead_letters()
    assert letter.errors == (
        "InvalidValueError: the id 'id1' of message 2 was settled at revision 1 with another "
        "body; an id is for one event and its duplicates",
    )
    assert stage.outcomes() == ["resolved", "dead", "resolved"]


def test_an_instance_that_was_created_again_meanwhile_is_settled_from_its_new_state() -> None:
    """It is at the same revision again, by chance."""

    async def work(call: Any) -> None:
        if call.event.data == "second" and not done:
            done.append(True)
            stage.store.delete("k", 1)
            anew = Snapshot("log", 1, ("rest",), freeze_object({"log": ["new"]}, where="c"), 1)
            stage.store.commit(Transaction("k", anew, 0))

    done: list[bool] = []
    stage = Stage(log_chart(work))
    stage.send(("k", "first"), ("k", "second"))
    stage.run()
    assert done
    assert stage.log("k") == ["new", "second"]


def test_the_same_id_of_another_key_is_another_event() -> None:
    """Ids belong to their instance."""
    stage = Stage(log_chart())
    stage.send(("a", 1, "id1"), ("b", 2, "id1"))
    stage.run()
    assert (stage.log("a"), stage.log("b")) == ([1], [2])


def test_a_senders_id_can_not_be_taken_for_a_messages_own() -> None:
    """An id that looks like one is told from it."""
    stage = Stage(log_chart())
    stage.send(("k", 1), ("k", 2, "#1"))
    stage.run()
    assert stage.records.fields("event_id", "outcome") == [("#1", "resolved"), ("##1", "resolved")]


def test_copies_of_a_standard_queue_are_applied_once() -> None:
    """At least once and unordered: nothing is lost or doubled, the order is."""
    stage = Stage(log_chart(second))
    queue = StandardQueue(stage.store, "log", seed=3, copy_every=2)
    for number in range(6):
        queue.send({"event": "GO", "data": number}, "k")
    stage.run(queue=queue, concurrency=4)
    assert sorted(stage.log("k")) == [0, 1, 2, 3, 4, 5]
    assert stage.log("k") != [0, 1, 2, 3, 4, 5]
    assert queue.status().depth == 0
    assert "repeated" in stage.outcomes()


# --- leases ---------------------------------------------------------------------------------


def test_visibility_is_extended_while_services_run() -> None:
    """A service of 100 seconds, a visibility time-out of 5, and one reception."""

    async def slow(call: Any) -> None:
        await call.sleep(50)

    stage = Stage(log_chart(slow), visibility_timeout=5)
    stage.send(("k", 1), ("k", 2))

    async def both() -> None:
        await asyncio.gather(*(stage.worker().run(until_empty=True) for _ in range(2)))

    asyncio.run(both())
    assert stage.log("k") == [1, 2]
    assert stage.records.fields("outcome", "receives") == [("resolved", 1), ("resolved", 1)]


def steal(stage: Stage) -> None:
    """Let the visibility of all messages in flight end, and receive them elsewhere."""
    stage.clock._now += 100  # as a frozen process sees it
    assert stage.queue.receive(10, 5)


def test_a_worker_that_lost_its_message_ends_the_services_and_saves_nothing() -> None:
    """Another has it; the event is applied once."""
    keys: list[str] = []

    async def work(call: Any) -> None:
        keys.append(call.idempotency_key)
        if len(keys) == 1:
            steal(stage)
            try:
                await call.sleep(59)
            except asyncio.CancelledError:
                keys.append("cancelled")
                raise

    stage = Stage(log_chart(work), visibility_timeout=6)
    stage.send(("k", 1, "id1"))
    stage.run()
    assert keys == ["log:k:id1:busy.0:1", "cancelled", "log:k:id1:busy.0:1"]
    assert stage.log("k") == [1]
    assert stage.records.fields("outcome", "receives") == [("lost", 1), ("resolved", 3)]
    assert "received again" in stage.records.fields("error")[0][0]


def test_a_commit_with_a_lost_message_is_thrown_away() -> None:
    """Services that end in time are of no use where the message is in other hands."""

    async def work(call: Any) -> None:
        if stage.queue.status().in_flight and not stage.outcomes():
            steal(stage)

    stage = Stage(log_chart(work), visibility_timeout=6)
    stage.send(("k", 1))
    stage.run()
    assert stage.log("k") == [1]
    assert stage.records.fields("outcome", "receives") == [("lost", 1), ("resolved", 3)]


def test_an_event_is_settled_again_where_another_writer_was_first() -> None:
    """Compare-and-set refuses the first attempt, and it does not count as a failure."""
    context = freeze_object({"log": ["other"]}, where="context")

    async def work(call: Any) -> None:
        if not call.context["log"][:-1]:
            other = Snapshot("log", 1, ("rest",), context, 1)
            stage.store.commit(Transaction("k", other, 0))

    stage = Stage(log_chart(work), max_failures=1)
    stage.send(("k", 1))
    stage.run()
    assert stage.log("k") == ["other", 1]
    assert stage.records.fields("outcome", "receives") == [("resolved", 1)]


# --- stopping -------------------------------------------------------------------------------


def test_stop_lets_what_is_in_flight_end() -> None:
    """Within the grace time; what waits is left alone."""
    stage = Stage(log_chart(second))
    stage.send(("k", 1), ("k", 2))

    async def main(worker: Worker) -> None:
        await stage.clock.sleep(0.5)

    stage.work(main, grace=5)
    assert stage.log("k") == [1]
    assert stage.queue.status().depth == 1
    assert stage.queue.status().in_flight == 0


def test_stop_releases_what_does_not_end_in_time() -> None:
    """At once visible for another worker, without blame and with the same key."""
    keys: list[str] = []

    async def slow(call: Any) -> None:
        keys.append(call.idempotency_key)
        await call.sleep(30)

    stage = Stage(log_chart(slow), max_failures=1)
    stage.send(("k", 1))

    async def main(worker: Worker) -> None:
        await stage.clock.sleep(1)

    began = stage.clock.now()
    stage.work(main, grace=5)
    assert stage.clock.now() - began == 6.0
    assert stage.records.fields("outcome", "error") == [("released", "the worker stops")]
    assert (stage.log("k"), stage.queue.status().in_flight) == (None, 0)
    stage.run()
    assert stage.log("k") == [1]
    assert keys == ["log:k:#1:busy.0:1"] * 2


def test_a_cancelled_run_releases_at_once() -> None:
    """As Ctrl-C in a script does."""
    stage = Stage(log_chart(second))
    stage.send(("k", 1))

    async def main() -> None:
        task = asyncio.ensure_future(stage.worker().run())
        await stage.clock.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    assert stage.outcomes() == ["released"]
    assert stage.queue.status().in_flight == 0


def test_a_worker_that_was_stopped_before_it_ran_ends_at_once() -> None:
    """And runs when it is run again."""
    stage = Stage(log_chart())
    stage.send(("k", 1))
    worker = stage.worker()
    worker.stop()
    worker.run_sync(until_empty=True)
    assert stage.log("k") is None
    worker.run_sync(until_empty=True)
    assert stage.log("k") == [1]


def test_a_service_may_stop_the_worker() -> None:
    """The event that it is part of is settled first."""
    workers: list[Worker] = []

    async def work(call: Any) -> None:
        workers[0].stop()

    stage = Stage(log_chart(work))
    stage.send(("k", 1), ("k", 2))
    workers.append(stage.worker())
    workers[0].run_sync()
    assert stage.log("k") == [1]


def test_a_worker_runs_once_at_a_time() -> None:
    """Two runs of one object would stop each other."""
    stage = Stage(log_chart(second))

    async def main(worker: Worker) -> None:
        await stage.clock.sleep(0.01)
        with pytest.raises(RuntimeError, match="runs already"):
            await worker.run()

    stage.work(main)


def test_a_worker_runs_where_a_loop_runs_already() -> None:
    """In Jupyter."""
    stage = Stage(log_chart())
    stage.send(("k", 1))

    async def notebook() -> None:
        stage.worker().run_sync(until_empty=True)

    asyncio.run(notebook())
    assert stage.log("k") == [1]


def test_it_waits_for_messages_that_are_sent_later() -> None:
    """Without `until_empty` an empty queue is looked into again."""
    stage = Stage(log_chart())

    async def main(worker: Worker) -> None:
        await stage.clock.sleep(100)
        stage.send(("k", 1))
        await stage.clock.sleep(worker.poll)

    stage.work(main, poll=7)
    assert stage.log("k") == [1]


def test_a_run_that_is_cancelled_while_it_receives_releases_what_it_got() -> None:
    """Nobody has to wait for the end of a visibility time-out."""
    inside, gate = threading.Event(), threading.Event()

    class SlowQueue(FifoQueue):
        def receive(self, *args: Any, **options: Any) -> tuple[Message, ...]:
            found = super().receive(*args, **options)
            inside.set()
            assert gate.wait(60)
            return found

    store = MemoryStore()
    queue = SlowQueue(store, "count", visibility_timeout=300)
    queue.send({"event": "COUNT"}, "k")

    async def main() -> None:
        task = asyncio.create_task(Worker(count, store, queue).run())
        await asyncio.to_thread(inside.wait)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()  # somebody is impatient
        await asyncio.sleep(0)
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert (queue.status().in_flight, queue.next_change()) == (0, 0.0)


def test_until_empty_counts_everything_in_one_look() -> None:
    """A message for a parked group, sent between two looks, would hide one that others have."""

    class EventfulQueue(FifoQueue):
        looks = 0

        def status(self) -> QueueStatus:
            found = super().status()
            self.looks += 1
            if self.looks == 1:
                stage.send(("bad", 2))
            return found

        def parked(self) -> tuple[ParkedGroup, ...]:
            self.status()
            return super().parked()

    stage = Stage(log_chart(), policy="halt")
    stage.queue = EventfulQueue(stage.store, "log", policy="halt")
    stage.send(("bad", 1), ("good", 3))
    (bad,) = stage.queue.receive()
    stage.queue.fail(bad.receipt, "no", final=True)
    assert stage.queue.receive(visibility_timeout=5)
    stage.run()
    assert stage.log("good") == [3]


def test_a_parked_group_of_another_version_is_counted_once() -> None:
    """Else two groups that wait would be taken for one that cannot go on."""
    stage = Stage(log_chart(), policy="halt")
    newer = Snapshot("log", 2, ("rest",), freeze_object({"log": []}, where="c"), 1)
    stage.store.commit(Transaction("new", newer, 0))
    stage.send(("new", 1), ("new", 2), ("held", 3))
    (new, _) = stage.queue.receive(2, visibility_timeout=5)
    stage.queue.fail(new.receipt, "no", final=True)
    assert stage.queue.left({"new"}) == (1, 1)
    assert stage.queue.left({"held"}) == (1, 0)
    stage.queue.resume("new")
    assert stage.queue.left({"new"}) == (2, 1)


def test_a_standard_queue_counts_the_messages_of_other_versions_too() -> None:
    """There each message is for itself."""
    stage = Stage(log_chart())
    queue = StandardQueue(stage.store, "log")
    newer = Snapshot("log", 2, ("rest",), freeze_object({"log": []}, where="c"), 1)
    stage.store.commit(Transaction("new", newer, 0))
    for key in ("new", "old", "new"):
        queue.send({"event": "GO", "data": key}, key)
    with pytest.raises(ChartMismatchError):
        stage.run(queue=queue)
    assert stage.log("old") == ["old"]
    assert queue.left({"new"}) == (2, 0)


def test_until_empty_waits_for_what_others_have_in_hand() -> None:
    """Their messages may become visible again."""
    stage = Stage(log_chart(), visibility_timeout=30)
    stage.send(("k", 1))
    began = stage.clock.now()
    assert stage.queue.receive()
    stage.run()
    assert stage.log("k") == [1]
    assert stage.clock.now() - began == 30.0


# --- the store ------------------------------------------------------------------------------


class BrokenStore(MemoryStore):
    """A store whose next commits fail."""

    troubles: list[Exception]

    def commit(self, transaction: Transaction) -> None:
        """Fail as often as there are troubles."""
        if self.troubles:
            raise self.troubles.pop(0)
        super().commit(transaction)


def broken(*troubles: Exception, **settings: Any) -> Stage:
    """A stage on a store that fails."""
    stage = Stage(log_chart(second))
    store = BrokenStore(now=stage.clock.now)
    store.troubles = list(troubles)
    stage.store = store
    stage.queue = FifoQueue(store, "log", **settings)
    return stage


def test_a_full_disk_counts_against_nobody() -> None:
    """The event is tried again until it is saved, however often that takes."""
    full = StoreUnavailableError(path="s.json", reason="no space left")
    stage = broken(*[full] * 5, max_failures=1)
    stage.send(("k", 1))
    stage.run()
    assert stage.log("k") == [1]
    assert stage.outcomes() == [*["released"] * 5, "resolved"]
    assert stage.records.fields("receives")[-1] == (6,)


def test_a_damaged_store_ends_the_worker() -> None:
    """With its own message; the event waits."""
    stage = broken(StoreDamagedError(path="s.json", reason="bit rot"))
    stage.send(("k", 1))
    with pytest.raises(StoreDamagedError, match=r"store s\.json is damaged: bit rot"):
        stage.run()
    assert stage.queue.status().depth == 1
    assert stage.queue.status().dead_letters == 0


def test_a_store_that_can_not_come_back_ends_the_worker() -> None:
    """While an event is saved, and while one is looked for."""
    closed = StoreUnavailableError(path="s.json", reason="it was closed", final=True)
    stage = broken(closed)
    stage.send(("k", 1))
    with pytest.raises(StoreUnavailableError, match=r"store s\.json cannot be used: it was closed"):
        stage.run()
    assert stage.queue.status().in_flight == 0

    class ClosedQueue(FifoQueue):
        def release_timers(self, delays: Any = None) -> int:
            raise closed

    with pytest.raises(StoreUnavailableError, match="it was closed"):
        stage.run(queue=ClosedQueue(stage.store, "log"))


def test_a_closed_store_ends_the_worker(tmp_path: Path) -> None:
    """It is the caller who has to open it again."""
    store = SqliteStore(tmp_path / "store.db")
    worker = Worker(count, store, FifoQueue(store, "count"))
    store.close()
    with pytest.raises(StoreUnavailableError, match="it was closed"):
        worker.run_sync(until_empty=True)


def test_an_instance_of_another_version_waits_for_a_worker_that_knows_it() -> None:
    """It does not count as a failure; others go on; an end is found where it is asked for."""
    stage = Stage(log_chart(), max_failures=1)
    newer = Snapshot("log", 2, ("rest",), freeze_object({"log": []}, where="c"), 1)
    stage.store.commit(Transaction("new", newer, 0))
    stage.send(("new", 1), ("new", 2), ("old", 3), ("old", 4))
    with pytest.raises(ChartMismatchError, match="'new' was saved by log version 2"):
        stage.run()
    assert stage.log("old") == [3, 4]
    assert stage.queue.status().depth == 2
    assert stage.outcomes() == ["resolved", "resolved"]  # the others are not even received
    stage.work(lambda worker: stage.clock.sleep(600), poll=5)
    assert stage.queue.status().depth == 2
    assert stage.queue.status().dead_letters == 0


def test_what_is_tried_again_later_comes_before_the_end() -> None:
    """Though an instance of another version is all that waits just now."""
    tried: list[str] = []

    async def work(call: Any) -> None:
        tried.append("x")
        if len(tried) == 1:
            raise ValueError

    stage = Stage(log_chart(work))
    newer = Snapshot("log", 2, ("rest",), freeze_object({"log": []}, where="c"), 1)
    stage.store.commit(Transaction("new", newer, 0))
    stage.send(("old", 1), ("new", 2))
    with pytest.raises(ChartMismatchError):
        stage.run(backoff=20)
    assert stage.log("old") == [1]


class BrokenHandler(logging.Handler):
    """A log handler that fails."""

    def emit(self, record: logging.LogRecord) -> None:
        """Fail."""
        raise OSError("no log")


def test_a_log_that_can_not_be_written_stops_nothing() -> None:
    """The events are settled."""
    stage = Stage(log_chart())
    stage.send(("k", 1), ("k", 2))
    logger = logging.Logger("broken")
    logger.addHandler(BrokenHandler())
    stage.run(logger=logger)
    assert stage.log("k") == [1, 2]


def test_a_real_clock_keeps_the_store_in_threads() -> None:
    """Services go on while the store waits."""
    store = MemoryStore()
    queue = FifoQueue(store, "log")

    async def work(call: Any) -> None:
        await asyncio.sleep(0)

    for number in range(20):
        queue.send({"event": "GO", "data": number}, f"k{number % 4}")
    Worker(log_chart(work), store, queue, clock=RealClock(), concurrency=3).run_sync(True)
    for key in range(4):
        snapshot = store.load(f"k{key}")
        assert snapshot is not None
        assert list(snapshot.context["log"]) == list(range(key, 20, 4))


# --- what it refuses ------------------------------------------------------------------------


def test_a_queue_of_another_store_is_refused() -> None:
    """One commit could not cover both."""
    stage = Stage(log_chart())
    other = FifoQueue(MemoryStore(), "log")
    with pytest.raises(InvalidValueError, match="queue 'log' belongs to another store"):
        stage.worker(queue=other)


def test_a_queue_without_the_charts_timers_is_refused() -> None:
    """They would never pass."""
    timed = chart_of([settled("a", after={"5": "a"})], name="timed")
    stage = Stage(timed)
    other = FifoQueue(stage.store, "other")
    with pytest.raises(InvalidValueError, match="give the queue chart='timed'"):
        stage.worker(queue=other)
    stage.worker(queue=FifoQueue(stage.store, "other", chart="timed"))


def test_an_unbound_chart_is_refused() -> None:
    """Before anything is received."""
    with pytest.raises(UnboundFunctionError, match="wait"):
        Stage(Chart.from_dict(count.to_dict())).worker()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"concurrency": 0}, "concurrency is 0; a whole number from 1"),
        ({"concurrency": True}, "concurrency is True; a whole number from 1"),
        ({"visibility_timeout": 0}, "visibility_timeout is 0; a finite number of seconds above 0"),
        ({"visibility_timeout": 43_201}, "visibility_timeout is 43201 seconds; 43200 is the limit"),
        ({"poll": float("nan")}, "poll is nan; a finite number of seconds above 0"),
        ({"backoff": -1}, "backoff is -1; a finite number of seconds from 0"),
        ({"grace": "x"}, "grace is 'x'; a finite number of seconds from 0"),
        ({"deadline": 0}, "deadline is 0"),
        (
            {"deadline": 10, "service_timeout": 20},
            "service_timeout is 20 s, and the deadline of the whole event is 10 s",
        ),
    ],
)
def test_settings_that_make_no_sense_are_refused(options: Any, message: str) -> None:
    """At once, and by name."""
    with pytest.raises(InvalidValueError, match=message):
        Stage(log_chart()).worker(**options)


def test_what_is_no_chart_store_and_queue_is_refused() -> None:
    """With an example of what is wanted."""
    stage = Stage(log_chart())
    wrong: Any = "log"
    with pytest.raises(TypeError, match=r"Worker\(chart, store, FifoQueue\(store, chart.name\)\)"):
        Worker(stage.chart, stage.store, wrong)


def test_the_standard_logger_is_used_by_default() -> None:
    """Its records go where the program says."""
    clock = SimulatedClock()
    store = MemoryStore(now=clock.now)
    worker = Worker(log_chart(), store, FifoQueue(store, "log"), clock=clock)
    assert worker.logger is logging.getLogger("settlesim.worker")


def test_a_worker_warns_once_of_an_event_that_its_chart_never_uses(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The message is consumed, as every event that is ignored."""
    stage = Stage(count)
    stage.queue.send({"event": "COUTN"}, "a")
    stage.queue.send({"event": "COUTN"}, "b")
    with caplog.at_level(logging.WARNING, "settlesim.events"):
        stage.worker().run_sync(until_empty=True)
    assert [each.getMessage() for each in caplog.records] == [
        "event ignored: chart 'count' has no transition for 'COUTN'; did you mean 'COUNT'?"
    ]
    assert stage.queue.status().depth == 0
