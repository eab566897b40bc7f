"""What the queues of the library do beyond the contract of queues, run on each kind of store.

The contract itself runs in ``tests/testing/test_queues.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from settlesim.chart.strict_json import freeze_object
from settlesim.errors import (
    DeduplicationError,
    InvalidEventError,
    InvalidValueError,
    ReceiptExpiredError,
)
from settlesim.gallery import count
from settlesim.ports import Message, Timer, Timers, Transaction
from settlesim.store import FifoQueue, MemoryStore, SqliteStore
from settlesim.store.sql import SqlStore
from settlesim.testing import ManualTime
from settlesim.testing.openers import snapshot
from tests.store.stores import FACTORIES, Access


class Bench:
    """A queue under test: each call opens it anew, as far as its store can be."""

    def __init__(self, access: Access, now: ManualTime) -> None:
        self.access = access
        self.now = now

    def __call__(self, name: str = "count", **settings: Any) -> FifoQueue:
        return FifoQueue(self.access(), name, **settings)

    def store(self) -> SqlStore:
        return self.access()

    def send(self, *bodies: Any, group: str = "a") -> tuple[int, ...]:
        return tuple(self().send(body, group) for body in bodies)

    def take(self, **settings: Any) -> Message:
        (message,) = self(**settings).receive()
        return message

    def drain(self, until: int = 100, **settings: Any) -> list[Any]:
        """Receive and delete until nothing is receivable; return the bodies in order."""
        found: list[Any] = []
        while len(found) < until and (messages := self(**settings).receive(10)):
            for message in messages:
                found.append(message.body)
                self(**settings).delete(message.receipt)
        return found


@pytest.fixture(params=list(FACTORIES))
def queue(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A fresh queue, on one kind of store after the other."""
    now = ManualTime()
    with FACTORIES[request.param](now) as access:
        yield Bench(access, now)


def test_the_status_of_a_fresh_queue_is_empty(queue: Bench) -> None:
    """Nothing is counted."""
    assert queue().status().to_dict() == {
        "depth": 0,
        "oldest": None,
        "in_flight": 0,
        "dead_letters": 0,
        "parked": 0,
        "timers": 0,
        "overdue": 0,
        "versions": {},
    }


# --- visibility and receipts ------------------------------------------------------------------


def test_an_expired_receipt_is_told_with_its_reason(queue: Bench) -> None:
    """Received again, released, failed, or gone."""
    queue.send(1)
    late = queue.take()
    queue.now.step(30)
    released = queue.take()
    with pytest.raises(ReceiptExpiredError, match="received again"):
        queue().delete(late.receipt)
    with pytest.raises(ReceiptExpiredError, match="received again"):
        queue.store().commit(Transaction("a", None, 0, consumed=late.receipt))
    queue().change_visibility(released.receipt, 0)
    with pytest.raises(ReceiptExpiredError, match="was released"):
        queue().delete(released.receipt)
    failed = queue.take()
    queue().fail(failed.receipt, "no")
    with pytest.raises(ReceiptExpiredError, match="was released"):
        queue().delete(failed.receipt)
    last = queue.take()
    queue().delete(last.receipt)
    with pytest.raises(ReceiptExpiredError, match="not in the queue any more"):
        queue().delete(last.receipt)


def test_the_visibility_of_a_queue_is_its_setting(queue: Bench) -> None:
    """Of the object that receives."""
    queue.send(1)
    queue.take(visibility_timeout=10.0)
    assert queue().next_change() == pytest.approx(10)


def test_one_deduplication_id_for_two_bodies_is_told(queue: Bench) -> None:
    """The error says what does not fit."""
    queue().send(1, "a", "e1")
    with pytest.raises(DeduplicationError, match="with another body"):
        queue().send(2, "a", "e1")


def test_what_was_released_or_failed_is_not_in_flight(queue: Bench) -> None:
    """Although it is held back, and its group with it."""
    queue.send(1)
    queue().release(queue.take().receipt, 7)
    assert queue().status().in_flight == 0
    queue.now.step(7)
    queue().fail(queue.take().receipt, "no", retry_in=7)
    assert queue().status().in_flight == 0
    queue.now.step(7)
    queue.take()
    assert queue().status().in_flight == 1


