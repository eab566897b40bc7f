"""What every `QueueStore` promises: marks, timers, and transactions that are all or nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from settlesim.chart.strict_json import freeze_object
from settlesim.errors import (
    DeduplicationError,
    EventRepeatedError,
    InvalidValueError,
    ReceiptExpiredError,
    SettlesimError,
    VersionConflictError,
)
from settlesim.ports import QueueStore, Send, Timer, Timers, Transaction, digest_of
from settlesim.testing.openers import QueueBench, QueueOpener, save, snapshot
from settlesim.testing.store_contract import StoreContract

__all__ = ["QueueStoreContract"]


def _record(**more: Any) -> Any:
    event = {"name": "COUNT", "data": 1}
    return freeze_object({"event": event, "outcome": "resolved", **more}, where="record")


def _received(bench: QueueBench) -> str:
    """Send a message to instance ``a``, receive it, and return the receipt."""
    bench.send("go")
    return bench.take().receipt


def _whole(receipt: str, **changes: Any) -> Transaction:
    """Return a transaction that has every part."""
    parts: dict[str, Any] = {
        "key": "a",
        "snapshot": snapshot(1),
        "expected": 0,
        "consumed": receipt,
        "mark": "e1",
        "sends": (Send("mail", {"n": 1}, "a", "m1"), Send("count", 1, "b")),
        "timers": Timers((Timer("after.x", 5.0),)),
        "record": _record(),
    }
    return Transaction(**{**parts, **changes})


def _start(bench: QueueBench, *timers: Timer, kept: tuple[str, ...] = (), key: str = "a") -> None:
    """Save the instance's next revision with these timers."""
    stored = bench.store().load(key)
    revision = 0 if stored is None else stored.revision
    new = snapshot(revision=revision + 1, chart=bench.queue().chart)
    bench.store().commit(Transaction(key, new, revision, timers=Timers(timers, kept)))


def _content(bench: QueueBench) -> object:
    """Return everything that a store and two queues show through their ports."""
    store = bench.store()
    return (
        {key: store.load(key) for key in sorted(store.keys())},
        [list(store.timers(key)) for key in ("a", "b")],
        [store.mark(key, name) for key in ("a", "b") for name in ("e1", "e2")],
        [(bench.queue(name).left(), bench.queue(name).next_change()) for name in ("count", "mail")],
    )


def _expired(bench: QueueBench) -> Transaction:
    receipt = _received(bench)
    bench.pass_visibility()
    bench.take()
    return _whole(receipt)


def _stale(bench: QueueBench) -> Transaction:
    return _whole(_received(bench), snapshot=snapshot(3, revision=3), expected=2)


def _repeated(bench: QueueBench) -> Transaction:
    bench.store().commit(Transaction("a", None, 0, mark="e1"))
    return _whole(_received(bench))


def _contradicted(bench: QueueBench) -> Transaction:
    bench.queue("mail").send("another", "a", "m1")
    return _whole(_received(bench))


_BAD_PARTS: Final[list[dict[str, Any]]] = [
    {"snapshot": None, "expected": -1},
    {"snapshot": None, "expected": True},
    {"snapshot": None, "timers": Timers((Timer("x", 1.0),))},
    {"timers": Timers((Timer("x", 1.0),), ("x",))},
    {"timers": Timers((Timer("x", 1.0), Timer("x", 2.0)))},
    {"timers": Timers((Timer("", 1.0),))},
    {"timers": Timers((Timer("x", -1.0),))},
    {"timers": Timers((Timer("x", float("nan")),))},
    {"timers": Timers(("x",))},  # type: ignore[arg-type]
    {"timers": ()},
    {"sends": [Send("mail", 1, "a")]},
    {"sends": ("mail",)},
    {"sends": (Send("", 1, "a"),)},
    {"sends": (Send("mail", float("inf"), "a"),)},
    {"sends": (Send("mail", 1, ""),)},
    {"sends": (Send("mail", 1, "a", ""),)},
    {"record": {"outcome": "resolved"}},
    {"mark": ""},
    {"mark": "a\ud800"},
    {"consumed": ""},
]


