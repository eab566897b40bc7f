"""The queue that keeps no order: at least once, seldom more, and side by side."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from settlesim.errors import InvalidValueError
from settlesim.ports import Queue, Transaction
from settlesim.store import FifoQueue, MemoryStore, StandardQueue
from settlesim.testing import ManualTime
from settlesim.testing.openers import snapshot


def drained(queue: StandardQueue) -> list[Any]:
    found = []
    while messages := queue.receive(3):
        for message in messages:
            found.append(message.body)
            queue.delete(message.receipt)
    return found


def filled(**settings: Any) -> StandardQueue:
    queue = StandardQueue(MemoryStore(ManualTime()), "q", **settings)
    queue.send_many([(number, "a") for number in range(30)])
    return queue


def test_it_is_a_queue() -> None:
    """It has all methods of the port."""
    assert isinstance(filled(), Queue)


def test_all_messages_come_and_not_in_order() -> None:
    """Each at least once; one seed gives one order, another seed another one."""
    first = drained(filled())
    assert sorted(first) == list(range(30))
    assert first != sorted(first)
    assert drained(filled()) == first
    assert drained(filled(seed=1)) != first


def test_messages_of_one_group_are_handled_side_by_side() -> None:
    """Nothing is blocked."""
    assert len(filled().receive(10)) == 10


def test_some_messages_are_delivered_twice() -> None:
    """Though each was deleted right after it was received."""
    queue = filled(copy_every=3)
    found: Counter[int] = Counter()
    while messages := queue.receive(30):
        found.update(message.body for message in messages)
        again = queue.receive(30)
        found.update(message.body for message in again)
        for message in (*messages, *again):
            queue.delete(message.receipt)
    assert set(found) == set(range(30))
    assert 2 < sum(count == 2 for count in found.values()) < 25
    assert max(found.values()) == 2


def test_deduplication_ids_are_not_looked_at() -> None:
    """A sender's repetition is a second message."""
    queue = StandardQueue(MemoryStore(ManualTime()), "q")
    assert queue.send(1, "a", "e1") != queue.send(1, "a", "e1")
    assert queue.status().depth == 2


def test_a_receipt_stays_good_so_one_message_can_be_applied_twice() -> None:
    """What happens without a group that is blocked and a receipt that ends."""
    now = ManualTime()
    store = MemoryStore(now)
    queue = StandardQueue(store, "q")
    queue.send(1, "a")
    (slow,) = queue.receive()
    now.step(30)
    (fast,) = queue.receive()
    store.commit(Transaction("a", snapshot(1), 0, consumed=fast.receipt))
    store.commit(Transaction("a", snapshot(2, revision=2), 1, consumed=slow.receipt))
    queue.delete(slow.receipt)
    queue.change_visibility(slow.receipt, 10)
    assert not queue.fail(slow.receipt, "late")
    found = store.load("a")
    assert found is not None
    assert found.revision == 2


def test_a_late_failure_does_not_bury_what_another_consumer_has() -> None:
    """The later reception decides what becomes of the message."""
    now = ManualTime()
    queue = StandardQueue(MemoryStore(now), "q", max_failures=1)
    queue.send(1, "a")
    (slow,) = queue.receive()
    now.step(30)
    (fast,) = queue.receive()
    assert not queue.fail(slow.receipt, "late")
    assert queue.status().dead_letters == 0
    assert queue.fail(fast.receipt, "no")


def test_a_poison_message_goes_to_the_dead_letters_and_back() -> None:
    """As in a FIFO queue, but always to no place in particular."""
    queue = StandardQueue(MemoryStore(ManualTime()), "q", max_failures=1, policy="halt")
    queue.send_many([(1, "a"), (2, "a")])
    (message,) = queue.receive()
    assert queue.fail(message.receipt, "no")
    assert [letter.body for letter in queue.dead_letters()] == [message.body]
    assert queue.parked() == ()
    assert len(queue.redrive()) == 1
    assert sorted(drained(queue)) == [1, 2]


def test_a_receipt_of_one_kind_is_none_of_the_other() -> None:
    """The two are not mixed up under one name."""
    queue = filled()
    (message,) = queue.receive()
    with pytest.raises(InvalidValueError, match="not of FifoQueue"):
        FifoQueue(queue.store, "q").delete(message.receipt)


@pytest.mark.parametrize("settings", [{"seed": 1.5}, {"copy_every": 0}, {"policy": "x"}])
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    """With the setting's name in the error."""
    with pytest.raises(InvalidValueError, match=next(iter(settings))):
        StandardQueue(MemoryStore(), "q", **settings)