def test_status_says_for_which_chart_versions_messages_wait(queue: Bench) -> None:
    """Of instances that exist; others begin in any version."""
    queue.store().commit(Transaction("a", snapshot(1), 0))
    queue.send(1, 2)
    queue.send(3, group="b")
    assert queue().status().versions == {"count 1": 2}


def test_status_counts_timers_and_those_that_are_due(queue: Bench) -> None:
    """Also of delays that no consumer knows."""
    start(queue, "a", Timer("old", 1), Timer("new", 20))
    assert (queue().status().timers, queue().status().overdue) == (2, 0)
    queue.now.step(2)
    assert queue().release_timers(["new"]) == 0
    assert (queue().status().timers, queue().status().overdue) == (2, 1)
    assert queue().release_timers() == 1
    assert (queue().status().timers, queue().status().overdue) == (1, 0)


def test_receipts_are_the_same_in_every_run(queue: Bench) -> None:
    """Nothing in them is random; any name of a queue can be read from them."""
    name = "a:1:2\né"
    number = queue(name).send(1, "a")
    (message,) = queue(name).receive()
    assert message.receipt == f"{name}:{number}:1"
    queue(name).delete(message.receipt)


# --- deduplication ----------------------------------------------------------------------------


def test_ids_that_are_used_again_together_are_all_known(queue: Bench) -> None:
    """What one send of a batch makes new is not forgotten by the next."""
    old = queue().send_many([(1, "a", "e1"), (2, "a", "e2"), (3, "a", "e3")])
    assert queue.drain() == [1, 2, 3]
    queue.now.step(1000)
    new = queue().send_many([(1, "a", "e1"), (2, "a", "e2"), (3, "a", "e3")])
    assert min(new) > max(old)
    assert queue().send_many([(1, "a", "e1"), (2, "a", "e2"), (3, "a", "e3")]) == new
    assert queue.drain() == [1, 2, 3]


def test_a_dead_letter_that_comes_back_has_its_id_unless_another_has_it(queue: Bench) -> None:
    """The id is known by the message that it was last used for."""
    queue().send(1, "a", "e1")
    queue().send(2, "a", "e2")
    for _ in range(2):
        assert queue().fail(queue.take().receipt, "no", final=True)
    queue.now.step(1000)
    other = queue().send("other", "a", "e1")
    one, two = queue().redrive()
    assert queue().send("other", "a", "e1") == other
    assert queue().send(2, "a", "e2") == two
    with pytest.raises(DeduplicationError):
        queue().send(1, "a", "e1")
    assert other < one < two
    assert queue.drain() == ["other", 1, 2]
    assert queue().send("other", "a", "e1") == other


def test_a_dead_letter_at_the_end_of_its_queue_keeps_its_deduplication_id(queue: Bench) -> None:
    """While it waits, a repetition is not accepted, however long that takes."""
    queue().send(1, "a", "e1")
    assert queue().fail(queue.take().receipt, "no", final=True)
    (new,) = queue().redrive()
    assert queue().send(1, "a", "e1") == new
    queue.now.step(1000)
    assert queue().send(1, "a", "e1") == new
    assert queue().status().depth == 1


def test_send_many_is_all_or_nothing(queue: Bench) -> None:
    """One that is refused refuses all; repetitions within it are told."""
    assert queue().send_many([]) == ()
    with pytest.raises(DeduplicationError):
        queue().send_many([(1, "a"), (2, "a", "e1"), (3, "a", "e1")])
    with pytest.raises(InvalidValueError):
        queue().send_many([(1, "a"), (float("nan"), "a")])
    assert queue().status().depth == 0
    one, two, three = queue().send_many([(1, "a", "e1"), (2, "b", None), (1, "a", "e1")])
    assert one == three < two
    assert sorted(queue.drain()) == [1, 2]


# --- dead letters -----------------------------------------------------------------------------


