"""What every ordered `Queue` promises."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable
from typing import Any, ClassVar, Final

import pytest
from hypothesis.stateful import run_state_machine_as_test

from settlesim.errors import DeduplicationError, InvalidValueError, ReceiptExpiredError
from settlesim.ports import (
    ChartVersion,
    Queue,
    QueueStore,
    Send,
    Timer,
    Timers,
    Transaction,
)
from settlesim.testing.openers import QueueBench, QueueOpener, in_threads, save, snapshot
from settlesim.testing.queue_machine import QueueMachine

__all__ = ["QueueContract"]

_YEAR: Final = 365 * 86_400.0


class _OddError(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def _start(bench: QueueBench, *timers: Timer, kept: tuple[str, ...] = (), chart: str = "") -> None:
    """Save the next revision of instance ``a`` with these timers."""
    stored = bench.store().load("a")
    revision = 0 if stored is None else stored.revision
    new = snapshot(revision=revision + 1, chart=chart or bench.queue().chart)
    bench.store().commit(Transaction("a", new, revision, timers=Timers(timers, kept)))


class QueueContract(QueueOpener):
    """What every `settlesim.ports.Queue` whose groups are ordered promises, as tests for yours.

    A subclass defines `open_store` and `open_queue`, and has a name that pytest collects::

        class TestMyQueue(QueueContract):
            max_failures = 3

            def open_store(self, folder, now):
                return MyStore(folder / "store.db", now=now)

            def open_queue(self, store, name):
                return MyQueue(store, name)

    The promises:

    - The messages of a group are received in the order in which they were accepted, each only
      after the one before was deleted or put aside. Other groups do not wait; the one whose
      head has been receivable longest comes first.
    - A message is redelivered when its visibility time-out is over. Its receipt is valid until
      it is received again, released, failed or deleted; then `ReceiptExpiredError` is raised,
      by the store's `commit` too.
    - A deduplication id is known in its group while its message waits, and for a window
      before and after it was deleted.
    - A step of the clock may delay messages, but never reorders them; none is hidden for longer
      than `settlesim.ports.MAX_VISIBILITY`.
    - A timer's message is sent once, when it is due.
    - A consumer that names its chart version receives no message for an instance of another.

    Finally, a state machine of Hypothesis compares the queue with a small model of SQS, with
    calls in any order.

    Attributes
    ----------
    max_failures : int or None
        After how many calls of `fail` the queues that `open_queue` returns put a message
        aside; None, the default, for no limit.
    max_receives : int or None
        After how many receptions without a result they put a message aside; None, the default,
        for no limit.
    deduplication_window : float
        For how many seconds they know a deduplication id; 300, as in SQS.
    parks : bool
        Whether the group of a message that was put aside waits until somebody resumes it;
        False.
    machine : type
        The state machine; a subclass of `QueueMachine` adds rules for methods of your own.
    reopens, examples
        As of `StoreContract`.

    See Also
    --------
    QueueStoreContract : for the store of the queue
    """

    machine: ClassVar[type[QueueMachine]] = QueueMachine

    def test_it_has_the_methods_of_a_queue(self, bench: QueueBench) -> None:
        """It knows its name, and its store is one that keeps receipts."""
        queue = bench.queue("orders")
        assert isinstance(queue, Queue)
        assert isinstance(queue.store, QueueStore)
        assert (queue.name, queue.ordered) == ("orders", True)
        assert queue.visibility_timeout > 0

    def test_a_fresh_queue_is_empty(self, bench: QueueBench) -> None:
        """Nothing can be received, nothing will be, and nothing is counted."""
        assert list(bench.queue().receive()) == []
        assert bench.queue().next_change() is None
        assert bench.queue().left() == (0, 0)

    # --- order ------------------------------------------------------------------------------

    def test_a_message_is_received_as_it_was_sent(self, bench: QueueBench) -> None:
        """Body, group, deduplication id and time come back; the body cannot be changed."""
        sent_at = bench.now()
        number = bench.queue().send({"event": "PAY", "data": [1, None]}, "order-1", "e1")
        bench.now.step(2)
        message = bench.take()
        assert message.body == {"event": "PAY", "data": [1, None]}
        assert (message.id, message.first_id, message.queue) == (number, number, "count")
        assert (message.group_id, message.deduplication_id) == ("order-1", "e1")
        assert (message.receives, message.failures, message.sent_at) == (1, 0, sent_at)
        with pytest.raises(TypeError, match="read-only"):
            message.body["data"].append(2)

    def test_later_messages_have_greater_ids_also_after_the_queue_was_empty(
        self, bench: QueueBench
    ) -> None:
        """An id is never given twice, so order can be read from it."""
        (first,) = bench.send(1)
        bench.queue().delete(bench.take().receipt)
        (second,) = bench.send(2)
        assert second > first

    def test_the_messages_of_a_group_come_in_order_one_at_a_time(self, bench: QueueBench) -> None:
        """A group with a message in flight is blocked until that is deleted."""
        bench.send(1, 2, 3)
        first = bench.take()
        assert first.body == 1
        assert list(bench.queue().receive(10)) == []
        bench.queue().delete(first.receipt)
        assert bench.drain() == [2, 3]

    def test_one_batch_has_the_heads_of_several_groups(self, bench: QueueBench) -> None:
        """One receive returns the head of each group that is free, and no more than asked for."""
        for group in ("a", "b", "c"):
            bench.send(f"{group}1", f"{group}2", group=group)
        assert [each.body for each in bench.queue().receive(2)] == ["a1", "b1"]
        assert [each.body for each in bench.queue().receive(10)] == ["c1"]
        assert list(bench.queue().receive(10)) == []

    def test_the_group_whose_head_waited_longest_is_served_first(self, bench: QueueBench) -> None:
        """A message that was released goes behind those that were visible before it was."""
        bench.send("a1", group="a")
        first = bench.take()
        bench.now.step(1)
        bench.send("b1", group="b")
        bench.now.step(1)
        bench.queue().change_visibility(first.receipt, 0)
        assert [each.body for each in bench.queue().receive(10)] == ["b1", "a1"]

    def test_queues_of_one_store_do_not_know_each_other(self, bench: QueueBench) -> None:
        """A name is a queue of its own, with groups of its own."""
        bench.queue("one").send(1, "a")
        bench.queue("two").send(2, "a")
        assert [each.body for each in bench.queue("two").receive(10)] == [2]
        assert [each.body for each in bench.queue("one").receive(10)] == [1]
        assert list(bench.queue("three").receive()) == []

    def test_the_number_left_has_what_is_in_flight(self, bench: QueueBench) -> None:
        """All messages, and those of groups that the caller does not name."""
        bench.send(1, 2)
        bench.send(3, group="b")
        bench.queue().receive()
        assert bench.queue().left() == (3, 3)
        assert bench.queue().left(["a"]) == (3, 1)
        assert bench.queue().left(["a", "b", "c"]) == (3, 0)

    @pytest.mark.parametrize(
        "name", ["a\x00b", "\x00", "é:1", "a'b", "%", "\\", '"', "\u2028"], ids=ascii
    )
    def test_any_text_can_be_a_group_and_a_delay(self, bench: QueueBench, name: str) -> None:
        """Also one with characters that end or quote a text elsewhere."""
        bench.send(1, group=name)
        assert bench.queue().left([name]) == (1, 0)
        message = bench.take()
        assert message.group_id == name
        bench.queue().delete(message.receipt)
        _start(bench, Timer(name, 10), Timer("a", 10))
        _start(bench, kept=(name,))
        assert [each.delay for each in bench.store().timers("a")] == [name]
        bench.now.step(10)
        assert bench.queue().release_timers(["a"]) == 0
        assert bench.queue().next_change(delays=[name]) == 0.0
        assert bench.queue().release_timers([name]) == 1

    @pytest.mark.parametrize(
        "arguments",
        [
            (float("nan"), "a"),
            ({1: 2}, "a"),
            (1, ""),
            (1, "a\ud800"),
            (1, None),
            (1, "a", ""),
            (1, "a", 7),
        ],
        ids=ascii,
    )
    def test_a_message_that_could_not_be_kept_is_refused(
        self, bench: QueueBench, arguments: Any
    ) -> None:
        """Its body is not strict JSON, or an id is not a text."""
        bench.send(1)
        with pytest.raises(InvalidValueError):
            bench.queue().send(*arguments)
        assert bench.queue().left() == (1, 1)

    def test_concurrent_consumers_get_every_message_once_and_in_order(
        self, bench: QueueBench
    ) -> None:
        """In threads, each with a queue of its own: none is lost, repeated or out of order."""
        groups, each, workers = ("a", "b", "c", "d"), 6, 4
        for number in range(each):
            for group in groups:
                bench.send(number, group=group)
        done: list[list[tuple[str, int]]] = [[] for _ in range(workers)]
        found: dict[str, list[int]] = {group: [] for group in groups}
        queues = [bench.queue() for _ in range(workers)]

        def work(worker: int, wait: Callable[[], object]) -> None:
            wait()
            while queues[worker].left()[0]:
                for message in queues[worker].receive(2):
                    found[message.group_id].append(message.body)  # only one thread has the group
                    queues[worker].delete(message.receipt)
                    done[worker].append((message.group_id, message.body))

        in_threads(work, workers)
        assert sorted(itertools.chain(*done)) == [
            (group, n) for group in groups for n in range(each)
        ]
        assert all(numbers == list(range(each)) for numbers in found.values())

    # --- visibility and receipts ------------------------------------------------------------

    def test_a_message_is_redelivered_when_its_time_is_over(self, bench: QueueBench) -> None:
        """Not before, and still as the head of its group."""
        bench.send(1, 2)
        (message,) = bench.queue().receive(1, 10.0)
        assert message.receives == 1
        bench.now.step(9.9)
        assert list(bench.queue().receive(10)) == []
        assert bench.queue().next_change() == pytest.approx(0.1)
        bench.now.step(0.1)
        again = bench.take()
        assert (again.body, again.receives, again.failures) == (1, 2, 0)
        assert again.receipt != message.receipt

    def test_a_receive_without_seconds_uses_the_visibility_of_the_queue(
        self, bench: QueueBench
    ) -> None:
        """The argument overrides the queue's setting."""
        bench.send(1)
        bench.take()
        assert bench.queue().next_change() == pytest.approx(bench.queue().visibility_timeout)
        bench.pass_visibility()
        bench.queue().receive(1, 5)
        assert bench.queue().next_change() == pytest.approx(5)

    def test_a_receipt_is_good_until_somebody_receives_the_message_again(
        self, bench: QueueBench
    ) -> None:
        """A slow consumer loses nothing as long as nobody else has received the message."""
        bench.send(1, 2)
        message = bench.take()
        bench.now.step(3000)
        bench.queue().delete(message.receipt)
        assert bench.drain() == [2]

    def test_an_expired_receipt_says_what_it_is_about(self, bench: QueueBench) -> None:
        """Queue and receipt are attributes of the error, and survive pickling."""
        bench.send(1)
        message = bench.take()
        bench.pass_visibility()
        bench.take()
        with pytest.raises(ReceiptExpiredError) as caught:
            bench.queue().delete(message.receipt)
        assert (caught.value.queue, caught.value.receipt) == ("count", message.receipt)
        copy = pickle.loads(pickle.dumps(caught.value))
        assert (str(copy), copy.reason) == (str(caught.value), caught.value.reason)

    def test_only_the_last_receipt_is_good(self, bench: QueueBench) -> None:
        """A consumer that was frozen cannot delete what another one has now."""
        bench.send(1)
        zombie = bench.take()
        bench.pass_visibility()
        holder = bench.take()
        calls: list[Callable[[], object]] = [
            lambda: bench.queue().delete(zombie.receipt),
            lambda: bench.queue().change_visibility(zombie.receipt, 60),
            lambda: bench.queue().release(zombie.receipt),
            lambda: bench.queue().fail(zombie.receipt, "late"),
            lambda: bench.store().commit(Transaction("a", None, 0, consumed=zombie.receipt)),
        ]
        for call in calls:
            with pytest.raises(ReceiptExpiredError):
                call()
        bench.queue().delete(holder.receipt)
        assert bench.queue().left() == (0, 0)

    def test_a_message_is_deleted_once(self, bench: QueueBench) -> None:
        """The second delete raises, because the message is gone."""
        bench.send(1)
        message = bench.take()
        bench.queue().delete(message.receipt)
        with pytest.raises(ReceiptExpiredError):
            bench.queue().delete(message.receipt)

    def test_visibility_can_be_extended_and_ended(self, bench: QueueBench) -> None:
        """From now on: longer for a slow consumer, 0 for one that stops."""
        bench.send(1)
        (message,) = bench.queue().receive(1, 10.0)
        bench.now.step(9)
        bench.queue().change_visibility(message.receipt, 10)
        bench.now.step(9)
        assert list(bench.queue().receive()) == []
        bench.queue().change_visibility(message.receipt, 0)
        with pytest.raises(ReceiptExpiredError):
            bench.queue().delete(message.receipt)
        assert bench.take().receives == 2

    def test_a_release_can_hold_its_group_back(self, bench: QueueBench) -> None:
        """It counts no failure, and the receipt is no longer valid."""
        bench.send(1, 2)
        message = bench.take()
        bench.queue().release(message.receipt, 7)
        with pytest.raises(ReceiptExpiredError):
            bench.queue().delete(message.receipt)
        assert list(bench.queue().receive(10)) == []
        assert bench.queue().next_change() == pytest.approx(7)
        bench.now.step(7)
        again = bench.take()
        assert (again.body, again.failures) == (1, 0)

    def test_a_commit_consumes_the_message_and_sends_others(self, bench: QueueBench) -> None:
        """State, consumed message and sent messages change together."""
        bench.send(1)
        receipt = bench.take().receipt
        sends = (Send("count", 2, "a"), Send("mail", {"to": "a"}, "x", "m1"))
        bench.store().commit(Transaction("a", snapshot(1), 0, consumed=receipt, sends=sends))
        assert bench.store().load("a") == snapshot(1)
        assert bench.drain() == [2]
        (mail,) = bench.queue("mail").receive()
        assert (mail.body, mail.group_id, mail.deduplication_id) == ({"to": "a"}, "x", "m1")

    def test_a_commit_with_an_expired_receipt_changes_nothing(self, bench: QueueBench) -> None:
        """The state of the consumer that was too slow is not saved."""
        bench.send(1)
        receipt = bench.take().receipt
        bench.pass_visibility()
        bench.take()
        with pytest.raises(ReceiptExpiredError):
            bench.store().commit(Transaction("a", snapshot(1), 0, consumed=receipt))
        assert bench.store().load("a") is None
        assert bench.queue().left() == (1, 1)

    # --- failures ---------------------------------------------------------------------------

    def test_a_message_that_fails_stays_at_the_head_of_its_group(self, bench: QueueBench) -> None:
        """It is redelivered immediately, or after `retry_in`, and its group waits for it."""
        if self.max_failures is not None and self.max_failures < 3:
            pytest.skip("the queue puts it aside")
        bench.send(1, 2)
        assert not bench.queue().fail(bench.take().receipt, ValueError("no"))
        message = bench.take()
        assert (message.body, message.failures, message.receives) == (1, 1, 2)
        assert not bench.queue().fail(message.receipt, "again", retry_in=7)
        with pytest.raises(ReceiptExpiredError):
            bench.queue().delete(message.receipt)
        assert list(bench.queue().receive(10)) == []
        assert bench.queue().next_change() == pytest.approx(7)
        bench.now.step(7)
        assert bench.drain() == [1, 2]

    def test_a_message_that_failed_too_often_is_put_aside(self, bench: QueueBench) -> None:
        """The last call of `fail` returns True; without a limit there is none."""
        times = 12 if self.max_failures is None else self.max_failures
        bench.send("bad")
        bench.send("good", group="b")
        dead = [
            bench.queue().fail(message.receipt, "no")
            for _ in range(times)
            for message in bench.queue().receive(10)
            if message.group_id == "a"
        ]
        assert dead == [False] * (times - 1) + [self.max_failures is not None]
        assert bench.queue().left(["b"])[1] == int(self.max_failures is None)

    def test_a_message_that_can_never_be_handled_is_put_aside_immediately(
        self, bench: QueueBench
    ) -> None:
        """`final` does not wait for the count; the group continues, or is parked."""
        bench.send(1, 2)
        assert bench.queue().fail(bench.take().receipt, "no such event", final=True)
        assert bench.drain() == ([] if self.parks else [2])

    def test_expiry_is_no_failure(self, bench: QueueBench) -> None:
        """A consumer that dies does not show that the message is bad."""
        bench.send(1)
        times = 20 if self.max_receives is None else self.max_receives
        for turn in range(times):
            message = bench.take()
            assert (message.receives, message.failures) == (turn + 1, 0)
            bench.pass_visibility()
        assert len(bench.queue().receive()) == int(self.max_receives is None)

    @pytest.mark.parametrize("error", ["a\ud800", _OddError(), "x" * 5000], ids=["a", "b", "c"])
    def test_an_error_of_any_kind_is_counted(
        self, bench: QueueBench, error: BaseException | str
    ) -> None:
        """A lone surrogate, an error whose text cannot be made, or a very long text."""
        bench.send(1)
        assert bench.queue().fail(bench.take().receipt, error, final=True)

    # --- the clock --------------------------------------------------------------------------

    def test_a_clock_that_steps_back_delays_and_never_reorders(self, bench: QueueBench) -> None:
        """What was in flight stays so for longer; the order of the group is kept."""
        bench.send(1, 2)
        bench.queue().receive(1, 30)
        bench.now.step(-3600)
        bench.send(3)
        assert list(bench.queue().receive(10)) == []
        assert bench.queue().next_change() == pytest.approx(3630)
        bench.now.step(3630)
        assert bench.drain() == [1, 2, 3]

    def test_a_clock_that_steps_back_hides_no_message_that_was_never_received(
        self, bench: QueueBench
    ) -> None:
        """They are received in the order in which they were accepted."""
        bench.now.step(_YEAR)
        bench.send(1)
        bench.send(2, group="b")
        bench.now.step(-_YEAR)
        bench.send(3)
        bench.send(4, group="c")
        assert bench.queue().next_change() == 0.0
        assert [message.body for message in bench.queue().receive(10)] == [1, 2, 4]

    def test_what_a_clock_that_was_ahead_has_hidden_comes_back(self, bench: QueueBench) -> None:
        """More than twelve hours must be a step of the clock: one time-out replaces them."""
        bench.now.step(_YEAR)
        bench.send(1, 2)
        bench.take()
        bench.now.step(-_YEAR)
        assert bench.queue().next_change() == 0.0
        assert list(bench.queue().receive()) == []
        assert bench.queue().next_change() == pytest.approx(bench.queue().visibility_timeout)
        bench.pass_visibility()
        assert bench.drain() == [1, 2]

    # --- deduplication ----------------------------------------------------------------------

    def test_a_repeated_send_is_accepted_once(self, bench: QueueBench) -> None:
        """It gets the id of the earlier message, in whatever order the body's keys are."""
        number = bench.queue().send({"a": 1, "b": 2}, "a", "e1")
        assert bench.queue().send({"b": 2, "a": 1}, "a", "e1") == number
        assert bench.drain() == [{"a": 1, "b": 2}]

    def test_a_deduplication_id_is_known_also_after_deletion_for_its_window(
        self, bench: QueueBench
    ) -> None:
        """The window starts again when the message is deleted; after it the id is free."""
        window = self.deduplication_window
        number = bench.queue().send(1, "a", "e1")
        bench.now.step(window - 1)
        assert bench.drain() == [1]
        bench.now.step(window - 1)
        assert bench.queue().send(1, "a", "e1") == number
        bench.now.step(1)
        assert bench.queue().send(1, "a", "e1") > number
        assert bench.drain() == [1]

    def test_a_deduplication_id_is_known_while_its_message_waits(self, bench: QueueBench) -> None:
        """However long that is, and whatever else is sent meanwhile."""
        number = bench.queue().send(1, "a", "e1")
        for each in range(5):
            bench.now.step(self.deduplication_window)
            bench.queue().send(each, "b", f"other {each}")
        assert bench.queue().send(1, "a", "e1") == number
        assert bench.queue().left(["b"]) == (6, 1)

    def test_one_deduplication_id_for_two_bodies_is_an_error(self, bench: QueueBench) -> None:
        """Nothing is sent; the first message stays."""
        bench.queue().send(1, "a", "e1")
        for body in (2, True, "1", 1.0):
            with pytest.raises(DeduplicationError):
                bench.queue().send(body, "a", "e1")
        assert bench.drain() == [1]

    def test_deduplication_is_for_each_group_by_itself(self, bench: QueueBench) -> None:
        """Two instances may have events with the same id."""
        bench.queue().send(1, "a", "e1")
        bench.queue().send(2, "b", "e1")
        assert sorted(bench.drain()) == [1, 2]

    # --- chart versions ---------------------------------------------------------------------

    def test_groups_of_another_chart_version_are_left_to_others(self, bench: QueueBench) -> None:
        """Their messages are neither received nor hidden, and no reception is counted."""
        mine, other = ChartVersion("count", 1), ChartVersion("count", 2)
        save(bench.store(), "a", snapshot(1))
        bench.send(1)
        assert list(bench.queue().receive(10, chart_version=other)) == []
        assert bench.queue().next_change(chart_version=other) is None
        assert bench.queue().left(chart_version=other) == (1, 0)
        assert bench.queue().left(chart_version=mine) == bench.queue().left() == (1, 1)
        bench.send(2, group="b")
        assert [each.body for each in bench.queue().receive(10, chart_version=other)] == [2]
        (message,) = bench.queue().receive(10, chart_version=mine)
        assert (message.body, message.receives) == (1, 1)

    # --- timers -----------------------------------------------------------------------------

    def test_a_timer_sends_its_message_when_it_is_due_and_once(self, bench: QueueBench) -> None:
        """Not before, and never again, however often it is tried."""
        _start(bench, Timer("after.x", 10), Timer("after.y", 20))
        assert bench.queue().next_change() == pytest.approx(10)
        bench.now.step(9.9)
        assert bench.queue().release_timers() == 0
        bench.now.step(0.1)
        assert bench.queue().next_change() == 0
        assert bench.queue().release_timers() == 1
        assert bench.queue().release_timers() == 0
        message = bench.take()
        first, second = bench.store().timers("a")
        assert (message.body, message.group_id) == (
            {"timer": "after.x", "token": first.token},
            "a",
        )
        assert (first.delay, first.sent) == ("after.x", True)
        assert (second.delay, second.sent) == ("after.y", False)
        bench.queue().delete(message.receipt)
        assert [timer.delay for timer in bench.store().timers("a")] == ["after.y"]

    def test_a_timer_that_is_not_kept_does_not_fire(self, bench: QueueBench) -> None:
        """Its state was left; a timer that is kept keeps its due time."""
        _start(bench, Timer("x", 10), Timer("y", 10))
        bench.now.step(5)
        _start(bench, Timer("z", 10), kept=("x",))
        bench.now.step(5)
        assert bench.queue().release_timers() == 1
        assert [each.body["timer"] for each in bench.queue().receive(10)] == ["x"]
        bench.now.step(5)
        assert bench.queue().release_timers() == 1

    def test_a_late_message_of_a_timer_has_the_token_of_its_start(self, bench: QueueBench) -> None:
        """The state was entered again: the token shows that the old message is stale."""
        _start(bench, Timer("x", 10))
        bench.now.step(10)
        bench.queue().release_timers()
        (old,) = bench.store().timers("a")
        _start(bench, Timer("x", 10))
        (new,) = bench.store().timers("a")
        assert (new.token != old.token, new.sent) == (True, False)
        assert bench.take().body["token"] == old.token

    def test_timers_of_another_chart_go_to_another_queue(self, bench: QueueBench) -> None:
        """A queue takes the timers of its own chart."""
        _start(bench, Timer("x", 10), chart="another chart")
        bench.now.step(10)
        assert bench.queue().release_timers() == 0
        assert bench.queue().next_change() is None

    def test_timers_of_unknown_delays_are_kept(self, bench: QueueBench) -> None:
        """They are not sent until a consumer knows their delay."""
        _start(bench, Timer("old", 1), Timer("new", 1))
        bench.now.step(2)
        assert bench.queue().release_timers(["new"]) == 1
        assert bench.queue().release_timers(["new"]) == 0
        assert bench.queue().next_change(delays=["new"]) == 0.0  # its message
        bench.queue().delete(bench.take().receipt)
        assert bench.queue().next_change(delays=["new"]) is None
        assert bench.queue().release_timers(["old"]) == 1

    def test_timers_of_a_deleted_instance_are_gone(self, bench: QueueBench) -> None:
        """Nothing fires for an instance that does not exist."""
        _start(bench, Timer("x", 10))
        bench.store().delete("a", 1)
        bench.now.step(10)
        assert bench.queue().release_timers() == 0
        assert bench.queue().next_change() is None

    # --- any order of calls -----------------------------------------------------------------

    def test_it_does_what_a_small_model_of_sqs_does(self) -> None:
        """In any order of calls, even if the clock jumps."""
        machine = type(self.machine.__name__, (self.machine,), {"opener": self})
        run_state_machine_as_test(machine, settings=self.settings(steps=40))
