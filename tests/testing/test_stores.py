"""The stores of the library keep the contract of stores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from settlesim.ports import Queue, QueueStore
from settlesim.store import FifoQueue, MemoryStore, SqliteStore, TinyStore
from settlesim.store.sql import SqlStore
from settlesim.testing import (
    ChartQueueContract,
    ChartStoreContract,
    QueueStoreContract,
    StoreContract,
)
from tests.examples import scaled

pytestmark = pytest.mark.hypothesis  # for `.ci/nightly`: their state machines run at length


class InMemory(ChartQueueContract, ChartStoreContract, QueueStoreContract):
    """One memory store."""

    reopens = False
    examples = scaled(12)

    def open_store(self, folder: Path, now: Callable[[], float]) -> QueueStore:
        return MemoryStore(now)

    def open_queue(self, store: QueueStore, name: str) -> Queue:
        return FifoQueue(cast(SqlStore, store), name)


class TestMemoryStore(InMemory):
    """A store in memory is one object."""

    examples = scaled(25)


class TestSqliteStore(InMemory):
    """One SqliteStore that stays open."""

    def open_store(self, folder: Path, now: Callable[[], float]) -> QueueStore:
        return SqliteStore(folder / "store.db", now=now)


class TestReopenedSqliteStore(TestSqliteStore):
    """A file that is opened anew for each call, while the earlier ones stay open."""

    reopens = True


class TestTinyStore(ChartStoreContract, StoreContract):
    """One TinyStore that stays open."""

    reopens = False
    examples = scaled(12)

    def open_store(self, folder: Path, now: Callable[[], float]) -> TinyStore:
        return TinyStore(folder / "store.json", now=now)


class TestReopenedTinyStore(TestTinyStore):
    """A file that is opened anew for each call, while the earlier ones stay open."""

    reopens = True
