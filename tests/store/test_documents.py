"""Documents that no rule wrote are named, and never taken for something else."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlesim.chart.values import freeze_object
from settlesim.errors import InvalidValueError, StoreDamagedError
from settlesim.ports import Timer, Timers, Transaction
from settlesim.store import FifoQueue, MemoryDatabase, MemoryStore
from settlesim.store.base import DatabaseStore
from settlesim.store.documents import TABLES
from settlesim.store.queues.receipts import Receipt, read_receipt
from tests.contracts.stores import Time
from tests.contracts.test_store import snapshot
from tests.strategies import texts


def one_of_each() -> dict[str, tuple[int, dict[str, Any]]]:
    """A document of each table, as the rules wrote it, with its id."""
    store = MemoryStore(Time())
    queue = FifoQueue(store, "count", policy="halt", max_failures=1)
    queue.send_many([(1, "a", "e1"), (2, "b")])
    for message in queue.receive(1):
        queue.fail(message.receipt, "no")
    record = freeze_object({"outcome": "resolved"}, where="record")
    timers = Timers((Timer("x", 5.0),))
    store.commit(Transaction("a", snapshot(), 0, mark="e", timers=timers, record=record))
    found = {}
    with store.database.reading() as reader:
        for table in TABLES:
            (number,) = reader.ids(table)
            found[table] = number, dict(reader.get(table, number) or {})
    return found


def opened(table: str, *documents: dict[str, Any]) -> DatabaseStore:
    database = MemoryDatabase(Time())
    with database.writing() as changes:
        for document in documents:
            changes.insert(table, document)
    return DatabaseStore(database, source="store.json")


GOOD = one_of_each()
FLAWS = [
    (table, name)
    for table, (_, document) in GOOD.items()
    for name in document
    if (table, name)
    not in {
        ("messages", "body"),
        ("messages", "deduplication_id"),
        ("dead_letters", "body"),
        ("dead_letters", "deduplication_id"),
        ("dead_letters", "errors"),
        ("marks", "digest"),
        ("marks", "outcome"),
        ("settlements", "outcome"),
        ("settlements", "snapshot"),
    }
]


def test_every_table_has_a_document_in_the_tests() -> None:
    """The cases below are of all tables."""
    assert set(GOOD) == set(TABLES)
    assert all(opened(table, document) for table, (_, document) in GOOD.items())


@pytest.mark.parametrize(("table", "name"), [each for each in FLAWS if each[0] != "instances"])
def test_a_field_that_is_missing_or_of_another_type_is_named(table: str, name: str) -> None:
    """The store does not open over it."""
    _, document = GOOD[table]
    rest = {each: value for each, value in document.items() if each != name}
    with pytest.raises(StoreDamagedError, match=f"document 1 of table '{table}' has no '{name}'"):
        opened(table, rest)
    with pytest.raises(StoreDamagedError, match=f"'{name}' of document 1 of table '{table}' is"):
        opened(table, {**document, name: [1]})


@pytest.mark.parametrize("name", ["chart", "version", "revision", "configuration", "context"])
def test_an_instance_that_can_not_be_read_is_named_when_it_is_loaded(name: str) -> None:
    """Others can be loaded still; it is never taken for a missing one."""
    _, document = GOOD["instances"]
    bad = {each: value for each, value in document.items() if each != name}
    store = opened("instances", bad, {**document, "key": "b"})
    assert store.load("b") == snapshot()
    with pytest.raises(StoreDamagedError, match=f"instance 'a' in document 1: .*'{name}'"):
        store.load("a")
    with pytest.raises(StoreDamagedError):
        store.commit(Transaction("a", snapshot(), 0))


@pytest.mark.parametrize("key", ["", "a\ud800", 7, None])
def test_an_instance_without_a_good_key_is_named(key: object) -> None:
    """Nobody could ask for it."""
    with pytest.raises(StoreDamagedError, match="key"):
        opened("instances", {**GOOD["instances"][1], "key": key})


def test_a_key_in_two_documents_is_named() -> None:
    """There is no telling which of them is meant."""
    _, document = GOOD["instances"]
    with pytest.raises(StoreDamagedError, match="stands in document 1 and in 2"):
        opened("instances", document, document)


def test_a_body_that_is_no_strict_json_is_named() -> None:
    """The message is not handed out."""
    _, document = GOOD["messages"]
    queue = FifoQueue(opened("messages", {**document, "body": float("nan")}), "count")
    with pytest.raises(StoreDamagedError, match="nan"):
        queue.receive()
    assert queue.status().in_flight == 0


def test_a_settlement_that_can_not_be_read_is_named() -> None:
    """Its record, or the state in it."""
    _, document = GOOD["settlements"]
    for change in ({"event": float("nan")}, {"snapshot": {"chart": 1}}):
        store = opened("settlements", {**document, **change})
        with pytest.raises(StoreDamagedError, match="document 1 of table 'settlements'"):
            store.settlements("a")


@given(texts(min_size=1), st.integers(1, 10**17), st.integers(1, 10**17), st.booleans())
def test_a_receipt_is_read_as_it_was_written(
    queue: str, message: int, receives: int, standard: bool
) -> None:
    """Whatever the queue is called."""
    receipt = Receipt(queue, message, receives, standard)
    assert read_receipt(str(receipt)) == receipt


_PIECES = texts() | st.integers(-1, 20).map(str) | st.sampled_from(["~1", "0", "01", "\u0661"])


@given(st.lists(_PIECES, max_size=4).map(":".join))
def test_a_text_is_a_receipt_or_refused(text: str) -> None:
    """One that is read gives the same text again, so no two texts are one receipt."""
    with contextlib.suppress(InvalidValueError):
        assert str(read_receipt(text)) == text
