"""A SqliteStore from the making of its file to its end."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

from settlesim.errors import InvalidValueError, StoreDamagedError, StoreUnavailableError
from settlesim.store import FifoQueue, MemoryStore, SqliteStore
from settlesim.store.sql import SqlStore
from tests.documents import ROOT
from tests.store.saving import SECONDS, count, save


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_new_files_are_readable_by_their_owner_only(path: Path) -> None:
    """The store, its two companions, and a backup, whatever the umask is."""
    with SqliteStore(path) as store:
        save(store, "a", 1)
        store.backup(path.with_suffix(".copy"))
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert modes == dict.fromkeys(["store.db", "store.db-wal", "store.db-shm", "store.copy"], 0o600)


def test_closing_leaves_one_file(path: Path) -> None:
    """So that a store that nobody uses can be copied like any file."""
    with SqliteStore(path) as store:
        save(store, "a", 1)
    assert [each.name for each in path.parent.iterdir()] == ["store.db"]


USES: dict[str, Callable[[SqlStore], object]] = {
    "load": lambda store: store.load("a"),
    "keys": lambda store: store.keys(),
    "find": lambda store: store.find(),
    "commit": lambda store: save(store, "a", 2),
    "delete": lambda store: store.delete("a", 1),
    "send": lambda store: FifoQueue(store, "q").send(1, "a"),
    "receive": lambda store: FifoQueue(store, "q").receive(),
    "status": lambda store: FifoQueue(store, "q").status(),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("kind", ["file", "memory"])
def test_a_closed_store_says_so(path: Path, kind: str, use: str) -> None:
    """Also after a second `close`, which does nothing."""
    store = SqliteStore(path) if kind == "file" else MemoryStore()
    save(store, "a", 1)
    store.close()
    store.close()
    with pytest.raises(StoreUnavailableError, match="closed") as caught:
        USES[use](store)
    assert caught.value.final


def test_closing_from_another_thread_waits_for_what_runs(path: Path) -> None:
    """Each save is there or was refused; none is cut short."""
    store, saved = SqliteStore(path), [0]
    closing = threading.Timer(0.05, store.close)
    closing.start()

    def save_on() -> None:
        while True:
            save(store, "a", saved[-1] + 1)
            saved.append(saved[-1] + 1)

    with pytest.raises(StoreUnavailableError, match="closed"):
        save_on()
    closing.join()
    with SqliteStore(path) as again:
        assert count(again, "a") == saved[-1]


TOO_MUCH: dict[str, Callable[[SqlStore], object]] = {
    "a chart version": lambda store: store.find(version=2**63),
    "a cursor": lambda store: store.settlements_since(2**63),
    "a key of a page before": lambda store: store.find(after="\ud800"),
    "a group": lambda store: FifoQueue(store, "q").waiting("\ud800"),
}


@pytest.mark.parametrize("name", TOO_MUCH)
@pytest.mark.parametrize("kind", ["file", "memory"])
def test_a_value_that_sqlite_cannot_keep_is_refused(path: Path, kind: str, name: str) -> None:
    """With an error of ours, and the store goes on."""
    with SqliteStore(path) if kind == "file" else MemoryStore() as store:
        with pytest.raises(InvalidValueError, match="SQLite"):
            TOO_MUCH[name](store)
        save(store, "a", 1)
        assert count(store, "a") == 1


# --- the file goes away -------------------------------------------------------------------------


def removed(path: Path) -> None:
    path.unlink()


def moved(path: Path) -> None:
    path.rename(path.with_suffix(".moved"))


def replaced(path: Path) -> None:
    shutil.copy(path, path.with_suffix(".copy"))
    path.with_suffix(".copy").replace(path)


def folder_moved(path: Path) -> None:
    path.parent.rename(path.parent.with_name("moved"))


@pytest.mark.parametrize("change", [removed, moved, replaced, folder_moved])
@pytest.mark.parametrize("use", USES)
def test_a_file_that_goes_away_while_it_is_open_is_told(
    tmp_path: Path, change: Callable[[Path], None], use: str
) -> None:
    """Nothing is written where nobody would find it, and no new file is made."""
    path = tmp_path / "folder" / "store.db"
    path.parent.mkdir()
    with SqliteStore(path) as store:
        save(store, "a", 1)
        change(path)
        was_there = path.exists()
        with pytest.raises(StoreUnavailableError, match="moved, removed or replaced") as caught:
            USES[use](store)
        assert caught.value.final
        assert path.exists() is was_there


def test_a_file_that_comes_back_is_used_again(path: Path) -> None:
    """It is the same one."""
    with SqliteStore(path) as store:
        save(store, "a", 1)
        path.rename(path.with_suffix(".moved"))
        with pytest.raises(StoreUnavailableError):
            store.keys()
        path.with_suffix(".moved").rename(path)
        assert store.keys() == ["a"]


def test_a_log_without_its_store_is_no_new_store(path: Path) -> None:
    """What is in the log would be lost with a new file; nothing is changed."""
    with SqliteStore(path) as store:
        save(store, "a", 1)
        shutil.copy(f"{path}-wal", path.with_name("kept"))
    path.unlink()
    path.with_name("kept").rename(f"{path}-wal")
    before = Path(f"{path}-wal").read_bytes()
    with pytest.raises(StoreDamagedError, match=r"it is missing, and .*-wal, which belongs to it"):
        SqliteStore(path)
    assert [each.name for each in path.parent.iterdir()] == ["store.db-wal"]
    assert Path(f"{path}-wal").read_bytes() == before


def test_a_folder_that_is_missing_is_not_made(tmp_path: Path) -> None:
    """A typing error in a path is not a new store."""
    with pytest.raises(StoreUnavailableError, match="does not exist; make it first"):
        SqliteStore(tmp_path / "missing" / "store.db")
    assert not list(tmp_path.iterdir())


# --- signal handlers and the garbage collector -----------------------------------------------


@pytest.mark.parametrize("use", [*USES, "close"])
@pytest.mark.parametrize("kind", ["file", "memory"])
def test_a_signal_handler_that_comes_inside_a_use_is_refused(
    path: Path, kind: str, use: str
) -> None:
    """It does not wait for itself for ever; outside a use it may do what it likes."""
    store: SqlStore = SqliteStore(path) if kind == "file" else MemoryStore()
    uses: dict[str, Callable[[SqlStore], object]] = {**USES, "close": lambda store: store.close()}
    refused: list[RuntimeError] = []

    def handler(number: int, frame: FrameType | None) -> None:
        with pytest.raises(RuntimeError, match="by the same thread") as caught:
            uses[use](store)
        refused.append(caught.value)

    def work(execute: Callable[..., object]) -> None:
        execute("DELETE FROM settlements")
        signal.raise_signal(signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        save(store, "a", 1)
        store.database.write(work)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert len(refused) == 1
    assert store.settlements("a") == ()
    uses[use](store)
    store.close()


FORGOTTEN = """
import gc, sys
from settlesim.store import FifoQueue, MemoryStore, SqliteStore
from tests.store.saving import save

for make in (MemoryStore, lambda: SqliteStore(sys.argv[1])):
    store = make()
    save(store, "a", 1)
    queue = FifoQueue(store, "q")
    queue.send(1, "a")
    queue.receive()
    del store, queue
    gc.collect()
    try:
        SqliteStore("/missing/folder/store.db")
    except Exception:
        pass
    else:
        raise AssertionError
    gc.collect()
kept = SqliteStore(sys.argv[1])
kept.keys()
"""


def test_a_store_that_nobody_closes_leaves_no_warning(path: Path) -> None:
    """Collected, or there at the end of the program, in Python's development mode."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", FORGOTTEN, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [each.name for each in path.parent.iterdir()] == ["store.db"]
