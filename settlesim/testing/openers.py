"""How a contract suite opens what it tests."""

from __future__ import annotations

import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import pytest
from hypothesis import HealthCheck, settings

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.strict_json import encode, freeze_object
from settlesim.ports import Message, Queue, QueueStore, Store, Transaction
from settlesim.testing.manual_time import ManualTime

__all__ = [
    "Opened",
    "QueueBench",
    "QueueOpener",
    "StoreOpener",
    "in_threads",
    "same",
    "save",
    "snapshot",
]

S_co = TypeVar("S_co", bound=Store, covariant=True)

_PATIENCE = 60.0
"""Seconds after which threads that wait for each other give up."""


class Opened(Generic[S_co]):
    """The data under test: each call returns a store on it.

    If the suite's `reopens` is true, that is another object each time, while the earlier ones
    stay open; otherwise it is always the same one.
    """

    def __init__(self, open_store: Callable[[], S_co], *, reopens: bool) -> None:
        self.stores: list[S_co] = []
        """All stores that were opened."""
        self._open = open_store
        self._reopens = reopens

    def __call__(self) -> S_co:
        """Return a store on the data."""
        if self._reopens or not self.stores:
            self.stores.append(self._open())
        return self.stores[-1]


class StoreOpener(ABC):
    """Says how a suite opens a store."""

    reopens: ClassVar[bool] = True
    """Whether a store that is opened on the same folder has the same data. The tests then open
    the store again for each call. False for a store whose data is lost with the object."""
    examples: ClassVar[int] = 25
    """How many examples Hypothesis tries of each property."""

    @abstractmethod
    def open_store(self, folder: Path, now: Callable[[], float]) -> Store:
        """Return the store of a folder.

        Parameters
        ----------
        folder : exists, and is empty before the first store is opened on it
        now
            The time in seconds since the epoch; a test moves it by hand. A store that does not
            need the time may ignore it.
        """

    def close_store(self, store: Store) -> None:
        """Close a store; by default with its method `close`, if it has one."""
        close = getattr(store, "close", None)
        if close is not None:
            close()

    @contextmanager
    def fresh(self, now: Callable[[], float]) -> Iterator[Opened[Any]]:
        """Open a store on an empty folder, and close all that were opened on it."""
        with tempfile.TemporaryDirectory() as folder:
            opened = Opened(lambda: self.open_store(Path(folder), now), reopens=self.reopens)
            try:
                yield opened
            finally:
                for store in opened.stores:
                    self.close_store(store)

    def settings(self, steps: int = 25) -> settings:
        """Return the settings for Hypothesis: `examples` examples, without a deadline.

        Parameters
        ----------
        steps : how many steps a state machine takes at most
        """
        return settings(
            max_examples=self.examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )

    @pytest.fixture
    def now(self) -> ManualTime:
        """Return the time of the stores."""
        return ManualTime()

    @pytest.fixture
    def opened(self, now: ManualTime) -> Iterator[Opened[Any]]:
        """Open a fresh store."""
        with self.fresh(now) as opened:
            yield opened


class QueueOpener(StoreOpener):
    """Says how a suite opens a store and the queues in it."""

    max_failures: ClassVar[int | None] = None
    """After how many calls of `fail` the queues put a message aside; None for no limit."""
    max_receives: ClassVar[int | None] = None
    """After how many receptions without a result they put a message aside; None for no limit."""
    deduplication_window: ClassVar[float] = 300.0
    """For how many seconds they know a deduplication id; 300 as in SQS."""
    parks: ClassVar[bool] = False
    """Whether the group of a message that was put aside waits until somebody resumes it."""

    @abstractmethod
    def open_store(self, folder: Path, now: Callable[[], float]) -> QueueStore:
        """Return the store of a folder; see `StoreOpener.open_store`."""

    @abstractmethod
    def open_queue(self, store: QueueStore, name: str) -> Queue:
        """Return a queue whose receipts the store's `commit` consumes.

        Each queue needs another `chart`, such as the queue's name.
        """

    @pytest.fixture
    def bench(self, opened: Opened[QueueStore], now: ManualTime) -> QueueBench:
        """Open a fresh store with queues."""
        return QueueBench(opened, self.open_queue, now)


class QueueBench:
    """A store under test with its queues."""

    def __init__(
        self,
        opened: Opened[QueueStore],
        open_queue: Callable[[QueueStore, str], Queue],
        now: ManualTime,
    ) -> None:
        self.store = opened
        """Each call returns a store on the same data."""
        self.now = now
        self._open_queue = open_queue

    def queue(self, name: str = "count") -> Queue:
        """Open a queue, in another store object if the store can be reopened."""
        return self._open_queue(self.store(), name)

    def send(self, *bodies: Any, group: str = "a") -> tuple[int, ...]:
        """Send messages to one group; return their ids."""
        return tuple(self.queue().send(body, group) for body in bodies)

    def take(self) -> Message:
        """Receive the one message that can be received."""
        (message,) = self.queue().receive()
        return message

    def pass_visibility(self) -> None:
        """Let time pass until what was received last is visible again."""
        self.now.step(self.queue().visibility_timeout)

    def drain(self, until: int = 100) -> list[Any]:
        """Receive and delete until nothing is receivable; return the bodies in order."""
        found: list[Any] = []
        while len(found) < until and (messages := self.queue().receive(10)):
            for message in messages:
                found.append(message.body)
                self.queue().delete(message.receipt)
        return found


def snapshot(count: Any = 0, revision: int = 1, *, chart: str = "count", **more: Any) -> Snapshot:
    """Return a settled instance with a number in its context."""
    context = freeze_object({"count": count, **more}, where="context")
    return Snapshot(chart, 1, ("odd",), context, revision)


def save(store: Store, key: str, new: Snapshot) -> None:
    """Save an instance that is one revision behind in the store."""
    store.commit(Transaction(key, new, new.revision - 1))


def same(one: Snapshot | None, other: Snapshot | None) -> bool:
    """Compare as JSON text too: in Python 1, 1.0 and true are equal, and -0.0 and 0.0 are."""
    return one == other and (
        one is None or other is None or encode(one.to_dict()) == encode(other.to_dict())
    )


def in_threads(work: Callable[[int, Callable[[], object]], None], count: int) -> None:
    """Run `work` in several threads at the same time, and raise what one of them raised.

    Parameters
    ----------
    work : is called with the thread's number and a function that waits for all other threads
    """
    barrier = threading.Barrier(count, timeout=_PATIENCE)

    def run(number: int) -> None:
        try:
            work(number, barrier.wait)
        except BaseException:
            barrier.abort()  # or the others would wait for this one
            raise

    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(run, number) for number in range(count)]
    errors = [error for each in futures if (error := each.exception()) is not None]
    for error in sorted(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
        raise error