def fail(queue: Bench, times: int = 1, **settings: Any) -> bool:
    """Receive and fail; return whether the last time led to the dead letters."""
    dead = False
    for number in range(times):
        message = queue.take(**settings)
        dead = queue(**settings).fail(message.receipt, ValueError(f"no {number + 1}"))
    return dead


def test_a_message_that_failed_too_often_goes_to_the_dead_letters(queue: Bench) -> None:
    """With its errors and counts; its group goes on."""
    (number, _) = queue.send({"bad": 1}, 2)
    queue.now.step(5)
    assert fail(queue, 3)
    (letter,) = queue().dead_letters()
    assert (letter.id, letter.group_id, letter.body) == (number, "a", {"bad": 1})
    assert letter.errors == ("ValueError: no 1", "ValueError: no 2", "ValueError: no 3")
    assert (letter.failures, letter.receives) == (3, 3)
    assert (letter.sent_at, letter.at) == (1_000_000.0, 1_000_005.0)
    assert letter.reason == "it failed 3 times"
    assert queue.drain() == [2]


def test_a_message_that_can_never_be_handled_is_put_aside_at_once(queue: Bench) -> None:
    """`final` does not wait for the count."""
    queue.send(1)
    assert queue().fail(queue.take().receipt, "no such event", final=True)
    (letter,) = queue().dead_letters()
    assert (letter.failures, letter.reason) == (1, "it failed")


def test_expiry_is_no_failure(queue: Bench) -> None:
    """Consumers that die do not bring a message to the dead letters."""
    queue.send(1)
    for _ in range(20):
        queue.take(max_receives=None)
        queue.now.step(30)
    assert queue().dead_letters() == ()
    assert queue.take(max_receives=None).receives == 21


def test_ten_receptions_without_a_result_are_too_many_by_default(queue: Bench) -> None:
    """A message that kills its consumers does not do so for ever."""
    queue.send(1, 2)
    for _ in range(10):
        assert queue.take().body == 1
        queue.now.step(30)
    assert queue.take().body == 2
    (letter,) = queue().dead_letters()
    assert (letter.body, letter.failures) == (1, 0)


def test_what_was_released_or_failed_had_a_result(queue: Bench) -> None:
    """`max_receives` counts only the receptions of which nobody said what became of them."""
    queue.send(1)
    for turn in range(9):
        message = queue.take(max_receives=2, max_failures=5)
        if turn % 3 == 0:
            queue().release(message.receipt)
        elif turn % 3 == 1:
            queue().change_visibility(message.receipt, 0)
        else:
            assert not queue(max_failures=5).fail(message.receipt, "no")
    assert queue().dead_letters() == ()
    assert queue.take(max_receives=2).receives == 10


def test_a_deduplication_id_can_count_in_the_whole_queue(queue: Bench) -> None:
    """As SQS has it by default."""
    whole: dict[str, Any] = {"deduplication_scope": "queue"}
    first = queue(**whole).send(1, "a", "e1")
    assert queue(**whole).send(1, "b", "e1") == first
    with pytest.raises(DeduplicationError):
        queue(**whole).send(2, "b", "e1")
    queue(**whole).delete(queue.take(**whole).receipt)
    assert queue(**whole).send(1, "c", "e1") == first


def test_max_receives_puts_aside_what_was_received_too_often(queue: Bench) -> None:
    """At the receive after the last one allowed; the group's next message comes instead."""
    queue.send(1, 2)
    for _ in range(2):
        assert queue.take(max_receives=2).body == 1
        queue.now.step(30)
    assert queue.take(max_receives=2).body == 2
    (letter,) = queue().dead_letters()
    assert (letter.body, letter.receives, letter.failures) == (1, 2, 0)
    assert letter.reason == "it was received 2 times without a result"


def test_one_reception_without_a_result_is_said_in_the_singular(queue: Bench) -> None:
    """With `max_receives=1`."""
    queue.send(1)
    queue.take(max_receives=1)
    queue.now.step(30)
    assert queue(max_receives=1).receive() == ()
    (letter,) = queue().dead_letters()
    assert letter.reason == "it was received once without a result"


