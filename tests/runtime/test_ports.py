"""The runtime asks for the ports alone: stores and queues that somebody else wrote."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import settlesim.runtime
from settlesim import FifoQueue, Interpreter, MemoryStore, SimulatedClock, Worker
from settlesim.chart import Snapshot
from settlesim.errors import VersionConflictError
from settlesim.gallery import count
from settlesim.ports import DurableTimer, Mark, Message, Queue, QueueStore, Store, Transaction
from tests.settling.driving import chart_of, settled


class DictStore:
    """A store in a dict, as a reader might write it: it keeps no timers and no messages."""

    def __init__(self) -> None:
        self.instances: dict[str, Snapshot] = {}
        self.transactions: list[Transaction] = []

    def load(self, key: str) -> Snapshot | None:
        return self.instances.get(key)

    def keys(self) -> Sequence[str]:
        return sorted(self.instances)

    def delete(self, key: str, expected: int) -> None:
        self._check(key, expected)
        del self.instances[key]

    def commit(self, transaction: Transaction) -> None:
        transaction.refuse_parts("consumed", "mark", "sends", "timers", store="a DictStore")
        self._check(transaction.key, transaction.expected)
        self.transactions.append(transaction)
        if transaction.snapshot is not None:
            self.instances[transaction.key] = transaction.snapshot

    def _check(self, key: str, expected: int) -> None:
        snapshot = self.load(key)
        actual = 0 if snapshot is None else snapshot.revision
        if actual != expected:
            raise VersionConflictError(key=key, expected=expected, actual=actual)


class OtherStore:
    """A queue store that is none of ours: it only passes on what the port has."""

    def __init__(self, inner: MemoryStore) -> None:
        self._inner = inner

    def load(self, key: str) -> Snapshot | None:
        return self._inner.load(key)

    def keys(self) -> Sequence[str]:
        return self._inner.keys()

    def delete(self, key: str, expected: int) -> None:
        self._inner.delete(key, expected)

    def commit(self, transaction: Transaction) -> None:
        self._inner.commit(transaction)

    def mark(self, key: str, event_id: str) -> Mark | None:
        return self._inner.mark(key, event_id)

    def timers(self, key: str) -> Sequence[DurableTimer]:
        return self._inner.timers(key)


class OtherQueue:
    """A queue that is none of ours: it only passes on what the port has."""

    def __init__(self, inner: FifoQueue, store: OtherStore) -> None:
        self._inner = inner
        self.store = store
        self.name = inner.name
        self.chart = inner.chart
        self.ordered = True
        self.visibility_timeout = inner.visibility_timeout

    def send(self, body: Any, group_id: str, deduplication_id: str | None = None) -> int:
        return self._inner.send(body, group_id, deduplication_id)

    def receive(self, *given: Any, **options: Any) -> Sequence[Message]:
        return self._inner.receive(*given, **options)

    def delete(self, receipt: str) -> None:
        self._inner.delete(receipt)

    def change_visibility(self, receipt: str, seconds: float) -> None:
        self._inner.change_visibility(receipt, seconds)

    def release(self, receipt: str, retry_in: float = 0.0) -> None:
        self._inner.release(receipt, retry_in)

    def fail(self, *given: Any, **options: Any) -> bool:
        return self._inner.fail(*given, **options)

    def release_timers(self, delays: Any = None) -> int:
        return self._inner.release_timers(delays)

    def next_change(self, **options: Any) -> float | None:
        return self._inner.next_change(**options)

    def left(self, groups: Any = (), **options: Any) -> tuple[int, int]:
        return self._inner.left(groups, **options)


def test_an_interpreter_runs_on_a_store_of_four_methods() -> None:
    """Such a store gets no timers, and may keep the record."""
    store = DictStore()
    assert isinstance(store, Store)
    assert not isinstance(store, QueueStore)
    timed = chart_of([settled("a", after={"5": "a"}), settled("b")], [["GO", "a", "a"]])
    interpreter = Interpreter(timed, store, clock=SimulatedClock())
    assert interpreter.settle_sync("k", "GO").timers
    (transaction,) = store.transactions
    assert transaction.timers is None
    assert transaction.record is not None
    interpreter.delete("k")
    assert interpreter.keys() == []


def test_a_worker_runs_on_a_store_and_a_queue_that_are_none_of_ours() -> None:
    """It needs nothing but what `ports` says."""
    clock = SimulatedClock()
    inner = MemoryStore(now=clock.now)
    store = OtherStore(inner)
    queue = OtherQueue(FifoQueue(inner, "count"), store)
    assert isinstance(store, QueueStore)
    assert isinstance(queue, Queue)
    for _ in range(3):
        queue.send({"event": "COUNT"}, "c1")
    Worker(count, store, queue, clock=clock).run_sync(until_empty=True)
    snapshot = store.load("c1")
    assert snapshot is not None
    assert snapshot.context == {"count": 4}


def test_a_worker_refuses_a_store_that_keeps_no_messages() -> None:
    """With an example of what is wanted."""
    store: Any = DictStore()
    queue = FifoQueue(MemoryStore(), "count")
    with pytest.raises(TypeError, match="a store that keeps queues"):
        Worker(count, store, queue)


MODULES = sorted(Path(settlesim.runtime.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_the_runtime_knows_no_store_of_ours(path: Path) -> None:
    """It imports nothing of `settlesim.store`, and looks up nothing by `getattr`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("settlesim.store")
        if isinstance(node, ast.Name):
            assert node.id not in {"getattr", "hasattr"}


def test_only_one_module_of_the_runtime_drives_with_asyncio() -> None:
    """What takes an event to a transaction waits for nothing by itself."""
    for name in ("driver", "transactions", "blame", "service_call"):
        text = (Path(settlesim.runtime.__file__).parent / f"{name}.py").read_text(encoding="utf-8")
        assert "import asyncio" not in text
