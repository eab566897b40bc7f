"""A fork opens a SqliteStore for itself: no connection crosses it, and no lock stays held."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from settlesim.errors import StoreUnavailableError
from settlesim.store import FifoQueue, MemoryStore, SqliteStore
from settlesim.store.sql import SqlStore
from tests.documents import ROOT
from tests.store.saving import SECONDS, count, in_child, integrity, save, save_next

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@contextmanager
def busy(store: SqlStore, threads: int = 2) -> Iterator[None]:
    """Let threads save without a pause while the block runs."""
    over = threading.Event()

    def go(key: str) -> None:
        while not over.is_set():
            save_next(store, key)

    running = [threading.Thread(target=go, args=(f"busy {number}",)) for number in range(threads)]
    for thread in running:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in running:
            thread.join()


def test_parent_and_child_both_go_on(path: Path) -> None:
    """Each sees what the other one saved, and neither uses the other's connection."""
    with SqliteStore(path) as store:
        save(store, "a", 1)
        before = store.database._connection

        def work() -> bool:
            save(store, "a", 2)
            return store.database._connection is not before and count(store, "a") == 2

        assert in_child(work) == 0
        assert store.database._connection is before
        save(store, "a", 3)
        assert in_child(lambda: count(store, "a") == 3) == 0
    assert integrity(path) == "ok"


def test_child_may_close_collect_and_reopen_what_it_inherited(path: Path) -> None:
    """The parent's connection, its log and its locks are as they were."""
    with SqliteStore(path) as store:
        save(store, "a", 1)

        def work() -> bool:
            store.close()
            with pytest.raises(StoreUnavailableError, match="closed"):
                store.keys()
            gc.collect()
            with SqliteStore(path) as own:
                save(own, "b", 1)
            return True

        assert in_child(work) == 0
        save(store, "a", 2)
        assert store.keys() == ["a", "b"]
    assert integrity(path) == "ok"


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_fork_while_other_threads_are_inside_transactions(path: Path, kind: str) -> None:
    """Every child can use the store at once: neither our lock nor one of SQLite's stays held."""
    with SqliteStore(path) if kind == "file" else MemoryStore() as store:
        with busy(store):
            for _ in range(15):
                assert in_child(lambda: not save_next(store, "child")) == 0
                save_next(store, "parent")
        assert count(store, "parent") == 15
        assert count(store, "child") == (15 if kind == "file" else 0)
    if kind == "file":
        assert integrity(path) == "ok"


def test_children_that_use_a_store_at_the_same_time_lose_no_update(path: Path) -> None:
    """Four children and the parent increment one instance."""
    with SqliteStore(path) as store:
        FifoQueue(store, "q").send(1, "a")
        children = []
        for _ in range(4):
            child = os.fork()
            if not child:
                try:
                    for _ in range(25):
                        save_next(store, "hot")
                    os._exit(0)
                finally:
                    os._exit(1)
            children.append(child)
        for _ in range(25):
            save_next(store, "hot")
        assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
        assert count(store, "hot") == 125


@pytest.mark.parametrize("change", ["removed", "replaced"])
def test_child_of_a_store_whose_file_is_gone_makes_no_new_one(path: Path, change: str) -> None:
    """It says so, each time, as the parent does; an empty store would hide the loss."""
    with SqliteStore(path) as store:
        save(store, "a", 1)

        def work() -> bool:
            path.rename(path.with_suffix(".old"))
            if change == "replaced":
                SqliteStore(path.with_suffix(".new")).close()
                path.with_suffix(".new").rename(path)
            for _ in range(2):
                with pytest.raises(StoreUnavailableError, match="moved, removed or replaced"):
                    store.keys()
            return path.exists() is (change == "replaced")

        assert in_child(work) == 0
        with pytest.raises(StoreUnavailableError, match="moved, removed or replaced"):
            store.keys()


LEFT = """
import os, sys
from settlesim.store import SqliteStore
from tests.store.saving import count, save

store = SqliteStore(sys.argv[1])
save(store, "a", 1)
child = os.fork()
if child:
    assert os.waitpid(child, 0)[1] == 0
    save(store, "a", 2)
    assert store.keys() == ["a", "b"] and count(store, "a") == 2
elif sys.argv[2] == "uses it":
    save(store, "b", 1)
else:
    with SqliteStore(sys.argv[1]) as own:
        save(own, "b", 1)
"""


@pytest.mark.parametrize("child", ["uses it", "opens its own"])
def test_child_that_ends_like_any_program_leaves_the_parent_alone(path: Path, child: str) -> None:
    """The interpreter's own end, with everything collected, in a child that closes nothing."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", LEFT, str(path), child],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert integrity(path) == "ok"
    with SqliteStore(path) as store:
        assert (count(store, "a"), count(store, "b")) == (2, 1)
