"""Two versions of a chart on one queue: each worker has what is its own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from settlesim import Worker
from settlesim.chart import Chart, Snapshot
from settlesim.chart.strict_json import freeze_object
from settlesim.errors import ChartMismatchError
from settlesim.ports import Transaction
from tests.runtime.working import Stage, note
from tests.settling.driving import chart_of, settled


async def second(call: Any) -> None:
    """A service that takes a second."""
    await call.sleep(1)


def version(number: int) -> Chart:
    """One version of a chart that keeps the data of each GO, after a second."""
    busy = {"name": "busy", "invoke": {"src": second, "on_done": "rest"}}
    go = {"trigger": "GO", "source": "rest", "dest": "busy", "assign": note}
    return chart_of([settled("rest"), busy], [go], name="log", version=number, context={"log": []})


def save(stage: Stage, key: str, number: int) -> None:
    """Save an instance of a version."""
    context = freeze_object({"log": []}, where="context")
    stage.store.commit(Transaction(key, Snapshot("log", number, ("rest",), context, 1), 0))


def test_workers_of_two_versions_do_not_hold_each_other_up() -> None:
    """Every message is received once, by the worker that has its version, and at full speed."""
    stage = Stage(version(1))
    keys = [f"k{number}" for number in range(10)]
    for number, key in enumerate(keys):
        save(stage, key, 1 + number // 5)
        stage.send((key, 1), (key, 2))
    began = stage.clock.now()

    async def both() -> None:
        newer = Worker(
            version(2), stage.store, stage.queue, clock=stage.clock, logger=stage.worker().logger
        )
        older = asyncio.ensure_future(stage.worker(poll=1000).run())
        other = asyncio.ensure_future(newer.run())
        await stage.clock.sleep(10.5)
        older.cancel()
        other.cancel()
        await asyncio.wait([older, other])

    asyncio.run(both())
    assert stage.records.fields("outcome", "receives") == [("resolved", 1)] * 20
    assert stage.clock.now() - began == 10.5
    assert all(stage.log(key) == [1, 2] for key in keys)


def test_until_empty_names_an_instance_of_another_version_that_has_messages() -> None:
    """Not one that has none, and not one of a parked group."""
    stage = Stage(version(1), policy="halt")
    for key in ("idle", "parked", "waits"):
        save(stage, key, 2)
    stage.send(("parked", 1), ("waits", 1), ("own", 1))
    messages = {each.group_id: each for each in stage.queue.receive(3)}
    stage.queue.fail(messages["parked"].receipt, "no", final=True)
    for key in ("waits", "own"):
        stage.queue.release(messages[key].receipt)
    with pytest.raises(ChartMismatchError, match="'waits' was saved by log version 2"):
        stage.run()
    assert stage.log("own") == [1]
    assert stage.outcomes() == ["resolved"]


def test_an_instance_that_the_same_version_cannot_continue_is_held_back_and_told() -> None:
    """The chart was edited; no attempt is counted, and the edit may be taken back."""
    stage = Stage(version(1), max_failures=1, max_receives=3)
    context = freeze_object({"log": []}, where="context")
    stage.store.commit(Transaction("k", Snapshot("log", 1, ("gone",), context, 1), 0))
    stage.send(("k", 1), ("other", 2))
    with pytest.raises(ChartMismatchError, match="'k' was saved by log version 1"):
        stage.run(backoff=1)
    began = len(stage.records.records)
    stage.work(lambda worker: stage.clock.sleep(600), backoff=1, poll=1)
    released = stage.records.fields("outcome", "receives")[began:]
    assert 5 < len(released) < 25
    assert {outcome for outcome, _ in released} == {"released"}
    assert stage.queue.status().dead_letters == 0
    assert stage.log("other") == [2]
