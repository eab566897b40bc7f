"""The queues of the library keep the contract of queues, whatever their settings are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, cast

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from settlesim.ports import Queue, QueueStore
from settlesim.store import FifoQueue, MemoryStore, SqliteStore
from settlesim.store.sql import SqlStore
from settlesim.testing import QueueContract, QueueMachine
from tests.examples import scaled

pytestmark = pytest.mark.hypothesis  # for `.ci/nightly`: their state machines run at length
GROUPS = st.sampled_from(["a", "é:1"])


class FifoMachine(QueueMachine):
    """The machine with the methods that only the queues of the library have."""

    queue: FifoQueue

    @rule(group=GROUPS, count=st.integers(1, 3))
    def send_many(self, group: str, count: int) -> None:
        for found in self.queue.send_many([(1, group)] * count):
            self.learn(self.accept(1, group), found)

    @precondition(lambda self: self.model.dead)
    @rule(data=st.data())
    def redrive(self, data: st.DataObject) -> None:
        dead = sorted(self.model.dead)
        chosen = data.draw(st.none() | st.sets(st.sampled_from(dead), min_size=1))
        moved = dead if chosen is None else sorted(chosen)
        found = self.queue.redrive(None if chosen is None else [self.ids[each] for each in chosen])
        last = self.model.last
        new = moved if self.model.halt else list(range(last + 1, last + 1 + len(moved)))
        self.model.redrive(moved, new)
        for before, number, after in zip(moved, new, found, strict=True):
            self.learn(number, after)
            if before in self.timer_messages:
                self.timer_messages[number] = self.timer_messages[before]

    @rule(group=GROUPS)
    def resume(self, group: str) -> None:
        parked = group in self.model.parked
        assert self.queue.resume(group) == parked
        if parked:
            del self.model.parked[group]

    @invariant()
    def same_status(self) -> None:
        if not hasattr(self, "model"):
            return
        status, model = self.queue.status(), self.model
        assert status.depth == len(model.waiting)
        assert status.in_flight == sum(
            item.held and item.visible_at > model.now for item in model.waiting.values()
        )
        assert status.timers == len(self.running())
        assert [
            (each.id, each.failures, list(each.errors)) for each in self.queue.dead_letters()
        ] == [(self.ids[n], item.failures, item.errors) for n, item in sorted(model.dead.items())]
        # By the time on the clock, which may have been put back meanwhile.
        expected = sorted(model.parked, key=lambda group: (model.parked[group], group))
        assert [each.group_id for each in self.queue.parked()] == expected

    def check_the_rest(self) -> None:
        """What is left comes to its end, once; parked groups too."""
        super().check_the_rest()
        for group in list(self.model.parked):
            self.resume(group)
        super().check_the_rest()
        assert self.queue.status().depth == 0


class InMemory(QueueContract):
    """A queue in a memory store, with the settings that the class says."""

    reopens = False
    machine = FifoMachine
    max_failures: ClassVar[int] = 3
    max_receives: ClassVar[int | None] = 10
    visibility_timeout = 30.0

    def open_store(self, folder: Path, now: Callable[[], float]) -> QueueStore:
        return MemoryStore(now)

    def open_queue(self, store: QueueStore, name: str) -> Queue:
        return FifoQueue(
            cast(SqlStore, store),
            name,
            visibility_timeout=self.visibility_timeout,
            deduplication_window=self.deduplication_window,
            max_failures=self.max_failures,
            max_receives=self.max_receives,
            policy="halt" if self.parks else "skip",
        )


class TestMemory(InMemory):
    """With the settings of a queue for which nothing was said."""

    examples = scaled(20)

    def open_queue(self, store: QueueStore, name: str) -> Queue:
        return FifoQueue(cast(SqlStore, store), name)


class TestSqlite(InMemory):
    """In a file that stays open."""

    examples = scaled(6)

    def open_store(self, folder: Path, now: Callable[[], float]) -> QueueStore:
        return SqliteStore(folder / "store.db", now=now)


class TestReopened(TestSqlite):
    """In a file that is opened anew for each call, while the earlier ones stay open."""

    reopens = True


class Hasty(InMemory):
    """Two failures are too many, and times are short, so that the machine meets all of it."""

    max_failures = 2
    max_receives: ClassVar[int | None] = None
    visibility_timeout = 10.0
    deduplication_window = 40.0
    examples = scaled(15)


class TestHasty(Hasty):
    """A dead letter lets its group go on."""


class TestHalting(Hasty):
    """A dead letter parks its group."""

    parks = True


class TestLimited(Hasty):
    """Receptions without a result are limited too."""

    max_receives = 2


class TestHaltingAndLimited(TestLimited):
    """Both."""

    parks = True


class TestReopenedAndHalting(TestHalting):
    """On a file, with several stores open on it."""

    reopens = True
    examples = scaled(6)

    def open_store(self, folder: Path, now: Callable[[], float]) -> QueueStore:
        return SqliteStore(folder / "store.db", now=now)


class TestReopenedAndLimited(TestReopenedAndHalting):
    """The same where a dead letter lets its group go on."""

    parks = False
    max_receives = 2
