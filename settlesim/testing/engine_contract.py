"""What every `Engine` promises."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import pytest

from settlesim.chart import Chart, Event
from settlesim.engines import (
    Engine,
    EngineStatus,
    EventStage,
    EventStatus,
    NotPromisedError,
    Promise,
)
from settlesim.errors import (
    ChartMismatchError,
    DeduplicationError,
    InvalidEventError,
    InvalidValueError,
    StoreError,
    UnexpectedRevisionError,
)
from settlesim.versions import migration

__all__ = ["EngineContract", "Work", "engine_chart"]

_PATIENCE: Final = 60.0
"""Seconds after which an event that should settle is given up."""
_SHORT: Final = 0.2
"""Seconds for which a test watches that nothing happens."""

_HOSTILE_KEYS: Final = (
    "a/b c?d=e&f#g",
    "../../etc/passwd",
    "<img src=x onerror=alert(1)>",
    "__proto__",
    "ключ-é-日本",
    "%2F%00",
    "k" * 300,
)


class Work:
    """The services of `engine_chart`, and what they saw.

    Threads may share it, since an engine may run services in one of its own.
    """

    def __init__(self) -> None:
        self.gate = threading.Event()
        """The service `hold` waits for it."""
        self.calls: list[tuple[str, Any, str | None]] = []
        """Of every call: the service, the event's data, and the idempotency key."""
        self.failures: dict[str, int] = {}
        """How often each service still fails."""

    async def _called(self, name: str, call: Any) -> Any:
        self.calls.append((name, call.event.data, call.idempotency_key))
        if self.failures.get(name, 0):
            self.failures[name] -= 1
            raise RuntimeError(f"no {name} today")
        return call.event.data

    async def first(self, call: Any) -> Any:
        """Return the event's data."""
        return await self._called("first", call)

    async def second(self, call: Any) -> Any:
        """Return the event's data."""
        return await self._called("second", call)

    async def hold(self, call: Any) -> Any:
        """Return the event's data when the gate is open."""
        while not self.gate.is_set():
            await call.sleep(0.01)
        return await self._called("hold", call)

    def called(self, name: str) -> list[Any]:
        """Return the event's data of each call of a service."""
        return [data for service, data, _ in self.calls if service == name]


def _note(context: dict[str, Any], event: Event) -> dict[str, Any]:
    return {"applied": [*context["applied"], event.data]}


def _note_result(context: dict[str, Any], event: Event) -> dict[str, Any]:
    return {"applied": [*context["applied"], event.data]}


def _mark_late(context: dict[str, Any], event: Event) -> dict[str, Any]:
    return {"applied": [*context["applied"], "late"]}


def _is_even(context: dict[str, Any], event: Event) -> bool:
    return bool(event.data % 2 == 0)  # raises for a text


def engine_chart(work: Work, *, name: str = "engine_contract", version: int = 1) -> Chart:
    """Return the chart of the suite: it notes the data of its events, in the order of applying.

    ``ADD`` only notes; ``CALL`` calls two services one after another; ``HOLD`` a service that
    waits for a gate; ``EVEN`` has a guard; ``REFUSE`` is rejected; ``DELAY`` waits in a state
    that a delay leaves, or ``CANCEL``; ``END`` ends it.
    """
    return Chart(
        name=name,
        version=version,
        context={"applied": []},
        initial="idle",
        states=[
            {"name": "idle", "tags": ["settled"]},
            {"name": "first", "invoke": {"src": "first", "on_done": "second"}},
            {
                "name": "second",
                "invoke": {"src": "second", "on_done": {"dest": "idle", "assign": "note_result"}},
            },
            {
                "name": "held",
                "invoke": {"src": "hold", "on_done": {"dest": "idle", "assign": "note_result"}},
            },
            {
                "name": "waiting",
                "tags": ["settled"],
                "after": {"0.2": {"dest": "idle", "assign": "mark_late"}},
            },
            {"name": "patient", "tags": ["settled"], "after": {"3600": "idle"}},
            {"name": "refused", "tags": ["reject"]},
            {"name": "over", "final": True},
        ],
        transitions=[
            {"trigger": "ADD", "source": "idle", "dest": "idle", "assign": "note"},
            ["CALL", "idle", "first"],
            ["HOLD", "idle", "held"],
            {"trigger": "EVEN", "source": "idle", "dest": "idle", "conditions": "is_even"},
            ["REFUSE", "idle", "refused"],
            ["DELAY", "idle", "waiting"],
            ["LONG_DELAY", "idle", "patient"],
            ["CANCEL", ["waiting", "patient"], "idle"],
            ["END", "idle", "over"],
        ],
    ).bind(
        {
            "first": work.first,
            "second": work.second,
            "hold": work.hold,
            "note": _note,
            "note_result": _note_result,
            "mark_late": _mark_late,
            "is_even": _is_even,
        }
    )


