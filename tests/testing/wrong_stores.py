"""Stores and queues that are wrong on purpose, with the contracts that have to find it.

`tests/testing/test_wrong_stores.py` runs this file; by its name pytest does not collect it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from pathlib import Path
from typing import cast

import hypothesis

from settlesim.errors import ReceiptExpiredError
from settlesim.ports import Queue, QueueStore, Transaction
from settlesim.store import FifoQueue, MemoryStore, StandardQueue
from settlesim.store.blind import BlindStore
from settlesim.store.sql import SqlStore
from settlesim.testing import QueueContract, QueueStoreContract, StoreContract, StoreOpener


class Quick(StoreOpener):
    """The same examples each time, and the first that fails ends the test."""

    examples = 100
    """Fewer where the first ones find it, or no random ones do."""

    def settings(self, steps: int = 25) -> hypothesis.settings:
        return hypothesis.settings(
            super().settings(steps),
            phases=[hypothesis.Phase.generate],
            report_multiple_bugs=False,
            derandomize=True,
            database=None,
        )


class TestBlindStore(Quick, StoreContract):
    """It compares nothing, and takes everything."""

    examples = 25

    def open_store(self, folder: Path, now: Callable[[], float]) -> BlindStore:
        return BlindStore(folder / "blind.json")


class ForgettingStore(MemoryStore):
    """It has marks, and does not look at them."""

    def commit(self, transaction: Transaction) -> None:
        super().commit(dataclasses.replace(transaction, mark=None))


class TestForgettingStore(Quick, QueueStoreContract):
    reopens = False
    examples = 5

    def open_store(self, folder: Path, now: Callable[[], float]) -> QueueStore:
        return ForgettingStore(now)

    def open_queue(self, store: QueueStore, name: str) -> Queue:
        return FifoQueue(cast(SqlStore, store), name)


class WrongQueue(Quick, QueueContract):
    reopens = False
    max_failures = 3
    max_receives = 10

    def open_store(self, folder: Path, now: Callable[[], float]) -> QueueStore:
        return MemoryStore(now)


class HalvingStore(MemoryStore):
    """Its transactions are two: first the state, then the rest."""

    def commit(self, transaction: Transaction) -> None:
        if transaction.snapshot is not None and transaction.timers is None:
            super().commit(Transaction(transaction.key, transaction.snapshot, transaction.expected))
            expected = transaction.expected + 1
            transaction = dataclasses.replace(transaction, snapshot=None, expected=expected)
        super().commit(transaction)


class TestHalvingStore(WrongQueue):
    def open_store(self, folder: Path, now: Callable[[], float]) -> QueueStore:
        return HalvingStore(now)

    def open_queue(self, store: QueueStore, name: str) -> Queue:
        return FifoQueue(cast(SqlStore, store), name)


class TestUnordered(WrongQueue):
    """A standard queue that says of itself that it is ordered."""

    def open_queue(self, store: QueueStore, name: str) -> Queue:
        queue = StandardQueue(cast(SqlStore, store), name)
        queue.__class__ = type("StandardQueue", (StandardQueue,), {"ordered": True})
        return queue


class LenientQueue(FifoQueue):
    """A late delete passes in silence."""

    def delete(self, receipt: str) -> None:
        try:
            super().delete(receipt)
        except ReceiptExpiredError:
            return


class TestLenientQueue(WrongQueue):
    def open_queue(self, store: QueueStore, name: str) -> Queue:
        return LenientQueue(cast(SqlStore, store), name)


class ImpatientQueue(FifoQueue):
    """It knows every delay, whatever its consumer knows."""

    def release_timers(self, delays: Collection[str] | None = None) -> int:
        return super().release_timers()


class TestImpatientQueue(WrongQueue):
    examples = 5

    def open_queue(self, store: QueueStore, name: str) -> Queue:
        return ImpatientQueue(cast(SqlStore, store), name)
