"""An event with an id is accepted once, and found wherever it is."""

from __future__ import annotations

import pytest

from settlesim.errors import DeduplicationError, InvalidValueError, UnexpectedRevisionError
from settlesim.ports import Mark, Transaction
from settlesim.store import DeadLetter, FifoQueue, MemoryStore
from settlesim.store.acceptance import (
    Acceptance,
    WaitingEvent,
    accept_event,
    dead_since,
    where_is,
)
from settlesim.testing.openers import snapshot

BODY = {"event": "GO"}


@pytest.fixture
def queue() -> FifoQueue:
    return FifoQueue(MemoryStore(now=lambda: 1.0), "q", max_failures=1)


def settle(queue: FifoQueue, event_id: str, revision: int = 0) -> None:
    """Settle the next message as a worker would."""
    (message,) = queue.receive()
    queue.store.commit(
        Transaction(
            message.group_id,
            snapshot(revision=revision + 1),
            revision,
            consumed=message.receipt,
            mark=event_id,
        )
    )


def test_an_event_is_new_once(queue: FifoQueue) -> None:
    """While it waits and when it was settled; the number of those before it is told."""
    assert accept_event(queue, BODY, "a", "e1", mark="e1") == Acceptance(True, 0)
    assert accept_event(queue, BODY, "a", "e2", mark="e2") == Acceptance(True, 1)
    assert accept_event(queue, BODY, "a", "e2", mark="e2") == Acceptance(False, 1)
    settle(queue, "e1")
    assert accept_event(queue, BODY, "a", "e1", mark="e1") == Acceptance(False, 0)
    assert queue.waiting("a") == 1


def test_an_id_of_another_event_is_refused(queue: FifoQueue) -> None:
    """By the queue, and by the mark where the queue has forgotten it."""
    queue = FifoQueue(queue.store, "q", deduplication_window=0)
    accept_event(queue, BODY, "a", "e", mark="e")
    with pytest.raises(DeduplicationError):
        accept_event(queue, {"event": "STOP"}, "a", "e", mark="e")
    settle(queue, "e")
    with pytest.raises(DeduplicationError):
        accept_event(queue, {"event": "STOP"}, "a", "e", mark="e")
    assert queue.waiting("a") == 0


def test_an_unexpected_revision_writes_nothing(queue: FifoQueue) -> None:
    """Not even the id; events that wait count as another revision."""
    with pytest.raises(UnexpectedRevisionError, match="revision 0, not 3"):
        accept_event(queue, BODY, "a", "e", mark="e", expected=3)
    assert where_is(queue, "a", "e", mark="e") is None
    assert accept_event(queue, BODY, "a", "e", mark="e", expected=0).new
    with pytest.raises(UnexpectedRevisionError, match="1 event waits"):
        accept_event(queue, BODY, "a", "e2", mark="e2", expected=0)
    assert queue.waiting("a") == 1


def test_an_event_is_found_where_it_is(queue: FifoQueue) -> None:
    """Nowhere, waiting, settled, or among the dead letters."""
    assert where_is(queue, "a", "e", mark="e") is None
    accept_event(queue, BODY, "a", "e", mark="e")
    assert where_is(queue, "a", "e", mark="e") == WaitingEvent(0, ())
    settle(queue, "e")
    found = where_is(queue, "a", "e", mark="e")
    assert isinstance(found, Mark)
    assert (found.revision, found.id) == (1, "e")
    accept_event(queue, BODY, "a", "bad", mark="bad")
    assert dead_since(queue, 0.0) == (set(), 0.0)
    queue.fail(queue.receive()[0].receipt, "no")
    letter = where_is(queue, "a", "bad", mark="bad")
    assert isinstance(letter, DeadLetter)
    assert letter.errors == ("no",)
    assert where_is(queue, "b", "bad", mark="bad") is None
    assert dead_since(queue, 0.0) == ({"a"}, 1.0)


def test_what_no_queue_carries_is_refused(queue: FifoQueue) -> None:
    """Before anything is written."""
    with pytest.raises(InvalidValueError):
        accept_event(queue, BODY, "", "e", mark="e")
    with pytest.raises(InvalidValueError):
        accept_event(queue, BODY, "a", "e" * 1001, mark="e")