class QueueStoreContract(QueueOpener, StoreContract):
    """What every `settlesim.ports.QueueStore` promises, as tests for a store of your own.

    A subclass defines `open_store` and `open_queue`, and has a name that pytest collects::

        class TestMyStore(QueueStoreContract):
            def open_store(self, folder, now):
                return MyStore(folder / "store.db", now=now)

            def open_queue(self, store, name):
                return MyQueue(store, name)

    The promises are those of `StoreContract`, and:

    - One `commit` covers state, consumed message, mark, sent messages and timers. If one of
      them is refused, none of them is written.
    - An event that was marked is not applied again until the mark is forgotten;
      `EventRepeatedError` has the outcome that it had.
    - Timers that a transaction does not keep end; one that starts again has another token.
    - Deleting an instance takes its timers with it, and leaves its marks.

    Attributes
    ----------
    reopens, examples
        As of `StoreContract`.

    See Also
    --------
    QueueContract : for the queues in the store
    """

    def test_it_has_the_methods_of_a_queue_store(self, bench: QueueBench) -> None:
        """`mark` and `timers`, and those of a `Store`."""
        assert isinstance(bench.store(), QueueStore)

    # --- whole transactions -----------------------------------------------------------------

    def test_a_whole_transaction_changes_everything_together(self, bench: QueueBench) -> None:
        """State, consumed message, mark, sent messages, and timers."""
        bench.store().commit(_whole(_received(bench)))
        assert bench.store().load("a") == snapshot(1)
        mark = bench.store().mark("a", "e1")
        assert mark is not None
        assert (mark.key, mark.id, mark.revision, mark.outcome) == ("a", "e1", 1, "resolved")
        assert mark.digest == digest_of("go")
        assert mark.until > bench.now()
        (timer,) = bench.store().timers("a")
        assert (timer.key, timer.delay, timer.sent) == ("a", "after.x", False)
        assert timer.due == bench.now() + 5
        (mail,) = bench.queue("mail").receive()
        assert (mail.body, mail.group_id, mail.deduplication_id) == ({"n": 1}, "a", "m1")
        assert [each.body for each in bench.queue().receive(10)] == [1]

    @pytest.mark.parametrize(
        ("prepare", "error"),
        [
            (_expired, ReceiptExpiredError),
            (_stale, VersionConflictError),
            (_repeated, EventRepeatedError),
            (_contradicted, DeduplicationError),
        ],
    )
    def test_a_transaction_of_which_one_part_is_refused_changes_nothing(
        self,
        bench: QueueBench,
        prepare: Callable[[QueueBench], Transaction],
        error: type[SettlesimError],
    ) -> None:
        """All or nothing, whichever part it is; the store accepts the next transaction."""
        transaction = prepare(bench)
        before = _content(bench)
        with pytest.raises(error):
            bench.store().commit(transaction)
        assert _content(bench) == before
        save(bench.store(), "z", snapshot(1))
        assert bench.store().load("z") == snapshot(1)

    @pytest.mark.parametrize("changes", _BAD_PARTS, ids=ascii)
    def test_a_part_that_could_not_be_kept_is_refused(
        self, bench: QueueBench, changes: dict[str, Any]
    ) -> None:
        """Before anything is written, with an error that says which value it is."""
        transaction = _whole(_received(bench), **changes)
        before = _content(bench)
        with pytest.raises(InvalidValueError):
            bench.store().commit(transaction)
        assert _content(bench) == before

    def test_a_message_can_be_consumed_without_a_new_state(self, bench: QueueBench) -> None:
        """Such as that of an ignored or rejected event: it is marked, and the state stays."""
        save(bench.store(), "a", snapshot(1))
        receipt = _received(bench)
        bench.store().commit(
            Transaction("a", None, 1, consumed=receipt, mark="e1", record=_record())
        )
        assert bench.store().load("a") == snapshot(1)
        mark = bench.store().mark("a", "e1")
        assert mark is not None
        assert mark.revision == 1
        assert bench.queue().left() == (0, 0)

    def test_what_was_decided_on_an_older_state_marks_nothing(self, bench: QueueBench) -> None:
        """A transaction without a new state is compared too."""
        save(bench.store(), "a", snapshot(1))
        with pytest.raises(VersionConflictError):
            bench.store().commit(Transaction("a", None, 0, mark="e1"))
        assert bench.store().mark("a", "e1") is None

    def test_a_message_that_goes_out_again_is_accepted_once(self, bench: QueueBench) -> None:
        """The deduplication id of a `Send` works as that of a message sent to the queue."""
        for revision in (1, 2):
            sends = (Send("mail", {"n": 1}, "a", "m1"),)
            new = snapshot(revision, revision=revision)
            bench.store().commit(Transaction("a", new, revision - 1, sends=sends))
        assert bench.queue("mail").left() == (1, 1)

    # --- marks ------------------------------------------------------------------------------

    def test_an_event_that_was_marked_is_not_applied_again(self, bench: QueueBench) -> None:
        """Even when somebody settled it a second time on the newer state."""
        bench.store().commit(Transaction("a", snapshot(1), 0, mark="e1", record=_record()))
        with pytest.raises(EventRepeatedError) as caught:
            bench.store().commit(Transaction("a", snapshot(2, revision=2), 1, mark="e1"))
        assert (caught.value.key, caught.value.event_id) == ("a", "e1")
        assert (caught.value.revision, caught.value.outcome) == (1, "resolved")
        assert bench.store().load("a") == snapshot(1)

    def test_a_mark_is_of_one_instance_and_one_event(self, bench: QueueBench) -> None:
        """Another instance may have an event of this id, and this one other events."""
        bench.store().commit(Transaction("a", None, 0, mark="e1"))
        assert bench.store().mark("b", "e1") is None
        assert bench.store().mark("a", "e2") is None
        bench.store().commit(Transaction("b", None, 0, mark="e1"))
        bench.store().commit(Transaction("a", None, 0, mark="e2"))
        mark = bench.store().mark("a", "e1")
        assert mark is not None
        assert (mark.outcome, mark.digest) == (None, None)

    def test_a_mark_is_forgotten_when_it_says(self, bench: QueueBench) -> None:
        """Not before; later the id is free again."""
        bench.store().commit(Transaction("a", None, 0, mark="e1"))
        mark = bench.store().mark("a", "e1")
        assert mark is not None
        bench.now.step(mark.until - bench.now() - 1)
        assert bench.store().mark("a", "e1") == mark
        bench.now.step(1)
        assert bench.store().mark("a", "e1") is None
        bench.store().commit(Transaction("a", None, 0, mark="e1"))
        assert bench.store().mark("a", "e1") is not None

    def test_a_deleted_instance_takes_its_timers_but_not_its_marks(self, bench: QueueBench) -> None:
        """A duplicate of an event does not create the instance again."""
        bench.store().commit(_whole(_received(bench)))
        bench.store().delete("a", 1)
        assert list(bench.store().timers("a")) == []
        assert bench.store().mark("a", "e1") is not None

    # --- timers -----------------------------------------------------------------------------

    def test_a_timer_that_is_not_kept_ends(self, bench: QueueBench) -> None:
        """Its state was left; a timer that is kept keeps its due time."""
        _start(bench, Timer("x", 10), Timer("y", 10))
        bench.now.step(5)
        _start(bench, Timer("z", 10), kept=("x",))
        assert [(each.delay, each.due - bench.now()) for each in bench.store().timers("a")] == [
            ("x", 5),
            ("z", 10),
        ]

    def test_a_timer_that_starts_again_has_another_token(self, bench: QueueBench) -> None:
        """So a late message of the old timer can be recognized."""
        _start(bench, Timer("x", 10))
        (old,) = bench.store().timers("a")
        bench.now.step(3)
        _start(bench, Timer("x", 10))
        (new,) = bench.store().timers("a")
        assert new.token != old.token
        assert (new.due, new.sent) == (bench.now() + 10, False)

    def test_a_settlement_without_timers_leaves_them_alone(self, bench: QueueBench) -> None:
        """None changes nothing; an empty `Timers` ends all."""
        _start(bench, Timer("x", 10))
        before = list(bench.store().timers("a"))
        bench.store().commit(Transaction("a", None, 1))
        assert list(bench.store().timers("a")) == before
        _start(bench)
        assert list(bench.store().timers("a")) == []

    def test_timers_are_those_of_their_instance(self, bench: QueueBench) -> None:
        """Two instances may have a delay with the same id."""
        _start(bench, Timer("x", 10))
        _start(bench, Timer("x", 20), key="b")
        _start(bench)
        assert list(bench.store().timers("a")) == []
        assert [each.due for each in bench.store().timers("b")] == [bench.now() + 20]
