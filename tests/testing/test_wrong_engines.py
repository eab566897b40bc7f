"""The contract of engines finds what is wrong: each of these engines fails one of its tests."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

from settlesim.chart import Chart
from settlesim.engines import Accepted, EmbeddedEngine, Engine, EventStage, EventStatus
from settlesim.runtime import Worker
from settlesim.store import FifoQueue, MemoryStore, PastSettlement, SqliteStore, StoredInstance
from settlesim.testing import EngineContract, Work


class Forgetful(EmbeddedEngine):
    """Does not look at ids."""

    async def send(self, key: str, event: str, data: Any = None, **more: Any) -> Accepted:
        more["event_id"] = None
        return await super().send(key, event, data, **more)


class Careless(EmbeddedEngine):
    """Takes another event with a known id for a new one."""

    async def send(self, key: str, event: str, data: Any = None, **more: Any) -> Accepted:
        given = more.pop("event_id", None)
        event_id = f"{given} {event} {data}" if given else None
        accepted = await super().send(key, event, data, event_id=event_id, **more)
        return Accepted(key, given or accepted.event_id, accepted.new, accepted.ahead)

    async def outcome(self, key: str, event_id: str, *, wait: float = 0.0) -> EventStatus | None:
        return EventStatus(key, event_id, EventStage.SETTLED, "resolved", 1)


class Losing(EmbeddedEngine):
    """Accepts an event and does not keep it."""

    async def send(self, key: str, event: str, data: Any = None, **more: Any) -> Accepted:
        if data == 4:
            return Accepted(key, more.get("event_id") or "lost")
        return await super().send(key, event, data, **more)


class Mixing(EmbeddedEngine):
    """Takes keys for one another that differ only in what a path would make of them."""

    async def send(self, key: str, event: str, data: Any = None, **more: Any) -> Accepted:
        return await super().send(key.replace("/", "_"), event, data, **more)

    async def load(self, key: str) -> StoredInstance | None:
        return await super().load(key.replace("/", "_"))

    async def outcome(self, key: str, event_id: str, *, wait: float = 0.0) -> EventStatus | None:
        return await super().outcome(key.replace("/", "_"), event_id, wait=wait)


class Repeating(EmbeddedEngine):
    """Tells a follower what it has seen."""

    async def settlements(
        self, key: str | None = None, *, cursor: int = 0, **more: Any
    ) -> Sequence[PastSettlement]:
        return await super().settlements(key, cursor=max(0, cursor - 1), **more)


class Promising(EmbeddedEngine):
    """Accepts an event for a revision that the instance does not have."""

    async def send(self, key: str, event: str, data: Any = None, **more: Any) -> Accepted:
        more.pop("expected", None)
        return await super().send(key, event, data, **more)


class Idle(EmbeddedEngine):
    """Says that it tries a dead letter again, and does not."""

    async def retry(self, letter: str) -> bool:
        return letter.isdigit() and bool(await self.dead_letters())


class Bench(EngineContract):
    """Opens a wrong engine."""

    patience = 0.3

    def __init__(
        self,
        kind: type[EmbeddedEngine] = EmbeddedEngine,
        *,
        memory: bool = False,
        skips: bool = False,
    ) -> None:
        self.kind = kind
        self.memory = memory
        self.skips = skips

    @asynccontextmanager
    async def open_engine(
        self,
        folder: Path,
        chart: Chart,
        *,
        policy: Literal["skip", "halt"] = "skip",
        max_failures: int = 3,
        works: bool = True,
    ) -> AsyncIterator[Engine]:
        with MemoryStore() if self.memory else SqliteStore(folder / "store.db") as store:
            policy = "skip" if self.skips else policy
            queue = FifoQueue(store, chart.name, policy=policy, max_failures=max_failures)
            worker = Worker(chart, store, queue, concurrency=10, backoff=0.01, poll=0.01, grace=1.0)
            async with self.kind(worker, works=works) as engine:
                yield engine


del EngineContract  # so that pytest collects neither it nor its subclass here
Bench.__test__ = False  # type: ignore[attr-defined]

WRONG: dict[str, tuple[Callable[[], Bench], str]] = {
    "forgets ids": (lambda: Bench(Forgetful), "test_of_many_duplicates_one_is_new"),
    "reuses ids": (lambda: Bench(Careless), "test_an_id_brings_one_event_only"),
    "loses an event": (lambda: Bench(Losing), "test_events_of_an_instance_are_applied_in_order"),
    "mixes keys": (lambda: Bench(Mixing), "test_keys_are_texts_and_nothing_else"),
    "repeats": (lambda: Bench(Repeating), "test_settlements_of_an_instance_can_be_followed"),
    "promises": (
        lambda: Bench(Promising),
        "test_an_expected_revision_is_met_or_the_event_refused",
    ),
    "is idle": (lambda: Bench(Idle), "test_a_dead_letter_can_be_retried"),
    "goes on": (lambda: Bench(skips=True), "test_with_halt_an_instance_waits_after_a_dead_letter"),
    "is gone": (lambda: Bench(memory=True), "test_what_was_accepted_survives_the_engine"),
}


@pytest.mark.parametrize(("bench", "name"), WRONG.values(), ids=WRONG)
def test_a_wrong_engine_is_found(bench: Callable[[], Bench], name: str, tmp_path: Path) -> None:
    """By the test that is about it; the right engine passes that one."""
    arguments: dict[str, Any] = {"tmp_path": tmp_path / "wrong", "work": Work()}
    (tmp_path / "wrong").mkdir()
    (tmp_path / "right").mkdir()
    test = getattr(bench(), name)
    marks = inspect.signature(test).parameters
    if "waits" in marks:
        arguments["waits"] = True
    with pytest.raises((AssertionError, pytest.fail.Exception, ExceptionGroup)):
        test(**arguments)
    arguments |= {"tmp_path": tmp_path / "right", "work": Work()}
    right = Bench()
    right.patience = 60.0  # type: ignore[misc]
    getattr(right, name)(**arguments)
