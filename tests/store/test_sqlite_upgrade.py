"""A file of an earlier schema is brought to this one when it is opened, and loses nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from settlesim import Chart, FifoQueue, SimulatedClock, SqliteStore, Worker
from settlesim.store import MemoryStore, verify_store
from settlesim.store.schema import SCHEMA_VERSION

DUMP = Path(__file__).with_name("schema_2.sql")
SCHEMA = "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY 1, 2"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store of schema 2."""
    found = tmp_path / "shop.db"
    with closing(sqlite3.connect(found)) as connection:
        connection.executescript(DUMP.read_text())
    return found


def number_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def shop() -> Chart:
    """The chart of the dump."""
    states: list[Any] = [
        {"name": "open", "tags": ["settled"]},
        {"name": "paid", "tags": ["settled"], "after": {3600: "late"}},
        {"name": "late", "tags": ["settled"]},
        {"name": "gone", "tags": ["settled"], "final": True},
    ]
    return Chart(states, [["PAY", "open", "paid"], ["SHIP", "paid", "gone"]], "open", name="shop")


def test_a_store_of_schema_2_is_upgraded_in_place(path: Path) -> None:
    """It has the tables, columns and indexes of a new one, and all that was in it."""
    assert verify_store(path).is_whole
    with SqliteStore(path) as store, MemoryStore() as fresh:
        assert store.database.rows(SCHEMA) == fresh.database.rows(SCHEMA)
        for table in ("messages", "dead_letters"):
            columns = f"SELECT name, type FROM pragma_table_info('{table}')"
            assert store.database.rows(columns) == fresh.database.rows(columns)
        waiting = FifoQueue(store, "shop").waiting_messages()
        assert [(each.id, each.version, each.fingerprint, each.dead) for each in waiting] == [
            (1, 1, None, False),
            (2, 1, None, True),
            (3, 1, None, False),
            (4, 1, None, False),
        ]
    assert number_of(path) == SCHEMA_VERSION == 3
    assert verify_store(path).is_whole


def test_what_waited_is_handled_and_what_is_sent_knows_its_fingerprint(path: Path) -> None:
    """Messages of before go on as they are; dead letters can be redriven."""
    clock = SimulatedClock(60)
    with SqliteStore(path, now=clock.now) as store:
        queue = FifoQueue(store, "shop")
        queue.send({"event": "SHIP"}, "k0")
        queue.redrive()
        assert [each.fingerprint for each in queue.waiting_messages()] == [
            *[None] * 3,
            shop().fingerprint,
            None,
        ]
        Worker(shop(), store, queue, clock=clock).run_sync(until_empty=True)
        assert (queue.status().depth, queue.dead_letters()) == (0, ())
        found = [store.load(key) for key in ("k0", "k1", "k2")]
        assert [each.configuration for each in found if each] == [("gone",), ("gone",), ("paid",)]


def test_an_upgrade_that_another_process_began_is_not_done_twice(path: Path) -> None:
    """Two that open the file at the same time both get it whole."""
    with SqliteStore(path) as one, SqliteStore(path) as other:
        assert one.keys() == other.keys() == ["k0", "k1"]
    with SqliteStore(path) as store:
        assert store.keys() == ["k0", "k1"]
