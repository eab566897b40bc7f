"""What every engine promises over time: delays, restarts, and versions of the chart."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from settlesim.engines import (
    Engine,
    EventStage,
    EventStatus,
    Promise,
)
from settlesim.errors import (
    ChartMismatchError,
    StoreError,
)
from settlesim.testing.engine_chart import Work, engine_chart
from settlesim.testing.engine_harness import SHORT, EngineHarness
from settlesim.versions import migration

__all__ = ["EngineLifetimeContract"]


class EngineLifetimeContract(EngineHarness):
    """The part of `EngineContract` about delays, restarts, and versions of the chart."""

    def test_a_delay_fires_without_an_event(self, tmp_path: Path, work: Work) -> None:
        """Once, and it can be followed like an event."""

        async def test(engine: Engine) -> None:
            await self.settled(engine, "a", "DELAY")
            found = await self.follow(engine, "a", 2)
            assert [each.revision for each in found] == [1, 2]
            assert found[1].at - found[0].at > 0.19, "it fired before its time"
            stored = await engine.load("a")
            assert stored is not None
            assert stored.snapshot.configuration == ("idle",)
            await self.settled(engine, "a", "ADD", 1)
            assert await self.applied(engine, "a") == ["late", 1]

        self.on_engine(tmp_path, engine_chart(work), test)

    def test_a_state_that_is_left_has_no_delay_any_more(self, tmp_path: Path, work: Work) -> None:
        """Its delay starts from the beginning when the state is entered again."""

        async def test(engine: Engine) -> None:
            for event in ("DELAY", "CANCEL", "DELAY", "CANCEL", "DELAY"):
                await engine.send("a", event)
            found = await self.follow(engine, "a", 6)
            assert [each.outcome for each in found] == ["resolved"] * 6
            assert list(await engine.settlements("a", cursor=found[-1].number, wait=0.5)) == []
            assert await self.applied(engine, "a") == ["late"]

        self.on_engine(tmp_path, engine_chart(work), test)

    def test_what_was_accepted_survives_the_engine(self, tmp_path: Path, work: Work) -> None:
        """The next engine handles events and delays, and ids are remembered."""
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
            await self.follow(engine, "b", 2)
            assert await self.applied(engine, "a") == [1, 2, 3]
            assert await self.applied(engine, "b") == ["late"]

        self.on_engine(tmp_path, chart, first)
        self.on_engine(tmp_path, chart, second, works=False)
        self.on_engine(tmp_path, chart, third)

    def test_an_instance_of_another_version_waits_for_it(self, tmp_path: Path, work: Work) -> None:
        """Its events are neither lost nor dead letters; other instances continue."""

        async def old(engine: Engine) -> None:
            await self.settled(engine, "a", "ADD", 1)

        async def new(engine: Engine) -> None:
            await engine.send("a", "ADD", 2, event_id="e")
            await self.settled(engine, "b", "ADD", 3)
            found = await engine.outcome("a", "e", wait=SHORT)
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
        """The event waits for the newer version; the older one continues with its own instances."""

        async def old(engine: Engine) -> None:
            await self.settled(engine, "a", "ADD", 1)

        async def new(engine: Engine) -> None:
            await self.settled(engine, "b", "ADD", 2)

        async def old_again(engine: Engine) -> None:
            await engine.send("c", "ADD", 3, event_id="e")
            await self.settled(engine, "a", "ADD", 4)
            found = await engine.outcome("c", "e", wait=SHORT)
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
        """No event is lost or a dead letter: what waits is settled when its version runs alone."""

        async def main() -> None:
            one = self.open_engine(tmp_path, engine_chart(work))
            async with one as old:
                await self.settled(old, "a", "ADD", 1)
                two = self.open_engine(tmp_path, engine_chart(work, version=2))
                async with two as new:
                    await self.settled(new, "b", "ADD", 2)
                    together = Promise.VERSIONS_TOGETHER in old.promises
                    wait = self.patience if together else SHORT
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
            await self.follow(engine, "b", 2)
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
                else:  # no settlements, or the store was closed before they were read
                    assert isinstance(each, StoreError) or not each

        asyncio.run(main())
