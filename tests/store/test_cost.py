"""What a call on a store costs does not grow with what is in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from settlesim.chart.values import freeze_object
from settlesim.ports import Message, Send, Timer, Timers, Transaction
from settlesim.store import FifoQueue, MemoryStore, TinyStore
from settlesim.store.database import Document
from settlesim.store.journal.files import FileSystem
from tests.contracts.stores import Time
from tests.contracts.test_store import snapshot


class CountingStore(MemoryStore):
    """A store that counts the documents that a call touches, and refuses to look at all."""

    def __init__(self, now: Time) -> None:
        super().__init__(now)
        self.counts: Counter[str] = Counter()
        database: Any = self.database
        for name in ("reading", "writing"):
            setattr(database, name, self._counting(getattr(database, name)))

    def _counting(self, make: Callable[..., Any]) -> Callable[..., Any]:
        counts = self.counts

        class Block:
            def __init__(self, **options: Any) -> None:
                self._block = make(**options)

            def __enter__(self) -> Block:
                self._inner = self._block.__enter__()
                return self

            def __exit__(self, *error: Any) -> None:
                self._block.__exit__(*error)

            def get(self, table: str, id: int) -> Document | None:  # noqa: A002
                counts["get"] += 1
                found: Document | None = self._inner.get(table, id)
                return found

            def ids(self, table: str) -> list[int]:
                raise AssertionError(f"all of {table} would be looked at")

            def __getattr__(self, name: str) -> Any:
                counts[name] += 1
                return getattr(self._inner, name)

        return Block


def fill(store: MemoryStore, now: Time, size: int) -> None:
    """Give a store `size` of everything."""
    queue = FifoQueue(store, "count", policy="halt")
    for number in range(size):
        key = f"k{number}"
        record = freeze_object({"outcome": "resolved"}, where="record")
        timers = Timers((Timer("x", 1e6),))
        store.commit(Transaction(key, snapshot(), 0, mark="e", timers=timers, record=record))
    queue.send_many([(1, f"g{number}", "e") for number in range(size)])
    for message in queue.receive(size // 2):
        if message.id % 3 == 0:
            queue.fail(message.receipt, "no", final=True)
    now.step(1)


def one_of_each(store: CountingStore, now: Time) -> dict[str, Counter[str]]:
    """Make every kind of call once; return what each touched."""
    queue = FifoQueue(store, "count")
    found: dict[str, Counter[str]] = {}
    counts = store.counts

    def call(name: str, what: Callable[[], Any]) -> Any:
        counts.clear()
        answer = what()
        found[name] = Counter(counts)
        return answer

    call("send", lambda: queue.send({"n": 1}, "new", "e9"))
    call("send again", lambda: queue.send({"n": 1}, "new", "e9"))
    messages: tuple[Message, ...] = call("receive", lambda: queue.receive(3))
    one, two, three = messages
    call("delete", lambda: queue.delete(one.receipt))
    call("change_visibility", lambda: queue.change_visibility(two.receipt, 60))
    call("fail", lambda: queue.fail(two.receipt, "no"))
    record = freeze_object({"outcome": "resolved"}, where="record")
    transaction = Transaction(
        "k1",
        snapshot(revision=2),
        1,
        consumed=three.receipt,
        mark="e2",
        sends=(Send("count", 1, "k1"),),
        timers=Timers((Timer("y", 5.0),)),
        record=record,
    )
    call("commit", lambda: store.commit(transaction))
    call("load", lambda: store.load("k1"))
    call("mark", lambda: store.mark("k1", "e"))
    call("settlements", lambda: store.settlements("k1"))
    call("timers", lambda: store.timers("k1"))
    call("next_change", queue.next_change)
    now.step(5)
    call("release_timers", queue.release_timers)
    call("status", queue.status)
    call("resume", lambda: queue.resume("g2"))
    return found


def test_no_call_touches_more_documents_in_a_larger_store() -> None:
    """Ten of everything or a thousand: the same number of documents, and never a whole table."""
    found = []
    for size in (10, 1000):
        now = Time()
        store = CountingStore(now)
        fill(store, now, size)
        found.append(one_of_each(store, now))
    small, large = found
    assert large == small
    assert sum(large["commit"].values()) < 20


class CountingFiles(FileSystem):
    """Counts the calls that take the lock or write."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def try_lock(self, descriptor: int) -> bool:
        self.counts["lock"] += 1
        return super().try_lock(descriptor)

    def write(self, descriptor: int, data: bytes | memoryview, offset: int | None = None) -> int:
        self.counts["write"] += 1
        return super().write(descriptor, data, offset)

    def sync(self, descriptor: int) -> None:
        self.counts["sync"] += 1
        super().sync(descriptor)


@pytest.fixture
def counted(tmp_path: Path) -> tuple[FifoQueue, CountingFiles, Time]:
    """A queue in a file, with a message in flight."""
    files, now = CountingFiles(), Time()
    queue = FifoQueue(TinyStore(tmp_path / "store.json", now=now, files=files), "count")
    queue.send_many([(1, "a"), (2, "a")])
    queue.receive()
    files.counts.clear()
    return queue, files, now


def test_looking_for_work_that_is_not_there_takes_no_lock(
    counted: tuple[FifoQueue, CountingFiles, Time],
) -> None:
    """Idle workers do not keep the others waiting."""
    queue, files, _ = counted
    assert queue.receive(10) == ()
    assert queue.release_timers() == 0
    assert queue.next_change() == 30
    assert queue.status().in_flight == 1
    assert files.counts == Counter()


def test_a_reception_is_not_synced_and_its_end_is(
    counted: tuple[FifoQueue, CountingFiles, Time],
) -> None:
    """Losing a reception only brings the message back sooner; a deletion must last."""
    queue, files, now = counted
    now.step(30)
    (message,) = queue.receive()
    queue.change_visibility(message.receipt, 60)
    assert (files.counts["write"], files.counts["sync"]) == (2, 0)
    queue.store.commit(Transaction("a", snapshot(), 0, consumed=message.receipt, mark="e"))
    assert (files.counts["write"], files.counts["sync"]) == (3, 1)
