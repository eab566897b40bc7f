"""Messages are kept from their reception until they are handled, at most until the deadline."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

from settlesim import FifoQueue, MemoryStore, RealClock, Worker
from settlesim.errors import ReceiptExpiredError, StoreUnavailableError
from settlesim.runtime.leases import Leases
from tests.runtime.working import Records, Stage, log_chart


class Noting(FifoQueue):
    """A queue that notes when a visibility was extended, and may refuse to."""

    times: list[float]
    troubles: list[Exception]

    def change_visibility(self, receipt: str, seconds: float) -> None:
        """Note, then extend."""
        self.times.append(self.store.now())
        if self.troubles:
            raise self.troubles.pop(0)
        super().change_visibility(receipt, seconds)


def noting(stage: Stage) -> Noting:
    """Give the stage such a queue."""
    queue = Noting(stage.store, "log", visibility_timeout=6)
    queue.times, queue.troubles = [], []
    stage.queue = queue
    return queue


def leases_of(stage: Stage, **options: Any) -> Leases:
    """Leases on the stage's clock."""
    logger = logging.Logger("leases")
    logger.addHandler(stage.records)
    settings = {"visibility": 6.0, "deadline": 20.0, "logger": logger, **options}
    return Leases(stage.queue, stage.clock, **settings)


def test_a_message_is_kept_until_its_deadline_and_then_redelivered() -> None:
    """Extended at simulated times; the next reception comes one visibility after the last."""
    stage = Stage(log_chart())
    queue = noting(stage)
    stage.send(("k", 1))
    began = stage.clock.now()

    async def main() -> None:
        (message,) = queue.receive()
        leases_of(stage).hold(message.receipt)
        await stage.clock.sleep(23.9)
        assert queue.receive() == ()
        await stage.clock.sleep(0.2)
        (again,) = queue.receive()
        assert again.receives == 2

    asyncio.run(main())
    assert [at - began for at in queue.times] == [2, 4, 6, 8, 10, 12, 14, 16, 18]


def test_the_deadline_begins_anew_when_the_event_is_settled() -> None:
    """The time that a message waits for its turn is not its event's."""
    stage = Stage(log_chart())
    queue = noting(stage)
    stage.send(("k", 1))
    began = stage.clock.now()

    async def main() -> None:
        (message,) = queue.receive()
        leases = leases_of(stage)
        lease = leases.hold(message.receipt)
        await stage.clock.sleep(15)
        leases.begin(lease)
        await stage.clock.sleep(100)

    asyncio.run(main())
    assert queue.times[-1] - began == 34


def test_a_message_that_was_handled_is_left_alone() -> None:
    """And so is everything after the end."""
    stage = Stage(log_chart())
    queue = noting(stage)
    stage.send(("a", 1), ("b", 1))

    async def main() -> None:
        one, two = queue.receive(2)
        leases = leases_of(stage)
        lease = leases.hold(one.receipt)
        leases.drop(lease)
        leases.hold(two.receipt)
        await stage.clock.sleep(3)
        leases.close()
        await stage.clock.sleep(30)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    assert len(queue.times) == 1


def test_a_store_that_is_busy_is_asked_again_and_a_lost_message_is_told() -> None:
    """The first is a warning; the second ends what is done with the message."""
    stage = Stage(log_chart())
    queue = noting(stage)
    lost = ReceiptExpiredError(queue="log", receipt="r", reason="it was received again")
    busy = StoreUnavailableError(path="s.db", reason="busy")
    queue.troubles = [busy, lost]
    stage.send(("k", 1))
    told: list[float] = []

    async def main() -> None:
        (message,) = queue.receive()
        lease = leases_of(stage).hold(message.receipt)
        lease.on_lost = lambda: told.append(stage.clock.now())
        await stage.clock.sleep(30)
        assert lease.lost is lost

    asyncio.run(main())
    assert told == queue.times[1:]
    (warning,) = stage.records.records
    assert warning.getMessage() == f"the visibility was not extended: {busy}"


