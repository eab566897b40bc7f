"""Every FIFO queue does what a small model of SQS does, in any order of calls."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from settlesim.errors import DeduplicationError, ReceiptExpiredError, VersionConflictError
from settlesim.ports import Message, Send, Timer, Timers, Transaction
from settlesim.store import FifoQueue
from tests.contracts.queue_model import QueueModel
from tests.contracts.stores import Factory, Time, memory, reopened
from tests.contracts.test_store import snapshot

GROUPS = st.sampled_from(["a", "a", "é:1"])
IDS = st.sampled_from([None, "e1", "e1", "e2"])
BODIES = st.sampled_from([1, {"n": 1}])
SECONDS = st.sampled_from([0.0, 1.0, 5.0, 10.0])
STEPS = st.sampled_from([0.5, 5.0, 9.5, 10.0, 40.0, 1000.0, -7.0, -500.0, 90_000.0, -90_000.0])


class FifoMachine(RuleBasedStateMachine):
    """One queue; subclasses have other settings and stores."""

    factory: Factory = staticmethod(memory)
    halt = False
    max_receives: int | None = None

    def __init__(self) -> None:
        super().__init__()
        self.stack = contextlib.ExitStack()
        self.now = Time()
        self.receipts: list[Message] = []
        self.timers: dict[str, dict[str, tuple[float, int]]] = {}
        self.timer_messages: dict[int, tuple[str, str]] = {}

    @initialize()
    def open(self) -> None:
        self.access = self.stack.enter_context(type(self).factory(self.now))
        self.model = QueueModel(10.0, 40.0, 2, self.max_receives, self.halt, self.now())
        self.queue = self.opened()

    def teardown(self) -> None:
        try:
            if hasattr(self, "queue"):
                self.check_the_rest()
                self.check_order()
        finally:
            self.stack.close()

    def opened(self) -> FifoQueue:
        return FifoQueue(
            self.access(),
            "q",
            visibility_timeout=10.0,
            deduplication_window=40.0,
            max_failures=2,
            max_receives=self.max_receives,
            policy="halt" if self.halt else "skip",
        )

    @rule()
    def reopen(self) -> None:
        """Another object on the same store; the earlier ones stay open."""
        self.queue = self.opened()

    @rule(seconds=STEPS)
    def time_passes_or_jumps(self, seconds: float) -> None:
        self.now.step(seconds)
        self.model.now = self.now()

    # --- sending --------------------------------------------------------------------------

    @rule(group=GROUPS, deduplication_id=IDS, body=BODIES)
    def send(self, group: str, deduplication_id: str | None, body: Any) -> None:
        earlier = self.model.earlier(group, deduplication_id)
        if earlier is not None and earlier.body != body:
            with pytest.raises(DeduplicationError):
                self.queue.send(body, group, deduplication_id)
            return
        number = self.queue.send(body, group, deduplication_id)
        if earlier is not None:
            assert number == earlier.message
        else:
            self.model.send(number, body, group, deduplication_id)

    @rule(group=GROUPS, count=st.integers(1, 3))
    def send_many(self, group: str, count: int) -> None:
        for number in self.queue.send_many([(1, group)] * count):
            self.model.send(number, 1, group, None)

    # --- receiving ------------------------------------------------------------------------

    @rule(most=st.integers(1, 4), seconds=st.none() | SECONDS)
    def receive(self, most: int, seconds: float | None) -> None:
        found = self.queue.receive(most, seconds)
        wanted = self.model.receive(most, 10.0 if seconds is None else seconds)
        assert [(each.id, each.group_id, each.receives, each.failures) for each in found] == [
            (item.id, item.group, item.receives, item.failures) for item in wanted
        ]
        assert [each.body for each in found] == [item.body for item in wanted]
        assert len({each.group_id for each in found}) == len(found)
        self.receipts += found

    def a_receipt(self, data: st.DataObject) -> Message:
        """Mostly one that is good, but any other as well."""
        good = [each for each in self.receipts if self.model.holds(each.id, each.receives)]
        return data.draw(st.sampled_from(good or self.receipts) | st.sampled_from(self.receipts))

    @precondition(lambda self: self.receipts)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        message = self.a_receipt(data)
        if self.model.holds(message.id, message.receives):
            self.queue.delete(message.receipt)
            self.model.delete(message.id)
            self.end_timer(message.id)
        else:
            with pytest.raises(ReceiptExpiredError):
                self.queue.delete(message.receipt)

    @precondition(lambda self: self.receipts)
    @rule(data=st.data(), seconds=SECONDS)
    def change_visibility(self, data: st.DataObject, seconds: float) -> None:
        message = self.a_receipt(data)
        if self.model.holds(message.id, message.receives):
            self.queue.change_visibility(message.receipt, seconds)
            (self.model.hide if seconds else self.model.release)(message.id, seconds)
        else:
            with pytest.raises(ReceiptExpiredError):
                self.queue.change_visibility(message.receipt, seconds)

    @precondition(lambda self: self.receipts)
    @rule(data=st.data(), seconds=SECONDS)
    def release(self, data: st.DataObject, seconds: float) -> None:
        message = self.a_receipt(data)
        if self.model.holds(message.id, message.receives):
            self.queue.release(message.receipt, seconds)
            self.model.release(message.id, seconds)
        else:
            with pytest.raises(ReceiptExpiredError):
                self.queue.release(message.receipt, seconds)

    @precondition(lambda self: self.receipts)
    @rule(data=st.data(), seconds=SECONDS)
    def fail(self, data: st.DataObject, seconds: float) -> None:
        message = self.a_receipt(data)
        error = f"error {message.receives}"
        if self.model.holds(message.id, message.receives):
            dead = self.queue.fail(message.receipt, error, seconds)
            assert dead == self.model.fail(message.id, error, seconds)
        else:
            with pytest.raises(ReceiptExpiredError):
                self.queue.fail(message.receipt, error, seconds)

    @precondition(lambda self: self.receipts)
    @rule(data=st.data(), group=GROUPS, saves=st.booleans())
    def commit(self, data: st.DataObject, group: str, saves: bool) -> None:
        """A settlement consumes the message and sends another, or nothing of it happens."""
        message = self.a_receipt(data)
        key = message.group_id
        store = self.queue.store
        stored = store.load(key)
        revision = 0 if stored is None else stored.revision
        transaction = Transaction(
            key,
            snapshot(revision=revision + 1) if saves else None,
            revision,
            consumed=message.receipt,
            sends=(Send("q", 1, group),),
        )
        if self.model.holds(message.id, message.receives) and saves and self.ended(message.id):
            with pytest.raises(VersionConflictError):
                store.commit(transaction)
            assert store.load(key) == stored
        elif self.model.holds(message.id, message.receives):
            store.commit(transaction)
            self.model.delete(message.id)
            self.end_timer(message.id)
            (number,) = self.new_ids()
            self.model.send(number, 1, group, None)
        else:
            with pytest.raises(ReceiptExpiredError):
                store.commit(transaction)
            assert store.load(key) == stored

    def new_ids(self) -> list[int]:
        """The messages that the model does not know yet."""
        rows = self.queue.store.database.rows("SELECT id FROM messages ORDER BY id")
        return [number for (number,) in rows if number > self.model.last]

    # --- upkeep ---------------------------------------------------------------------------

    @precondition(lambda self: self.model.dead)
    @rule(data=st.data())
    def redrive(self, data: st.DataObject) -> None:
        dead = sorted(self.model.dead)
        numbers = data.draw(st.none() | st.sets(st.sampled_from(dead), min_size=1))
        moved = dead if numbers is None else sorted(numbers)
        found = self.queue.redrive(numbers)
        self.model.redrive(moved, list(found))
        for old, new in zip(moved, found, strict=True):
            if old in self.timer_messages:
                self.timer_messages[new] = self.timer_messages[old]

    @rule(group=GROUPS)
    def resume(self, group: str) -> None:
        parked = group in self.model.parked
        assert self.queue.resume(group) == parked
        if parked:
            self.model.parked.remove(group)

    # --- timers ---------------------------------------------------------------------------

    @rule(key=GROUPS, delays=st.dictionaries(st.sampled_from("xyz"), SECONDS), keep=st.booleans())
    def start_timers(self, key: str, delays: dict[str, float], keep: bool) -> None:
        """Delays of the chart, which has the queue's name."""
        store = self.queue.store
        stored = store.load(key)
        revision = 0 if stored is None else stored.revision
        kept = tuple(set(self.timers.get(key, ())) - set(delays)) if keep else ()
        started = tuple(Timer(name, seconds) for name, seconds in delays.items())
        new = snapshot(revision=revision + 1)
        chart_q = type(new)("q", 1, new.configuration, new.context, new.revision)
        store.commit(Transaction(key, chart_q, revision, timers=Timers(started, kept)))
        tokens = {each.delay: each.token for each in store.timers(key)}
        old = self.timers.get(key, {})
        self.timers[key] = {name: old[name] for name in kept} | {
            name: (self.now() + seconds, tokens[name]) for name, seconds in delays.items()
        }
        assert set(tokens) == set(self.timers[key])

    def running(self) -> list[tuple[float, int, str, str]]:
        """Timers that run, in the order in which they are due."""
        sent = {(key, delay) for key, delay in self.timer_messages.values()}
        return sorted(
            (due, token, key, delay)
            for key, delays in self.timers.items()
            for delay, (due, token) in delays.items()
            if (key, f"{delay}{token}") not in sent
        )

    @rule()
    def release_timers(self) -> None:
        due = [each for each in self.running() if each[0] <= self.now()]
        assert self.queue.release_timers() == len(due)
        for number, (_, token, key, delay) in zip(self.new_ids(), due, strict=True):
            self.model.send(number, {"timer": delay, "token": token}, key, None)
            self.timer_messages[number] = key, f"{delay}{token}"

    def ended(self, number: int) -> bool:
        """The message is of a timer whose node was left."""
        if number not in self.timer_messages:
            return False
        key, name = self.timer_messages[number]
        return self.timers.get(key, {}).get(name[0], (0, 0))[1] != int(name[1:])

    def end_timer(self, number: int) -> None:
        """The message of a timer was handled: the timer is over."""
        if number in self.timer_messages:
            key, name = self.timer_messages[number]
            delay, token = name[0], int(name[1:])
            if self.timers.get(key, {}).get(delay, (0, 0))[1] == token:
                del self.timers[key][delay]

    # --- what always holds ----------------------------------------------------------------

    @invariant()
    def same_status(self) -> None:
        if not hasattr(self, "queue"):
            return
        status, model = self.queue.status(), self.model
        assert status.depth == len(model.waiting)
        assert status.in_flight == sum(
            item.held and item.visible_at > model.now for item in model.waiting.values()
        )
        assert status.timers == len(self.running())
        assert [
            (each.id, each.failures, list(each.errors)) for each in self.queue.dead_letters()
        ] == [(item.id, item.failures, item.errors) for _, item in sorted(model.dead.items())]
        assert [each.group_id for each in self.queue.parked()] == model.parked

    @invariant()
    def same_next_change(self) -> None:
        if hasattr(self, "queue"):
            times = [self.model.next_change(), *(due - self.now() for due, *_ in self.running())]
            wanted = min((max(time, 0.0) for time in times if time is not None), default=None)
            assert self.queue.next_change() == wanted

    def check_order(self) -> None:
        """What was handled of a group is what was accepted, in that order."""
        model = self.model
        for group, accepted in model.accepted.items():
            apart = model.buried | set(model.waiting)
            done = [number for number in model.done.get(group, ()) if number not in apart]
            assert done == [number for number in accepted if number not in apart]

    def check_the_rest(self) -> None:
        """What is left comes up to its end, once."""
        while self.model.waiting:
            for group in list(self.model.parked):
                self.resume(group)
            self.time_passes_or_jumps(self.model.next_change() or 0.0)
            wanted = self.model.receive(10, 10.0)
            found = self.queue.receive(10)
            assert [each.id for each in found] == [item.id for item in wanted]
            for message in found:
                self.queue.delete(message.receipt)
                self.model.delete(message.id)
        assert self.queue.status().depth == 0


class HaltMachine(FifoMachine):
    """A dead letter parks its group."""

    halt = True


class LimitMachine(FifoMachine):
    """Receptions are limited too."""

    max_receives = 2


class HaltLimitMachine(HaltMachine):
    """Both."""

    max_receives = 2


class FileMachine(FifoMachine):
    """On a file, with several stores open on it."""

    factory = staticmethod(reopened)


class HaltFileMachine(HaltMachine):
    """The same where dead letters park their group."""

    factory = staticmethod(reopened)


TestFifo = FifoMachine.TestCase
TestHalt = HaltMachine.TestCase
TestLimit = LimitMachine.TestCase
TestHaltLimit = HaltLimitMachine.TestCase
TestFile = FileMachine.TestCase
TestHaltFile = HaltFileMachine.TestCase
TestFifo.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestHalt.settings = TestLimit.settings = TestHaltLimit.settings = TestFifo.settings
TestFile.settings = settings(max_examples=15, stateful_step_count=40, deadline=None)
TestHaltFile.settings = TestFile.settings