def test_an_error_text_of_any_kind_is_kept(queue: Bench) -> None:
    """A lone surrogate or a very long text does not keep a failure from being counted."""

    class OddError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    queue.send(1)
    for error in ("a\ud800", OddError(), "x" * 5000):
        queue().fail(queue.take().receipt, error)
    (letter,) = queue().dead_letters()
    assert letter.errors[0] == "a\\ud800"
    assert "cannot be made" in letter.errors[1]
    assert len(letter.errors[2]) == 1000


def test_halt_parks_the_group_until_it_is_resumed(queue: Bench) -> None:
    """Later messages wait in order, also those sent meanwhile; other groups go on."""
    queue.send(1, 2)
    queue.send("b", group="b")
    halting: dict[str, Any] = {"policy": "halt", "max_failures": 1}
    assert fail(queue, **halting)
    queue.send(3)
    assert queue.drain(**halting) == ["b"]
    (parked,) = queue().parked()
    assert (parked.group_id, parked.since, parked.waiting) == ("a", 1_000_000.0, 2)
    assert parked.reason == "it failed"
    assert queue().next_change() is None
    assert queue().resume("a")
    assert not queue().resume("a")
    assert queue.drain() == [2, 3]


def test_redrive_under_halt_puts_a_dead_letter_back_to_its_place(queue: Bench) -> None:
    """So the group's order is as if it had never failed; its count of failures begins anew."""
    halting: dict[str, Any] = {"policy": "halt", "max_failures": 1}
    numbers = queue.send(1, 2)
    fail(queue, **halting)
    assert queue(**halting).redrive() == (numbers[0],)
    assert queue().receive() == ()  # parked still
    queue().resume("a")
    again = queue.take(**halting)
    assert (again.body, again.failures, again.receives) == (1, 0, 2)
    queue().delete(again.receipt)
    assert queue.drain() == [2]
    assert queue().dead_letters() == ()


def test_redrive_under_skip_puts_a_dead_letter_at_the_end(queue: Bench) -> None:
    """Its place is gone: it is a new message, with no errors."""
    numbers = queue.send(1, 2)
    fail(queue, 3)
    (new,) = queue().redrive()
    assert new > numbers[1]
    assert queue.drain(until=1) == [2]
    again = queue.take()
    assert (again.id, again.first_id, again.body) == (new, numbers[0], 1)
    assert (again.receives, again.failures) == (1, 0)


def test_redrive_takes_those_that_are_named(queue: Bench) -> None:
    """By id or by group; an id that is none of a dead letter is an error."""
    one, two = queue.send(1, group="a")[0], queue.send(2, group="b")[0]
    for _ in range(2):
        queue().fail(queue.take().receipt, "no", final=True)
    with pytest.raises(InvalidValueError, match="has no dead letter 99"):
        queue().redrive([one, 99])
    assert [letter.id for letter in queue().dead_letters()] == [one, two]
    assert len(queue().redrive(group_id="b")) == 1
    assert len(queue().redrive([one])) == 1
    assert queue().redrive() == ()
    assert sorted(queue.drain()) == [1, 2]


def test_a_redriven_message_blocks_with_one_that_is_in_flight_before_it(queue: Bench) -> None:
    """One that comes back before the head waits until the head is not in flight any more."""
    halting: dict[str, Any] = {"policy": "halt", "max_failures": 1}
    queue.send(1, 2)
    fail(queue, **halting)
    queue().resume("a")
    second = queue.take()
    queue(**halting).redrive()
    assert second.body == 2
    assert queue().receive(10) == ()
    queue().delete(second.receipt)
    assert queue.drain() == [1]


def test_redrive_under_halt_makes_no_old_receipt_good_again(queue: Bench) -> None:
    """The count of receptions goes on, and a limit on it counts from the redrive."""
    settings: dict[str, Any] = {"policy": "halt", "max_receives": 1}
    queue.send(1)
    zombie = queue.take(**settings)
    queue.now.step(30)
    assert queue(**settings).receive() == ()
    assert queue(**settings).redrive() != ()
    queue().resume("a")
    assert queue.take(**settings).receives == 2
    with pytest.raises(ReceiptExpiredError):
        queue().delete(zombie.receipt)