# --- a loop that is blocked ---------------------------------------------------------------


class Gated(FifoQueue):
    """A queue that opens a gate when every message was extended so many times."""

    def __init__(self, *given: Any, messages: int, times: int, **settings: Any) -> None:
        super().__init__(*given, **settings)
        self.gate = threading.Event()
        self.threads: set[int] = set()
        self._counts: dict[str, int] = {}
        self._goal = messages, times

    def change_visibility(self, receipt: str, seconds: float) -> None:
        """Extend and count."""
        super().change_visibility(receipt, seconds)
        self.threads.add(threading.get_ident())
        self._counts[receipt] = self._counts.get(receipt, 0) + 1
        messages, times = self._goal
        if sum(count >= times for count in self._counts.values()) >= messages:
            self.gate.set()


def blocked_worker(keys: str, records: Records) -> tuple[MemoryStore, Gated]:
    """Run a worker whose first service blocks until all its messages were extended five times."""
    store = MemoryStore()
    queue = Gated(store, "log", messages=len(keys), times=5, visibility_timeout=0.9)

    async def block(call: Any) -> None:
        assert queue.gate.wait(60)

    for key in keys:
        queue.send({"event": "GO", "data": key}, key)
    logger = logging.Logger("blocked")
    logger.addHandler(records)
    worker = Worker(
        log_chart(block), store, queue, clock=RealClock(), concurrency=len(keys), logger=logger
    )
    worker.run_sync(until_empty=True)
    return store, queue


def test_a_blocking_service_costs_neither_its_message_nor_its_neighbours() -> None:
    """All are extended from one thread, which is not the loop's; each is received once."""
    records = Records()
    store, queue = blocked_worker("abc", records)
    assert records.fields("outcome", "receives") == [("resolved", 1)] * 3
    assert len(queue.threads) == 1
    assert threading.get_ident() not in queue.threads
    assert store.keys() == ["a", "b", "c"]
    assert not [each for each in threading.enumerate() if each.name == "settlesim-leases"]


def test_a_blocked_loop_is_told_with_the_name_of_the_service() -> None:
    """While it lasts, and when it is over."""
    records = Records()
    blocked_worker("a", records)
    during, after = [
        each.getMessage() for each in records.records if each.levelno == logging.WARNING
    ]
    assert during == (
        "the event loop has been blocked for more than 0.9 s by service 'block': use "
        "await, or asyncio.to_thread for what cannot be awaited"
    )
    assert after.startswith("service 'block' blocked the event loop for ")


def test_a_service_that_sleeps_blocks_nobody() -> None:
    """Simulated time passes inside of it, and no warning is due."""

    async def sleeps(call: Any) -> None:
        await call.sleep(50)

    stage = Stage(log_chart(sleeps), visibility_timeout=6)
    stage.send(("k", 1))
    stage.run()
    assert [each.levelname for each in stage.records.records] == ["INFO"]


def test_a_commit_counts_while_nobody_else_received_the_message() -> None:
    """The visibility has ended, as behind a service that blocks beyond the deadline."""

    async def blocks(call: Any) -> None:
        stage.clock._now += 1_000

    stage = Stage(log_chart(blocks), visibility_timeout=6)
    stage.send(("k", 1))
    stage.run()
    assert stage.records.fields("outcome", "receives") == [("resolved", 1)]


def test_receptions_that_end_without_a_result_end_in_the_dead_letters() -> None:
    """A service that always loses its message does not run for ever."""
    runs: list[str] = []

    async def blocks(call: Any) -> None:
        runs.append("x")
        stage.clock._now += 1_000
        assert stage.queue.receive(1, 5)  # another worker, which dies

    stage = Stage(log_chart(blocks), visibility_timeout=6)
    stage.send(("k", 1), ("k", 2))
    stage.run()
    assert len(runs) == 10
    assert [each.receives for each in stage.queue.dead_letters()] == [10, 10]
    assert set(stage.outcomes()) == {"lost"}
    assert stage.queue.status().depth == 0
