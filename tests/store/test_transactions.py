"""What a transaction does to the rows of a store in SQLite, and the list of settlements.

What every store promises of a transaction is in ``tests/testing/test_stores.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from settlesim.chart.values import FrozenDict, freeze_object
from settlesim.errors import (
    DeduplicationError,
    EventRepeatedError,
    InvalidValueError,
    ReceiptExpiredError,
    SettlesimError,
    VersionConflictError,
)
from settlesim.ports import Send, Timer, Timers, Transaction
from settlesim.store import FifoQueue
from settlesim.testing import ManualTime
from settlesim.testing.openers import snapshot
from tests.store.stores import FACTORIES, Access, Factory


@pytest.fixture(scope="module", params=list(FACTORIES))
def make(request: pytest.FixtureRequest) -> Factory:
    """A factory of fresh stores, of one kind after the other."""
    return FACTORIES[request.param]


@pytest.fixture
def now() -> ManualTime:
    """A time that only the test moves."""
    return ManualTime()


@pytest.fixture
def access(make: Factory, now: ManualTime) -> Iterator[Access]:
    """A fresh store."""
    with make(now) as found:
        yield found


def record(number: int = 1, **more: Any) -> FrozenDict:
    event = {"name": "COUNT", "data": number}
    return freeze_object({"event": event, "outcome": "resolved", **more}, where="record")


def content(access: Access) -> dict[str, list[str]]:
    """All rows of a store, as text."""
    database = access().database
    tables = database.rows("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return {
        table: [repr(row) for row in database.rows(f"SELECT * FROM {table} ORDER BY 1, 2")]
        for (table,) in tables
        if table != "sqlite_sequence"
    }


def whole(receipt: str, revision: int = 1, **changes: Any) -> Transaction:
    """A transaction that has something of everything."""
    parts: dict[str, Any] = {
        "key": "a",
        "snapshot": snapshot(revision, revision=revision),
        "expected": revision - 1,
        "consumed": receipt,
        "mark": f"e{revision}",
        "sends": (Send("mail", {"n": revision}, "a", f"m{revision}"), Send("count", 1, "b")),
        "timers": Timers((Timer("after.x", 5.0),)),
        "record": record(revision),
    }
    return Transaction(**{**parts, **changes})


def received(access: Access) -> str:
    """Send a message to instance ``a``, receive it, and return the receipt."""
    queue = FifoQueue(access(), "count")
    queue.send("go", "a")
    (message,) = queue.receive()
    return message.receipt


def test_a_whole_transaction_changes_everything_together(access: Access, now: ManualTime) -> None:
    """State, consumed message, mark, messages that go out, timers and record."""
    access().commit(whole(received(access)))
    assert access().load("a") == snapshot(1)
    mark = access().mark("a", "e1")
    assert mark is not None
    assert (mark.revision, mark.outcome, mark.until) == (1, "resolved", now() + 86_400)
    assert [timer.delay for timer in access().timers("a")] == ["after.x"]
    (settled,) = access().settlements("a")
    assert (settled.revision, settled.at, settled.outcome) == (1, now(), "resolved")
    assert settled.event == {"name": "COUNT", "data": 1}
    assert settled.snapshot == snapshot(1)
    (mail,) = FifoQueue(access(), "mail").receive()
    assert (mail.body, mail.deduplication_id) == ({"n": 1}, "m1")
    assert [each.body for each in FifoQueue(access(), "count").receive(10)] == [1]


def expired(access: Access, now: ManualTime) -> Transaction:
    receipt = received(access)
    now.step(30)
    FifoQueue(access(), "count").receive()
    return whole(receipt)


def stale(access: Access, now: ManualTime) -> Transaction:
    return whole(received(access), revision=3)


def repeated(access: Access, now: ManualTime) -> Transaction:
    access().commit(Transaction("a", None, 0, mark="e1"))
    return whole(received(access))


def contradicted(access: Access, now: ManualTime) -> Transaction:
    FifoQueue(access(), "mail").send("another", "a", "m1")
    return whole(received(access))


@pytest.mark.parametrize(
    ("prepare", "error"),
    [
        (expired, ReceiptExpiredError),
        (stale, VersionConflictError),
        (repeated, EventRepeatedError),
        (contradicted, DeduplicationError),
    ],
)
def test_a_transaction_of_which_one_part_is_refused_changes_nothing(
    access: Access, now: ManualTime, prepare: Any, error: type[SettlesimError]
) -> None:
    """All or nothing, whichever part it is; the store takes the next one."""
    transaction = prepare(access, now)
    before = content(access)
    with pytest.raises(error):
        access().commit(transaction)
    assert content(access) == before
    access().commit(Transaction("z", snapshot(1), 0))
    assert access().load("z") == snapshot(1)


BAD: dict[str, Any] = {
    "consumed": "no receipt",
    "mark": "",
    "sends": [Send("mail", 1, "a")],
    "record": {"outcome": "resolved"},
    "timers": Timers((Timer("x", -1.0),)),
}


@pytest.mark.parametrize("field", BAD)
def test_a_bad_part_is_refused_before_anything_is_written(access: Access, field: str) -> None:
    """With an error that says which value it is."""
    transaction = whole(received(access), **{field: BAD[field]})
    before = content(access)
    with pytest.raises(InvalidValueError):
        access().commit(transaction)
    assert content(access) == before


@pytest.mark.parametrize(
    "changes",
    [
        {"snapshot": None, "expected": -1},
        {"snapshot": None, "expected": True},
        {"snapshot": None, "timers": Timers((Timer("x", 1.0),))},
        {"timers": Timers((Timer("x", 1.0),), ("x",))},
        {"timers": Timers((Timer("x", 1.0), Timer("x", 2.0)))},
        {"timers": Timers((Timer("", 1.0),))},
        {"timers": Timers((Timer("x", float("nan")),))},
        {"timers": Timers(("x",))},  # type: ignore[arg-type]
        {"timers": ()},
        {"sends": ("mail",)},
        {"sends": (Send("", 1, "a"),)},
        {"sends": (Send("mail", float("inf"), "a"),)},
        {"sends": (Send("mail", 1, ""),)},
        {"sends": (Send("mail", 1, "a", ""),)},
        {"record": freeze_object({"revision": 1}, where="record")},
        {"mark": "a\ud800"},
        {"consumed": "count:0:1"},
    ],
)
def test_no_store_takes_a_transaction_that_it_could_not_keep(
    access: Access, changes: dict[str, Any]
) -> None:
    """Each flaw has an error of ours."""
    with pytest.raises(InvalidValueError):
        access().commit(whole("count:1:1", **changes))


def test_a_settlement_without_a_new_state_is_remembered(access: Access) -> None:
    """As of an event that is ignored or rejected."""
    access().commit(Transaction("a", snapshot(1), 0))
    access().commit(Transaction("a", None, 1, mark="e1", record=record()))
    (settled,) = access().settlements("a")
    assert (settled.revision, settled.snapshot) == (1, None)


# --- marks ------------------------------------------------------------------------------------


def test_an_event_that_was_marked_is_not_applied_again(access: Access) -> None:
    """Even when somebody settled it a second time on the newer state."""
    access().commit(Transaction("a", snapshot(1), 0, mark="e1", record=record()))
    with pytest.raises(EventRepeatedError, match="at revision 1 and was resolved") as caught:
        access().commit(Transaction("a", snapshot(2, revision=2), 1, mark="e1"))
    assert (caught.value.event_id, caught.value.outcome) == ("e1", "resolved")
    assert access().load("a") == snapshot(1)


def test_marks_are_of_one_instance_and_end_with_their_window(
    make: Factory, now: ManualTime
) -> None:
    """Another instance may have an event of this id; later the id is free again."""
    with make(now, mark_window=100.0) as access:
        access().commit(Transaction("a", None, 0, mark="e1"))
        access().commit(Transaction("b", None, 0, mark="e1"))
        now.step(99)
        assert access().mark("a", "e1") is not None
        now.step(1)
        assert access().mark("a", "e1") is None
        access().commit(Transaction("a", None, 0, mark="e1"))
        assert access().mark("a", "e1") is not None


def test_old_marks_do_not_pile_up(make: Factory, now: ManualTime) -> None:
    """Each that is added takes two with it whose time is over."""
    with make(now, mark_window=100.0) as access:
        for number in range(40):
            access().commit(Transaction("a", None, 0, mark=f"e{number}"))
            now.step(10)
        assert len(content(access)["marks"]) == 10


def test_old_deduplication_ids_do_not_pile_up(access: Access, now: ManualTime) -> None:
    """Each that is added takes two with it whose time is over and whose message is gone."""
    FifoQueue(access(), "count", deduplication_window=100.0).send("waits", "b", "kept")
    (waiting,) = FifoQueue(access(), "count").receive(1, 1000)
    for number in range(40):
        queue = FifoQueue(access(), "count", deduplication_window=100.0)
        queue.send(number, "a", f"e{number}")
        (message,) = queue.receive(10)
        queue.delete(message.receipt)
        now.step(10)
    known = content(access)["deduplication"]
    assert len(known) == 11
    assert any("'kept'" in row for row in known)
    assert waiting.body == "waits"


# --- settlements ------------------------------------------------------------------------------


def test_the_newest_settlements_are_remembered(make: Factory, now: ManualTime) -> None:
    """As many as asked for, oldest first, of each instance by itself."""
    with make(now, history=3) as access:
        for number in range(1, 6):
            new = snapshot(number, revision=number)
            access().commit(Transaction("a", new, number - 1, record=record(number)))
            now.step(1)
        access().commit(Transaction("b", snapshot(), 0, record=record()))
        found = access().settlements("a")
        assert [each.revision for each in found] == [3, 4, 5]
        assert [each.snapshot and each.snapshot.context["count"] for each in found] == [3, 4, 5]
        assert [each.at - found[0].at for each in found] == [0, 1, 2]
        assert len(access().settlements("b")) == 1
        assert access().settlements("c") == ()


def test_a_store_without_history_remembers_no_settlement(make: Factory, now: ManualTime) -> None:
    """Zero is none."""
    with make(now, history=0) as access:
        access().commit(Transaction("a", snapshot(), 0, record=record()))
        assert access().settlements("a") == ()


def test_a_past_settlement_cannot_be_changed(access: Access) -> None:
    """Values that were handed out are no way into the store."""
    access().commit(Transaction("a", snapshot(), 0, record=record(path=["even"])))
    (settled,) = access().settlements("a")
    with pytest.raises(TypeError, match="read-only"):
        settled.record["path"].append("odd")
    assert settled.to_dict() == {
        "key": "a",
        "number": 1,
        "revision": 1,
        "at": 1_000_000.0,
        "event": {"name": "COUNT", "data": 1},
        "outcome": "resolved",
        "path": ["even"],
        "snapshot": snapshot().to_dict(),
    }


def test_a_deleted_instance_takes_its_settlements_and_timers_but_not_its_marks(
    access: Access,
) -> None:
    """A duplicate of an event does not create the instance anew."""
    access().commit(whole(received(access)))
    access().delete("a", 1)
    assert access().settlements("a") == ()
    assert access().timers("a") == ()
    assert access().mark("a", "e1") is not None


@pytest.mark.parametrize("options", [{"history": -1}, {"history": 1.5}, {"mark_window": -1.0}])
def test_settings_of_a_store_are_checked(
    make: Factory, now: ManualTime, options: dict[str, Any]
) -> None:
    """With the setting's name in the error."""
    with (
        pytest.raises(InvalidValueError, match=next(iter(options))),
        make(now, **options) as access,
    ):
        access()
