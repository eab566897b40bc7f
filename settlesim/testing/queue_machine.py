"""Random operations on a queue, compared with a small model of SQS."""

from __future__ import annotations

import contextlib
from typing import Any, ClassVar, Final

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from settlesim.errors import DeduplicationError, ReceiptExpiredError, VersionConflictError
from settlesim.ports import Message, Queue, QueueStore, Send, Timer, Timers, Transaction
from settlesim.testing.manual_time import ManualTime
from settlesim.testing.openers import Opened, QueueOpener, snapshot
from settlesim.testing.queue_model import QueueModel

__all__ = ["QueueMachine"]

_NAME: Final = "q"
_GROUPS: Final = st.sampled_from(["a", "a", "é:1"])
_IDS: Final = st.sampled_from([None, "e1", "e1", "e2"])
_BODIES: Final = st.sampled_from([1, {"n": 1}])
_SECONDS: Final = st.sampled_from([0.0, 1.0, 5.0, 10.0])
_STEPS: Final = st.sampled_from(
    [0.5, 5.0, 9.5, 10.0, 40.0, 1000.0, -7.0, -500.0, 90_000.0, -90_000.0]
)
_SELDOM: Final = st.sampled_from([False, False, False, False, True])


class QueueMachine(RuleBasedStateMachine):
    """Every ordered queue does what the small model of SQS does, in any order of calls.

    The model numbers messages in the order in which they were accepted. An id that no call has
    returned, such as that of a message that a commit sends, is learned with its reception.
    """

    opener: ClassVar[QueueOpener]
    """Opens store and queue; `QueueContract` sets it."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = contextlib.ExitStack()
        self.now = ManualTime()
        self.receipts: list[tuple[int, Message]] = []
        self.ids: dict[int, int] = {}
        self.timers: dict[str, dict[str, tuple[float, int]]] = {}
        self.timer_messages: dict[int, tuple[str, str, int]] = {}

    @initialize()
    def open(self) -> None:
        """Open a fresh store, and a queue in it."""
        self.opened: Opened[QueueStore] = self.stack.enter_context(self.opener.fresh(self.now))
        self.queue = self.open_queue()
        self.model = QueueModel(
            self.queue.visibility_timeout,
            self.opener.deduplication_window,
            self.opener.max_failures,
            self.opener.max_receives,
            self.opener.parks,
            self.now(),
        )

    def teardown(self) -> None:
        """Handle what is left, and close what was opened."""
        try:
            if hasattr(self, "model"):
                self.check_the_rest()
                self.check_order()
        finally:
            self.stack.close()

    def open_queue(self) -> Queue:
        """Open the queue, in another store object if the store can be reopened."""
        return self.opener.open_queue(self.opened(), _NAME)

    @rule()
    def reopen(self) -> None:
        """Continue with another object on the same data; the earlier ones stay open."""
        self.queue = self.open_queue()

    @rule(seconds=_STEPS | st.none())
    def time_passes_or_jumps(self, seconds: float | None) -> None:
        """Let time pass, None for the visibility time-out, or let the clock step back."""
        self.now.step(self.queue.visibility_timeout if seconds is None else seconds)
        self.model.now = self.now()

    def learn(self, number: int, found: int) -> None:
        """Compare a message's id with what is known: later messages have greater ones."""
        assert self.ids.setdefault(number, found) == found
        known = [self.ids[each] for each in sorted(self.ids)]
        assert known == sorted(set(known))

    # --- sending --------------------------------------------------------------------------

    @rule(group=_GROUPS, deduplication_id=_IDS, body=_BODIES)
    def send(self, group: str, deduplication_id: str | None, body: Any) -> None:
        """Send a message that is new, a duplicate, or contradicts an earlier one."""
        earlier = self.model.earlier(group, deduplication_id)
        if earlier is not None and earlier.body != body:
            with pytest.raises(DeduplicationError):
                self.queue.send(body, group, deduplication_id)
            return
        found = self.queue.send(body, group, deduplication_id)
        if earlier is not None:
            self.learn(earlier.message, found)
        else:
            self.learn(self.accept(body, group, deduplication_id), found)

    def accept(self, body: Any, group: str, deduplication_id: str | None = None) -> int:
        """Tell the model of a message; return its number."""
        number = self.model.last + 1
        self.model.send(number, body, group, deduplication_id)
        return number

    # --- receiving ------------------------------------------------------------------------

    @rule(most=st.integers(1, 4), seconds=st.none() | _SECONDS)
    def receive(self, most: int, seconds: float | None) -> None:
        """Receive the heads of free groups, the longest receivable first."""
        found = self.queue.receive(most, seconds)
        visibility = self.queue.visibility_timeout if seconds is None else seconds
        wanted = self.model.receive(most, visibility)
        assert [(each.group_id, each.body, each.receives, each.failures) for each in found] == [
            (item.group, item.body, item.receives, item.failures) for item in wanted
        ]
        assert len({each.group_id for each in found}) == len(found)
        for message, item in zip(found, wanted, strict=True):
            self.learn(item.id, message.id)
            self.receipts.append((item.id, message))

    def a_receipt(self, data: st.DataObject) -> tuple[int, Message, bool]:
        """Return a message's number, the message, and whether its receipt is valid; most are."""
        good = [each for each in self.receipts if self.model.holds(each[0], each[1].receives)]
        number, message = data.draw(
            st.sampled_from(good or self.receipts) | st.sampled_from(self.receipts)
        )
        return number, message, self.model.holds(number, message.receives)

    @precondition(lambda self: self.receipts)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        """Delete a message; a receipt that is no longer valid is refused, here and below."""
        number, message, good = self.a_receipt(data)
        if good:
            self.queue.delete(message.receipt)
            self.handled(number)
        else:
            with pytest.raises(ReceiptExpiredError):
                self.queue.delete(message.receipt)

    def handled(self, number: int) -> None:
        """Tell the model that a message was handled; if it is a timer's, the timer ends."""
        self.model.delete(number)
        if number in self.timer_messages:
            key, delay, token = self.timer_messages[number]
            if self.timers.get(key, {}).get(delay, (0.0, 0))[1] == token:
                del self.timers[key][delay]

    @precondition(lambda self: self.receipts)
    @rule(data=st.data(), seconds=_SECONDS)
    def change_visibility(self, data: st.DataObject, seconds: float) -> None:
        """Hide a message for longer, or release it."""
        number, message, good = self.a_receipt(data)
        if good:
            self.queue.change_visibility(message.receipt, seconds)
            (self.model.hide if seconds else self.model.release)(number, seconds)
        else:
            with pytest.raises(ReceiptExpiredError):
                self.queue.change_visibility(message.receipt, seconds)

    @precondition(lambda self: self.receipts)
    @rule(data=st.data(), seconds=_SECONDS)
    def release(self, data: st.DataObject, seconds: float) -> None:
        """Release a message, perhaps later."""
        number, message, good = self.a_receipt(data)
        if good:
            self.queue.release(message.receipt, seconds)
            self.model.release(number, seconds)
        else:
            with pytest.raises(ReceiptExpiredError):
                self.queue.release(message.receipt, seconds)

    @precondition(lambda self: self.receipts)
    @rule(data=st.data(), seconds=_SECONDS, final=_SELDOM)
    def fail(self, data: st.DataObject, seconds: float, final: bool) -> None:
        """Release a message with an error."""
        number, message, good = self.a_receipt(data)
        error = f"error {message.receives}"
        if good:
            dead = self.queue.fail(message.receipt, error, seconds, final=final)
            assert dead == self.model.fail(number, error, seconds, final=final)
        else:
            with pytest.raises(ReceiptExpiredError):
                self.queue.fail(message.receipt, error, seconds, final=final)

    @precondition(lambda self: self.receipts)
    @rule(data=st.data(), group=_GROUPS, saves=st.booleans())
    def commit(self, data: st.DataObject, group: str, saves: bool) -> None:
        """Save a settlement that consumes a message and sends another; all of it or nothing."""
        number, message, good = self.a_receipt(data)
        key, store = message.group_id, self.queue.store
        stored = store.load(key)
        revision = 0 if stored is None else stored.revision
        transaction = Transaction(
            key,
            snapshot(revision=revision + 1, chart=self.queue.chart) if saves else None,
            revision,
            consumed=message.receipt,
            sends=(Send(_NAME, 1, group),),
        )
        if good and not (saves and self.is_stale(number)):
            store.commit(transaction)
            self.handled(number)
            self.accept(1, group)
            return
        with pytest.raises(VersionConflictError if good else ReceiptExpiredError):
            store.commit(transaction)
        assert store.load(key) == stored

    def is_stale(self, number: int) -> bool:
        """Return whether a message is of a timer that was ended or started again."""
        if number not in self.timer_messages:
            return False
        key, delay, token = self.timer_messages[number]
        return self.timers.get(key, {}).get(delay, (0.0, 0))[1] != token

    # --- timers ---------------------------------------------------------------------------

    @rule(key=_GROUPS, delays=st.dictionaries(st.sampled_from("xyz"), _SECONDS), keep=st.booleans())
    def start_timers(self, key: str, delays: dict[str, float], keep: bool) -> None:
        """Save a settlement that starts some timers, and keeps or ends the others."""
        store = self.queue.store
        stored = store.load(key)
        revision = 0 if stored is None else stored.revision
        old = self.timers.get(key, {})
        kept = tuple(sorted(set(old) - set(delays))) if keep else ()
        started = tuple(Timer(name, seconds) for name, seconds in delays.items())
        new = snapshot(revision=revision + 1, chart=self.queue.chart)
        store.commit(Transaction(key, new, revision, timers=Timers(started, kept)))
        tokens = {each.delay: each.token for each in store.timers(key)}
        self.timers[key] = {name: old[name] for name in kept} | {
            name: (self.now() + seconds, tokens[name]) for name, seconds in delays.items()
        }
        assert set(tokens) == set(self.timers[key])

    def running(self) -> list[tuple[float, int, str, str]]:
        """Return the timers whose message was not sent, in the order in which they are due."""
        sent = set(self.timer_messages.values())
        return sorted(
            (due, token, key, delay)
            for key, delays in self.timers.items()
            for delay, (due, token) in delays.items()
            if (key, delay, token) not in sent
        )

    @rule()
    def release_timers(self) -> None:
        """Send the messages of timers that are due."""
        due = [each for each in self.running() if each[0] <= self.now()]
        assert self.queue.release_timers() == len(due)
        for _, token, key, delay in due:
            number = self.accept({"timer": delay, "token": token}, key)
            self.timer_messages[number] = key, delay, token

    # --- what always holds ----------------------------------------------------------------

    def outside_parked(self) -> list[int]:
        """Return the numbers of the messages whose group is not parked."""
        waiting, parked = self.model.waiting.items(), self.model.parked
        return [number for number, item in waiting if item.group not in parked]

    @invariant()
    def same_number_left(self) -> None:
        """Compare how many messages are left."""
        if hasattr(self, "model"):
            left = self.outside_parked()
            others = [each for each in left if self.model.waiting[each].group != "a"]
            assert self.queue.left(["a"]) == (len(left), len(others))

    @invariant()
    def same_next_change(self) -> None:
        """Compare when a message becomes receivable by itself."""
        if hasattr(self, "model"):
            times = [self.model.next_change(), *(due - self.now() for due, *_ in self.running())]
            wanted = min((max(time, 0.0) for time in times if time is not None), default=None)
            assert self.queue.next_change() == wanted

    def check_order(self) -> None:
        """Compare what was handled of each group with what was accepted, in that order."""
        model = self.model
        for group, accepted in model.accepted.items():
            apart = model.buried | set(model.waiting)
            done = [number for number in model.done.get(group, ()) if number not in apart]
            assert done == [number for number in accepted if number not in apart]

    def check_the_rest(self) -> None:
        """Handle what is left outside parked groups: each message is received once more."""
        while self.outside_parked():
            self.time_passes_or_jumps(self.model.next_change() or 0.0)
            wanted = self.model.receive(10, 10.0)
            found = self.queue.receive(10, 10.0)
            assert [each.body for each in found] == [item.body for item in wanted]
            for message, item in zip(found, wanted, strict=True):
                self.learn(item.id, message.id)
                self.queue.delete(message.receipt)
                self.model.delete(item.id)
        assert self.queue.left()[0] == 0
