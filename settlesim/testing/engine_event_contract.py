"""What every engine promises about events: outcome, order, duplicates and failures."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import pytest

from settlesim.engines import (
    Engine,
    EngineStatus,
    EventStage,
    NotPromisedError,
    Promise,
)
from settlesim.errors import (
    DeduplicationError,
    InvalidEventError,
    InvalidValueError,
    UnexpectedRevisionError,
)
from settlesim.testing.engine_chart import Work, engine_chart
from settlesim.testing.engine_harness import SHORT, EngineHarness

__all__ = ["EngineEventContract"]

_HOSTILE_KEYS: Final = (
    "a/b c?d=e&f#g",
    "../../etc/passwd",
    "<img src=x onerror=alert(1)>",
    "__proto__",
    "ключ-é-日本",
    "%2F%00",
    "k" * 300,
)


class EngineEventContract(EngineHarness):
    """The part of `EngineContract` about events, while one engine runs."""

    # --- one event ------------------------------------------------------------------------------

    def test_it_has_the_methods_of_an_engine(self, tmp_path: Path, work: Work) -> None:
        """It has a name, a chart and promises, and passes its own check."""

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
        """An unknown instance, event or dead letter is None, empty or False, not an error."""

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
        """It has an outcome, and the instance keeps its revision."""

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

    # --- order and duplicates ---------------------------------------------------------------

    def test_events_of_an_instance_are_applied_in_order(self, tmp_path: Path, work: Work) -> None:
        """In which they were accepted; instances do not disturb each other."""

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
        """The event is still handled; a later wait returns its outcome."""

        async def test(engine: Engine) -> None:
            sent = await engine.send("a", "HOLD", 1)
            found = await engine.outcome("a", sent.event_id, wait=SHORT)
            assert found is not None
            assert found.stage is EventStage.WAITING
            work.gate.set()
            assert (await self.end_of(engine, "a", sent.event_id)).outcome == "resolved"

        self.on_engine(tmp_path, engine_chart(work), test)

    def test_a_repeated_event_is_applied_once(self, tmp_path: Path, work: Work) -> None:
        """While it waits and after it was settled; the duplicate gets the first outcome."""

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
        """Even if they are sent at the same time."""

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
        """Another event with it is refused, or taken for a duplicate; it is never applied."""

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
        """A refused event is not accepted; a duplicate of an accepted one is not refused."""

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
        """Reserved names, and keys, ids and data that no store can keep; nothing is accepted."""

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
        """The event is not a dead letter before its last attempt has failed."""

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
        """With its errors; the instance is as it was, and handles later events."""

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
        """As often as it fails; once the cause is gone it is applied, and no letter is left."""

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
        """Until it is resumed; others continue, and nothing is lost."""

        async def test(engine: Engine) -> None:
            work.failures["first"] = 1
            await self.settled(engine, "a", "CALL", 1, event_id="bad")
            for number in (2, 3):
                await engine.send("a", "ADD", number, event_id=f"e{number}")
            await self.settled(engine, "b", "ADD", 4)
            waiting = await engine.outcome("a", "e2", wait=SHORT)
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
        """Sorted by their keys; they can be filtered by state."""

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
        """From a cursor on, including those that changed nothing."""

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
        """A wait ends with it, or returns nothing if it was too short."""

        async def test(engine: Engine) -> None:
            assert list(await engine.settlements("a", wait=SHORT)) == []
            waiting = asyncio.create_task(self.follow(engine, "a", 3))
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
            waiting = asyncio.create_task(self.follow(engine, None, 3))
            for key in ("b", "a", "b"):
                await self.settled(engine, key, "ADD", 1)
            assert [each.key for each in await waiting] == ["b", "a", "b"]

        self.on_engine(tmp_path, engine_chart(work), test)