# --- transactions -----------------------------------------------------------------------------


# --- timers -----------------------------------------------------------------------------------


def start(queue: Bench, key: str, *timers: Timer, kept: tuple[str, ...] = ()) -> None:
    """Save the instance's next revision with these timers."""
    stored = queue.store().load(key)
    revision = 0 if stored is None else stored.revision
    transaction = Transaction(
        key, snapshot(revision=revision + 1), revision, timers=Timers(timers, kept)
    )
    queue.store().commit(transaction)


def test_timers_go_to_the_queue_of_their_chart(queue: Bench) -> None:
    """A queue of another name can take them, if it says so."""
    start(queue, "a", Timer("x", 10))
    queue.now.step(10)
    assert queue("other").release_timers() == 0
    assert queue("other", chart="count").release_timers() == 1
    assert queue("other").status().depth == 1


# --- status, settings, several users ----------------------------------------------------------


def test_status_counts_what_is_there(queue: Bench) -> None:
    """Depth with what is in flight, the age of the oldest, dead letters, parked groups."""
    queue.send(1, 2)
    queue.now.step(10)
    queue.send("b", group="b")
    queue.take()
    found = queue().status()
    assert (found.depth, found.oldest, found.in_flight) == (3, 10.0, 1)
    assert [queue().waiting(group) for group in ("a", "b", "c")] == [2, 1, 0]
    queue.now.step(30)
    found = queue().status()
    assert (found.depth, found.oldest, found.in_flight) == (3, 40.0, 0)
    queue(policy="halt").fail(queue.take().receipt, "no", final=True)
    found = queue().status()
    assert (found.depth, found.dead_letters, found.parked) == (2, 1, 1)


@pytest.mark.parametrize(
    "settings",
    [
        {"visibility_timeout": -1.0},
        {"visibility_timeout": 43_201},
        {"visibility_timeout": float("nan")},
        {"visibility_timeout": "30"},
        {"max_failures": 0},
        {"max_failures": True},
        {"max_receives": 0},
        {"deduplication_window": -1},
        {"policy": "stop"},
        {"name": ""},
        {"name": None},
    ],
)
def test_settings_out_of_range_are_refused(queue: Bench, settings: dict[str, Any]) -> None:
    """With the setting's name in the error."""
    with pytest.raises(InvalidValueError, match=next(iter(settings))):
        queue(**settings)


