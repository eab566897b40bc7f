"""A worker on a memory store and a simulated clock: everything in it is deterministic."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from settlesim import FifoQueue, MemoryStore, SimulatedClock, Worker
from settlesim.chart import Chart
from settlesim.store.database import Database, Execute
from settlesim.store.sql import SqlStore
from tests.settling.driving import chart_of, settled

__all__ = ["KilledError", "MortalDatabase", "Records", "Stage", "log_chart", "note"]

T = TypeVar("T")


class Records(logging.Handler):
    """Keeps what was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self.records.append(record)

    def fields(self, *names: str) -> list[tuple[Any, ...]]:
        """Return these fields of each record that has an outcome."""
        return [
            tuple(vars(each)[name] for name in names)
            for each in self.records
            if "outcome" in vars(each)
        ]


class KilledError(BaseException):
    """The process is no more: no handler of errors sees this one."""


class MortalDatabase(Database):
    """Lets its process die before or after one write, and refuses everything from then on."""

    def __init__(self) -> None:
        super().__init__(None)
        self.dead = False
        self.writes = 0
        self.fatal: set[tuple[int, str]] = set()

    def rows(self, statement: str, values: Any = ()) -> list[Any]:
        """Read, while it lives."""
        self._check_alive()
        return super().rows(statement, values)

    def read(self, work: Callable[[Execute], T]) -> T:
        """Read, while it lives."""
        self._check_alive()
        return super().read(work)

    def write(self, work: Callable[[Execute], T], *, durable: bool = True) -> T:
        """Write, and die where that was wanted."""
        self.writes += 1
        self._die_at(self.writes, "before")
        result = super().write(work, durable=durable)
        self._die_at(self.writes, "after")
        return result

    def _die_at(self, write: int, when: str) -> None:
        self.dead = self.dead or (write, when) in self.fatal
        self._check_alive()

    def _check_alive(self) -> None:
        if self.dead:
            raise KilledError


class Stage:
    """One store and queue on one simulated clock, and workers on them."""

    def __init__(
        self, chart: Chart, database: MortalDatabase | None = None, **settings: Any
    ) -> None:
        self.chart = chart
        self.database = database
        self.clock = SimulatedClock(1_000_000.0)
        self.store: SqlStore = (
            MemoryStore(now=self.clock.now)
            if database is None
            else SqlStore(database, now=self.clock.now)
        )
        self.queue = FifoQueue(self.store, chart.name, **settings)
        self.records = Records()

    def worker(self, **options: Any) -> Worker:
        """A worker on the stage's clock."""
        logger = logging.Logger("stage")  # not in the tree: nobody else hears it
        logger.addHandler(self.records)
        options.setdefault("clock", self.clock)
        options.setdefault("logger", logger)
        return Worker(self.chart, self.store, options.pop("queue", self.queue), **options)

    def send(self, *events: tuple[Any, ...]) -> None:
        """Send events: key, data, and an id where there is one."""
        for key, data, *more in events:
            self.queue.send({"event": "GO", "data": data}, key, *more)

    def run(self, **options: Any) -> None:
        """Run a worker until the queue is empty."""
        self.worker(**options).run_sync(until_empty=True)

    def work(self, main: Callable[[Worker], Any], **options: Any) -> None:
        """Run a worker beside `main`, a coroutine function, and stop it when that ends."""

        async def both() -> None:
            worker = self.worker(**options)
            task = asyncio.ensure_future(worker.run())
            try:
                await main(worker)
            finally:
                worker.stop()
                await task

        asyncio.run(both())

    def log(self, key: str) -> Any:
        """The instance's ``log``, None for one that was never saved."""
        snapshot = self.store.load(key)
        return None if snapshot is None else list(snapshot.context["log"])

    def outcomes(self) -> list[str]:
        """What became of the messages, in order."""
        return [outcome for (outcome,) in self.records.fields("outcome")]


def log_chart(service: Any = None, **invoke: Any) -> Chart:
    """A chart that keeps the data of each GO, after a service where there is one."""
    states: list[Any] = [settled("rest")]
    if service is None:
        way: dict[str, Any] = {"dest": None, "assign": note}
    else:
        way = {"dest": "busy", "assign": note}
        states.append({"name": "busy", "invoke": {"src": service, "on_done": "rest", **invoke}})
    go = {"trigger": "GO", "source": "rest", **way}
    return chart_of(states, [go], name="log", context={"log": []})


def note(context: Any, event: Any) -> Any:
    """Keep the event's data."""
    return {"log": [*context["log"], event.data]}