class EngineContract(ABC):
    """What every `settlesim.engines.Engine` promises, as tests for yours.

    A subclass has `open_engine`, and a name that pytest collects::

        class TestEmbedded(EngineContract):
            @asynccontextmanager
            async def open_engine(self, folder, chart, *, policy, max_failures, works):
                with SqliteStore(folder / "store.db") as store:
                    queue = FifoQueue(
                        store, chart.name, policy=policy, max_failures=max_failures
                    )
                    worker = Worker(chart, store, queue, concurrency=10, backoff=0.01)
                    async with EmbeddedEngine(worker, works=works) as engine:
                        yield engine

    What only some engines promise (`settlesim.engines.Promise`) is tested on those that name it;
    on the others it is tested that they refuse it, or what they do instead.

    Attributes
    ----------
    patience : float
        Seconds after which an event that should settle is given up.
    """

    patience: ClassVar[float] = _PATIENCE

    @abstractmethod
    def open_engine(
        self,
        folder: Path,
        chart: Chart,
        *,
        policy: Literal["skip", "halt"] = "skip",
        max_failures: int = 3,
        works: bool = True,
    ) -> AbstractAsyncContextManager[Engine]:
        """Return an engine that is entered.

        Parameters
        ----------
        folder
            Names the data: engines that are opened on one folder have the same instances, those of
            two folders never do. Two that are open at the same time have charts of two versions.
        policy : what an instance does after a dead letter
        max_failures : after how many failed attempts an event is a dead letter; the next attempt
            should follow within a second
        works : whether events are worked on, or only accepted
        """

    # --- for the tests --------------------------------------------------------------------------

    @pytest.fixture
    def work(self) -> Work:
        """Return the services."""
        return Work()

    def on_engine(
        self,
        folder: Path,
        chart: Chart,
        test: Callable[[Engine], Awaitable[None]],
        *,
        policy: Literal["skip", "halt"] = "skip",
        max_failures: int = 3,
        works: bool = True,
    ) -> None:
        """Run a test on an engine."""

        async def main() -> None:
            opened = self.open_engine(
                folder, chart, policy=policy, max_failures=max_failures, works=works
            )
            async with opened as engine:
                await test(engine)

        asyncio.run(main())

    async def settled(
        self, engine: Engine, key: str, event: str, data: Any = None, **more: Any
    ) -> EventStatus:
        """Send an event, and wait until it is settled or dead."""
        accepted = await engine.send(key, event, data, **more)
        return await self.end_of(engine, key, accepted.event_id)

    async def end_of(self, engine: Engine, key: str, event_id: str) -> EventStatus:
        """Wait until an event is settled or dead."""
        found = await engine.outcome(key, event_id, wait=self.patience)
        assert found is not None
        assert found.stage is not EventStage.WAITING, found
        return found

    async def applied(self, engine: Engine, key: str) -> list[Any]:
        """Return what an instance has noted."""
        found = await engine.load(key)
        assert found is not None
        return list(found.snapshot.context["applied"])

    # --- one event ------------------------------------------------------------------------------

    def test_it_has_the_methods_of_an_engine(self, tmp_path: Path, work: Work) -> None:
        """It says who it is, what it promises, and that it is well."""

        async def test(engine: Engine) -> None:
            assert isinstance(engine, Engine)
            assert engine.name
            assert engine.chart.name == "engine_contract"
            assert set(engine.promises) <= set(Promise)
            assert engine.remembers > 0
            await engine.check()
            assert isinstance(await engine.status(), EngineStatus)

        self.on_engine(tmp_path, engine_chart(work), test)

    def test_nothing_is_known_of_what_never_was(self, tmp_path: Path, work: Work) -> None:
        """An unknown instance, event, letter or page is none, not an error."""

        async def test(engine: Engine) -> None:
            assert await engine.load("a") is None
            assert await engine.outcome("a", "no-such-event") is None
            assert list(await engine.find()) == []
            assert list(await engine.settlements("a")) == []
            assert await engine.latest("a") == 0
            assert list(await engine.dead_letters()) == []
            assert list(await engine.parked()) == []
            assert not await engine.retry("17")
            assert not await engine.retry("no such letter")
            assert not await engine.resume("a")

        self.on_engine(tmp_path, engine_chart(work), test)

    def test_an_event_is_applied(self, tmp_path: Path, work: Work) -> None:
        """It creates its instance, and its outcome, revision and state can be read."""

        async def test(engine: Engine) -> None:
            accepted = await engine.send("a", "ADD", {"n": [1, None, "é"]}, event_id="first")
            assert (accepted.key, accepted.event_id, accepted.new) == ("a", "first", True)
            found = await self.end_of(engine, "a", "first")
            assert (found.stage, found.outcome, found.revision) == (
                EventStage.SETTLED,
                "resolved",
                1,
            )
            assert found.snapshot is not None
            stored = await engine.load("a")
            assert stored is not None
            assert stored.snapshot == found.snapshot
            assert stored.snapshot.configuration == ("idle",)
            assert stored.snapshot.revision == 1
            assert stored.snapshot.context == {"applied": [{"n": [1, None, "é"]}]}
            assert (stored.key, stored.final) == ("a", False)

        self.on_engine(tmp_path, engine_chart(work), test)

    def test_an_event_without_an_id_gets_one(self, tmp_path: Path, work: Work) -> None:
        """Two equal events without ids are two events."""

        async def test(engine: Engine) -> None:
            first = await engine.send("a", "ADD", 1)
            second = await engine.send("a", "ADD", 1)
            assert first.event_id != second.event_id
            assert (first.new, second.new) == (True, True)
            await self.end_of(engine, "a", first.event_id)
            await self.end_of(engine, "a", second.event_id)
            assert await self.applied(engine, "a") == [1, 1]

        self.on_engine(tmp_path, engine_chart(work), test)

    def test_services_run_until_the_event_is_settled(self, tmp_path: Path, work: Work) -> None:
        """No state on the way is ever saved."""

        async def test(engine: Engine) -> None:
            found = await self.settled(engine, "a", "CALL", "x")
            assert (found.outcome, found.revision) == ("resolved", 1)
            assert work.called("first") == work.called("second") == ["x"]
            assert await self.applied(engine, "a") == ["x"]

        self.on_engine(tmp_path, engine_chart(work), test)

    @pytest.mark.parametrize(("event", "outcome"), [("REFUSE", "rejected"), ("NOPE", "ignored")])
    def test_a_rejected_or_ignored_event_changes_nothing(
        self, tmp_path: Path, work: Work, event: str, outcome: str
    ) -> None:
        """It has an outcome, and the instance its revision."""

        async def test(engine: Engine) -> None:
            await self.settled(engine, "a", "ADD", 1)
            found = await self.settled(engine, "a", event)
            assert (found.stage, found.outcome, found.revision) == (
                EventStage.SETTLED,
                outcome,
                1,
            )
            assert found.snapshot is None
            assert await self.applied(engine, "a") == [1]

        self.on_engine(tmp_path, engine_chart(work), test)

    def test_a_chart_comes_to_its_end(self, tmp_path: Path, work: Work) -> None:
        """The instance is final, and later events are ignored."""

        async def test(engine: Engine) -> None:
            assert (await self.settled(engine, "a", "END")).outcome == "done"
            stored = await engine.load("a")
            assert stored is not None
            assert stored.final
            assert (await self.settled(engine, "a", "ADD", 1)).outcome == "ignored"

        self.on_engine(tmp_path, engine_chart(work), test)

    # --- order and repetition ---------------------------------------------------------------

    def test_events_of_an_instance_are_applied_in_order(self, tmp_path: Path, work: Work) -> None:
        """As they were accepted; instances do not disturb each other."""

        async def test(engine: Engine) -> None:
            for number in range(10):
                for key in ("a", "b", "c"):
                    await engine.send(key, "ADD", number, event_id=f"e{number}")
            for key in ("a", "b", "c"):
                await self.end_of(engine, key, "e9")
                assert await self.applied(engine, key) == list(range(10))

        self.on_engine(tmp_path, engine_chart(work), test)

    def test_a_slow_instance_keeps_nobody_else_waiting(self, tmp_path: Path, work: Work) -> None:
        """Its own later events wait for it."""

        async def test(engine: Engine) -> None:
            held = await engine.send("slow", "HOLD", 1)
            behind = await engine.send("slow", "ADD", 2)
            await self.settled(engine, "quick", "ADD", 3)
            assert await engine.load("slow") is None
            for waiting in (held, behind):
                found = await engine.outcome("slow", waiting.event_id)
                assert found is not None
                assert found.stage is EventStage.WAITING
            work.gate.set()
            await self.end_of(engine, "slow", behind.event_id)
            assert await self.applied(engine, "slow") == [1, 2]

        self.on_engine(tmp_path, engine_chart(work), test)

    def test_a_wait_that_is_too_short_says_how_far_it_is(self, tmp_path: Path, work: Work) -> None:
        """The event goes on; a later wait finds its end."""

        async def test(engine: Engine) -> None:
            sent = await engine.send("a", "HOLD", 1)
            found = await engine.outcome("a", sent.event_id, wait=_SHORT)
            assert found is not None
            assert found.stage is EventStage.WAITING
            work.gate.set()
            assert (await self.end_of(engine, "a", sent.event_id)).outcome == "resolved"

        self.on_engine(tmp_path, engine_chart(work), test)

    def test_a_repeated_event_is_applied_once(self, tmp_path: Path, work: Work) -> None:
        """While it waits and after it was settled; the repetition gets the first outcome."""

        async def test(engine: Engine) -> None:
            assert (await engine.send("a", "HOLD", 1, event_id="e")).new
            assert not (await engine.send("a", "HOLD", 1, event_id="e")).new
            work.gate.set()
            first = await self.end_of(engine, "a", "e")
            assert not (await engine.send("a", "HOLD", 1, event_id="e")).new
            again = await self.end_of(engine, "a", "e")
            assert (again.outcome, again.revision) == (first.outcome, first.revision)
            await self.settled(engine, "a", "ADD", 2)
            assert await self.applied(engine, "a") == [1, 2]

        self.on_engine(tmp_path, engine_chart(work), test)

    def test_of_many_repetitions_one_is_new(self, tmp_path: Path, work: Work) -> None:
        """Also where they are sent at the same time."""

        async def test(engine: Engine) -> None:
            found = await asyncio.gather(
                *(engine.send("a", "ADD", 1, event_id="e") for _ in range(5))
            )
            assert sum(each.new for each in found) == 1
            await self.end_of(engine, "a", "e")
            await self.settled(engine, "a", "ADD", 2)
            assert await self.applied(engine, "a") == [1, 2]

        self.on_engine(tmp_path, engine_chart(work), test)

    def test_an_id_is_one_of_its_instance(self, tmp_path: Path, work: Work) -> None:
        """Two instances may get events with the same id."""

        async def test(engine: Engine) -> None:
            for key in ("a", "b"):
                assert (await engine.send(key, "ADD", key, event_id="#e")).new
            for key in ("a", "b"):
                await self.end_of(engine, key, "#e")
                assert await self.applied(engine, key) == [key]

        self.on_engine(tmp_path, engine_chart(work), test)

    @pytest.mark.parametrize("waits", [True, False])
    def test_an_id_brings_one_event_only(self, tmp_path: Path, work: Work, waits: bool) -> None:
        """Another event with it is refused, or taken for a repetition; never applied."""

        async def test(engine: Engine) -> None:
            await engine.send("a", "HOLD", 1, event_id="e")
            if not waits:
                work.gate.set()
                await self.end_of(engine, "a", "e")
            if Promise.REFUSE_REUSED_ID in engine.promises:
                with pytest.raises(DeduplicationError):
                    await engine.send("a", "ADD", "other", event_id="e")
            else:
                assert not (await engine.send("a", "ADD", "other", event_id="e")).new
            work.gate.set()
            await self.end_of(engine, "a", "e")
            await self.settled(engine, "a", "ADD", 2)
            assert await self.applied(engine, "a") == [1, 2]

        self.on_engine(tmp_path, engine_chart(work), test)

    def test_an_expected_revision_is_met_or_the_event_refused(
        self, tmp_path: Path, work: Work
    ) -> None:
        """Refused means that it was not accepted; a repetition of one that was is none."""

        async def test(engine: Engine) -> None:
            if Promise.EXPECTED_REVISION not in engine.promises:
                with pytest.raises(NotPromisedError):
                    await engine.send("a", "ADD", 1, expected=0)
                assert await engine.load("a") is None
                return
            await self.settled(engine, "a", "ADD", 1, event_id="e", expected=0)
            with pytest.raises(UnexpectedRevisionError):
                await engine.send("a", "ADD", 2, expected=0)
            assert not (await engine.send("a", "ADD", 1, event_id="e", expected=0)).new
            await engine.send("a", "HOLD", 3, expected=1)
            with pytest.raises(UnexpectedRevisionError):  # HOLD will change it
                await engine.send("a", "ADD", 4, expected=1)
            work.gate.set()
            await self.settled(engine, "a", "ADD", 5)
            assert await self.applied(engine, "a") == [1, 3, 5]

        self.on_engine(tmp_path, engine_chart(work), test)

    # --- what is refused --------------------------------------------------------------------

    def test_what_no_event_may_be_is_refused(self, tmp_path: Path, work: Work) -> None:
        """Reserved names, and keys, ids and data that no store carries; nothing is accepted."""

        async def test(engine: Engine) -> None:
            for name in ("done.first", "error.first", "after.waiting", ""):
                with pytest.raises((InvalidEventError, InvalidValueError)):
                    await engine.send("a", name)
            for key in ("", "\ud800", "k" * 5000):
                with pytest.raises(InvalidValueError):
                    await engine.send(key, "ADD")
            for data in (float("nan"), {"a": "\ud800"}, {1: "a"}, {1, 2}, b"x"):
                with pytest.raises((InvalidEventError, InvalidValueError)):
                    await engine.send("a", "ADD", data)
            with pytest.raises(InvalidValueError):
                await engine.send("a", "ADD", event_id="")
            assert await engine.load("a") is None
            assert list(await engine.dead_letters()) == []

        self.on_engine(tmp_path, engine_chart(work), test)

    def test_keys_are_texts_and_nothing_else(self, tmp_path: Path, work: Work) -> None:
        """A key with slashes, markup or letters of any alphabet names its own instance."""

        async def test(engine: Engine) -> None:
            for key in _HOSTILE_KEYS:
                await engine.send(key, "ADD", key, event_id="e")
            for key in _HOSTILE_KEYS:
                await self.end_of(engine, key, "e")
                assert await self.applied(engine, key) == [key]
            assert [each.key for each in await engine.find()] == sorted(_HOSTILE_KEYS)

        self.on_engine(tmp_path, engine_chart(work), test)

    # --- failures ---------------------------------------------------------------------------

    def test_a_failed_service_is_called_again_with_the_same_key(
        self, tmp_path: Path, work: Work
    ) -> None:
        """A failure before the last one is no dead letter."""

        async def test(engine: Engine) -> None:
            work.failures["second"] = 2
            found = await self.settled(engine, "a", "CALL", 1)
            assert (found.outcome, found.revision) == ("resolved", 1)
            keys = [key for name, _, key in work.calls if name == "second"]
            assert len(keys) == 3
            assert len(set(keys)) == 1
            assert keys[0] is not None
            assert len({key for _, _, key in work.calls}) == 2
            kept = Promise.FINISHED_CALLS_KEPT in engine.promises
            assert len(work.called("first")) == (1 if kept else 3)
            assert await self.applied(engine, "a") == [1]

        self.on_engine(tmp_path, engine_chart(work), test, max_failures=5)

    @pytest.mark.parametrize("bad", [("CALL", "x"), ("EVEN", "no number")])
    def test_an_event_that_cannot_be_settled_is_a_dead_letter(
        self, tmp_path: Path, work: Work, bad: tuple[str, str]
    ) -> None:
        """With its errors; the instance is as it was, and goes on."""

        async def test(engine: Engine) -> None:
            work.failures["first"] = 2
            await self.settled(engine, "a", "ADD", 1)
            found = await self.settled(engine, "a", *bad, event_id="bad")
            assert found.stage is EventStage.DEAD
            assert found.errors
            await self.settled(engine, "a", "ADD", 2)
            assert await self.applied(engine, "a") == [1, 2]
            (letter,) = await engine.dead_letters()
            assert (letter.key, letter.event, letter.data) == ("a", *bad)
            assert letter.event_id == "bad"
            assert letter.failures == 2
            assert letter.errors[-1] == found.errors[-1]
            assert list(await engine.parked()) == []
            status = await engine.status()
            assert status.dead_letters in (1, None)

        self.on_engine(tmp_path, engine_chart(work), test, max_failures=2)

    def test_a_dead_letter_can_be_retried(self, tmp_path: Path, work: Work) -> None:
        """As often as it fails; once its cause is gone it is applied, and no letter any more."""

        async def test(engine: Engine) -> None:
            work.failures["first"] = 2
            dead = await self.settled(engine, "a", "CALL", 1, event_id="e")
            for _ in range(2):
                assert dead.stage is EventStage.DEAD
                (letter,) = await engine.dead_letters()
                assert await engine.retry(letter.id)
                dead = await self.end_of(engine, "a", "e")
            found = await self.end_of(engine, "a", "e")
            assert (found.stage, found.outcome) == (EventStage.SETTLED, "resolved")
            assert list(await engine.dead_letters()) == []
            assert not await engine.retry(letter.id)
            assert await self.applied(engine, "a") == [1]

        self.on_engine(tmp_path, engine_chart(work), test, max_failures=1)

    def test_dead_letters_come_in_pages(self, tmp_path: Path, work: Work) -> None:
        """No letter is missing, and none comes twice."""

        async def test(engine: Engine) -> None:
            for number in range(5):
                await self.settled(engine, f"k{number}", "EVEN", "no number", event_id="e")
            found: list[str] = []
            after: str | None = None
            while page := await engine.dead_letters(after=after, limit=2):
                assert len(page) <= 2
                found += [letter.key for letter in page]
                after = page[-1].id
            assert sorted(found) == [f"k{number}" for number in range(5)]

        self.on_engine(tmp_path, engine_chart(work), test, max_failures=1)

    def test_with_halt_an_instance_waits_after_a_dead_letter(
        self, tmp_path: Path, work: Work
    ) -> None:
        """Until it is resumed; others go on, and nothing is lost."""

        async def test(engine: Engine) -> None:
            work.failures["first"] = 1
            await self.settled(engine, "a", "CALL", 1, event_id="bad")
            for number in (2, 3):
                await engine.send("a", "ADD", number, event_id=f"e{number}")
            await self.settled(engine, "b", "ADD", 4)
            waiting = await engine.outcome("a", "e2", wait=_SHORT)
            assert waiting is not None
            assert waiting.stage is EventStage.WAITING
            (parked,) = await engine.parked()
            assert parked.group_id == "a"
            (letter,) = await engine.dead_letters()
            assert await engine.retry(letter.id)
            assert await engine.resume("a")
            await self.end_of(engine, "a", "e3")
            await self.end_of(engine, "a", "bad")
            in_place = Promise.REDRIVE_IN_PLACE in engine.promises
            assert await self.applied(engine, "a") == ([1, 2, 3] if in_place else [2, 3, 1])
            assert list(await engine.parked()) == []

        self.on_engine(tmp_path, engine_chart(work), test, max_failures=1, policy="halt")

    def test_with_halt_an_instance_can_go_on_without_its_dead_letter(
        self, tmp_path: Path, work: Work
    ) -> None:
        """The letter stays where it is."""

        async def test(engine: Engine) -> None:
            await self.settled(engine, "a", "EVEN", "no number", event_id="bad")
            await engine.send("a", "ADD", 1, event_id="e")
            assert await engine.resume("a")
            assert not await engine.resume("a")
            await self.end_of(engine, "a", "e")
            assert await self.applied(engine, "a") == [1]
            assert [letter.event_id for letter in await engine.dead_letters()] == ["bad"]

        self.on_engine(tmp_path, engine_chart(work), test, max_failures=1, policy="halt")

    # --- reading ----------------------------------------------------------------------------

    def test_instances_come_in_pages(self, tmp_path: Path, work: Work) -> None:
        """Sorted by their keys; a state chooses among them."""

        async def test(engine: Engine) -> None:
            for number in range(7):
                event = "LONG_DELAY" if number % 3 == 0 else "ADD"
                await self.settled(engine, f"k{number}", event)
            found: list[str] = []
            after: str | None = None
            while page := await engine.find(after=after, limit=3):
                assert len(page) <= 3
                found += [each.key for each in page]
                after = page[-1].key
            assert found == [f"k{number}" for number in range(7)]
            patient = await engine.find(state="patient", limit=2)
            assert [each.key for each in patient] == ["k0", "k3"]
            more = await engine.find(state="patient", after="k3")
            assert [each.key for each in more] == ["k6"]

        self.on_engine(tmp_path, engine_chart(work), test)

    def test_settlements_of_an_instance_can_be_followed(self, tmp_path: Path, work: Work) -> None:
        """From a cursor on, those that changed nothing included."""

        async def test(engine: Engine) -> None:
            await self.settled(engine, "b", "ADD", 0)
            for event in ("ADD", "NOPE", "CALL", "REFUSE"):
                await self.settled(engine, "a", event, 1, event_id=event)
            found = list(await engine.settlements("a"))
            assert [(each.outcome, each.revision) for each in found] == [
                ("resolved", 1),
                ("ignored", 1),
                ("resolved", 2),
                ("rejected", 2),
            ]
            assert [each.record["event"]["name"] for each in found] == [
                "ADD",
                "NOPE",
                "CALL",
                "REFUSE",
            ]
            assert all(each.key == "a" for each in found)
            numbers = [each.number for each in found]
            assert numbers == sorted(set(numbers))
            stored = await engine.load("a")
            assert stored is not None
            assert found[2].snapshot == stored.snapshot
            assert found[3].snapshot is None
            later = await engine.settlements("a", cursor=found[1].number)
            assert [each.number for each in later] == numbers[2:]
            assert [each.number for each in await engine.settlements("a", limit=2)] == numbers[:2]
            assert list(await engine.settlements("a", cursor=numbers[-1])) == []
            assert await engine.latest("a") >= numbers[-1]
            assert list(await engine.settlements("a", cursor=await engine.latest("a"))) == []

        self.on_engine(tmp_path, engine_chart(work), test)

    def test_a_follower_waits_for_the_next_settlement(self, tmp_path: Path, work: Work) -> None:
        """A wait ends with it, or empty when it was too short."""

        async def test(engine: Engine) -> None:
            assert list(await engine.settlements("a", wait=_SHORT)) == []
            waiting = asyncio.create_task(_follow(engine, "a", 3, self.patience))
            for number in range(3):
                await self.settled(engine, "b", "ADD", number)
                await self.settled(engine, "a", "ADD", number)
            assert [each.revision for each in await waiting] == [1, 2, 3]

        self.on_engine(tmp_path, engine_chart(work), test)

    def test_all_instances_can_be_followed_or_it_is_refused(
        self, tmp_path: Path, work: Work
    ) -> None:
        """In the order of their commits."""

        async def test(engine: Engine) -> None:
            if Promise.FOLLOW_ALL not in engine.promises:
                with pytest.raises(NotPromisedError):
                    await engine.settlements()
                with pytest.raises(NotPromisedError):
                    await engine.latest()
                return
            waiting = asyncio.create_task(_follow(engine, None, 3, self.patience))
            for key in ("b", "a", "b"):
                await self.settled(engine, key, "ADD", 1)
            assert [each.key for each in await waiting] == ["b", "a", "b"]

        self.on_engine(tmp_path, engine_chart(work), test)

    # --- time, restarts and versions ----------------------------------------------------------

    def test_a_delay_fires_without_an_event(self, tmp_path: Path, work: Work) -> None:
        """Once, and it can be followed like an event."""

        async def test(engine: Engine) -> None:
            await self.settled(engine, "a", "DELAY")
            found = await _follow(engine, "a", 2, self.patience)
            assert [each.revision for each in found] == [1, 2]
            assert found[1].at - found[0].at > 0.19, "it fired before its time"
            stored = await engine.load("a")
            assert stored is not None
            assert stored.snapshot.configuration == ("idle",)
            await self.settled(engine, "a", "ADD", 1)
            assert await self.applied(engine, "a") == ["late", 1]

        self.on_engine(tmp_path, engine_chart(work), test)

    def test_a_state_that_is_left_has_no_delay_any_more(self, tmp_path: Path, work: Work) -> None:
        """A later stay in the state has a delay of its own."""

        async def test(engine: Engine) -> None:
            for event in ("DELAY", "CANCEL", "DELAY", "CANCEL", "DELAY"):
                await engine.send("a", event)
            found = await _follow(engine, "a", 6, self.patience)
            assert [each.outcome for each in found] == ["resolved"] * 6
            assert list(await engine.settlements("a", cursor=found[-1].number, wait=0.5)) == []
            assert await self.applied(engine, "a") == ["late"]

        self.on_engine(tmp_path, engine_chart(work), test)

    def test_what_was_accepted_survives_the_engine(self, tmp_path: Path, work: Work) -> None:
        """Events and delays are worked on by the next one, and ids are remembered."""
        chart = engine_chart(work)

        async def first(engine: Engine) -> None:
            await self.settled(engine, "a", "ADD", 1, event_id="e1")

        async def second(engine: Engine) -> None:
            for number in (2, 3):
                await engine.send("a", "ADD", number, event_id=f"e{number}")
            await engine.send("b", "DELAY", event_id="e")

        async def third(engine: Engine) -> None:
            await self.end_of(engine, "a", "e3")
            assert not (await engine.send("a", "ADD", 1, event_id="e1")).new
            await self.end_of(engine, "b", "e")
            await _follow(engine, "b", 2, self.patience)
            assert await self.applied(engine, "a") == [1, 2, 3]
            assert await self.applied(engine, "b") == ["late"]

        self.on_engine(tmp_path, chart, first)
        self.on_engine(tmp_path, chart, second, works=False)
        self.on_engine(tmp_path, chart, third)

    def test_an_instance_of_another_version_waits_for_it(self, tmp_path: Path, work: Work) -> None:
        """Its events are neither lost nor dead; other instances go on."""

        async def old(engine: Engine) -> None:
            await self.settled(engine, "a", "ADD", 1)

        async def new(engine: Engine) -> None:
            await engine.send("a", "ADD", 2, event_id="e")
            await self.settled(engine, "b", "ADD", 3)
            found = await engine.outcome("a", "e", wait=_SHORT)
            assert found is not None
            assert found.stage is EventStage.WAITING
            assert list(await engine.dead_letters()) == []

        async def old_again(engine: Engine) -> None:
            await self.end_of(engine, "a", "e")
            assert await self.applied(engine, "a") == [1, 2]

        self.on_engine(tmp_path, engine_chart(work), old)
        self.on_engine(tmp_path, engine_chart(work, version=2), new)
        self.on_engine(tmp_path, engine_chart(work), old_again)

    def test_an_older_version_starts_no_instance_once_a_newer_one_has(
        self, tmp_path: Path, work: Work
    ) -> None:
        """The event waits for the newer version; the older one goes on with its own instances."""

        async def old(engine: Engine) -> None:
            await self.settled(engine, "a", "ADD", 1)

        async def new(engine: Engine) -> None:
            await self.settled(engine, "b", "ADD", 2)

        async def old_again(engine: Engine) -> None:
            await engine.send("c", "ADD", 3, event_id="e")
            await self.settled(engine, "a", "ADD", 4)
            found = await engine.outcome("c", "e", wait=_SHORT)
            assert found is not None
            assert found.stage is EventStage.WAITING
            assert await engine.load("c") is None
            assert list(await engine.dead_letters()) == []

        async def new_again(engine: Engine) -> None:
            await self.end_of(engine, "c", "e")
            found = {each.key: each.snapshot.version for each in await engine.find()}
            assert found == {"a": 1, "b": 2, "c": 2}
            assert await self.applied(engine, "a") == [1, 4]

        self.on_engine(tmp_path, engine_chart(work), old)
        self.on_engine(tmp_path, engine_chart(work, version=2), new)
        self.on_engine(tmp_path, engine_chart(work), old_again)
        self.on_engine(tmp_path, engine_chart(work, version=2), new_again)

    def test_two_versions_work_at_the_same_time_or_one_waits(
        self, tmp_path: Path, work: Work
    ) -> None:
        """Nothing is lost or dead by it: what waits is settled when its version works alone."""

        async def main() -> None:
            one = self.open_engine(tmp_path, engine_chart(work))
            async with one as old:
                await self.settled(old, "a", "ADD", 1)
                two = self.open_engine(tmp_path, engine_chart(work, version=2))
                async with two as new:
                    await self.settled(new, "b", "ADD", 2)
                    together = Promise.VERSIONS_TOGETHER in old.promises
                    wait = self.patience if together else _SHORT
                    await new.send("a", "ADD", 3, event_id="e")
                    found = await old.outcome("a", "e", wait=wait)
                    assert found is not None
                    assert found.stage is not EventStage.DEAD
                    assert found.stage is EventStage.SETTLED or not together

        async def alone(engine: Engine) -> None:
            await self.end_of(engine, "a", "e")
            assert await self.applied(engine, "a") == [1, 3]

        asyncio.run(main())
        self.on_engine(tmp_path, engine_chart(work), alone)

    def test_an_instance_of_an_earlier_version_is_migrated(
        self, tmp_path: Path, work: Work
    ) -> None:
        """By its next event, in the same write; a delay that runs fires in the new version."""
        old = engine_chart(work)
        chart = engine_chart(work, version=2)
        new = chart.with_migrations(
            migration(old, chart, context=lambda context: {"applied": ["v1", *context["applied"]]})
        )

        async def first(engine: Engine) -> None:
            await self.settled(engine, "a", "ADD", 1)
            await self.settled(engine, "b", "DELAY")

        async def second(engine: Engine) -> None:
            before = await engine.load("a")
            assert before is not None
            assert before.snapshot.version == 1
            assert (await self.settled(engine, "a", "ADD", 2)).revision == 2
            stored = await engine.load("a")
            assert stored is not None
            assert stored.snapshot.version == 2
            assert await self.applied(engine, "a") == ["v1", 1, 2]
            await _follow(engine, "b", 2, self.patience)
            assert (await self.applied(engine, "b"))[-1] == "late"

        self.on_engine(tmp_path, old, first)
        self.on_engine(tmp_path, new, second)

    def test_charts_do_not_see_each_others_instances(self, tmp_path: Path, work: Work) -> None:
        """On the same data, a key of another chart is refused, or is another instance."""

        async def one(engine: Engine) -> None:
            await self.settled(engine, "a", "ADD", 1)

        async def other(engine: Engine) -> None:
            assert list(await engine.find()) == []
            if Promise.FOLLOW_ALL in engine.promises:
                assert list(await engine.settlements()) == []
            try:
                await engine.send("a", "ADD", 2, event_id="e")
            except ChartMismatchError:
                return
            await self.end_of(engine, "a", "e")
            assert await self.applied(engine, "a") == [2]

        self.on_engine(tmp_path, engine_chart(work), one)
        self.on_engine(tmp_path, engine_chart(work, name="engine_contract_2"), other)

    def test_leaving_the_engine_ends_every_wait(self, tmp_path: Path, work: Work) -> None:
        """Nobody hangs, and the event is still there."""

        async def main() -> None:
            async with self.open_engine(tmp_path, engine_chart(work), works=False) as engine:
                await engine.send("a", "ADD", 1, event_id="e")
                waits: Sequence[asyncio.Task[Any]] = [
                    asyncio.create_task(engine.outcome("a", "e", wait=1.0)),
                    asyncio.create_task(engine.settlements("a", wait=1.0)),
                ]
                await asyncio.sleep(0)
            for each in await asyncio.gather(*waits, return_exceptions=True):
                if isinstance(each, EventStatus):
                    assert each.stage is EventStage.WAITING
                else:  # nothing, or its store was closed before it looked
                    assert isinstance(each, StoreError) or not each

        asyncio.run(main())


async def _follow(engine: Engine, key: str | None, count: int, patience: float) -> list[Any]:
    """Follow settlements until there are so many."""
    found: list[Any] = []
    async with asyncio.timeout(patience):
        while len(found) < count:
            cursor = found[-1].number if found else 0
            found += await engine.settlements(key, cursor=cursor, wait=5.0)
    return found