def test_a_queue_needs_a_store(queue: Bench) -> None:
    """A dict is none."""
    with pytest.raises(TypeError, match="a SqliteStore or a MemoryStore"):
        FifoQueue({}, "count")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "call",
    [
        lambda queue: queue.send(float("nan"), "a"),
        lambda queue: queue.send({1: 2}, "a"),
        lambda queue: queue.send(1, ""),
        lambda queue: queue.send(1, "a\ud800"),
        lambda queue: queue.send(1, None),
        lambda queue: queue.send(1, "a", ""),
        lambda queue: queue.send(1, "a", 7),
        lambda queue: queue.send(1, "a" * 1001),
        lambda queue: queue.send(1, "a", "i" * 1001),
        lambda queue: FifoQueue(queue.store, "q" * 1001),
        lambda queue: queue.receive(0),
        lambda queue: queue.receive(True),
        lambda queue: queue.receive(1, -1),
        lambda queue: queue.delete("count"),
        lambda queue: queue.delete("count:1:x"),
        lambda queue: queue.delete("other:1:1"),
        lambda queue: queue.delete("count:1:~1"),
        lambda queue: queue.delete(None),
        lambda queue: queue.delete("count:" + "9" * 30 + ":1"),
        lambda queue: queue.change_visibility("count:1:1", 43_201),
        lambda queue: queue.fail("count:1:1", "no", retry_in=-1),
        lambda queue: queue.redrive(group_id=""),
        lambda queue: queue.resume(7),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_written(
    queue: Bench, call: Callable[[FifoQueue], object]
) -> None:
    """Each with an error of ours."""
    queue.send(1)
    with pytest.raises(InvalidValueError):
        call(queue())
    assert queue().status().depth == 1
    assert queue.take().receives == 1


def test_settings_belong_to_the_object(queue: Bench) -> None:
    """Two objects of one queue each go by their own."""
    patient, hasty = queue(max_failures=5), queue(max_failures=1)
    queue.send(1)
    assert not patient.fail(patient.receive()[0].receipt, "no")
    assert hasty.fail(hasty.receive()[0].receipt, "no")


def test_a_record_does_not_change_what_a_queue_gets(queue: Bench) -> None:
    """A settlement's record and mark go to tables of their own."""
    queue.send(1)
    record = freeze_object({"event": {"name": "COUNT"}, "outcome": "resolved"}, where="record")
    message = queue.take()
    queue.store().commit(
        Transaction("a", snapshot(), 0, consumed=message.receipt, mark="e1", record=record)
    )
    assert queue().status().depth == 0
    assert [each.outcome for each in queue.store().settlements("a")] == ["resolved"]


def test_a_clock_that_says_no_time_writes_nothing() -> None:
    """It is the caller's mistake, and no damage of the store."""
    for seconds in (float("nan"), float("inf"), -5.0, None, "x"):
        store = MemoryStore(now=lambda seconds=seconds: seconds)  # type: ignore[misc]
        with pytest.raises(InvalidValueError, match="the time of the store's clock"):
            FifoQueue(store, "q").send(1, "a")
        assert store.database.rows("SELECT * FROM messages") == []
    with pytest.raises(InvalidValueError, match="now is 5"):
        MemoryStore(now=5)  # type: ignore[arg-type]


def test_a_dead_letter_is_named_by_a_whole_number() -> None:
    """Anything else is the caller's mistake too."""
    queue = FifoQueue(MemoryStore(), "q")
    for number in (float("nan"), "1", None):
        with pytest.raises(InvalidValueError, match="has no dead letter"):
            queue.redrive([number])  # type: ignore[list-item]


def test_special_names_of_sqlite_are_no_paths() -> None:
    """They would make files of these names."""
    for name in (":memory:", "file:x?mode=memory"):
        with pytest.raises(InvalidValueError, match="MemoryStore"):
            SqliteStore(name)


# --- a queue that knows its chart -----------------------------------------------------------


def test_a_queue_that_knows_its_chart_refuses_other_events(queue: Bench) -> None:
    """All messages of a write or none; what is no event passes."""
    knowing = queue(chart=count)
    with pytest.raises(InvalidEventError, match=r"'COUTN' was not sent: .* mean 'COUNT'\?"):
        knowing.send({"event": "COUTN"}, "a")
    with pytest.raises(InvalidEventError, match="force=True sends it anyway"):
        knowing.send_many([({"event": "COUNT"}, "a"), ({"event": "COUTN"}, "a")])
    assert queue().status().depth == 0
    knowing.send_many([({"event": "COUNT"}, "a"), ({"start": True}, "b")])
    assert [each.body for each in queue().receive(10)] == [{"event": "COUNT"}, {"start": True}]


def test_a_queue_can_be_forced(queue: Bench) -> None:
    """Where the next version of the chart has the event."""
    knowing = queue(chart=count)
    knowing.send({"event": "RESET"}, "a", force=True)
    knowing.send_many([({"event": "RESET"}, "b")], force=True)
    assert len(queue().receive(10)) == 2


def test_a_queue_that_has_only_the_name_of_a_chart_accepts_every_event(queue: Bench) -> None:
    """Its timers are those of the chart of that name, and that is all."""
    named, knowing = queue("other", chart="count"), queue("other", chart=count)
    assert named.chart == knowing.chart == "count"
    assert (named.known_chart, knowing.known_chart) == (None, count)
    assert named.send({"event": "RESET"}, "a") == 1
