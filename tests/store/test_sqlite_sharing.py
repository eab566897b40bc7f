"""Threads and processes with one SqliteStore: one winner, no update lost, a bounded wait."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from settlesim.errors import StoreUnavailableError, VersionConflictError
from settlesim.store import FifoQueue, MemoryStore, SqliteStore
from settlesim.store.sql import SqlStore
from tests.store.saving import count, integrity, save, save_next

REVISIONS = 30
RIVALS = 4


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@contextmanager
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """Let another connection write to a file, without an end, while the block runs."""
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield other
    finally:
        other.close()


def wins(store: SqlStore) -> list[int]:
    """Try to be the one who saves each revision; return those that were saved."""
    won = []
    for revision in range(1, REVISIONS + 1):
        while count(store, "hot") < revision - 1:
            time.sleep(0)
        try:
            save(store, "hot", revision)
            won.append(revision)
        except VersionConflictError:
            continue
    return won


@pytest.mark.parametrize("kind", ["one store", "a store each", "memory"])
def test_each_revision_has_exactly_one_winner_among_threads(path: Path, kind: str) -> None:
    """Whether the threads share a connection or not."""
    start = threading.Barrier(RIVALS)
    shared: SqlStore = MemoryStore() if kind == "memory" else SqliteStore(path)

    def go(_: int) -> list[int]:
        start.wait()
        if kind != "a store each":
            return wins(shared)
        with SqliteStore(path) as own:
            return wins(own)

    with shared, ThreadPoolExecutor(RIVALS) as pool:
        won = [revision for each in pool.map(go, range(RIVALS)) for revision in each]
    assert sorted(won) == list(range(1, REVISIONS + 1))


def test_each_revision_has_exactly_one_winner_among_processes(path: Path) -> None:
    """Children that opened the store for themselves."""
    SqliteStore(path).close()
    children = []
    for number in range(RIVALS):
        child = os.fork()
        if not child:
            try:
                with SqliteStore(path) as store:
                    won = wins(store)
                path.with_suffix(f".{number}").write_text(" ".join(map(str, won)))
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * RIVALS
    won = [
        int(text)
        for number in range(RIVALS)
        for text in path.with_suffix(f".{number}").read_text().split()
    ]
    assert sorted(won) == list(range(1, REVISIONS + 1))
    assert integrity(path) == "ok"


def test_many_stores_that_are_made_at_the_same_time_are_one(path: Path) -> None:
    """No save goes into a file that another one replaces."""
    start = threading.Barrier(8)

    def go(number: int) -> None:
        start.wait()
        with SqliteStore(path) as store:
            save(store, f"key-{number}", 1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(go, range(8)))
    with SqliteStore(path) as store:
        assert len(store.keys()) == 8
    assert [found.name for found in path.parent.iterdir()] == [path.name]


WRITES: dict[str, Callable[[SqliteStore], object]] = {
    "commit": lambda store: save(store, "a", 2),
    "delete": lambda store: store.delete("a", 1),
    "send": lambda store: FifoQueue(store, "q").send("late", "other"),
    "receive": lambda store: FifoQueue(store, "q").receive(),
    "prune": lambda store: store.prune(older_than=0.0, final=False),
}


def content(path: Path) -> str:
    """Return every row of a store."""
    connection = sqlite3.connect(path)
    try:
        return "\n".join(connection.iterdump())
    finally:
        connection.close()


@pytest.mark.parametrize("name", WRITES)
def test_a_file_that_stays_locked_is_waited_for_and_then_told(path: Path, name: str) -> None:
    """Nothing is half done, readers are not kept waiting, and later all goes on."""
    with SqliteStore(path, lock_timeout=0.2) as store:
        save(store, "a", 1)
        FifoQueue(store, "q").send("early", "group")
        before = content(path)
        with locked(path):
            began = time.monotonic()
            with pytest.raises(StoreUnavailableError, match=r"more than 0\.2 seconds") as caught:
                WRITES[name](store)
            assert time.monotonic() - began >= 0.2
            assert not caught.value.final
            assert store.keys() == ["a"]
        assert content(path) == before
        WRITES[name](store)
        assert content(path) != before


def test_a_lock_that_is_let_go_in_time_is_waited_for(path: Path) -> None:
    """The wait ends when the other writer does."""
    with SqliteStore(path) as store, locked(path) as other, ThreadPoolExecutor(1) as pool:
        saved = pool.submit(save, store, "a", 1)
        assert not saved.done()
        other.execute("COMMIT")
        saved.result()
        assert store.keys() == ["a"]


def test_an_error_in_the_middle_of_a_write_leaves_no_lock_and_no_half(path: Path) -> None:
    """Whatever raises it."""
    with SqliteStore(path) as store, SqliteStore(path, lock_timeout=0.0) as other:
        save(store, "a", 1)

        def work(execute: Callable[..., object]) -> None:
            execute("DELETE FROM instances")
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            store.database.write(work)
        assert not store.database._connection.in_transaction
        save(other, "a", 2)
        assert save_next(store, "a") == 0
        assert count(other, "a") == 3
