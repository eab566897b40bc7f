"""`prune` removes finished instances with all that is known of them, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from settlesim.chart.snapshot import Snapshot
from settlesim.chart.values import freeze_object
from settlesim.errors import InvalidValueError
from settlesim.ports import Timer, Timers, Transaction
from settlesim.store import FifoQueue, MemoryStore
from tests.contracts.stores import Time


@pytest.fixture
def time() -> Time:
    return Time()


def settle(store: MemoryStore, key: str, *, final: bool, **more: Any) -> None:
    """Save an instance whose event has a mark, and which is at its chart's end or not."""
    context = freeze_object({}, where="context")
    record = freeze_object({"event": "E"}, where="record")
    store.commit(
        Transaction(
            key,
            Snapshot("c", 1, ("end",), context, 1),
            0,
            mark=f"{key} 1",
            record=record,
            final=final,
            **more,
        )
    )


def test_pruning_takes_an_instance_with_its_settlements_timers_and_marks(time: Time) -> None:
    """So that an old event of it can create it again, as nothing is known of it any more."""
    store = MemoryStore(time)
    settle(store, "done", final=True, timers=Timers(started=(Timer("d", 5.0),)))
    settle(store, "running", final=False)
    time.step(100)
    assert store.prune(older_than=101.0) == ()
    assert store.prune(older_than=100.0) == ("done",)
    assert store.keys() == ["running"]
    assert (store.mark("done", "done 1"), store.settlements("done")) == (None, ())
    assert store.timers("done") == ()
    assert store.mark("running", "running 1") is not None
    assert len(store.settlements("running")) == 1
    settle(store, "done", final=True)


def test_pruning_leaves_an_instance_for_which_messages_wait(time: Time) -> None:
    """They would create it again."""
    store = MemoryStore(time)
    settle(store, "done", final=True)
    FifoQueue(store, "c").send("late", "done")
    time.step(100)
    assert store.prune(older_than=0.0) == ()
    (message,) = FifoQueue(store, "c").receive()
    FifoQueue(store, "c").delete(message.receipt)
    assert store.prune(older_than=0.0) == ("done",)


def test_pruning_takes_others_only_where_that_is_asked_for(time: Time) -> None:
    """An instance that is not at its end may only be asleep."""
    store = MemoryStore(time)
    settle(store, "running", final=False)
    time.step(100)
    assert store.prune(older_than=1.0) == ()
    assert store.prune(older_than=1.0, final=False) == ("running",)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), "1", None])
def test_an_age_that_is_none_is_refused(seconds: Any) -> None:
    """Before anything is removed."""
    store = MemoryStore()
    settle(store, "done", final=True)
    with pytest.raises(InvalidValueError, match="older_than"):
        store.prune(older_than=seconds)
    assert store.keys() == ["done"]
